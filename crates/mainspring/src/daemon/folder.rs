//! The data folder: who may use it, and what a node leaves there for others to find.

use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use model::ServiceName;
use serde::{Deserialize, Serialize};

/// File that a running node holds locked.
const LOCK_FILE: &str = "lock";

/// File that says where a running node answers.
const NODE_FILE: &str = "node.json";

/// File that keeps the ports of the services' doors over restarts.
const DOORS_FILE: &str = "doors.json";

/// The data folder of one running node, locked for as long as this lives.
pub(super) struct DataFolder {
    path: PathBuf,
    _lock: File,
}

/// What the commands need to reach a running node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeFile {
    /// The process.
    pub pid: u32,
    /// Where the admin API answers, as `127.0.0.1:7070`.
    pub console: SocketAddr,
    /// Where clients come in.
    pub http: Vec<SocketAddr>,
    /// The token that the admin API wants, when it is open to other machines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// The config file in force.
    pub config: PathBuf,
}

impl NodeFile {
    /// Reads what a node that uses `data` has left.
    ///
    /// # Errors
    /// When there is none (no node runs, or none ever did) or it is not ours.
    pub fn read(data: &Path) -> io::Result<Self> {
        let bytes = fs::read(data.join(NODE_FILE))?;
        serde_json::from_slice(&bytes).map_err(io::Error::other)
    }
}

impl DataFolder {
    /// Makes the folder if need be and takes its lock.
    ///
    /// # Errors
    /// `ResourceBusy` when another node uses it; else what the file system says.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        fs::create_dir_all(path)?;
        let path = fs::canonicalize(path)?;
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path.join(LOCK_FILE))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path, _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(io::ErrorKind::ResourceBusy.into()),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// Its absolute path.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Tells the commands where this node answers.
    ///
    /// # Errors
    /// What the file system says.
    pub(super) fn write_node(&self, node: &NodeFile) -> io::Result<()> {
        self.replace(NODE_FILE, &serde_json::to_vec_pretty(node)?)
    }

    /// The node ends: nobody shall try to reach it.
    pub(super) fn remove_node(&self) {
        // A missing file is what we want; any other failure leaves a file whose pid is dead.
        let _ = fs::remove_file(self.path.join(NODE_FILE));
    }

    /// The ports that services had last time.
    pub(super) fn read_doors(&self) -> BTreeMap<ServiceName, u16> {
        // Not worth refusing to start for: doors then get new ports.
        let bytes = fs::read(self.path.join(DOORS_FILE)).unwrap_or_default();
        serde_json::from_slice(&bytes).unwrap_or_default()
    }

    /// Keeps the ports that services have now.
    ///
    /// # Errors
    /// What the file system says.
    pub(super) fn write_doors(&self, doors: &BTreeMap<ServiceName, u16>) -> io::Result<()> {
        self.replace(DOORS_FILE, &serde_json::to_vec_pretty(doors)?)
    }

    /// Beside and renamed: a crash leaves the old file or the new one.
    fn replace(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let beside = self.path.join(format!("{name}.new"));
        let mut options = File::options();
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.create(true).truncate(true).write(true).open(&beside)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&beside, self.path.join(name))?;
        File::open(&self.path)?.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("mainspring-{name}-{}", std::process::id()))
    }

    #[test]
    fn only_one_node_uses_a_folder() {
        let path = scratch("lock");
        let first = DataFolder::open(&path).unwrap();
        let second = DataFolder::open(&path).err().unwrap();
        assert_eq!(second.kind(), io::ErrorKind::ResourceBusy);
        drop(first);
        assert!(DataFolder::open(&path).is_ok());
        fs::remove_dir_all(&path).unwrap();
    }

    #[test]
    fn doors_and_the_node_are_read_back() {
        let path = scratch("files");
        let folder = DataFolder::open(&path).unwrap();
        assert!(folder.read_doors().is_empty());
        let doors = BTreeMap::from([(ServiceName::new("orders").unwrap(), 40_001)]);
        folder.write_doors(&doors).unwrap();
        assert_eq!(folder.read_doors(), doors);
        let node = NodeFile {
            pid: 7,
            console: "127.0.0.1:7070".parse().unwrap(),
            http: vec!["127.0.0.1:8080".parse().unwrap()],
            token: None,
            config: PathBuf::from("/srv/mainspring.toml"),
        };
        folder.write_node(&node).unwrap();
        assert_eq!(NodeFile::read(&path).unwrap(), node);
        folder.remove_node();
        assert!(NodeFile::read(&path).is_err());
        fs::remove_dir_all(&path).unwrap();
    }
}
