//! What happened: events of the node and lines that programs wrote.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Something that a person may want to know about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Event {
    /// Counts up from 1 while this node runs; never used twice.
    pub id: u64,
    /// When.
    pub time_unix_ms: u64,
    /// What kind.
    pub kind: EventKind,
    /// How bad.
    pub severity: EventSeverity,
    /// The service concerned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// The replica concerned, as `orders.3`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replica: Option<String>,
    /// What happened and why, as a sentence. Never holds a secret.
    pub message: String,
}

/// Kinds of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum EventKind {
    /// This node began, or is about to end.
    Node,
    /// A config was put in force or refused.
    Config,
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
    /// A deploy began, ended, or was rolled back.
    Deploy,
    /// The wanted number of replicas changed.
    Scale,
}

/// How bad an event is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum EventSeverity {
    /// All is as it should be.
    Info,
    /// Mainspring deals with it.
    Warning,
    /// Somebody should look.
    Error,
}

/// A line that a program wrote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LogLine {
    /// When it was read.
    pub time_unix_ms: u64,
    /// Who wrote it.
    pub service: String,
    /// Which of its replicas, as `orders.3`.
    pub replica: String,
    /// Where to.
    pub stream: LogStream,
    /// Without its line end; control characters made harmless.
    pub text: String,
}

/// Which output a line came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LogStream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// Which lines to give.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogQuery {
    /// One service; absent: all.
    pub service: Option<String>,
    /// One replica, as `orders.3`.
    pub replica: Option<String>,
    /// So many of the newest lines, oldest first. At most [`LogQuery::TAIL_MAX`].
    pub tail: u32,
    /// Only lines that hold this text, in any case.
    pub contains: Option<String>,
}

impl LogQuery {
    /// Most lines in one answer.
    pub const TAIL_MAX: u32 = 10_000;
    /// Lines given when nothing is asked for.
    pub const TAIL_DEFAULT: u32 = 200;
}
