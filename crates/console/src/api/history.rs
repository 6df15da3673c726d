//! The last hour and the last seconds, made of differences between meters.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Traffic over a short time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TrafficRates {
    /// Requests a second.
    pub requests_per_s: f64,
    /// Requests a second that were answered with 5xx.
    pub errors_per_s: f64,
    /// Half of the requests were faster; absent without requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p50_us: Option<u64>,
    /// 99 of 100 requests were faster; absent without requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p99_us: Option<u64>,
}

/// What moved during the last seconds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LiveSample {
    /// When it was taken.
    pub time_unix_ms: u64,
    /// The time that it covers.
    pub step_ms: u64,
    /// All requests of clients; what services of this node send to each other is not counted.
    pub total: TrafficRates,
    /// By name of the route.
    pub routes: Vec<(String, TrafficRates)>,
    /// By name of the service.
    pub services: Vec<(String, TrafficRates)>,
    /// By replica.
    pub endpoints: Vec<(String, TrafficRates)>,
    /// Client connections open.
    pub connections: u64,
}

/// The node at a glance: what the console's picture shows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Live {
    /// What runs.
    pub status: super::Status,
    /// What moved.
    pub sample: LiveSample,
}

/// The last hour of something.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct History {
    /// Time between two points.
    pub step_ms: u64,
    /// When the newest point was taken.
    pub end_unix_ms: u64,
    /// A series for each thing asked for.
    pub series: Vec<HistorySeries>,
}

/// Points of one route, one service, or all together.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HistorySeries {
    /// `total`, `route` or `service`.
    pub subject: String,
    /// Which one; empty for `total`.
    pub name: String,
    /// Oldest first, one for each step up to `end_unix_ms`. `null`: nothing is known of that step.
    pub points: Vec<Option<HistoryPoint>>,
}

/// One step of a series.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HistoryPoint {
    /// Traffic during the step.
    #[serde(flatten)]
    pub traffic: TrafficRates,
    /// CPU cores used by the service's replicas; absent for a route.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_cores: Option<f64>,
    /// Memory of the service's replicas; absent for a route.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resident_bytes: Option<u64>,
}
