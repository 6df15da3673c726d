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
    for folder in [".", "fuzz"] {
        steps.run(&format!("format ({folder})"), cargo(folder, &["fmt", "--all", "--check"]))?;
    }
    for folder in [".", "fuzz"] {
        let words = ["clippy", "--quiet", "--workspace", "--all-targets", "--", "-D", "warnings"];
        steps.run(&format!("clippy ({folder})"), cargo(folder, &words))?;
    }
    steps.sum_up();
    Ok(())
}
