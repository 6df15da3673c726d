//! What goes into the machine and what comes out of it.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use model::{Moment, ReplicaId, ServiceName};
use serde::{Deserialize, Serialize};

use crate::ServiceSpec;

/// What a person or the config asks for.
#[derive(Clone, Debug)]
pub enum Command {
    /// These services and no others. Unchanged ones are not touched; changed ones roll over.
    Apply(Vec<ServiceSpec>),
    /// New processes of what the config says, one after another, with a way back.
    Deploy(ServiceName),
    /// New processes of what runs now, one after another.
    Restart(ServiceName),
    /// So many replicas.
    Scale(ServiceName, u32),
    /// None, until started again.
    Stop(ServiceName),
    /// As many as before it was stopped.
    Start(ServiceName),
}

/// What was seen of a replica.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Observation {
    /// Its process runs and should listen at `address`.
    Started {
        /// Where.
        address: SocketAddr,
    },
    /// It could not be started: no such program, unset variable, missing secret, no port.
    NotStarted {
        /// Why, as a sentence for the user.
        why: String,
    },
    /// Its process ended.
    Exited(Exit),
    /// The answer to [`Action::Check`].
    Checked(Verdict),
    /// The answer to [`Action::WatchDrain`]: nothing is in flight any more.
    Drained,
}

/// How a process ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Exit {
    /// By itself, with this status.
    Status(i32),
    /// By a signal.
    Signal(i32),
    /// Killed for using more memory than allowed, by us or by the kernel.
    OutOfMemory {
        /// Its limit.
        limit_bytes: u64,
    },
    /// It was taken over from a Mainspring that crashed, so its status went to another parent.
    Unknown,
    /// It never ran.
    NotStarted {
        /// Why.
        why: String,
    },
}

/// What a health check found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Well.
    Passed {
        /// `200 OK in 2 ms`.
        detail: String,
    },
    /// It answered, but not that it is well (wrong status, non-zero exit).
    Unwell {
        /// What it said.
        detail: String,
    },
    /// No answer in time, or no connection.
    NoAnswer {
        /// What was tried.
        detail: String,
    },
}

/// Whether requests may go to a replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum TrafficState {
    /// Not yet.
    Starting,
    /// Yes.
    Ready,
    /// No new ones; those in flight finish.
    Draining,
    /// No: it is dead or unwell.
    Down,
}

/// What to do. Actions are carried out in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Start a process; answer with `Started` or `NotStarted`.
    Spawn {
        /// Which.
        replica: ReplicaId,
        /// Stable index among the service's replicas, from 0.
        seat: u32,
        /// Which version of the service.
        version: u64,
        /// What to run.
        spec: Arc<ServiceSpec>,
    },
    /// Check health once, within the spec's time-out; answer with `Checked`.
    Check {
        /// Which.
        replica: ReplicaId,
        /// Where.
        address: SocketAddr,
        /// How.
        spec: Arc<ServiceSpec>,
    },
    /// Ask to stop (SIGTERM).
    Terminate(ReplicaId),
    /// Kill it and all its descendants; answer with `Exited`.
    Kill(ReplicaId),
    /// Let requests in, or not.
    SetTraffic {
        /// Which.
        replica: ReplicaId,
        /// Where it listens.
        address: SocketAddr,
        /// Whether.
        state: TrafficState,
    },
    /// No request can go there any more and its counters may go.
    RemoveTraffic(ReplicaId),
    /// Answer `Drained` as soon as nothing is in flight to it.
    WatchDrain(ReplicaId),
    /// It is gone for good: its port, control group and state may be used for others.
    Forget(ReplicaId),
    /// A deploy, restart or changed spec is over.
    RolloutOver {
        /// Whose.
        service: ServiceName,
        /// The version that was to be brought up.
        version: u64,
        /// How it ended.
        outcome: Outcome,
    },
    /// Something a person may want to know.
    Note(Note),
}

