//! Steps: commands with a name, run one after the other from the repository's root, and timed.
use std::ffi::OsStr;
use std::io::{BufRead, BufReader, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The repository's root: where this crate's folder lies.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_path_buf).unwrap_or_default()
}

/// Where everything is built: `CARGO_TARGET_DIR` when it is set, else `target/`.
///
/// The fuzz workspace builds here too, so that crates that both need are built once.
pub fn target_dir() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(folder) => root().join(folder),
        None => root().join("target"),
    }
}

/// A command of ours: runs in `folder` (relative to the root) and builds in [`target_dir`].
pub fn command(program: impl AsRef<OsStr>, folder: &str, words: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.current_dir(root().join(folder)).args(words).env("CARGO_TARGET_DIR", target_dir());
    command
}

/// Cargo, the same one that runs this tool.
pub fn cargo(folder: &str, words: &[&str]) -> Command {
    command(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()), folder, words)
}

/// What a step came to.
struct Done {
    name: String,
    time: Duration,
    counts: Counts,
}

/// Tests that passed and failed, by the lines in which they said so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub passed: u64,
    pub failed: u64,
}

/// Runs steps, stops at the first that fails, and sums up at the end.
#[derive(Default)]
pub struct Steps {
    done: Vec<Done>,
}

impl Steps {
    /// Runs a command; its output goes to ours as it comes.
    ///
    /// # Errors
    /// When it cannot be started or ends with anything but success; says how to repeat it.
    pub fn run(&mut self, name: &str, mut command: Command) -> Result<(), String> {
        banner(name);
        let began = Instant::now();
        let status = command
            .status()
            .map_err(|error| format!("{name}: cannot start {}: {error}", show(&command)))?;
        self.end(name, began, Counts::default());
        if status.success() {
            Ok(())
        } else {
            Err(format!("{name} failed ({status}); to repeat it: {}", show(&command)))
        }
    }

    /// Runs a command that runs tests, passes its output on and adds up what it counts.
    ///
    /// # Errors
    /// As [`Steps::run`]; also when it says that a test failed, or counts no test at all.
    pub fn run_tests(&mut self, name: &str, command: Command) -> Result<(), String> {
        self.run_tests_to(name, command, &mut std::io::stdout())
    }

    /// As [`Steps::run_tests`], with the output going to `to`.
    fn run_tests_to(
        &mut self,
        name: &str,
        mut command: Command,
        to: &mut impl Write,
    ) -> Result<(), String> {
        banner(name);
        let began = Instant::now();
        if std::io::stdout().is_terminal() {
            command.env("CARGO_TERM_COLOR", "always");
        }
        let mut child = command
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{name}: cannot start {}: {error}", show(&command)))?;
        let mut counts = Counts::default();
        if let Some(output) = child.stdout.take() {
            pass_on(BufReader::new(output), to, &mut counts)
                .map_err(|error| format!("{name}: its output cannot be read: {error}"))?;
        }
        let status = child.wait().map_err(|error| format!("{name}: {error}"))?;
        self.end(name, began, counts);
        if !status.success() || counts.failed > 0 {
            Err(format!("{name} failed ({status}); to repeat it: {}", show(&command)))
        } else if counts.passed == 0 {
            Err(format!("{name} ran no test, which cannot be right: {}", show(&command)))
        } else {
            Ok(())
        }
    }

    /// Runs a step of our own making.
    ///
    /// # Errors
    /// What `work` returned.
    pub fn work(
        &mut self,
        name: &str,
        work: impl FnOnce() -> Result<(), String>,
    ) -> Result<(), String> {
        banner(name);
        let began = Instant::now();
        let result = work();
        self.end(name, began, Counts::default());
        result
    }

    /// Prints what ran and how long it took; the last line sums up the tests, if there were any.
    #[expect(clippy::print_stdout, reason = "a command-line tool speaks on standard output")]
    pub fn sum_up(&self) {
        let mut total = Counts::default();
        println!();
        for step in &self.done {
            total.add(step.counts);
            let seconds = step.time.as_secs_f64();
            match step.counts.passed {
                0 => println!("{seconds:8.1} s  {}", step.name),
                passed => println!("{seconds:8.1} s  {}: {passed} passed", step.name),
            }
        }
        if total != Counts::default() {
            println!("{} passed, {} failed", total.passed, total.failed);
        }
    }

