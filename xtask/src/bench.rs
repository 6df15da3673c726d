//! `cargo xtask bench …`: builds the real binary and hands over to the scripts in `bench/`.
use crate::packages;
use crate::step::{Steps, cargo, command, target_dir};

/// Runs `bench/<what>.py` with the freshly built binary; the rest of the words are its options.
///
/// # Errors
/// When the benchmark is unknown, or a step failed.
pub fn run(words: &[&str]) -> Result<(), String> {
    let (what, options) = match words {
        [what @ ("proxy" | "load"), options @ ..] => (*what, options),
        _ => return Err("which one? cargo xtask bench proxy | cargo xtask bench load".to_owned()),
    };
    let mut steps = Steps::default();
    steps.work("packages", || packages::install(packages::FOR_BENCHES))?;
    let build = ["build", "--release", "--package", "mainspring"];
    steps.run("build", cargo(".", &build))?;
    let binary = target_dir().join("release").join("mainspring");
    let script = format!("bench/{what}.py");
    let mut bench = command("python3", ".", &[&script, "--mainspring"]);
    bench.arg(binary).args(options);
    steps.run(what, bench)
}
