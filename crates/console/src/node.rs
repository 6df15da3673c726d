//! What the console needs of the node that it belongs to.
//!
//! The binary implements it over its data plane and its fleet; the console knows neither. Calls
//! that return at once must not block; calls that take time return a future.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use crate::api::{
    ConfigText, DeployReport, Event, ExplainRequest, Explanation, LogLine, LogQuery, Meters,
    PlanReport, ReloadReport, ReloadRequest, SecretStatus, SecretValue, ServiceReport, Status,
};

/// The answer to a call that takes time.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, Refusal>> + Send + 'a>>;

/// Items that come one after another for as long as somebody reads.
pub type Feed<T> = Box<dyn Follow<T>>;

/// A source of items. Dropping it ends the subscription.
pub trait Follow<T>: Send {
    /// The next item; `None` when there will be no more. Must be safe to drop half-way.
    fn next(&mut self) -> Pin<Box<dyn Future<Output = Option<T>> + Send + '_>>;
}

/// The node behind the console.
pub trait Node: Send + Sync + 'static {
    /// What runs now.
    fn status(&self) -> Status;

    /// All counters now.
    fn meters(&self) -> Meters;

    /// Whether it takes traffic.
    ///
    /// # Errors
    /// With the reason when it does not.
    fn ready(&self) -> Result<(), String>;

    /// Events with an id above `after` that are still kept, oldest first, at most the newest
    /// `limit`.
    fn events(&self, after: u64, limit: usize) -> Vec<Event>;

    /// Events with an id above `after`, the kept ones first, then each as it happens.
    fn follow_events(&self, after: u64) -> Feed<Event>;

    /// The newest lines.
    fn logs<'a>(&'a self, query: &'a LogQuery) -> Answer<'a, Vec<LogLine>>;

    /// The newest lines, then each as it is written.
    fn follow_logs<'a>(&'a self, query: &'a LogQuery) -> Answer<'a, Feed<LogLine>>;

    /// What a config would change.
    fn plan(&self, config: ConfigText) -> Answer<'_, PlanReport>;

    /// Puts a config in force.
    fn reload(&self, request: ReloadRequest) -> Answer<'_, ReloadReport>;

    /// Replaces a service's replicas; over when the new ones answer or the old ones do again.
    fn deploy<'a>(&'a self, service: &'a str) -> Answer<'a, DeployReport>;

    /// Sets how many replicas a service has.
    fn scale<'a>(&'a self, service: &'a str, replicas: u32) -> Answer<'a, ServiceReport>;

    /// Restarts a service's replicas one after another.
    fn restart<'a>(&'a self, service: &'a str) -> Answer<'a, ServiceReport>;

    /// Stops a service until it is started.
    fn stop<'a>(&'a self, service: &'a str) -> Answer<'a, ServiceReport>;

    /// Starts a stopped service.
    fn start<'a>(&'a self, service: &'a str) -> Answer<'a, ServiceReport>;

    /// Ends this node in an orderly way; answers before it does.
    fn shutdown(&self) -> Answer<'_, ServiceReport>;

    /// Which route a request takes.
    fn explain(&self, request: ExplainRequest) -> Answer<'_, Explanation>;

    /// Secrets, ordered by name.
    fn secrets(&self) -> Answer<'_, Vec<SecretStatus>>;

    /// Sets a secret.
    fn secret_set<'a>(&'a self, name: &'a str, value: SecretValue) -> Answer<'a, SecretStatus>;

    /// Forgets a secret.
    fn secret_remove<'a>(&'a self, name: &'a str) -> Answer<'a, SecretStatus>;
}

/// Why a call did not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Whose fault.
    pub kind: RefusalKind,
    /// What, where, and what to do.
    pub detail: String,
    /// Further lines to show as they are, such as the errors of a config.
    pub lines: Vec<String>,
}

/// Whose fault a refusal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalKind {
    /// There is no such service, replica or secret: 404.
    NotFound,
    /// What was asked for makes no sense, such as an invalid config: 422.
    Invalid,
    /// It makes sense, but not now: 409.
    Conflict,
    /// Try again later: 503.
    Unavailable,
    /// We could not do it: 500.
    Failed,
}

impl Refusal {
    /// A refusal without further lines.
    pub fn new(kind: RefusalKind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), lines: Vec::new() }
    }

    /// There is no service of that name.
    pub fn no_service(name: &str) -> Self {
        let detail = format!("there is no service {name:?}; `mainspring status` lists them");
        Self::new(RefusalKind::NotFound, detail)
    }
}

impl RefusalKind {
    /// The HTTP status that says it.
    pub fn status(self) -> u16 {
        match self {
            Self::NotFound => 404,
            Self::Invalid => 422,
            Self::Conflict => 409,
            Self::Unavailable => 503,
            Self::Failed => 500,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)?;
        for line in &self.lines {
            write!(f, "\n{line}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Refusal {}
