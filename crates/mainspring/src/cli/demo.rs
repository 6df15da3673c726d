//! `mainspring demo`: a whole shop in one command.

use std::path::PathBuf;

use clap::Args;

use super::{DONE, FAILED, Failure, Outcome, Output};
use crate::demo::{self, Options, Voice};

#[derive(Args, Clone, Debug)]
pub(super) struct DemoArgs {
    /// Go through every promise without a person: kill, hang, deploy, scale, reload, crash
    #[arg(long)]
    tour: bool,
    /// A new folder for everything; absent: a temporary one that goes away at the end
    #[arg(long, value_name = "FOLDER")]
    dir: Option<PathBuf>,
    /// Send no visitors
    #[arg(long)]
    quiet: bool,
    /// Print the tour's result as JSON for programs
    #[arg(long, requires = "tour")]
    json: bool,
}

/// `mainspring demo`: 1 when a promise of the tour did not hold.
pub(super) fn demo(args: &DemoArgs, output: Output) -> Outcome {
    let options =
        Options { dir: args.dir.clone(), tour: args.tour, json: args.json, quiet: args.quiet };
    let line = |text: &str| output.line(text);
    let note = |text: &str| output.note(text);
    let held = demo::run(&options, Voice { line: &line, note: &note }).map_err(Failure::failed)?;
    Ok(if held { DONE } else { FAILED })
}
