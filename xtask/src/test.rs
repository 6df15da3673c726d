//! `cargo xtask test`: everything that tests, in the order in which a mistake shows soonest.
use crate::packages;
use crate::step::{Steps, cargo, command, target_dir};

/// Installs what tests need, then runs all of them; the last line sums up.
///
/// # Errors
/// The first step that failed, with the command that repeats it.
pub fn run() -> Result<(), String> {
    let mut steps = Steps::default();
    steps.work("packages", || packages::install(packages::FOR_TESTS))?;
    steps.run_tests("tests of the workspace", cargo(".", &["test", "--workspace"]))?;
    steps.run_tests("fuzz targets, briefly", cargo("fuzz", &["test"]))?;
    let script = |name: &str| command(format!("./tests/{name}/run"), "crates/console", &[]);
    steps.run_tests("admin API against its OpenAPI document", script("conformance"))?;
    steps.run_tests("console in a browser", script("browser"))?;
    let build = ["build", "--release", "--package", "mainspring", "--package", "shop"];
    steps.run("release build", cargo(".", &build))?;
    let mainspring = target_dir().join("release").join("mainspring");
    steps.run_tests("the tour", command(mainspring, ".", &["demo", "--tour"]))?;
    steps.sum_up();
    Ok(())
}
