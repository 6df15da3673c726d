//! The command line: what can be typed, and which module answers it.
//!
//! `up` and `demo` run a node in this process; most others talk to a running node by its admin
//! API (`remote`); `check`, `explain` and `init` need no node at all.

mod change;
mod demo;
mod explain;
mod load;
mod logs;
mod output;
mod remote;
mod secret;
mod service;
mod status;
mod up;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory as _, Parser, Subcommand};

use crate::{config, init};
use output::Output;
use remote::Target;

/// It was done.
const DONE: u8 = 0;
/// It failed.
const FAILED: u8 = 1;
/// The command line or the configuration is wrong.
const WRONG: u8 = 2;
/// `plan`: the new configuration would change something.
const CHANGE: u8 = 3;

/// What came of a command: its exit code, or why it did not do what was asked.
type Outcome = Result<u8, Failure>;

/// Why a command did not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Failure {
    code: u8,
    /// What, where, and what to do. Empty: everything has been said.
    message: String,
}

impl Failure {
    fn failed(message: impl Into<String>) -> Self {
        Self { code: FAILED, message: message.into() }
    }

    fn wrong(message: impl Into<String>) -> Self {
        Self { code: WRONG, message: message.into() }
    }
}

#[derive(Parser)]
#[command(
    name = "mainspring",
    version,
    about = "Runs your programs, stands in front of them, and shows what happens",
    after_help = "Exit codes: 0 done, 1 failed, 2 wrong usage or configuration; \
                  plan: 0 no change, 3 change, 2 invalid."
)]
struct Line {
    #[command(flatten)]
    place: Place,
    #[command(subcommand)]
    command: Command,
}

/// Which configuration and which node a command is about.
#[derive(Args, Clone, Debug)]
struct Place {
    /// The configuration file
    #[arg(short, long, global = true, value_name = "FILE", default_value = config::FILE_NAME)]
    config: PathBuf,
    /// The running node's console, such as http://127.0.0.1:7070; else it is found by the data
    /// folder of the configuration. A token is taken from $MAINSPRING_TOKEN
    #[arg(long, global = true, value_name = "URL")]
    node: Option<String>,
}

#[derive(Subcommand)]
enum Command {
    /// Watch a whole shop run behind Mainspring
    Demo(demo::DemoArgs),
    /// Start a node: its programs and its doors
    Up(up::UpArgs),
    /// Tell everything that is wrong with the configuration
    Check(JsonArgs),
    /// Tell what the configuration would change on the running node, and what that does to traffic
    Plan(JsonArgs),
    /// Put the configuration in force on the running node
    Reload(change::ReloadArgs),
    /// Show the running node, its services and routes
    Status(JsonArgs),
    /// Show what programs wrote
    Logs(logs::LogsArgs),
    /// Set how many replicas services have: NAME=N
    Scale(service::ScaleArgs),
    /// Replace a service's replicas without a gap; over when the new ones answer
    Deploy(service::ServiceArgs),
    /// Restart a service's replicas one after another
    Restart(service::ServiceArgs),
    /// Stop a service until it is started, or the whole node when no name is given
    Stop(service::StopArgs),
    /// Start a stopped service
    Start(service::ServiceArgs),
    /// Tell which route a request takes and why
    Explain(explain::ExplainArgs),
    /// Set, list and remove secrets
    Secret(secret::SecretArgs),
    /// Put load on a URL and measure
    Load(load::LoadArgs),
    /// Write a first configuration from what a folder contains
    Init(InitArgs),
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page
    Man,
    /// Print the reference of the configuration, or of these commands, as docs/ has it
    #[command(hide = true)]
    Reference {
        /// What to print
        #[arg(value_parser = ["config", "cli"])]
        page: String,
    },
}

/// For commands that only list.
#[derive(Args, Clone, Copy, Debug)]
struct JsonArgs {
    /// Print JSON for programs
    #[arg(long)]
    json: bool,
}

#[derive(Args, Clone, Debug)]
struct InitArgs {
    /// The folder to look at
    #[arg(default_value = ".")]
    folder: PathBuf,
    /// Print the configuration instead of writing it
    #[arg(long)]
    print: bool,
}

