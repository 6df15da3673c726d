//! Where families of processes are kept track of: a folder of control groups, or `/proc` alone.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rustix::mount::MountFlags;

use super::group::Group;
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
    /// By the marker in their environment and by descent.
    Tree,
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
        Self { identity: identity_of(data), kept: Kept::Tree }
    }

    /// The group `name`, made if it does not exist. Names have no `/`.
    ///
    /// # Errors
    /// When the system refuses a control group.
    pub fn group(&self, name: &str) -> io::Result<Group> {
        if name.is_empty() || name.contains(['/', '\0']) || name.starts_with('.') {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a group's name"));
        }
        let folder = match &self.kept {
            Kept::Cgroups { root, .. } => {
                let folder = root.join(name);
                match fs::create_dir(&folder) {
                    Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                        return Err(error);
                    }
                    Ok(()) | Err(_) => Some(folder),
                }
            }
            Kept::Tree => None,
        };
        Ok(Group::new(format!("{}/{name}", self.identity), folder))
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
            Kept::Tree => {
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
            Kept::Tree => Survey { members: walk(&format!("{}/", self.identity)) },
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
            Kept::Tree => "process tree (no cgroup v2 can be used here)".to_owned(),
        }
    }

    /// Whether the controller `name` (`cpu`, `memory`, `pids`) works in our groups.
    pub fn controls(&self, name: &str) -> bool {
        match &self.kept {
            Kept::Cgroups { controllers, .. } => controllers.contains(name),
            Kept::Tree => false,
        }
    }

    /// Waits for zombies that were left to us as their subreaper, or as process 1. Children of
    /// this process that others wait for are told apart by `is_owned` and by their session: ours
    /// are started in sessions of their own, those of `std::process` are not.
    pub fn reap_orphans(&self, is_owned: impl Fn(u32) -> bool) {
        let adopts = matches!(self.kept, Kept::Tree) || std::process::id() == 1;
        let Some(own) = procfs::stat(std::process::id()).filter(|_| adopts) else { return };
        for pid in procfs::all_pids() {
            let Some(stat) = procfs::stat(pid) else { continue };
            let orphan = stat.parent == std::process::id() && stat.session != own.session;
            if orphan && stat.state == b'Z' && !is_owned(pid) {
                super::child::reap(pid);
            }
        }
    }

    /// Removes the hierarchy if no group is left in it.
    pub fn remove(&self) {
        if let Kept::Cgroups { root, .. } = &self.kept {
            // Refused while groups remain, which is what we want.
            let _ = fs::remove_dir(root);
        }
    }
}

impl Survey {
    pub(super) fn members(&self, marker: &str) -> &[u32] {
        self.members.get(marker).map_or(&[], Vec::as_slice)
    }
}

/// Groups by marker and descent: a process belongs where its environment says, else where its
/// nearest ancestor does.
pub(super) fn walk(prefix: &str) -> BTreeMap<String, Vec<u32>> {
    let mut parents = BTreeMap::new();
    let mut marked = BTreeMap::new();
    for pid in procfs::all_pids() {
        let Some(stat) = procfs::stat(pid).filter(|stat| !matches!(stat.state, b'Z' | b'X')) else {
            continue;
        };
        parents.insert(pid, stat.parent);
        if let Some(marker) = procfs::environment_value(pid, MARKER)
            && marker.starts_with(prefix)
        {
            marked.insert(pid, marker);
        }
    }
    let mut members: BTreeMap<String, Vec<u32>> = BTreeMap::new();
    for pid in parents.keys() {
        let mut at = *pid;
        // Bounded: /proc is read while it changes, so a circle cannot be ruled out.
        for _ in 0..parents.len() {
            if let Some(marker) = marked.get(&at) {
                members.entry(marker.clone()).or_default().push(*pid);
                break;
            }
            match parents.get(&at) {
                Some(parent) => at = *parent,
                None => break,
            }
        }
    }
    members
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
