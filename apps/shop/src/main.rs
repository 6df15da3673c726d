//! `shop PROGRAM`: runs one program of the shop, all of them in one process, or prints the ledger.

use std::process::ExitCode;

use shop::options::{Options, Program, USAGE};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let options = match Options::parse(&arguments, |name| std::env::var(name).ok()) {
        Ok(Some(options)) => options,
        Ok(None) => {
            eprintln!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Err(why) => {
            eprintln!("shop: {why}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let outcome = match options.program {
        Program::Ledger => shop::ledger::print(&options.data),
        Program::Serve(_) => shop::serve::run(&options),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("shop: {why}");
            ExitCode::FAILURE
        }
    }
}
