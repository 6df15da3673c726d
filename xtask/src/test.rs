//! `cargo xtask test`: everything that tests, in the order in which a mistake shows soonest.
use crate::packages;
use crate::step::{Steps, cargo};

/// Installs what tests need, then runs all of them; the last line sums up.
///
/// # Errors
/// The first step that failed, with the command that repeats it.
pub fn run() -> Result<(), String> {
    let mut steps = Steps::default();
    steps.work("packages", || packages::install(packages::FOR_TESTS))?;
    steps.run_tests("tests of the workspace", cargo(".", &["test", "--workspace"]))?;
    steps.run_tests("fuzz targets, briefly", cargo("fuzz", &["test"]))?;
    steps.sum_up();
    Ok(())
}
