//! The nouns of fleet's own interface: settings, status, events, log lines, errors.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use model::{ReplicaId, ServiceName};
use orchestrator::{
    Exit, NoteKind, Outcome, Refused, ReplicaState, RolloutView, ServiceSpec, Severity,
};
use runtime::sync::{broadcast, oneshot};
use serde::{Deserialize, Serialize};

/// How a fleet is set up.
#[derive(Clone, Debug)]
pub struct FleetConfig {
    /// The data folder. Fleet owns `fleet/`, `logs/` and `secrets/` in it. Only one fleet may use
    /// it at a time; the caller holds the lock.
    pub data: PathBuf,
    /// Working folder of programs that name none, usually the config file's.
    pub base_dir: PathBuf,
    /// The node's name, for `$NODE`.
    pub node: String,
    /// What becomes of programs when Mainspring crashes.
    pub on_crash: OnCrash,
    /// From SIGTERM to SIGKILL when the whole node stops, whatever a service's own `stop_grace`.
    pub shutdown_grace: Duration,
    /// Whether control groups are used where they can be. Without them families of processes are
    /// found by walking through `/proc`.
    pub cgroups: bool,
    /// How log files are written.
    pub log_format: LogFormat,
    /// A log file of this size is set aside and a new one begun.
    pub log_file_bytes_max: u64,
    /// How many files set aside are kept for each service.
    pub log_files_max: u32,
    /// Where each service is reached, for `$MAINSPRING_<NAME>_URL`. A change of this map reaches
    /// programs at their next start.
    pub urls: BTreeMap<ServiceName, String>,
}

/// What becomes of programs when Mainspring crashes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnCrash {
    /// They run on, and the next start takes them over.
    #[default]
    Keep,
    /// They are killed with us; what escaped is killed at the next start.
    Stop,
}

/// How log files are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogFormat {
    /// One JSON object a line.
    #[default]
    Json,
    /// Time, replica, stream, line.
    Text,
}

/// What [`crate::Fleet::apply`] set in motion.
#[derive(Debug)]
pub struct Applied {
    /// One for each service that is being replaced.
    pub rollouts: Vec<Rollout>,
}

/// A rollout that is going on.
#[derive(Debug)]
pub struct Rollout {
    /// Of which service.
    pub service: ServiceName,
    /// The version being brought up.
    pub version: u64,
    pub(crate) over: oneshot::Receiver<Outcome>,
}

/// All services now.
#[derive(Clone, Debug, Default)]
pub struct FleetStatus {
    /// By name.
    pub services: Vec<ServiceReport>,
    /// How processes are kept track of and killed: `cgroup v2 at …` or `process tree`.
    pub tracking: String,
}

/// One service now.
#[derive(Clone, Debug)]
pub struct ServiceReport {
    /// Its name.
    pub name: ServiceName,
    /// What the config asks for.
    pub desired: Arc<ServiceSpec>,
    /// What runs; differs from `desired` after a rollback.
    pub running: Arc<ServiceSpec>,
    /// Counts rollouts.
    pub version: u64,
    /// Replicas wanted.
    pub wanted: u32,
    /// Replicas that take traffic.
    pub ready: u32,
    /// Stopped by a person.
    pub stopped: bool,
    /// Leaving the config.
    pub leaving: bool,
    /// Services that it waits for.
    pub waits_for: Vec<ServiceName>,
    /// The rollout going on.
    pub rollout: Option<RolloutView>,
    /// How the last rollout ended, when it did not end well.
    pub last_failure: Option<String>,
    /// Restarts of all its replicas.
    pub restarts: u64,
    /// What limits are asked for and what keeps each.
    pub limits: Vec<LimitReport>,
    /// By number.
    pub replicas: Vec<ReplicaReport>,
}

/// A limit and what keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitReport {
    /// `memory`, `cpu`, `open files`, `processes`.
    pub what: &'static str,
    /// `512 MiB`, `1.5 cores`.
    pub limit: String,
    /// `cgroup v2`, `memory watch`, `resource limit`, `not enforced: …`.
    pub enforced_by: String,
}

/// One replica now.
#[derive(Clone, Debug)]
pub struct ReplicaReport {
    /// Which.
    pub id: ReplicaId,
    /// Stable index among the service's replicas, from 0.
    pub seat: u32,
    /// Version of the service that it runs.
    pub version: u64,
    /// In one word.
    pub state: ReplicaState,
    /// Where it listens.
    pub address: Option<SocketAddr>,
    /// Its first process.
    pub pid: Option<u32>,
    /// When that began, milliseconds since the Unix epoch.
    pub started_unix_ms: Option<u64>,
    /// Taken over from a Mainspring that crashed.
    pub adopted: bool,
    /// Restarts of its seat.
    pub restarts: u32,
    /// Crashes in a row of its seat.
    pub crashes: u32,
    /// When it is started again, milliseconds since the Unix epoch.
    pub next_start_unix_ms: Option<u64>,
    /// What checks it: `GET /health`, `tcp connect`, `exec …`, or empty.
    pub check: String,
    /// Whether the checks pass; `None` before the first and without a check.
    pub healthy: Option<bool>,
    /// What the last check said.
    pub check_detail: String,
    /// CPU cores used over the last second, descendants included.
    pub cpu_cores: Option<f64>,
    /// Resident memory, descendants included.
    pub resident_bytes: Option<u64>,
    /// Requests with it now.
    pub in_flight: u32,
    /// How the seat's last process ended.
    pub last_exit: Option<ExitReport>,
}

