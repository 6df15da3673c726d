//! The data folder: who may use it, and what a node leaves there for its next start.

use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use model::ServiceName;

/// File that a running node holds locked.
const LOCK_FILE: &str = "lock";

/// File that keeps the ports of the services' doors over restarts.
const DOORS_FILE: &str = "doors.json";

/// Folder for the access log; the fleet keeps a folder per service beside it.
const LOGS_FOLDER: &str = "logs";

/// The data folder of one running node, locked for as long as this lives.
pub(super) struct DataFolder {
    path: PathBuf,
    _lock: File,
}

impl DataFolder {
    /// Makes the folder if need be and takes its lock.
    ///
    /// # Errors
    /// `ResourceBusy` when another node uses it; else what the file system says.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        fs::create_dir_all(path)?;
        let path = fs::canonicalize(path)?;
        let lock =
            File::options().create(true).truncate(false).write(true).open(path.join(LOCK_FILE))?;
        match lock.try_lock() {
            Ok(()) => {
                fs::create_dir_all(path.join(LOGS_FOLDER))?;
                Ok(Self { path, _lock: lock })
            }
            Err(TryLockError::WouldBlock) => Err(io::ErrorKind::ResourceBusy.into()),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// Its absolute path.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Where requests are logged.
    pub(super) fn access_log(&self) -> PathBuf {
        self.path.join(LOGS_FOLDER).join("access.log")
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
        // Beside and renamed: a crash leaves the old file or the new one.
        let beside = self.path.join(format!("{DOORS_FILE}.new"));
        let mut file = File::create(&beside)?;
        file.write_all(&serde_json::to_vec_pretty(doors)?)?;
        file.sync_all()?;
        fs::rename(&beside, self.path.join(DOORS_FILE))?;
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
    fn the_ports_of_doors_are_read_back() {
        let path = scratch("doors");
        let folder = DataFolder::open(&path).unwrap();
        assert!(folder.read_doors().is_empty());
        let doors = BTreeMap::from([(ServiceName::new("orders").unwrap(), 40_001)]);
        folder.write_doors(&doors).unwrap();
        assert_eq!(folder.read_doors(), doors);
        fs::remove_dir_all(&path).unwrap();
    }
}