/// How a rollout ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// The new version answers and the old one is gone.
    Done,
    /// The new one did not get healthy; the version before runs again.
    RolledBack {
        /// Why.
        why: String,
    },
    /// The new one did not get healthy and there is nothing healthy to go back to. It is still
    /// being tried.
    Failed {
        /// Why.
        why: String,
    },
    /// Something else was asked for meanwhile.
    Cancelled {
        /// What.
        why: String,
    },
}

/// Something a person may want to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// About whom.
    pub service: ServiceName,
    /// Which replica.
    pub replica: Option<u32>,
    /// What kind.
    pub kind: NoteKind,
    /// How bad.
    pub severity: Severity,
    /// What happened and why.
    pub message: String,
}

/// Kinds of notes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum NoteKind {
    /// A process was started or taken over.
    Started,
    /// A replica takes traffic.
    Ready,
    /// A replica fails its checks.
    Unhealthy,
    /// A process ended without being asked.
    Died,
    /// A process was stopped or killed by us.
    Stopped,
    /// A rollout began, ended, or was rolled back.
    Deploy,
    /// The wanted number changed.
    Scale,
    /// The service was added, changed or removed.
    Config,
}

/// How bad a note is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Severity {
    /// All is as it should be.
    Info,
    /// It is being dealt with.
    Warning,
    /// Somebody should look.
    Error,
}

/// Why a command was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// There is no such service.
    NoService(ServiceName),
    /// Somebody else runs it.
    NotOurs(ServiceName),
    /// A rollout of it is going on.
    Busy {
        /// Of which service.
        service: ServiceName,
        /// Which version is being brought up.
        version: u64,
    },
    /// It is stopped: start it first.
    Stopped(ServiceName),
    /// The specs are wrong.
    Invalid(Vec<crate::SpecProblem>),
    /// More replicas than a node runs.
    TooMany(u32),
}

/// One service as it is now, for status pages.
#[derive(Clone, Debug)]
pub struct ServiceView {
    /// What the config asks for.
    pub desired: Arc<ServiceSpec>,
    /// What runs, or is being brought up; differs from `desired` after a rollback.
    pub running: Arc<ServiceSpec>,
    /// Counts rollouts.
    pub version: u64,
    /// Replicas wanted now.
    pub wanted: u32,
    /// Stopped by a person.
    pub stopped: bool,
    /// Leaving the config.
    pub leaving: bool,
    /// Services that it still waits for before its first start.
    pub waits_for: Vec<ServiceName>,
    /// The rollout going on.
    pub rollout: Option<RolloutView>,
    /// How the last rollout ended, when it did not end well.
    pub last_failure: Option<String>,
    /// Restarts of all its replicas.
    pub restarts: u64,
    /// By number.
    pub replicas: Vec<ReplicaView>,
}

/// A rollout as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RolloutView {
    /// The version that is to run when it is over.
    pub version: u64,
    /// New replicas that are ready.
    pub ready: u32,
    /// New replicas wanted.
    pub wanted: u32,
    /// Why it goes backwards, if it does.
    pub rolling_back: Option<String>,
    /// What it waits for, as a sentence.
    pub step: String,
}

/// One replica as it is now.
#[derive(Clone, Debug)]
pub struct ReplicaView {
    /// Which.
    pub id: ReplicaId,
    /// Stable index, from 0.
    pub seat: u32,
    /// Version of the service that it runs.
    pub version: u64,
    /// In one word.
    pub state: ReplicaState,
    /// Where it listens, once known.
    pub address: Option<SocketAddr>,
    /// Taken over from a Mainspring that crashed.
    pub adopted: bool,
    /// Restarts of its seat.
    pub restarts: u32,
    /// Crashes in a row of its seat.
    pub crashes: u32,
    /// When it is started again.
    pub next_start: Option<Moment>,
    /// Whether the checks pass; `None` before the first and without a check.
    pub healthy: Option<bool>,
    /// What the last check said.
    pub check_detail: String,
    /// How the seat's last process ended.
    pub last_exit: Option<Exit>,
}

