//! Counters as the data plane hands them over: they only grow while the node runs.
//!
//! The node sums them over its cores; rates, percentiles and history are made of them here.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// All counters at one moment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Meters {
    /// A route each, in any order. Requests that matched none have the name `""`.
    pub routes: Vec<RouteMeters>,
    /// A service each.
    pub services: Vec<ServiceMeters>,
    /// A replica or address each.
    pub endpoints: Vec<EndpointMeters>,
    /// Connections of all doors.
    pub connections: ConnectionMeters,
}

/// Routes whose names begin like this are not configured: they carry what services of this node
/// send to each other. The rest of the name is the service's.
pub const INNER_ROUTE_PREFIX: &str = "door:";

/// What went through a route.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RouteMeters {
    /// The same as in [`super::RouteStatus`]; empty: no route matched.
    pub route: String,
    /// Where it went; empty: nowhere.
    pub service: String,
    /// How much.
    pub traffic: TrafficMeters,
}

/// What went to a service, over all routes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ServiceMeters {
    /// Which.
    pub service: String,
    /// How much.
    pub traffic: TrafficMeters,
    /// Attempts beyond the first.
    pub retries: u64,
    /// Retries that the budget refused.
    pub retries_refused: u64,
    /// Requests answered with 503 because no replica could take them.
    pub shed: u64,
}

/// What went to one replica.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EndpointMeters {
    /// Whose.
    pub service: String,
    /// `orders.3`.
    pub endpoint: String,
    /// Requests sent.
    pub requests: u64,
    /// Requests that it failed: no connection, broken answer, time-out, 5xx.
    pub failures: u64,
    /// Requests that it is answering now.
    pub in_flight: u64,
    /// Time to the end of the answer; may be empty if not kept for each replica.
    #[serde(default)]
    pub latency: Histogram,
}

/// Requests, bytes and latency.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TrafficMeters {
    /// By the class of their status.
    pub statuses: StatusCounts,
    /// Bytes of request bodies.
    pub bytes_in: u64,
    /// Bytes of response bodies.
    pub bytes_out: u64,
    /// From the request's first byte to the answer's last.
    pub latency: Histogram,
    /// Requests being answered now.
    pub in_flight: u64,
}

/// Requests by the class of their status.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StatusCounts {
    /// 101.
    pub informational: u64,
    /// 2xx.
    pub success: u64,
    /// 3xx.
    pub redirection: u64,
    /// 4xx.
    pub client_error: u64,
    /// 5xx.
    pub server_error: u64,
    /// The client went away before its answer was complete.
    pub aborted: u64,
}

/// Connections with clients and with replicas.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ConnectionMeters {
    /// Client connections accepted so far.
    pub accepted: u64,
    /// Client connections refused so far: a limit was reached.
    pub refused: u64,
    /// Client connections in the middle of a request.
    pub active: u64,
    /// Client connections waiting for a request.
    pub idle: u64,
    /// Client connections that became a WebSocket or other tunnel.
    pub upgraded: u64,
    /// Connections to replicas opened so far.
    pub upstream_opened: u64,
    /// Connections to replicas in use.
    pub upstream_active: u64,
    /// Connections to replicas kept for later.
    pub upstream_idle: u64,
    /// Messages refused as malformed so far.
    pub malformed: u64,
}

/// Counts of values by size; buckets without a count may be left out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Histogram {
    /// Ascending by bound.
    pub buckets: Vec<HistogramBucket>,
    /// Sum of all values, in microseconds.
    pub sum_us: u64,
}

/// Values up to `upper_us` and above the bucket before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HistogramBucket {
    /// Largest value in it, in microseconds.
    pub upper_us: u64,
    /// How many; not cumulative.
    pub count: u64,
}

