//! Files that are whole or not there: written beside, synced, renamed.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use serde::Serialize;

use crate::api::FleetError;

/// Makes `folder` for our user alone, if it does not exist.
pub(crate) fn make_private_folder(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// Replaces the file at `path` by `value` as JSON; readable by our user alone.
pub(crate) fn write_json(path: &Path, value: &impl Serialize) -> Result<(), FleetError> {
    let json = serde_json::to_vec(value).map_err(|error| FleetError::Io {
        doing: format!("writing {}", path.display()),
        error: error.into(),
    })?;
    write_private(path, &json)
}

/// Replaces the file at `path`; readable by our user alone. A crash leaves the old one or the new.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> Result<(), FleetError> {
    replace(path, bytes)
        .map_err(|error| FleetError::Io { doing: format!("writing {}", path.display()), error })
}

fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let beside = path.with_extension("new");
    let mut file =
        OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(&beside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    match path.parent() {
        Some(folder) => File::open(folder)?.sync_all(), // The rename itself.
        None => Ok(()),
    }
}
