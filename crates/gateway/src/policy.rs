//! Settings of a route and of the whole edge, with their defaults.

use std::time::Duration;

use crate::balance::Balance;
use crate::forwarded::Forwarding;

/// How a route's requests are carried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoutePolicy {
    /// How the service's endpoints take turns.
    pub balance: Balance,
    /// For a TCP connection to an endpoint to be made.
    pub connect_timeout: Duration,
    /// From the end of the request to the first byte of the answer.
    pub response_header_timeout: Duration,
    /// For the whole exchange, body included; none by default, for streams last.
    pub total_timeout: Option<Duration>,
    /// Without a byte in either direction, bodies and upgraded connections included.
    pub idle_timeout: Duration,
    /// More attempts after the first.
    pub retries: u32,
    /// Longest request body; beyond: 413.
    pub body_bytes_max: u64,
    /// Whether the upstream gets the client's `Host`; else the endpoint's address.
    pub preserve_host: bool,
}

/// Settings that concern every route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EdgePolicy {
    /// For requests that come through a service's own door and so have no route.
    pub door: RoutePolicy,
    /// What upstreams are told about the client.
    pub forwarding: Forwarding,
    /// What clients may ask of us.
    pub limits: EdgeLimits,
    /// Share of requests that are logged, in millionths; failures (5xx) are always logged.
    pub access_log_millionths: u32,
    /// What `Retry-After` says when replicas are starting or we shed, in seconds.
    pub retry_after_seconds: u32,
}

/// Limits on clients; each can be set in the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EdgeLimits {
    /// Longest request head; beyond: 431.
    pub head_bytes_max: u32,
    /// Most header fields; beyond: 431.
    pub field_count_max: u16,
    /// Longest target; beyond: 414.
    pub target_bytes_max: u32,
    /// Longest trailer section.
    pub trailer_bytes_max: u32,
    /// Open client connections; beyond, new ones are closed with 503.
    pub connections_max: u32,
    /// Open connections from one client address; beyond, new ones are closed with 429.
    pub connections_per_client_max: u32,
    /// From the first byte of a head to its last.
    pub head_timeout: Duration,
    /// Without a request on a kept connection.
    pub keep_alive_timeout: Duration,
    /// Slowest request body, in bytes a second, after a grace of [`Self::body_rate_grace`]; 0 is
    /// no limit.
    pub body_rate_min: u32,
    /// How long a body may be slower than that.
    pub body_rate_grace: Duration,
}

impl Default for RoutePolicy {
    fn default() -> Self {
        Self {
            balance: Balance::RoundRobin,
            connect_timeout: Duration::from_secs(2),
            response_header_timeout: Duration::from_secs(60),
            total_timeout: None,
            idle_timeout: Duration::from_secs(300),
            retries: 2,
            body_bytes_max: 16 << 30,
            preserve_host: true,
        }
    }
}

impl Default for EdgePolicy {
    /// Logs every request, trusts no proxy.
    fn default() -> Self {
        Self {
            door: RoutePolicy::default(),
            forwarding: Forwarding::default(),
            limits: EdgeLimits::default(),
            access_log_millionths: 1_000_000,
            retry_after_seconds: 1,
        }
    }
}

impl EdgePolicy {
    /// Whether a request is logged: `chance` is 32 random bits.
    pub fn logs(&self, status: u16, chance: u32) -> bool {
        status >= 500 || u64::from(chance) * 1_000_000 < u64::from(self.access_log_millionths) << 32
    }
}

impl Default for EdgeLimits {
    fn default() -> Self {
        Self {
            head_bytes_max: 32 << 10,
            field_count_max: 100,
            target_bytes_max: 8 << 10,
            trailer_bytes_max: 8 << 10,
            connections_max: 50_000,
            connections_per_client_max: 10_000,
            head_timeout: Duration::from_secs(10),
            keep_alive_timeout: Duration::from_secs(75),
            body_rate_min: 256,
            body_rate_grace: Duration::from_secs(10),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sample_is_the_share_that_was_asked_for() {
        let mut policy = EdgePolicy::default();
        assert!(policy.logs(200, u32::MAX));
        policy.access_log_millionths = 250_000;
        assert!(policy.logs(200, (1 << 30) - 1));
        assert!(!policy.logs(200, 1 << 30));
        assert!(policy.logs(502, u32::MAX), "failures are always logged");
        policy.access_log_millionths = 0;
        assert!(!policy.logs(200, 0));
    }
}
