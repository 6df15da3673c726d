//! Programs of others: how they are run, and what their output means.

use std::io::{Read as _, Write as _};
use std::process::{Child, Command, Output, Stdio};

/// Debian's Python, which sees the modules that Debian's packages bring.
pub(crate) const PYTHON: &str = "/usr/bin/python3";

/// Where the programs are that tests run behind a node.
pub(crate) fn program(name: &str) -> String {
    format!("{}/tests/e2e/programs/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// Says a figure where people see it: `cargo test` would hide what `println!` prints.
pub(crate) fn say(text: &str) {
    let line = format!("    e2e: {text}\n");
    std::io::stderr().write_all(line.as_bytes()).unwrap();
}

/// Starts a program of others; if it is not installed, the message says what to install.
pub(crate) fn spawn(command: &mut Command, package: &str) -> Child {
    command.spawn().unwrap_or_else(|error| {
        let name = command.get_program().display();
        panic!("cannot start {name} ({error}); on Debian: sudo apt-get install {package}")
    })
}

/// Sends SIGSTOP, SIGKILL, … to a process.
pub(crate) fn signal(name: &str, pid: u32) {
    let status = Command::new("kill").args(["-s", name, &pid.to_string()]).status().unwrap();
    assert!(status.success(), "kill -s {name} {pid}: {status}");
}

/// What curl was answered.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
}

/// Runs curl with these words and waits for it.
pub(crate) fn curl(words: &[&str]) -> Answer {
    let mut command = Command::new("curl");
    command.args(["--silent", "--show-error", "--max-time", "60", "--write-out", "\n%{http_code}"]);
    command.args(words).stdout(Stdio::piped()).stderr(Stdio::piped());
    let Output { stdout, stderr, .. } = spawn(&mut command, "curl").wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&stdout);
    let (body, status) = text.rsplit_once('\n').unwrap_or_default();
    let status = status.parse().unwrap_or_default();
    // Status 0 is curl's word for "no answer"; whoever asked judges whether that is a failure.
    let body =
        if status == 0 { String::from_utf8_lossy(&stderr).into_owned() } else { body.into() };
    Answer { status, body }
}

/// wrk while it loads a URL: as many requests as are answered, without a retry.
pub(crate) struct Wrk {
    child: Child,
}

/// What wrk says at the end.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) requests: u64,
    /// Answers that were neither 2xx nor 3xx.
    pub(crate) bad_status: u64,
    /// Connections that broke, could not be opened, or answers that did not come.
    pub(crate) socket_errors: u64,
}

impl Wrk {
    pub(crate) fn start(url: &str) -> Wrk {
        let mut command = Command::new("wrk");
        // The time is a bound; `finish` ends it.
        command.args(["-t1", "-c16", "-d600s", "--timeout", "60s", url]);
        Wrk { child: spawn(command.stdout(Stdio::piped()), "wrk") }
    }

    /// Ends it as Ctrl-C does, and reads what it says.
    pub(crate) fn finish(mut self) -> Verdict {
        signal("INT", self.child.id());
        let mut text = String::new();
        self.child.stdout.take().unwrap().read_to_string(&mut text).unwrap();
        Verdict::parse(&text)
    }
}

impl Drop for Wrk {
    fn drop(&mut self) {
        // A test that failed must not leave its load behind.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Verdict {
    /// wrk prints the lines about errors only if there were any.
    fn parse(text: &str) -> Verdict {
        let number = |word: &str| word.trim_matches(',').parse::<u64>().ok();
        let requests = text
            .lines()
            .find_map(|line| line.trim().split_once(" requests in ")?.0.parse().ok())
            .unwrap_or_else(|| panic!("wrk says no number of requests:\n{text}"));
        let after = |start: &str| {
            let line = text.lines().find_map(|line| line.trim().strip_prefix(start))?;
            Some(line.split_whitespace().filter_map(number).sum())
        };
        Verdict {
            requests,
            bad_status: after("Non-2xx or 3xx responses:").unwrap_or(0),
            socket_errors: after("Socket errors:").unwrap_or(0),
        }
    }

    /// Fails unless every request of a fair number was answered well; says the figures.
    pub(crate) fn assert_clean(&self, what: &str) {
        let Verdict { requests, bad_status, socket_errors } = self;
        say(&format!(
            "{what}: {requests} requests by wrk, {bad_status} not 2xx, {socket_errors} socket errors"
        ));
        assert!(*requests > 100, "too few to mean anything");
        assert_eq!((*bad_status, *socket_errors), (0, 0), "{what}");
    }
}

#[test]
fn what_wrk_says_is_understood() {
    let clean = "Running 1s test\n  1234 requests in 1.00s, 1.00MB read\nRequests/sec: 1234\n";
    let clean = Verdict::parse(clean);
    assert_eq!(clean, Verdict { requests: 1234, bad_status: 0, socket_errors: 0 });
    let bad = "  10 requests in 1.00s\n  Socket errors: connect 1, read 2, write 3, timeout 4\n  \
               Non-2xx or 3xx responses: 7\n";
    assert_eq!(Verdict::parse(bad), Verdict { requests: 10, bad_status: 7, socket_errors: 10 });
}
