//! Mainspring itself is killed: its programs run on, and the next one takes them over.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Instant;

use orchestrator::{CommandLine, EnvValue, ServiceSpec};

use crate::stage::{
    Folder, PATIENCE, await_family, edit, example, is_alive, program, signal, with_environment,
};

/// A fleet in a process of its own.
struct Supervisor {
    child: Child,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    replica: String,
    pid: u32,
    state: String,
    adopted: bool,
}

impl Supervisor {
    fn start(folder: &Folder, specs: &[ServiceSpec], words: &[&str]) -> Self {
        let path = folder.0.join("specs.json");
        std::fs::write(&path, serde_json::to_vec(specs).unwrap()).unwrap();
        let mut child = Command::new(example("supervisor"))
            .arg(folder.0.join("data"))
            .arg(path)
            .args(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = child.stdout.take().unwrap();
        let (send, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                let _ = send.send(line); // The test may be over.
            }
        });
        Self { input: child.stdin.take(), child, lines }
    }

    /// Waits until all `count` replicas are ready.
    fn ready(&self, count: usize) -> Vec<Seen> {
        let deadline = Instant::now() + PATIENCE;
        let mut seen = Vec::new();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let line = self.lines.recv_timeout(left).expect("the replicas did not get ready");
            if !line.is_empty() {
                let words: Vec<&str> = line.split(' ').collect();
                seen.push(Seen {
                    replica: words[0].to_owned(),
                    pid: words[1].parse().unwrap(),
                    state: words[2].to_owned(),
                    adopted: words[3] == "true",
                });
                continue;
            }
            if seen.len() == count && seen.iter().all(|seen| seen.state == "ready") {
                return seen;
            }
            seen.clear();
        }
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Ends it in order.
    fn stop(mut self) {
        drop(self.input.take());
        assert!(self.child.wait().unwrap().success());
    }
}

fn service(folder: &Folder) -> (Vec<ServiceSpec>, String) {
    let mark = format!("CRASH=mark-{}", folder.0.display());
    let (variable, value) = mark.split_once('=').unwrap();
    let mut spec = program("web", "");
    edit(&mut spec, |program| {
        program.replicas = 2;
        program.env.insert(variable.to_owned(), EnvValue::Plain(value.to_owned()));
    });
    (vec![spec], mark)
}

fn survives_a_crash(words: &[&str]) {
    let folder = Folder::new();
    let (specs, mark) = service(&folder);
    let mut first = Supervisor::start(&folder, &specs, words);
    let before = first.ready(2);
    first.kill();
    assert!(before.iter().all(|seen| is_alive(seen.pid)), "a crash of ours is no outage of theirs");
    let second = Supervisor::start(&folder, &specs, words);
    let after = second.ready(2);
    let facts = |seen: &[Seen]| -> Vec<(String, u32)> {
        seen.iter().map(|seen| (seen.replica.clone(), seen.pid)).collect()
    };
    assert_eq!(facts(&after), facts(&before));
    assert!(after.iter().all(|seen| seen.adopted) && before.iter().all(|seen| !seen.adopted));
    // One that was taken over is watched like any other.
    signal(after[0].pid, "KILL");
    let third = loop {
        let seen = second.ready(2);
        if facts(&seen) != facts(&after) {
            break seen;
        }
    };
    assert!(third.iter().any(|seen| seen.replica == "web.3"), "{third:?}");
    second.stop();
    assert!(with_environment(&mark).is_empty());
}

#[test]
fn programs_are_taken_over_in_control_groups() {
    survives_a_crash(&[]);
}

#[test]
fn programs_are_taken_over_without_control_groups() {
    survives_a_crash(&["tree"]);
}

#[test]
fn descendants_are_found_without_control_groups() {
    let folder = Folder::new();
    let (mut specs, mark) = service(&folder);
    let spec = specs.first_mut().unwrap();
    spec.health = None;
    edit(spec, |program| {
        program.replicas = 1;
        // One that left the session and whose parent is gone; one that hides its environment too.
        let script = "setsid sh -c 'sleep 1000 & exec sleep 1000' & env -i setsid sleep 1000 & exec sleep 1000";
        program.run = CommandLine::shell(script).unwrap();
    });
    let supervisor = Supervisor::start(&folder, &specs, &["tree"]);
    let leader = supervisor.ready(1).first().unwrap().pid;
    await_family(&mark, 3);
    let hidden = children_of(leader);
    assert!(!hidden.is_empty());
    supervisor.stop();
    assert!(with_environment(&mark).is_empty());
    assert!(hidden.iter().all(|pid| !is_alive(*pid)));
}

#[test]
fn with_on_crash_stop_nothing_outlives_the_next_start() {
    let folder = Folder::new();
    let (specs, _) = service(&folder);
    let mut first = Supervisor::start(&folder, &specs, &["stop"]);
    let before = first.ready(2);
    first.kill();
    let second = Supervisor::start(&folder, &specs, &["stop"]);
    let after = second.ready(2);
    assert!(before.iter().all(|seen| !is_alive(seen.pid)));
    assert!(after.iter().all(|seen| !seen.adopted));
    second.stop();
}

#[test]
fn a_service_that_left_the_config_meanwhile_is_stopped() {
    let folder = Folder::new();
    let (specs, mark) = service(&folder);
    let mut first = Supervisor::start(&folder, &specs, &[]);
    first.ready(2);
    first.kill();
    assert_eq!(with_environment(&mark).len(), 2);
    let second = Supervisor::start(&folder, &[], &[]);
    second.ready(0);
    assert!(with_environment(&mark).is_empty());
    second.stop();
}

fn children_of(pid: u32) -> Vec<u32> {
    let entries = std::fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|child| {
        let stat = std::fs::read(format!("/proc/{child}/stat")).ok();
        stat.and_then(|stat| runtime::process::parse_stat(&stat)).is_some_and(|s| s.parent == pid)
    })
    .collect()
}
