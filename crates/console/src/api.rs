//! The admin API's nouns: what `/api/v1` answers and accepts, as serde types.
//!
//! The browser console, the command line's `--json` and tests all read these; the fields' names
//! are a promise to scripts. Times are milliseconds since the Unix epoch (`…_unix_ms`) or lengths
//! of time in milliseconds (`…_ms`), sizes are bytes, CPU is in cores (`1.0`: one core busy).

mod change;
mod event;
mod history;
mod meter;
mod status;

pub use change::{
    ConfigText, DeployOutcome, DeployReport, ExplainRequest, ExplainStep, Explanation, PlanAction,
    PlanChange, PlanReport, PlanSubject, Problem, ReloadReport, ReloadRequest, ScaleRequest,
    SecretStatus, SecretValue, ServiceReport,
};
pub use event::{Event, EventKind, EventSeverity, LogLine, LogQuery, LogStream};
pub use history::{History, HistoryPoint, HistorySeries, Live, LiveSample, TrafficRates};
pub use meter::{
    ConnectionMeters, EndpointMeters, Histogram, HistogramBucket, INNER_ROUTE_PREFIX, Meters,
    RouteMeters, ServiceMeters, StatusCounts, TrafficMeters,
};
pub use status::{
    DeployProgress, ExitStatus, HealthState, HealthStatus, LimitStatus, ListenerStatus, NodeStatus,
    ReplicaState, ReplicaStatus, RouteStatus, ServiceKind, ServiceState, ServiceStatus, Status,
};
