//! Where families of processes are kept track of: a folder of control groups, or `/proc` alone.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::mount::MountFlags;

use super::group::{Group, Place};
use super::procfs;

/// The variable that marks every process of a group, whichever way groups are kept.
pub(super) const MARKER: &str = "MAINSPRING_GROUP";

/// All groups of one data folder.
#[derive(Clone, Debug)]
pub struct Hierarchy {
    /// Tells our groups from those of another data folder.
    identity: String,
    kept: Kept,
}

#[derive(Clone, Debug)]
enum Kept {
    /// In control groups below `root`.
    Cgroups { root: PathBuf, controllers: BTreeSet<String> },
    /// By the marker in their environment, by descent, and by what was seen before.
    Tree(Arc<Sightings>),
}

/// Who belongs to which group, when control groups do not know it. Costs a walk through `/proc`,
/// so one is shared by all groups.
#[derive(Debug, Default)]
pub struct Survey {
    members: BTreeMap<String, Vec<u32>>,
}

impl Hierarchy {
    /// Opens, or makes, the hierarchy of the data folder `data`.
    ///
    /// Tried in order: a control group inside our own (as delegated by systemd or a container
    /// engine), at the root of each mounted hierarchy, and in one that we mount at
    /// `data/cgroup2`; else the process tree.
    pub fn open(data: &Path) -> Self {
        let identity = identity_of(data);
        let own = own_cgroup();
        let mut parents = Vec::new();
        for mount in cgroup2_mounts() {
            let inside = mount.join(own.trim_start_matches('/'));
            parents.push(inside);
            parents.push(mount);
        }
        parents.dedup();
        let made = parents.iter().find_map(|parent| make_root(parent, &identity));
        let made = made.or_else(|| make_root(&private_mount(data)?, &identity));
        match made {
            Some((root, controllers)) => {
                Self { identity, kept: Kept::Cgroups { root, controllers } }
            }
            None => Self::tree(data),
        }
    }

    /// The hierarchy of `data` without control groups.
    pub fn tree(data: &Path) -> Self {
        // As our orphans' parent we see them, however often they forked.
        let _ = rustix::process::set_child_subreaper(Some(rustix::process::getpid()));
        Self { identity: identity_of(data), kept: Kept::Tree(Arc::default()) }
    }

