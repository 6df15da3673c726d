//! A running node under test: the real binary, its configuration, and a folder of its own.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use console::api::{ReplicaState, ServiceState, Status};

use crate::outside::{self, curl};

/// Longest wait for anything; only a failure takes so long.
const PATIENCE: Duration = Duration::from_secs(120);
/// How often something is looked at while waiting for it.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);

/// Looks until there is something to see.
pub(crate) fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(began.elapsed() < PATIENCE, "waited {PATIENCE:?} in vain: {what}");
        std::thread::sleep(LOOK_INTERVAL);
    }
}

/// A folder that is removed at the end, unless the test failed.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Folder {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let unique = format!("e2e-{name}-{}-{number}", std::process::id());
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(unique);
        fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let _ = fs::remove_dir_all(&self.0);
        }
    }
}

/// `mainspring up` in a process of its own.
pub(crate) struct Node {
    child: Child,
    /// Where clients come in: `http://127.0.0.1:PORT`.
    pub(crate) url: String,
    folder: Folder,
}

impl Node {
    /// Starts a node whose configuration is `rest` plus free ports, and waits for its doors.
    pub(crate) fn start(name: &str, rest: &str) -> Node {
        let folder = Folder::new(name);
        write_config(&folder, rest);
        let log = fs::File::create(folder.path().join("stderr.log")).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_mainspring"));
        command.current_dir(folder.path()).arg("up").stdin(Stdio::null());
        let mut child = command.stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let url = lines
            .find_map(|line| Some(line.split_once("open for clients at ")?.1.to_owned()))
            .unwrap_or_else(|| {
                let log = fs::read_to_string(folder.path().join("stderr.log")).unwrap_or_default();
                panic!("the node ended before its doors were open:\n{log}")
            });
        // A node that writes more must not stand still because nobody reads.
        std::thread::spawn(move || lines.for_each(drop));
        Node { child, url, folder }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// A URL of this node.
    pub(crate) fn at(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    /// Runs `mainspring WORDS…` for this node.
    pub(crate) fn command(&self, words: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mainspring"));
        command.current_dir(self.path()).args(words).output().unwrap()
    }

    /// The same, which must succeed.
    pub(crate) fn run(&self, words: &[&str]) -> String {
        let Output { status, stdout, stderr } = self.command(words);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(status.success(), "{words:?}: {status}\n{}{}", text(&stdout), text(&stderr));
        text(&stdout)
    }

    /// Puts another configuration in force.
    pub(crate) fn reload(&self, rest: &str) {
        write_config(&self.folder, rest);
        self.run(&["reload"]);
    }

    pub(crate) fn status(&self) -> Status {
        serde_json::from_str(&self.run(&["status", "--json"])).unwrap()
    }

    /// Process numbers of the replicas of a service that take traffic.
    pub(crate) fn ready_pids(&self, service: &str) -> Vec<u32> {
        let status = self.status();
        let service = status.services.iter().find(|one| one.name == service).unwrap();
        let ready = |one: &&console::api::ReplicaStatus| one.state == ReplicaState::Ready;
        service.replicas.iter().filter(ready).filter_map(|one| one.pid).collect()
    }

    /// Waits until exactly so many replicas of a service take traffic.
    pub(crate) fn wait_for_ready(&self, service: &str, count: usize) -> Vec<u32> {
        eventually(&format!("{count} replicas of {service} ready: {:?}", self.path()), || {
            let status = self.status();
            let service = status.services.iter().find(|one| one.name == service)?;
            let settled = service.state == ServiceState::Ready && service.replicas.len() == count;
            settled.then(|| service.replicas.iter().filter_map(|one| one.pid).collect())
        })
    }

    /// Waits until each ready replica of `programs/app.py` has answered a fair number of requests.
    pub(crate) fn wait_for_load(&self, service: &str, pids: &[u32]) {
        const FAIR: u64 = 50;
        let mut answered: BTreeMap<u32, u64> = BTreeMap::new();
        eventually(&format!("load on every replica of {service}"), || {
            let answer = curl(&[&self.at("/who")]);
            let who: serde_json::Value = serde_json::from_str(&answer.body).ok()?;
            let pid = u32::try_from(who["pid"].as_u64()?).ok()?;
            answered.insert(pid, who["answered"].as_u64()?);
            let fair = |pid| answered.get(pid).is_some_and(|count| *count >= FAIR);
            pids.iter().all(fair).then_some(())
        });
    }

    /// Resident memory in bytes.
    pub(crate) fn resident_bytes(&self) -> u64 {
        let path = format!("/proc/{}/status", self.pid());
        let text = fs::read_to_string(path).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // As a user would end it, so that its programs end too.
        if self.child.try_wait().is_ok_and(|ended| ended.is_none()) {
            outside::signal("TERM", self.child.id());
        }
        let _ = self.child.wait();
    }
}

fn write_config(folder: &Folder, rest: &str) {
    let doors = "[listen]\nhttp = \"127.0.0.1:0\"\nconsole = \"127.0.0.1:0\"\n";
    fs::write(folder.path().join("mainspring.toml"), format!("{doors}\n{rest}")).unwrap();
}
