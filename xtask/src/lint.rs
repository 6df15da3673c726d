//! `cargo xtask lint`: formatting, clippy with warnings as errors, tidy.
use crate::step::{Steps, cargo, command};
use crate::tidy;

/// Runs all of it, over the workspace and the fuzz workspace.
///
/// # Errors
/// The first step that failed.
pub fn run() -> Result<(), String> {
    let mut steps = Steps::default();
    for (tool, component) in [("fmt", "rustfmt"), ("clippy", "clippy")] {
        if cargo(".", &[tool, "--version"]).output().is_ok_and(|output| !output.status.success()) {
            let install = command("rustup", ".", &["component", "add", component]);
            steps.run(&format!("install {component}"), install)?;
        }
    }
    steps.work("tidy", tidy::run)?;
    steps.run("format (.)", cargo(".", &["fmt", "--all", "--check"]))?;
    // Without `--all`, which would go through the rooms that it depends on once more.
    steps.run("format (fuzz)", cargo("fuzz", &["fmt", "--check"]))?;
    for folder in [".", "fuzz"] {
        let words = ["clippy", "--quiet", "--workspace", "--all-targets", "--", "-D", "warnings"];
        steps.run(&format!("clippy ({folder})"), cargo(folder, &words))?;
    }
    steps.sum_up();
    Ok(())
}