/// How a process ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExitReport {
    /// When, milliseconds since the Unix epoch.
    pub time_unix_ms: u64,
    /// How.
    pub exit: Exit,
    /// What it wrote last.
    pub last_lines: Vec<String>,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Counts up from 1 while this fleet runs.
    pub id: u64,
    /// When, milliseconds since the Unix epoch.
    pub time_unix_ms: u64,
    /// About which service.
    pub service: ServiceName,
    /// Which replica.
    pub replica: Option<ReplicaId>,
    /// What kind.
    pub kind: NoteKind,
    /// How bad.
    pub severity: Severity,
    /// What happened and why. Never holds a secret.
    pub message: String,
}

/// Events as they happen.
pub struct FollowEvents(pub(crate) broadcast::Receiver<Arc<Event>>);

/// A line that a program wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// When it was read, milliseconds since the Unix epoch.
    pub time_unix_ms: u64,
    /// Who wrote it.
    pub replica: ReplicaId,
    /// Where to.
    pub stream: LogStream,
    /// Without its line end; control characters made harmless.
    pub text: String,
}

/// Which output a line came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogStream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// Which lines to give.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogQuery {
    /// One service; `None`: all.
    pub service: Option<ServiceName>,
    /// One replica of it.
    pub replica: Option<u32>,
    /// So many of the newest lines, oldest first. At most [`LogQuery::TAIL_MAX`].
    pub tail: usize,
    /// Only lines that hold this text, in any case.
    pub contains: Option<String>,
}

/// Lines as they are written.
pub struct FollowLogs {
    pub(crate) lines: broadcast::Receiver<Arc<LogLine>>,
    pub(crate) query: LogQuery,
}

/// A secret without its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretReport {
    /// Its name.
    pub name: String,
    /// When it was last set, milliseconds since the Unix epoch.
    pub set_unix_ms: u64,
    /// Services whose environment names it.
    pub used_by: Vec<ServiceName>,
}

/// What fleet could not do.
#[derive(Debug)]
pub enum FleetError {
    /// The command makes no sense now.
    Refused(Refused),
    /// The disk or the system refused.
    Io {
        /// Doing what.
        doing: String,
        /// What it said.
        error: io::Error,
    },
    /// A secret's name or value is not acceptable, or there is no such secret.
    Secret(String),
    /// What is on disk is not what we wrote.
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What is wrong and what to do.
        message: String,
    },
    /// The fleet has shut down.
    Closed,
}

impl FleetConfig {
    /// Defaults for everything but the folders.
    pub fn new(data: PathBuf, base_dir: PathBuf) -> Self {
        Self {
            data,
            base_dir,
            node: "local".to_owned(),
            on_crash: OnCrash::Keep,
            shutdown_grace: Duration::from_millis(1_500),
            cgroups: true,
            log_format: LogFormat::Json,
            log_file_bytes_max: 16 * 1024 * 1024,
            log_files_max: 5,
            urls: BTreeMap::new(),
        }
    }
}

impl Rollout {
    /// Waits until it is over.
    ///
    /// # Errors
    /// When the fleet shut down before that.
    pub async fn outcome(self) -> Result<Outcome, FleetError> {
        self.over.await.map_err(|_| FleetError::Closed)
    }
}

impl FollowEvents {
    /// The next event; `None` once the fleet is gone. A reader that is too slow misses the oldest.
    pub async fn next(&mut self) -> Option<Arc<Event>> {
        loop {
            match self.0.recv().await {
                Ok(event) => return Some(event),
                Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }
}

impl FollowLogs {
    /// The next line that the query wants; `None` once the fleet is gone. A reader that is too
    /// slow misses the oldest lines; they are in the log files.
    pub async fn next(&mut self) -> Option<Arc<LogLine>> {
        loop {
            match self.lines.recv().await {
                Ok(line) if self.query.wants(&line) => return Some(line),
                Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }
}

impl LogQuery {
    /// Most lines in one answer.
    pub const TAIL_MAX: usize = 10_000;

    /// Whether `line` is one of those asked for.
    pub fn wants(&self, line: &LogLine) -> bool {
        self.service.as_ref().is_none_or(|service| *service == line.replica.service)
            && self.replica.is_none_or(|number| number == line.replica.number)
            && self
                .contains
                .as_ref()
                .is_none_or(|text| line.text.to_lowercase().contains(&text.to_lowercase()))
    }
}

impl fmt::Display for FleetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(refused) => refused.fmt(f),
            Self::Io { doing, error } => write!(f, "{doing}: {error}"),
            Self::Secret(message) => f.write_str(message),
            Self::Damaged { path, message } => write!(f, "{}: {message}", path.display()),
            Self::Closed => f.write_str("the fleet has shut down"),
        }
    }
}

impl std::error::Error for FleetError {}

impl From<Refused> for FleetError {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}
