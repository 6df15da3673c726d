//! The `mainspring up` that the tour drives, by the commands that a user has.

use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use console::api::{ReplicaState, ReplicaStatus, ServiceState, Status};

use crate::demo::place::Place;
use crate::demo::show;

/// Longest wait for anything in the tour. Beyond: the step failed.
pub(super) const PATIENCE: Duration = Duration::from_secs(25);
/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// The same where the moment itself decides who may be excused.
const FINE_LOOK_EVERY: Duration = Duration::from_millis(1);

/// A node in a process of its own. Dropping it ends it and its programs.
pub(super) struct Node<'a> {
    place: &'a Place,
    own: PathBuf,
    child: Option<Child>,
    /// Programs that would be left behind if a node that should take them over does not come.
    pub(super) orphans: Vec<Alive>,
}

/// What a command said.
#[derive(Clone, Debug)]
pub(super) struct Said {
    pub(super) code: Option<i32>,
    pub(super) text: String,
}

/// A process that runs, told from a later one with the same number by its start time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Alive {
    pub(super) pid: u32,
    start: u64,
}

impl<'a> Node<'a> {
    pub(super) fn new(place: &'a Place) -> Result<Self, String> {
        let own = std::env::current_exe().map_err(|error| error.to_string())?;
        Ok(Self { place, own, child: None, orphans: Vec::new() })
    }

    /// Starts the process. What it says goes to `mainspring.log` in the demo's folder.
    ///
    /// # Errors
    /// It could not be started.
    pub(super) fn up(&mut self) -> Result<(), String> {
        let path = self.place.folder.join("mainspring.log");
        let log = File::options().create(true).append(true).open(&path);
        let log = log.map_err(|error| format!("cannot write {}: {error}", path.display()))?;
        let errors = log.try_clone().map_err(|error| error.to_string())?;
        let mut command = self.command(&["up"]);
        command.stdin(Stdio::null()).stdout(log).stderr(errors);
        let child = command.spawn();
        self.child = Some(child.map_err(|error| format!("mainspring up: {error}"))?);
        Ok(())
    }

    /// What the node's process said so far, for complaints.
    pub(super) fn last_words(&self) -> String {
        let text = std::fs::read_to_string(self.place.folder.join("mainspring.log"));
        let text = text.unwrap_or_default();
        let lines: Vec<&str> = text.lines().rev().take(5).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join(" / ")
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.as_ref().map_or(0, Child::id)
    }

    /// Waits for the process to end.
    ///
    /// # Errors
    /// It runs on for [`PATIENCE`].
    pub(super) fn ended(&mut self) -> Result<ExitStatus, String> {
        let Some(child) = &mut self.child else { return Err("there is no node".to_owned()) };
        let mut status = None;
        wait_for("the end of Mainspring", || {
            status = child.try_wait().ok().flatten();
            status.is_some()
        })?;
        self.child = None;
        status.ok_or_else(|| "there is no status".to_owned())
    }

    /// Runs one command of ours to its end.
    ///
    /// # Errors
    /// It could not be run.
    pub(super) fn run(&self, arguments: &[&str]) -> Result<Said, String> {
        let output = self.command(arguments).stdin(Stdio::null()).output();
        let output = output.map_err(|error| format!("mainspring {arguments:?}: {error}"))?;
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text).trim().to_owned();
        Ok(Said { code: output.status.code(), text })
    }

    /// Runs a command that must end with this code.
    ///
    /// # Errors
    /// It ended with another, with what it said.
    pub(super) fn expect(&self, arguments: &[&str], code: i32) -> Result<String, String> {
        let said = self.run(arguments)?;
        if said.code == Some(code) {
            return Ok(said.text);
        }
        let arguments = arguments.join(" ");
        let ended = said.code.map_or_else(|| "by a signal".to_owned(), |code| code.to_string());
        Err(format!("`mainspring {arguments}` ended with {ended}, not {code}: {}", said.text))
    }

    pub(super) fn status(&self) -> Result<Status, String> {
        show::status(self.place)
    }

    /// Waits until the status is as wanted.
    ///
    /// # Errors
    /// It is not within [`PATIENCE`].
    pub(super) fn wait(&self, what: &str, is_so: impl Fn(&Status) -> bool) -> Result<(), String> {
        wait_for(what, || self.status().is_ok_and(|status| is_so(&status)))
    }

    /// The replicas of a service that take traffic.
    pub(super) fn ready(&self, service: &str) -> Result<Vec<ReplicaStatus>, String> {
        Ok(ready(&self.status()?, service))
    }

    /// The processes of all replicas.
    pub(super) fn programs(&self) -> Result<Vec<Alive>, String> {
        let status = self.status()?;
        let replicas = status.services.iter().flat_map(|service| &service.replicas);
        let mut programs: Vec<Alive> = replicas.filter_map(|r| r.pid).filter_map(alive).collect();
        programs.sort();
        Ok(programs)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.own);
        command.args(arguments).arg("-c").arg(self.place.config_path());
        command
    }
}

