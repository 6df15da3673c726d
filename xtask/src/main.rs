//! `cargo xtask …`: the project's own tool. Everything it can do is listed by `cargo xtask help`.
use std::process::ExitCode;

const HELP: &str = "\
cargo xtask lint            formatting, clippy with warnings as errors, tidy
cargo xtask test            install what tests need, then run every test there is
cargo xtask ci              lint, then test
cargo xtask tidy            the house rules that a compiler does not know
cargo xtask bench proxy …   Mainspring beside nginx and HAProxy (--quick for a sanity run)
cargo xtask bench load …    `mainspring load` beside wrk
";

#[expect(clippy::print_stdout, reason = "a command-line tool speaks on standard output")]
fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let result = match words.as_slice() {
        ["lint"] => xtask::lint::run(),
        ["test"] => xtask::test::run(),
        ["ci"] => xtask::lint::run().and_then(|()| xtask::test::run()),
        ["tidy"] => xtask::tidy::run(),
        ["bench", rest @ ..] => xtask::bench::run(rest),
        [] | ["help" | "--help" | "-h"] => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        _ => {
            eprint!("xtask: no such command: {}\n\n{HELP}", words.join(" "));
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("xtask: {message}");
            ExitCode::FAILURE
        }
    }
}
