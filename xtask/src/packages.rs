//! Programs from outside that tests and benchmarks use, and the Debian packages they come in.
use std::path::Path;
use std::process::{Command, Stdio};

/// Something that tests need on the machine.
pub struct Need {
    /// The Debian package.
    pub package: &'static str,
    /// How to see that it is there already.
    pub probe: Probe,
}

/// How to see that a package's content is there, however it came.
pub enum Probe {
    /// A program of one of these names is in the `PATH`.
    Program(&'static [&'static str]),
    /// The machine's own Python can import this module.
    PythonModule(&'static str),
}

/// What `cargo xtask test` uses. (No compiler: whoever reads this has linked this tool.)
pub const FOR_TESTS: &[Need] = &[
    Need { package: "git", probe: Probe::Program(&["git"]) },
    Need { package: "curl", probe: Probe::Program(&["curl"]) },
    Need { package: "wrk", probe: Probe::Program(&["wrk"]) },
    Need { package: "chromium", probe: Probe::Program(&["chromium"]) },
    Need { package: "nodejs", probe: Probe::Program(&["node"]) },
    Need { package: "npm", probe: Probe::Program(&["npm"]) },
    Need { package: "python3", probe: Probe::Program(&["python3"]) },
    Need { package: "python3-venv", probe: Probe::PythonModule("ensurepip") },
    Need { package: "python3-websockets", probe: Probe::PythonModule("websockets") },
];

/// What `cargo xtask bench` uses.
pub const FOR_BENCHES: &[Need] = &[
    Need { package: "nginx", probe: Probe::Program(&["nginx"]) },
    Need { package: "haproxy", probe: Probe::Program(&["haproxy"]) },
    Need { package: "wrk", probe: Probe::Program(&["wrk"]) },
    Need { package: "python3", probe: Probe::Program(&["python3"]) },
];

/// Debian's own Python, which sees the modules that Debian's packages bring; `python3` in the
/// `PATH` may be another one.
pub const PYTHON: &str = "/usr/bin/python3";

/// Installs what is missing, as root or through `sudo` without a password.
///
/// # Errors
/// When something is missing and cannot be installed; the text is the command to type.
pub fn install(needs: &[Need]) -> Result<(), String> {
    let missing: Vec<&str> =
        needs.iter().filter(|need| !is_there(need)).map(|need| need.package).collect();
    if missing.is_empty() {
        return Ok(());
    }
    eprintln!("    missing: {}", missing.join(" "));
    let by_hand = format!(
        "these Debian packages are needed: {0}\n       install them, then run this again:\n       \
         sudo apt-get update && sudo apt-get install --no-install-recommends {0}",
        missing.join(" ")
    );
    if !in_path("apt-get") {
        return Err(format!("{by_hand}\n       (there is no apt-get here: their equivalents do)"));
    }
    let Some(prefix) = becoming_root() else { return Err(by_hand) };
    let update = apt(prefix, &["update"]);
    let mut words = vec!["install", "--yes", "--no-install-recommends"];
    words.extend(&missing);
    // A stale package list may still do, so only the installation decides.
    if !apt(prefix, &words) {
        let hint = if update { "" } else { "\n       (apt-get update failed too)" };
        return Err(format!("{by_hand}{hint}"));
    }
    match needs.iter().find(|need| !is_there(need)) {
        Some(need) => {
            Err(format!("{} is installed, but what it brings is not found", need.package))
        }
        None => Ok(()),
    }
}

fn is_there(need: &Need) -> bool {
    match need.probe {
        Probe::Program(names) => names.iter().any(|name| in_path(name)),
        Probe::PythonModule(module) => {
            succeeds(Command::new(PYTHON).args(["-c", &format!("import {module}")]))
        }
    }
}

fn in_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // Where Debian keeps servers, which is not in everybody's PATH.
    let more = ["/usr/sbin", "/sbin"].map(Into::into);
    std::env::split_paths(&path).chain(more).any(|folder| folder.join(program).is_file())
}

/// What to put before a command so that root runs it; `None` if we may not.
fn becoming_root() -> Option<&'static [&'static str]> {
    let id = Command::new("id").arg("-u").output().ok()?;
    if id.stdout.trim_ascii() == b"0" {
        Some(&[])
    } else if in_path("sudo") && succeeds(Command::new("sudo").args(["-n", "true"])) {
        Some(&["sudo", "-n"])
    } else {
        None
    }
}

fn apt(prefix: &[&str], words: &[&str]) -> bool {
    let line =
        [prefix, &["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q"], words].concat();
    let Some((program, rest)) = line.split_first() else { return false };
    eprintln!("    {}", line.join(" "));
    let status = Command::new(program).args(rest).current_dir(Path::new("/")).status();
    status.is_ok_and(|status| status.success())
}

fn succeeds(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_is_not_installed_again() {
        install(&[Need { package: "no-such-package", probe: Probe::Program(&["sh"]) }]).unwrap();
    }

    #[test]
    fn what_is_not_there_is_seen() {
        assert!(!is_there(&Need { package: "x", probe: Probe::Program(&["no-such-program-7"]) }));
        assert!(!is_there(&Need { package: "x", probe: Probe::PythonModule("no_such_module_7") }));
    }
}
