//! What is on disk about running programs, so that the next Mainspring finds them.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use model::ReplicaId;
use orchestrator::Memory;
use runtime::process::Identity;
use serde::{Deserialize, Serialize};

use crate::api::FleetError;
use crate::store;

/// Of the file's layout.
const FORMAT: u32 = 1;

/// The file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct State {
    format: u32,
    /// The orchestrator's memory.
    pub memory: Memory,
    /// The processes behind its replicas.
    pub processes: Vec<ProcessRecord>,
}

/// One process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessRecord {
    /// Which replica it is.
    pub replica: ReplicaId,
    /// Its number.
    pub pid: u32,
    /// Ticks from boot to its start.
    pub start_ticks: u64,
    /// Which boot.
    pub boot_id: String,
    /// When it began, milliseconds since the Unix epoch.
    pub started_unix_ms: u64,
}

impl State {
    /// A state to write.
    pub fn new(memory: Memory, processes: Vec<ProcessRecord>) -> Self {
        Self { format: FORMAT, memory, processes }
    }

    /// Reads what is in `data`; empty when there is nothing.
    ///
    /// # Errors
    /// When there is something that we did not write: guessing could start programs twice.
    pub fn load(data: &Path) -> Result<Self, FleetError> {
        let path = path(data);
        match fs::read(&path) {
            Ok(bytes) => Self::parse(&bytes).ok_or_else(|| FleetError::Damaged {
                path,
                message: "is not a state file of this version: remove it to start afresh \
                          (programs that still run are then killed first)"
                    .to_owned(),
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Ok(Self::new(Memory::default(), Vec::new()))
            }
            Err(error) => {
                Err(FleetError::Io { doing: format!("reading {}", path.display()), error })
            }
        }
    }

    /// Reads a state file; `None` when it is not one.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let state: Self = serde_json::from_slice(bytes).ok()?;
        let numbers: BTreeSet<&ReplicaId> = state.processes.iter().map(|p| &p.replica).collect();
        let unique = numbers.len() == state.processes.len();
        (state.format == FORMAT && unique).then_some(state)
    }

    /// Writes it; on disk when this returns.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn save(&self, data: &Path) -> Result<(), FleetError> {
        store::write_json(&path(data), self)
    }
}

impl ProcessRecord {
    /// What the process can be found by.
    pub fn identity(&self) -> Identity {
        Identity { pid: self.pid, start_ticks: self.start_ticks, boot_id: self.boot_id.clone() }
    }
}

fn path(data: &Path) -> PathBuf {
    data.join("fleet").join("state.json")
}