/// Runs the command that the process was started with.
pub fn main() -> ExitCode {
    let line = match Line::try_parse() {
        Ok(line) => line,
        Err(error) => {
            // Help and version come as errors too; clap knows which stream and code they want.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { WRONG } else { DONE });
        }
    };
    let output = Output::of_process();
    match run(line, output) {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            if !failure.message.is_empty() {
                output.error(&failure.message);
            }
            ExitCode::from(failure.code)
        }
    }
}

fn run(line: Line, output: Output) -> Outcome {
    let Line { place, command } = line;
    let target = Target::new(&place);
    match command {
        Command::Demo(args) => demo::demo(&args, output),
        Command::Up(args) => up::up(&place.config, &args, output),
        Command::Check(args) => change::check(&place.config, args.json, output),
        Command::Plan(args) => change::plan(&place.config, &target, args.json, output),
        Command::Reload(args) => change::reload(&place.config, &target, &args, output),
        Command::Status(args) => status::status(&target, args.json, output),
        Command::Logs(args) => logs::logs(&target, &args, output),
        Command::Scale(args) => service::scale(&target, &args, output),
        Command::Deploy(args) => service::deploy(&target, &args, output),
        Command::Restart(args) => service::act(&target, "restart", &args, output),
        Command::Stop(args) => service::stop(&target, &args, output),
        Command::Start(args) => service::act(&target, "start", &args, output),
        Command::Explain(args) => explain::explain(&place.config, &args, output),
        Command::Secret(args) => secret::secret(&target, &args, output),
        Command::Load(args) => load::load(&args, output),
        Command::Init(args) => write_first_config(&args, output),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Line::command(), "mainspring", &mut script);
            output.write(&String::from_utf8_lossy(&script));
            Ok(DONE)
        }
        Command::Man => {
            output.write(&manual().map_err(|error| Failure::failed(error.to_string()))?);
            Ok(DONE)
        }
        Command::Reference { page } => {
            output.write(&if page == "cli" { reference() } else { config::reference() });
            Ok(DONE)
        }
    }
}

/// `mainspring init`.
fn write_first_config(args: &InitArgs, output: Output) -> Outcome {
    let first = init::look(&args.folder).map_err(|error| Failure::failed(error.to_string()))?;
    if args.print {
        output.write(&first.text);
        return Ok(DONE);
    }
    let path = first.write().map_err(|error| Failure::failed(error.to_string()))?;
    for line in &first.findings {
        output.line(&format!("  {line}"));
    }
    output.line(&format!("wrote {}", path.display()));
    output.line("read it, then: mainspring check && mainspring up");
    Ok(DONE)
}

/// The manual page of the program and of every command, in one file.
fn manual() -> std::io::Result<String> {
    let mut command = Line::command();
    command.build();
    let mut page = Vec::new();
    clap_mangen::Man::new(command.clone()).render(&mut page)?;
    for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
        let man = clap_mangen::Man::new(sub.clone());
        man.render_name_section(&mut page)?;
        man.render_synopsis_section(&mut page)?;
        man.render_options_section(&mut page)?;
    }
    Ok(String::from_utf8_lossy(&page).into_owned())
}

/// Every command with its help, as Markdown.
fn reference() -> String {
    let mut command = Line::command().term_width(100);
    command.build();
    let mut page = String::new();
    for sub in command.get_subcommands_mut().filter(|sub| !sub.is_hide_set()) {
        if sub.get_name() == "help" {
            continue;
        }
        let help = sub.render_long_help().to_string();
        let lines: Vec<&str> = help.lines().map(str::trim_end).collect();
        page.push_str(&format!(
            "### {}\n\n```text\n{}\n```\n\n",
            sub.get_name(),
            lines.join("\n").trim_end()
        ));
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_commands_holds_together() {
        Line::command().debug_assert();
    }

    #[test]
    fn the_manual_names_every_command() {
        let manual = manual().unwrap();
        for sub in Line::command().get_subcommands().filter(|sub| !sub.is_hide_set()) {
            assert!(manual.contains(sub.get_name()), "{}", sub.get_name());
        }
    }
}
