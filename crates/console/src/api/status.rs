//! What runs now: the node, its services and their replicas, its routes.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Everything that `mainspring status` shows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Status {
    /// This node.
    pub node: NodeStatus,
    /// Ordered by name.
    pub services: Vec<ServiceStatus>,
    /// In the order of the config file.
    pub routes: Vec<RouteStatus>,
}

/// The process that answers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct NodeStatus {
    /// `[node] name`.
    pub name: String,
    /// Version of Mainspring.
    pub version: String,
    /// Operating system's process number.
    pub pid: u32,
    /// When this process began.
    pub started_unix_ms: u64,
    /// How long ago that was.
    pub uptime_ms: u64,
    /// Counts the configs that were put in force; 1 at start.
    pub config_generation: u64,
    /// Identifies the text of the config in force.
    pub config_fingerprint: String,
    /// Where the config was read from.
    pub config_path: String,
    /// The last reload that was refused, if the newest attempt was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_error: Option<String>,
    /// Whether it takes traffic: what `/readyz` says.
    pub ready: bool,
    /// Doors that are open.
    pub listeners: Vec<ListenerStatus>,
    /// CPU cores this process itself used of late; the console fills it in.
    pub cpu_cores: f64,
    /// Memory of this process itself; the console fills it in.
    pub resident_bytes: u64,
}

/// An open door.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ListenerStatus {
    /// Key in `[listen]`: `http`, `console`.
    pub door: String,
    /// The address really bound, as `127.0.0.1:8080`.
    pub address: String,
}

/// Who runs a service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ServiceKind {
    /// `run = …`: Mainspring.
    #[default]
    Program,
    /// `at = […]`: somebody else.
    External,
}

/// A service in one word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ServiceState {
    /// No replica is ready yet.
    #[default]
    Starting,
    /// Waits for a service that it needs.
    Waiting,
    /// As many replicas are ready as are wanted.
    Ready,
    /// Some are ready, fewer than wanted.
    Degraded,
    /// A deploy is going on.
    Deploying,
    /// None is ready and its replicas keep dying.
    CrashLoop,
    /// None is ready any more.
    Down,
    /// Being stopped on request.
    Stopping,
    /// Stopped on request.
    Stopped,
}

/// A service and its replicas.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ServiceStatus {
    /// Name in the config.
    pub name: String,
    /// Who runs it.
    pub kind: ServiceKind,
    /// In one word.
    pub state: ServiceState,
    /// Why it is in that state, when that is not plain; else empty.
    pub reason: String,
    /// Wanted replicas.
    pub desired: u32,
    /// Replicas that take traffic.
    pub ready: u32,
    /// Counts deploys; replicas of an older version are on their way out.
    pub version: u64,
    /// The command line, for a program. Never holds the values of secrets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// Services that must be ready first.
    pub needs: Vec<String>,
    /// Restarts of all its replicas since this node began.
    pub restarts: u64,
    /// Limits asked for and what enforces each.
    pub limits: Vec<LimitStatus>,
    /// The deploy that is going on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deploy: Option<DeployProgress>,
    /// Ordered by number.
    pub replicas: Vec<ReplicaStatus>,
}

/// A limit and how it is kept.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LimitStatus {
    /// `memory`, `cpu`, `open-files`, …
    pub what: String,
    /// As in the config: `512MiB`.
    pub limit: String,
    /// `cgroup v2`, `resource limit`, `memory watch`, `not enforced: …`.
    pub enforced_by: String,
}

/// How far a deploy is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DeployProgress {
    /// The version being brought up.
    pub version: u64,
    /// New replicas that are ready.
    pub replaced: u32,
    /// New replicas wanted.
    pub wanted: u32,
    /// What it is waiting for, as a sentence.
    pub step: String,
}

/// A replica in one word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ReplicaState {
    /// Runs; its health is not proven yet.
    #[default]
    Starting,
    /// Takes traffic.
    Ready,
    /// Runs and fails its health checks: takes no traffic.
    Unhealthy,
    /// Takes no new requests; finishes those it has.
    Draining,
    /// Was told to stop.
    Stopping,
    /// Died; waits before the next start.
    BackingOff,
    /// Died again and again; waits longer.
    CrashLoop,
    /// Does not run.
    Stopped,
}

/// One process of a service, or one address of an external one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ReplicaStatus {
    /// `orders.3`.
    pub id: String,
    /// The number in it.
    pub number: u32,
    /// In one word.
    pub state: ReplicaState,
    /// Version of the service that it runs.
    pub version: u64,
    /// Where it listens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// Its process, while it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// Whether this Mainspring took it over from one that died.
    pub adopted: bool,
    /// When this process of it began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_unix_ms: Option<u64>,
    /// How often it was started again.
    pub restarts: u32,
    /// When it is started again, if it waits for that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_start_unix_ms: Option<u64>,
    /// What the checks say.
    pub health: HealthStatus,
    /// CPU cores used of late.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_cores: Option<f64>,
    /// Memory, descendants included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resident_bytes: Option<u64>,
    /// Requests that it is answering now.
    pub in_flight: u32,
    /// How its last process ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_exit: Option<ExitStatus>,
}

/// Health in one word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum HealthState {
    /// Not checked yet, or no check is configured.
    #[default]
    Unknown,
    /// Enough checks in a row passed.
    Passing,
    /// Enough checks in a row failed.
    Failing,
}

/// What the health checks of a replica say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HealthStatus {
    /// In one word.
    pub state: HealthState,
    /// `GET /health`, `tcp connect`, `exec …`; empty without a check.
    pub check: String,
    /// The last answer, as `200 OK in 2 ms` or `no answer within 1s`.
    pub detail: String,
}

/// How a process ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ExitStatus {
    /// When.
    pub time_unix_ms: u64,
    /// In words: `exit status 1`, `killed by SIGKILL`, `out of memory: …`.
    pub reason: String,
    /// The exit status, if it ended by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<i32>,
    /// The signal's number, if one killed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<i32>,
    /// What it wrote last.
    pub last_lines: Vec<String>,
}

/// A route as configured.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RouteStatus {
    /// Its name, or one made from what it matches. The same as in [`super::RouteMeters`].
    pub name: String,
    /// Host that it matches; absent: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Path pattern as configured.
    pub path: String,
    /// Methods that it matches; empty: any.
    pub methods: Vec<String>,
    /// The service it sends to.
    pub to: String,
    /// The balancing algorithm.
    pub balance: String,
}

impl ServiceState {
    /// The word used in JSON, tables and pages.
    pub fn word(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Waiting => "waiting",
            Self::Ready => "ready",
            Self::Degraded => "degraded",
            Self::Deploying => "deploying",
            Self::CrashLoop => "crash-loop",
            Self::Down => "down",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
        }
    }
}

impl ReplicaState {
    /// Every state, in the order of a replica's life.
    pub const ALL: [Self; 8] = [
        Self::Starting,
        Self::Ready,
        Self::Unhealthy,
        Self::Draining,
        Self::Stopping,
        Self::BackingOff,
        Self::CrashLoop,
        Self::Stopped,
    ];

    /// The word used in JSON, tables, metrics and pages.
    pub fn word(self) -> &'static str {
        match self {
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

impl fmt::Display for ServiceState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

impl fmt::Display for ReplicaState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_what_json_says() {
        for state in ReplicaState::ALL {
            let json = serde_json::to_string(&state).unwrap();
            assert_eq!(json, format!("\"{state}\""));
        }
        let json = serde_json::to_string(&ServiceState::CrashLoop).unwrap();
        assert_eq!(json, format!("\"{}\"", ServiceState::CrashLoop));
    }
}