    /// The group `name`, made if it does not exist. Names have no `/`.
    ///
    /// # Errors
    /// When the system refuses a control group.
    pub fn group(&self, name: &str) -> io::Result<Group> {
        if name.is_empty() || name.contains(['/', '\0']) || name.starts_with('.') {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a group's name"));
        }
        let place = match &self.kept {
            Kept::Cgroups { root, .. } => {
                let folder = root.join(name);
                match fs::create_dir(&folder) {
                    Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                        return Err(error);
                    }
                    Ok(()) | Err(_) => Place::Folder(folder),
                }
            }
            Kept::Tree(sightings) => Place::Tree(Arc::clone(sightings)),
        };
        Ok(Group::new(format!("{}/{name}", self.identity), place))
    }

    /// Names of groups that have processes now.
    pub fn occupied(&self) -> Vec<String> {
        match &self.kept {
            Kept::Cgroups { root, .. } => {
                let Ok(entries) = fs::read_dir(root) else { return Vec::new() };
                let folders = entries.filter_map(Result::ok).filter(|entry| entry.path().is_dir());
                let occupied =
                    folders.filter(|e| !procfs::numbers(&e.path().join("cgroup.procs")).is_empty());
                occupied.filter_map(|entry| entry.file_name().into_string().ok()).collect()
            }
            Kept::Tree(_) => {
                let prefix = format!("{}/", self.identity);
                let survey = self.survey();
                survey
                    .members
                    .keys()
                    .filter_map(|m| m.strip_prefix(&prefix))
                    .map(str::to_owned)
                    .collect()
            }
        }
    }

    /// Looks who belongs to which group; free where control groups know it.
    pub fn survey(&self) -> Survey {
        match &self.kept {
            Kept::Cgroups { .. } => Survey::default(),
            Kept::Tree(sightings) => {
                Survey { members: sightings.walk(&format!("{}/", self.identity)) }
            }
        }
    }

    /// How families are kept track of, in words for a status page.
    pub fn describe(&self) -> String {
        match &self.kept {
            Kept::Cgroups { root, controllers } => {
                let with = match controllers.is_empty() {
                    true => "without controllers".to_owned(),
                    false => {
                        let names: Vec<&str> = controllers.iter().map(String::as_str).collect();
                        format!("controllers: {}", names.join(", "))
                    }
                };
                format!("cgroup v2 at {} ({with})", root.display())
            }
            Kept::Tree(_) => "process tree (no cgroup v2 can be used here)".to_owned(),
        }
    }

    /// Whether the controller `name` (`cpu`, `memory`, `pids`) works in our groups.
    pub fn controls(&self, name: &str) -> bool {
        match &self.kept {
            Kept::Cgroups { controllers, .. } => controllers.contains(name),
            Kept::Tree(_) => false,
        }
    }

    /// Waits for zombies that were left to us as their subreaper, or as process 1. Children of
    /// this process that others wait for are told apart by `is_owned` and by their session: ours
    /// are started in sessions of their own, those of `std::process` are not.
    pub fn reap_orphans(&self, is_owned: impl Fn(u32) -> bool) {
        let adopts = matches!(self.kept, Kept::Tree(_)) || std::process::id() == 1;
        let Some(own) = procfs::stat(std::process::id()).filter(|_| adopts) else { return };
        for pid in procfs::all_pids() {
            let Some(stat) = procfs::stat(pid) else { continue };
            let orphan = stat.parent == std::process::id() && stat.session != own.session;
            if orphan && stat.state == b'Z' && !is_owned(pid) {
                super::child::reap(pid);
            }
        }
    }

    /// Kills, without control groups, the children of ours that nobody knows: they left their
    /// family and hid their marker within a second of their start. For the end of everything,
    /// when all that is left is unwanted.
    pub fn kill_strays(&self) {
        let Kept::Tree(_) = &self.kept else { return };
        let Some(own) = procfs::stat(std::process::id()) else { return };
        for pid in procfs::all_pids() {
            let Some(stat) = procfs::stat(pid) else { continue };
            let alive = !matches!(stat.state, b'Z' | b'X');
            if alive && stat.parent == std::process::id() && stat.session != own.session {
                super::child::kill(pid);
            }
        }
    }

    /// Removes empty groups that `is_wanted` does not name. A group cannot be removed in the moment
    /// its last process is killed, so this is repeated.
    pub fn prune(&self, is_wanted: impl Fn(&str) -> bool) {
        let Kept::Cgroups { root, .. } = &self.kept else { return };
        let Ok(entries) = fs::read_dir(root) else { return };
        for entry in entries.filter_map(Result::ok) {
            let name = entry.file_name();
            if entry.path().is_dir() && !name.to_str().is_some_and(&is_wanted) {
                // Refused while it has processes, which is what we want.
                let _ = fs::remove_dir(entry.path());
            }
        }
    }

    /// Removes the hierarchy if nothing runs in it.
    pub fn remove(&self) {
        self.prune(|_| false);
        if let Kept::Cgroups { root, .. } = &self.kept {
            let _ = fs::remove_dir(root);
        }
    }
}

impl Survey {
    pub(super) fn members(&self, marker: &str) -> &[u32] {
        self.members.get(marker).map_or(&[], Vec::as_slice)
    }
}

/// Who was seen in which group. A process whose environment hides its marker is known by its
/// ancestors only as long as these live; so what was known once is kept.
#[derive(Debug, Default)]
pub(super) struct Sightings(Mutex<BTreeMap<Sighted, String>>);

/// A process: its number, and the ticks from boot to its start.
type Sighted = (u32, u64);

