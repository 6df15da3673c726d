//! `node.json` in the data folder: how commands find the node that runs from it.

use std::fs::{self, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// Largest file that is read: it holds five short texts.
const BYTES_MAX: u64 = 64 << 10;

/// What a running node says about itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeFile {
    /// Address of console and admin API, as really bound: `127.0.0.1:7070`.
    pub console: String,
    /// Its process.
    pub pid: u32,
    /// What to send as `Authorization: Bearer …`; loopback needs none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// The configuration file that is in force.
    pub config: PathBuf,
    /// Version of Mainspring.
    pub version: String,
}

impl NodeFile {
    /// Where it is within a data folder.
    pub fn path(data: &Path) -> PathBuf {
        data.join("node.json")
    }

    /// Reads the one in `data`; nothing when there is none.
    ///
    /// # Errors
    /// When it is there but cannot be read or understood.
    pub fn read(data: &Path) -> io::Result<Option<Self>> {
        let file = match fs::File::open(Self::path(data)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut text = String::new();
        file.take(BYTES_MAX).read_to_string(&mut text)?;
        Ok(Some(serde_json::from_str(&text)?))
    }

    /// Writes it, for this user's eyes only, because of the token.
    ///
    /// Written beside and renamed, so that no command reads half of it.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn write(&self, data: &Path) -> io::Result<()> {
        let beside = data.join("node.json.new");
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let mut file = options.open(&beside)?;
        file.write_all(&serde_json::to_vec_pretty(self)?)?;
        file.sync_all()?;
        fs::rename(beside, Self::path(data))
    }

    /// Removes it when the node ends; one that is gone already is fine.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn remove(data: &Path) -> io::Result<()> {
        match fs::remove_file(Self::path(data)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn what_is_written_is_read_by_its_owner_only() {
        let data =
            std::env::temp_dir().join(format!("mainspring-node-file-{}", std::process::id()));
        fs::create_dir_all(&data).unwrap();
        assert_eq!(NodeFile::read(&data).unwrap(), None);
        let file = NodeFile {
            console: "127.0.0.1:7070".into(),
            pid: 7,
            token: Some("t".into()),
            config: "/a/mainspring.toml".into(),
            version: "1".into(),
        };
        file.write(&data).unwrap();
        assert_eq!(NodeFile::read(&data).unwrap(), Some(file));
        let mode = fs::metadata(NodeFile::path(&data)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        NodeFile::remove(&data).unwrap();
        NodeFile::remove(&data).unwrap();
        fs::write(NodeFile::path(&data), "{").unwrap();
        assert!(NodeFile::read(&data).is_err());
        fs::remove_dir_all(&data).unwrap();
    }
}
