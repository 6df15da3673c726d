//! One family of processes: everything that descends from one start.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::hierarchy::{MARKER, Sightings, Survey};
use super::procfs;

/// How often a family is walked through and killed before giving up. Each round kills all that the
/// one before missed because they forked meanwhile.
const KILL_ROUNDS_MAX: u32 = 50;

/// The period of the CPU quota; the kernel's own default.
const CPU_PERIOD_US: u64 = 100_000;

/// A family of processes.
#[derive(Clone, Debug)]
pub struct Group {
    marker: String,
    place: Place,
}

/// Where it is kept.
#[derive(Clone, Debug)]
pub(super) enum Place {
    /// In this control group.
    Folder(PathBuf),
    /// Nowhere: it is looked for.
    Tree(Arc<Sightings>),
}

/// What a family uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// CPU time since its start.
    pub cpu: Duration,
    /// Resident memory: private pages of all, and shared pages of the one that has most of them,
    /// as they are mostly the same.
    pub resident_bytes: u64,
    /// Processes.
    pub process_count: u32,
}

impl Group {
    pub(super) fn new(marker: String, place: Place) -> Self {
        Self { marker, place }
    }

    fn folder(&self) -> Option<&PathBuf> {
        match &self.place {
            Place::Folder(folder) => Some(folder),
            Place::Tree(_) => None,
        }
    }

    /// The variable that every process of this group must be started with.
    pub fn marker(&self) -> (&'static str, &str) {
        (MARKER, &self.marker)
    }

    /// The file to which a process writes `0` to enter; `None` without control groups.
    pub(super) fn entrance(&self) -> io::Result<Option<fs::File>> {
        let Some(folder) = self.folder() else { return Ok(None) };
        fs::OpenOptions::new().write(true).open(folder.join("cgroup.procs")).map(Some)
    }

    /// All processes of it now.
    pub fn pids(&self, survey: &Survey) -> Vec<u32> {
        match &self.place {
            Place::Folder(folder) => procfs::numbers(&folder.join("cgroup.procs")),
            Place::Tree(_) => survey.members(&self.marker).to_vec(),
        }
    }

    /// What it uses now.
    pub fn usage(&self, survey: &Survey) -> Usage {
        let pids = self.pids(survey);
        let (mut private, mut shared) = (0u64, 0u64);
        for (own, others) in pids.iter().filter_map(|pid| procfs::resident(*pid)) {
            private = private.saturating_add(own);
            shared = shared.max(others);
        }
        let of_tree = || {
            pids.iter().filter_map(|pid| procfs::stat(*pid)).map(|stat| stat.cpu).sum::<Duration>()
        };
        let cpu = self.read("cpu.stat").and_then(|text| procfs::parse_cpu_stat(&text));
        Usage {
            cpu: cpu.unwrap_or_else(of_tree),
            resident_bytes: private.saturating_add(shared),
            process_count: u32::try_from(pids.len()).unwrap_or(u32::MAX),
        }
    }

    /// Limits memory; only where [`super::Hierarchy::controls`] `memory`.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn limit_memory(&self, bytes: u64) -> io::Result<()> {
        // All or none: half a program is worse than a restarted one.
        let _ = self.write("memory.oom.group", "1");
        let _ = self.write("memory.swap.max", "0");
        self.write("memory.max", &bytes.to_string())
    }

    /// Limits CPU time to thousandths of a CPU; only where it controls `cpu`.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn limit_cpu(&self, millis: u32) -> io::Result<()> {
        let quota_us = u64::from(millis) * CPU_PERIOD_US / 1_000;
        // The kernel's least quota is a millisecond.
        self.write("cpu.max", &format!("{} {CPU_PERIOD_US}", quota_us.max(1_000)))
    }

    /// Limits processes and threads; only where it controls `pids`.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn limit_processes(&self, count: u64) -> io::Result<()> {
        self.write("pids.max", &count.to_string())
    }

    /// How often the kernel killed one of it for lack of memory.
    pub fn out_of_memory_kills(&self) -> u64 {
        let text = self.read("memory.events").unwrap_or_default();
        let kills = text.lines().find_map(|line| line.strip_prefix("oom_kill "));
        kills.and_then(|count| count.trim().parse().ok()).unwrap_or(0)
    }

    /// Kills all of it, those that are just being forked included. Blocks for as long as that
    /// takes: no time with `cgroup.kill`, some milliseconds without.
    pub fn kill(&self) {
        if self.folder().is_some() && self.write("cgroup.kill", "1").is_ok() {
            return;
        }
        if self.folder().is_some() {
            let _ = self.write("cgroup.freeze", "1"); // Nobody forks while we count.
        }
        for _ in 0..KILL_ROUNDS_MAX {
            let pids = match &self.place {
                Place::Folder(_) => self.pids(&Survey::default()),
                Place::Tree(sightings) => {
                    sightings.walk(&self.marker).remove(&self.marker).unwrap_or_default()
                }
            };
            if pids.is_empty() {
                break;
            }
            for pid in pids {
                super::child::kill(pid);
            }
            let _ = self.write("cgroup.freeze", "0");
            thread::sleep(Duration::from_millis(1)); // The killed need a moment to leave.
        }
    }

    /// Whether nothing of it runs any more.
    pub fn is_empty(&self) -> bool {
        match &self.place {
            // The file counts zombies out, which `cgroup.procs` may still list.
            Place::Folder(_) => match self.read("cgroup.events") {
                Some(text) => text.lines().any(|line| line == "populated 0"),
                None => true,
            },
            Place::Tree(sightings) => !sightings.walk(&self.marker).contains_key(&self.marker),
        }
    }

    /// Removes the empty control group. One that is not empty stays.
    pub fn remove(&self) {
        if let Some(folder) = self.folder() {
            let _ = fs::remove_dir(folder);
        }
    }

    fn read(&self, file: &str) -> Option<String> {
        fs::read_to_string(self.folder()?.join(file)).ok()
    }

    fn write(&self, file: &str, text: &str) -> io::Result<()> {
        match self.folder() {
            Some(folder) => fs::write(folder.join(file), text),
            None => Err(io::Error::new(io::ErrorKind::Unsupported, "no control group")),
        }
    }
}