impl Sightings {
    /// Groups whose marker begins with `prefix`: a process belongs where its environment says,
    /// else where it was seen before, else where its nearest ancestor belongs.
    pub(super) fn walk(&self, prefix: &str) -> BTreeMap<String, Vec<u32>> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut parents = BTreeMap::new();
        let mut marked = BTreeMap::new();
        for pid in procfs::all_pids() {
            let Some(stat) = procfs::stat(pid).filter(|stat| !matches!(stat.state, b'Z' | b'X'))
            else {
                continue;
            };
            parents.insert(pid, (stat.parent, stat.start_ticks));
            let marker = procfs::environment_value(pid, MARKER);
            let marker = marker.or_else(|| known.get(&(pid, stat.start_ticks)).cloned());
            marked.extend(marker.map(|marker| (pid, marker)));
        }
        known.clear();
        let mut members: BTreeMap<String, Vec<u32>> = BTreeMap::new();
        for (pid, (_, start_ticks)) in &parents {
            let mut at = *pid;
            // Bounded: /proc is read while it changes, so a circle cannot be ruled out.
            for _ in 0..parents.len() {
                if let Some(marker) = marked.get(&at) {
                    known.insert((*pid, *start_ticks), marker.clone());
                    if marker.starts_with(prefix) {
                        members.entry(marker.clone()).or_default().push(*pid);
                    }
                    break;
                }
                match parents.get(&at) {
                    Some((parent, _)) => at = *parent,
                    None => break,
                }
            }
        }
        members
    }
}

/// Makes `parent/mainspring-<identity>` and says which controllers work in groups below it.
fn make_root(parent: &Path, identity: &str) -> Option<(PathBuf, BTreeSet<String>)> {
    let root = parent.join(format!("mainspring-{identity}"));
    match fs::create_dir(&root) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return None,
        Ok(()) | Err(_) => {}
    }
    // Moving a process takes write access to the common ancestor's list, not to ours alone.
    let writable = |path: PathBuf| fs::OpenOptions::new().write(true).open(path).is_ok();
    if !writable(root.join("cgroup.procs")) || !writable(parent.join("cgroup.procs")) {
        let _ = fs::remove_dir(&root);
        return None;
    }
    enable_controllers(parent);
    enable_controllers(&root);
    let enabled = fs::read_to_string(root.join("cgroup.subtree_control")).unwrap_or_default();
    Some((root, enabled.split_ascii_whitespace().map(str::to_owned).collect()))
}

/// Asks for the controllers that we use, one by one: what is missing is reported, not fatal.
fn enable_controllers(folder: &Path) {
    let available = fs::read_to_string(folder.join("cgroup.controllers")).unwrap_or_default();
    for wanted in ["cpu", "memory", "pids"] {
        if available.split_ascii_whitespace().any(|name| name == wanted) {
            let _ = fs::write(folder.join("cgroup.subtree_control"), format!("+{wanted}"));
        }
    }
}

/// A hierarchy of our own where none is mounted that we may write to. Needs CAP_SYS_ADMIN. It has
/// the controllers that version 1 does not hold, often none, but kills and counts CPU time.
fn private_mount(data: &Path) -> Option<PathBuf> {
    let target = fs::canonicalize(data).ok()?.join("cgroup2");
    fs::create_dir_all(&target).ok()?;
    if target.join("cgroup.procs").exists() {
        return Some(target); // Mounted by the run before.
    }
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    rustix::mount::mount("none", &target, "cgroup2", flags, None).ok()?;
    Some(target)
}

fn cgroup2_mounts() -> Vec<PathBuf> {
    let text = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let mount = |line: &str| {
        let (before, after) = line.split_once(" - ")?;
        let point = before.split(' ').nth(4)?;
        after.starts_with("cgroup2 ").then(|| PathBuf::from(point.replace("\\040", " ")))
    };
    text.lines().filter_map(mount).collect()
}

/// Our own path in the version 2 hierarchy (cgroups(7): the entry `0::`).
fn own_cgroup() -> String {
    let text = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    text.lines().find_map(|line| line.strip_prefix("0::")).unwrap_or("/").to_owned()
}

/// The same for the same folder, different for others: FNV-1a of its full path.
fn identity_of(data: &Path) -> String {
    let path = fs::canonicalize(data).unwrap_or_else(|_| data.to_owned());
    let fold = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    let hash = path.as_os_str().as_encoded_bytes().iter().fold(0xcbf2_9ce4_8422_2325, fold);
    format!("{hash:016x}")
}
