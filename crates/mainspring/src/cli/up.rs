//! `mainspring up`: a node in this process.

use std::path::Path;

use clap::Args;

use super::output::Tone;
use super::{DONE, Failure, Outcome, Output, WRONG, change};
use crate::config::{self, LastGood};
use crate::daemon::{self, Node, Start};

/// What `up` can be told.
#[derive(Args, Clone, Copy, Debug)]
pub(super) struct UpArgs {
    /// Start with the last configuration that worked, whatever the file says now
    #[arg(long)]
    last_good: bool,
}

/// `mainspring up`: returns when the node has ended.
pub(super) fn up(path: &Path, args: &UpArgs, output: Output) -> Outcome {
    let start = if args.last_good { last_good(path, output)? } else { as_it_is(path, output)? };
    daemon::run(start, |node| greet(node, output))
        .map_err(|error| Failure::failed(error.to_string()))?;
    Ok(DONE)
}

/// The file as it is now, with warnings shown.
fn as_it_is(path: &Path, output: Output) -> Result<Start, Failure> {
    let (text, config, warnings) = change::read_with_warnings(path, output)?;
    if !warnings.is_empty() {
        output.note(&warnings.render(output.error_colour));
    }
    // Absolute: a reload later must find the same file wherever it is asked for.
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    Ok(Start { path, text, config })
}

/// The copy in the data folder that the file names, even if the file is wrong otherwise.
fn last_good(path: &Path, output: Output) -> Result<Start, Failure> {
    let kept = LastGood::in_folder(&config::data_folder(path));
    let (origin, text, config) = kept.read().map_err(|problems| {
        output.note(&problems.render(output.error_colour));
        Failure {
            code: WRONG,
            message: "there is no last good configuration to start with".to_owned(),
        }
    })?;
    output.note(&format!("starting with the last good configuration, {}", kept.path().display()));
    Ok(Start { path: origin, text, config })
}

fn greet(node: &Node, output: Output) {
    for address in node.http() {
        output.line(&format!(
            "open for clients at {}",
            output.paint(Tone::Strong, &format!("http://{address}"))
        ));
    }
    let console = format!("http://{}", node.console());
    output.line(&format!("console at {}", output.paint(Tone::Strong, &console)));
}