impl Drop for Node<'_> {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = signal(child.id(), "TERM");
            let ended = wait_for("the end", || !matches!(child.try_wait(), Ok(None)));
            if ended.is_err() {
                let _ = child.kill();
                let _ = child.wait();
            }
        }
        for orphan in &self.orphans {
            if alive(orphan.pid).as_ref() == Some(orphan) {
                let _ = signal(orphan.pid, "KILL");
            }
        }
    }
}

/// Whether every service is ready.
pub(super) fn all_ready(status: &Status) -> bool {
    let mut services = status.services.iter();
    !status.services.is_empty() && services.all(|service| service.state == ServiceState::Ready)
}

/// The replicas of a service that take traffic.
pub(super) fn ready(status: &Status, service: &str) -> Vec<ReplicaStatus> {
    let found = status.services.iter().find(|found| found.name == service);
    let replicas = found.map(|service| service.replicas.as_slice()).unwrap_or_default();
    replicas.iter().filter(|r| r.state == ReplicaState::Ready).cloned().collect()
}

/// Sends a signal as a user would.
///
/// # Errors
/// There is no such process, or no shell.
pub(super) fn signal(pid: u32, name: &str) -> Result<(), String> {
    let command = format!("kill -{name} {pid}");
    let status = Command::new("sh").args(["-c", &command]).stderr(Stdio::null()).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(_) => Err(format!("`{command}`: there is no such process")),
        Err(error) => Err(format!("`{command}`: {error}")),
    }
}

/// The process with this number, if it runs; a dead one that nobody waited for does not.
pub(super) fn alive(pid: u32) -> Option<Alive> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold anything, so fields are counted from its end.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace();
    let state = fields.next()?;
    let start = fields.nth(18)?.parse().ok()?;
    (state != "Z" && state != "X").then_some(Alive { pid, start })
}

/// Waits until a process is dead and returns when it was seen so.
///
/// # Errors
/// It lives on for [`PATIENCE`].
pub(super) fn wait_dead(process: &Alive) -> Result<Instant, String> {
    look_for(FINE_LOOK_EVERY, "the death of a process", || {
        alive(process.pid).as_ref() != Some(process)
    })?;
    Ok(Instant::now())
}

/// Looks again and again, within [`PATIENCE`].
///
/// # Errors
/// It is not so in time.
pub(super) fn wait_for(what: &str, is_so: impl FnMut() -> bool) -> Result<(), String> {
    look_for(LOOK_EVERY, what, is_so)
}

fn look_for(every: Duration, what: &str, mut is_so: impl FnMut() -> bool) -> Result<(), String> {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        if Instant::now() >= deadline {
            return Err(format!("not within {PATIENCE:?}: {what}"));
        }
        thread::sleep(every);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dead_are_told_from_the_living() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let process = alive(child.id()).unwrap();
        assert_eq!(alive(child.id()), Some(process.clone()));
        signal(child.id(), "KILL").unwrap();
        // Not yet waited for: a zombie is as dead as anybody.
        wait_dead(&process).unwrap();
        child.wait().unwrap();
        assert_eq!(alive(child.id()), None);
        assert!(signal(child.id(), "KILL").is_err());
    }
}