/// A replica in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ReplicaState {
    /// Waits for services that it needs.
    Waiting,
    /// Runs; its health is not proven yet.
    Starting,
    /// Takes traffic.
    Ready,
    /// Runs and fails its checks: takes no traffic.
    Unhealthy,
    /// Finishes the requests that it has.
    Draining,
    /// Was told to stop, or killed.
    Stopping,
    /// Died; waits before the next start.
    BackingOff,
    /// Died again and again; waits longer.
    CrashLoop,
    /// Does not run, by a person's wish.
    Stopped,
}

/// Crashes in a row from which a replica is said to be in a crash loop.
pub const CRASH_LOOP_FROM: u32 = 3;

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(f, "exit status {status}"),
            Self::Signal(number) => match signal_name(*number) {
                Some(name) => write!(f, "killed by {name}"),
                None => write!(f, "killed by signal {number}"),
            },
            Self::OutOfMemory { limit_bytes } => {
                write!(f, "out of memory: killed for using more than its {limit_bytes} bytes")
            }
            Self::Unknown => f.write_str("unknown (adopted: its exit status went elsewhere)"),
            Self::NotStarted { why } => write!(f, "not started: {why}"),
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done => f.write_str("done"),
            Self::RolledBack { why } => write!(f, "rolled back: {why}"),
            Self::Failed { why } => write!(f, "failed: {why}"),
            Self::Cancelled { why } => write!(f, "cancelled: {why}"),
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoService(name) => write!(f, "there is no service {name}"),
            Self::NotOurs(name) => {
                write!(f, "{name} is run by somebody else (`at = …`), so this cannot be done to it")
            }
            Self::Busy { service, version } => write!(
                f,
                "a deploy of {service} (version {version}) is going on: wait for it to end"
            ),
            Self::Stopped(name) => write!(f, "{name} is stopped: start it first"),
            Self::Invalid(problems) => {
                for (index, problem) in problems.iter().enumerate() {
                    write!(f, "{}{problem}", if index == 0 { "" } else { "\n" })?;
                }
                Ok(())
            }
            Self::TooMany(replicas) => write!(
                f,
                "{replicas} replicas are more than the {} that one node runs",
                crate::REPLICAS_MAX
            ),
        }
    }
}

impl std::error::Error for Refused {}

impl Verdict {
    /// What was found, in words.
    pub fn detail(&self) -> &str {
        match self {
            Self::Passed { detail } | Self::Unwell { detail } | Self::NoAnswer { detail } => detail,
        }
    }
}

impl ReplicaState {
    /// The word used in tables and logs.
    pub fn word(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Starting => "starting",
            Self::Ready => "ready",
            Self::Unhealthy => "unhealthy",
            Self::Draining => "draining",
            Self::Stopping => "stopping",
            Self::BackingOff => "backing-off",
            Self::CrashLoop => "crash-loop",
            Self::Stopped => "stopped",
        }
    }
}

/// Names of Linux's standard signals on x86-64 and ARM (signal(7)).
fn signal_name(number: i32) -> Option<&'static str> {
    let name = match number {
        1 => "SIGHUP",
        2 => "SIGINT",
        3 => "SIGQUIT",
        4 => "SIGILL",
        5 => "SIGTRAP",
        6 => "SIGABRT",
        7 => "SIGBUS",
        8 => "SIGFPE",
        9 => "SIGKILL",
        10 => "SIGUSR1",
        11 => "SIGSEGV",
        12 => "SIGUSR2",
        13 => "SIGPIPE",
        14 => "SIGALRM",
        15 => "SIGTERM",
        24 => "SIGXCPU",
        25 => "SIGXFSZ",
        31 => "SIGSYS",
        _ => return None,
    };
    Some(name)
}

/// A length of time in words: `250ms`, `1.5s`, `2min`.
pub(crate) fn words(duration: Duration) -> String {
    let ms = duration.as_millis();
    match ms {
        0..1_000 => format!("{ms}ms"),
        1_000..60_000 if ms.is_multiple_of(1_000) => format!("{}s", ms / 1_000),
        1_000..60_000 => format!("{}.{}s", ms / 1_000, ms % 1_000 / 100),
        _ => format!("{}min", ms / 60_000),
    }
}