    fn end(&mut self, name: &str, began: Instant, counts: Counts) {
        let time = began.elapsed();
        eprintln!("    {name}: {:.1} s", time.as_secs_f64());
        self.done.push(Done { name: name.to_owned(), time, counts });
    }
}

impl Counts {
    /// Reads `test result: ok. 3 passed; 0 failed; …` (cargo's) and `3 passed, 0 failed` (ours).
    pub fn of_line(line: &str) -> Option<Counts> {
        let plain = strip_colour(line);
        let text = match plain.trim().strip_prefix("test result: ") {
            Some(rest) => rest.split_once(". ")?.1,
            None => plain.trim(),
        };
        let (passed, rest) = text.split_once(" passed")?;
        let rest = rest.strip_prefix("; ").or_else(|| rest.strip_prefix(", "))?;
        let (failed, _) = rest.split_once(" failed")?;
        Some(Counts { passed: passed.parse().ok()?, failed: failed.parse().ok()? })
    }

    fn add(&mut self, other: Counts) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

fn pass_on(
    mut from: impl BufRead,
    to: &mut impl Write,
    counts: &mut Counts,
) -> std::io::Result<()> {
    let mut line = Vec::new();
    while from.read_until(b'\n', &mut line)? > 0 {
        to.write_all(&line)?;
        to.flush()?;
        if let Some(more) = Counts::of_line(&String::from_utf8_lossy(&line)) {
            counts.add(more);
        }
        line.clear();
    }
    Ok(())
}

/// Takes out the escape sequences with which a terminal is told colours.
fn strip_colour(line: &str) -> String {
    let mut plain = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((before, after)) = rest.split_once('\u{1b}') {
        plain.push_str(before);
        rest = after.split_once('m').map_or("", |(_, after)| after);
    }
    plain.push_str(rest);
    plain
}

fn banner(name: &str) {
    eprintln!("\n==> {name}");
}

fn show(command: &Command) -> String {
    let folder = command.get_current_dir().unwrap_or_else(|| Path::new("."));
    let mut text = format!("(cd {} && {}", folder.display(), command.get_program().display());
    for word in command.get_args() {
        text.push(' ');
        text.push_str(&word.to_string_lossy());
    }
    text.push(')');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_read_from_cargo_and_from_our_scripts() {
        let check = |line, passed, failed| {
            assert_eq!(Counts::of_line(line), Some(Counts { passed, failed }), "{line}");
        };
        check("test result: ok. 12 passed; 0 failed; 0 ignored; 0 measured; finished", 12, 0);
        check("test result: FAILED. 3 passed; 2 failed; 0 ignored", 3, 2);
        check("test result: \u{1b}[32mok\u{1b}[0m. 7 passed; 0 failed; 0 ignored", 7, 0);
        check("41 passed, 1 failed\n", 41, 1);
    }

    #[test]
    fn other_lines_count_nothing() {
        for line in ["test a::b ... ok", "nobody passed, nobody failed", "3 passed", ""] {
            assert_eq!(Counts::of_line(line), None, "{line}");
        }
    }

    #[test]
    fn a_step_that_fails_says_how_to_repeat_it() {
        let error = Steps::default().run("breaks", command("false", ".", &["--now"])).unwrap_err();
        assert!(error.contains("breaks failed") && error.contains("false --now"), "{error}");
    }

    #[test]
    fn tests_are_summed_and_none_at_all_is_a_failure() {
        // Not to standard output: whoever counts our lines would count these.
        let mut said = Vec::new();
        let mut steps = Steps::default();
        let mut run = |name, command| steps.run_tests_to(name, command, &mut said);
        run("two", command("echo", ".", &["2 passed, 0 failed"])).unwrap();
        assert!(run("none", command("true", ".", &[])).unwrap_err().contains("no test"));
        assert!(run("bad", command("echo", ".", &["1 passed, 1 failed"])).is_err());
        assert_eq!(steps.done[0].counts, Counts { passed: 2, failed: 0 });
        assert_eq!(String::from_utf8(said).unwrap(), "2 passed, 0 failed\n1 passed, 1 failed\n");
    }
}
