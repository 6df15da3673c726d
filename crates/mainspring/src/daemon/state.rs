//! What a running node holds.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use fleet::Fleet;
use runtime::sync::watch;

use super::doors::Doors;
use super::events::EventLog;
use super::folder::DataFolder;
use super::front::Front;
use crate::config::{Config, LastGood};

/// A running node. The console calls it, signals end it.
pub(super) struct Daemon {
    pub(super) folder: DataFolder,
    pub(super) front: Arc<Front>,
    pub(super) fleet: Fleet,
    pub(super) events: EventLog,
    pub(super) last_good: LastGood,
    pub(super) started_unix_ms: u64,
    /// Held while a reload runs: one change at a time.
    pub(super) changing: runtime::sync::Mutex<Doors>,
    in_force: Mutex<Arc<InForce>>,
    console: OnceLock<SocketAddr>,
    stop: watch::Sender<bool>,
}

/// The config in force.
#[derive(Clone)]
pub(super) struct InForce {
    pub(super) config: Config,
    pub(super) text: String,
    pub(super) path: PathBuf,
    /// Counts the configs that were put in force; 1 at start.
    pub(super) generation: u64,
    /// Why the newest attempt to replace it failed, if it did.
    pub(super) refused: Option<String>,
}

impl Daemon {
    /// A node with `in_force` in force, its console still closed.
    pub(super) fn new(
        folder: DataFolder,
        front: Arc<Front>,
        fleet: Fleet,
        doors: Doors,
        in_force: InForce,
    ) -> Self {
        Self {
            last_good: LastGood::in_folder(folder.path()),
            folder,
            front,
            fleet,
            events: EventLog::new(),
            started_unix_ms: runtime::clock::unix_millis(),
            changing: runtime::sync::Mutex::new(doors),
            in_force: Mutex::new(Arc::new(in_force)),
            console: OnceLock::new(),
            stop: watch::Sender::new(false),
        }
    }

    pub(super) fn in_force(&self) -> Arc<InForce> {
        Arc::clone(&self.in_force.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn set_in_force(&self, in_force: InForce) {
        *self.in_force.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(in_force);
    }

    /// The newest attempt to change the config failed.
    pub(super) fn note_refused(&self, why: String) {
        let mut in_force = InForce::clone(&self.in_force());
        in_force.refused = Some(why);
        self.set_in_force(in_force);
    }

    pub(super) fn console_address(&self) -> Option<SocketAddr> {
        self.console.get().copied()
    }

    pub(super) fn set_console_address(&self, address: SocketAddr) {
        // Set once, when the console opens.
        let _ = self.console.set(address);
    }

    /// Begins the orderly end.
    pub(super) fn ask_to_stop(&self) {
        self.stop.send_replace(true);
    }

    pub(super) fn is_stopping(&self) -> bool {
        *self.stop.borrow()
    }

    /// Waits until somebody asked for the end.
    pub(super) async fn asked_to_stop(&self) {
        let mut stop = self.stop.subscribe();
        // An error would mean that `self` is gone.
        let _ = stop.wait_for(|stop| *stop).await;
    }
}

impl InForce {
    /// Identifies the text.
    pub(super) fn fingerprint(&self) -> String {
        crate::config::plan::fingerprint(&self.text)
    }
}