impl StatusCounts {
    /// Each class under the label that metrics give it.
    pub fn classes(&self) -> [(&'static str, u64); 6] {
        [
            ("1xx", self.informational),
            ("2xx", self.success),
            ("3xx", self.redirection),
            ("4xx", self.client_error),
            ("5xx", self.server_error),
            ("aborted", self.aborted),
        ]
    }

    /// All requests.
    pub fn total(&self) -> u64 {
        self.classes().iter().map(|(_, count)| count).sum()
    }

    /// Counted since `earlier`; zero where a counter began again.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        Self {
            informational: self.informational.saturating_sub(earlier.informational),
            success: self.success.saturating_sub(earlier.success),
            redirection: self.redirection.saturating_sub(earlier.redirection),
            client_error: self.client_error.saturating_sub(earlier.client_error),
            server_error: self.server_error.saturating_sub(earlier.server_error),
            aborted: self.aborted.saturating_sub(earlier.aborted),
        }
    }
}

impl Histogram {
    /// How many values.
    pub fn count(&self) -> u64 {
        self.buckets.iter().map(|bucket| bucket.count).sum()
    }

    /// Counted since `earlier`; both ascend by bound.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let mut old = earlier.buckets.iter().peekable();
        let mut buckets = Vec::with_capacity(self.buckets.len());
        for bucket in &self.buckets {
            while old.next_if(|before| before.upper_us < bucket.upper_us).is_some() {}
            let before = old.next_if(|before| before.upper_us == bucket.upper_us);
            let count = bucket.count.saturating_sub(before.map_or(0, |before| before.count));
            if count > 0 {
                buckets.push(HistogramBucket { upper_us: bucket.upper_us, count });
            }
        }
        Self { buckets, sum_us: self.sum_us.saturating_sub(earlier.sum_us) }
    }

    /// Counts `more` in as well; both ascend by bound.
    pub fn add(&mut self, more: &Self) {
        for bucket in &more.buckets {
            match self.buckets.binary_search_by_key(&bucket.upper_us, |own| own.upper_us) {
                Ok(found) => {
                    if let Some(own) = self.buckets.get_mut(found) {
                        own.count += bucket.count;
                    }
                }
                Err(place) => self.buckets.insert(place, *bucket),
            }
        }
        self.sum_us = self.sum_us.saturating_add(more.sum_us);
    }

    /// The bound of the bucket that holds the value at `share` (0.99 for p99), in microseconds;
    /// `None` without values.
    pub fn quantile_us(&self, share: f64) -> Option<u64> {
        let count = self.count();
        if count == 0 {
            return None;
        }
        let rank = ((count as f64 * share).ceil() as u64).clamp(1, count);
        let mut seen = 0;
        for bucket in &self.buckets {
            seen += bucket.count;
            if seen >= rank {
                return Some(bucket.upper_us);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn histogram(buckets: &[(u64, u64)]) -> Histogram {
        let buckets = buckets
            .iter()
            .map(|&(upper_us, count)| HistogramBucket { upper_us, count })
            .collect::<Vec<_>>();
        let sum_us = buckets.iter().map(|bucket| bucket.upper_us * bucket.count).sum();
        Histogram { buckets, sum_us }
    }

    #[test]
    fn quantiles_are_the_bounds_of_their_buckets() {
        let values = histogram(&[(10, 50), (20, 49), (1000, 1)]);
        assert_eq!(values.quantile_us(0.5), Some(10));
        assert_eq!(values.quantile_us(0.51), Some(20));
        assert_eq!(values.quantile_us(0.99), Some(20));
        assert_eq!(values.quantile_us(0.991), Some(1000));
        assert_eq!(values.quantile_us(1.0), Some(1000));
        assert_eq!(values.quantile_us(0.0), Some(10));
        assert_eq!(Histogram::default().quantile_us(0.5), None);
    }

    #[test]
    fn a_sum_has_the_buckets_of_both() {
        let mut sum = histogram(&[(10, 5), (30, 2)]);
        sum.add(&histogram(&[(5, 1), (30, 1), (40, 7)]));
        assert_eq!(sum, histogram(&[(5, 1), (10, 5), (30, 3), (40, 7)]));
    }

    #[test]
    fn a_difference_matches_bounds_even_when_either_side_lacks_some() {
        let earlier = histogram(&[(5, 1), (10, 5), (30, 2)]);
        let later = histogram(&[(5, 1), (10, 7), (20, 3), (30, 2)]);
        let between = later.since(&earlier);
        assert_eq!(between, histogram(&[(10, 2), (20, 3)]));
    }
}
