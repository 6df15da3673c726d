//! Numbers about traffic: written by each core for itself, added up when somebody asks.

mod counter;
mod histogram;
mod snapshot;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

pub(crate) use counter::Counter;
pub use histogram::{Bucket, HistogramSnapshot};
pub(crate) use histogram::{Histogram, HistogramSum};
pub use snapshot::{
    ConnectionSnapshot, EndpointSnapshot, MetersSnapshot, RouteSnapshot, ServiceSnapshot,
    StatusCounts, TrafficSnapshot,
};
pub(crate) use snapshot::{EndpointCounts, add_up};

/// All numbers of one core.
#[derive(Default)]
pub(crate) struct CoreMeters {
    pub(crate) connections: Connections,
    /// Touched when a snapshot of the configuration arrives and when numbers are read; requests
    /// hold their own `Arc`s.
    registry: Mutex<Registry>,
}

#[derive(Default)]
struct Registry {
    routes: BTreeMap<RouteKey, Arc<Traffic>>,
    services: BTreeMap<String, Arc<ServiceMeters>>,
    endpoints: BTreeMap<EndpointKey, Arc<Histogram>>,
}

/// A route under its name, and the service that it leads to; both empty when no route matched.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RouteKey {
    pub(crate) route: String,
    pub(crate) service: String,
}

/// An endpoint under its label within its service.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct EndpointKey {
    pub(crate) service: String,
    pub(crate) label: String,
}

/// Connections with clients and with endpoints.
#[derive(Default)]
pub(crate) struct Connections {
    pub(crate) accepted: Counter,
    pub(crate) refused: Counter,
    pub(crate) open: Counter,
    pub(crate) active: Counter,
    pub(crate) upgraded: Counter,
    pub(crate) upstream_opened: Counter,
    pub(crate) upstream_open: Counter,
    pub(crate) upstream_idle: Counter,
    pub(crate) malformed: Counter,
}

/// Requests of one route or service on one core.
pub(crate) struct Traffic {
    statuses: [Counter; 6],
    pub(crate) bytes_in: Counter,
    pub(crate) bytes_out: Counter,
    pub(crate) in_flight: Counter,
    latency: Histogram,
}

/// As [`Traffic`], with what only services have.
pub(crate) struct ServiceMeters {
    pub(crate) traffic: Traffic,
    pub(crate) retries: Counter,
    pub(crate) retries_refused: Counter,
    pub(crate) shed: Counter,
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The answer was passed on whole, with this status.
    Answered(u16),
    /// The client went away first.
    Aborted,
}

impl Traffic {
    fn new() -> Self {
        Self {
            statuses: Default::default(),
            bytes_in: Counter::default(),
            bytes_out: Counter::default(),
            in_flight: Counter::default(),
            latency: Histogram::new(),
        }
    }

    /// Counts a request that is over.
    pub(crate) fn record(&self, ending: Ending, latency_us: u64) {
        let class = match ending {
            Ending::Answered(status) => usize::from(status / 100).clamp(1, 5) - 1,
            Ending::Aborted => 5,
        };
        if let Some(count) = self.statuses.get(class) {
            count.add(1);
        }
        self.latency.record(latency_us);
    }
}

impl CoreMeters {
    /// The numbers under `key`, begun at zero when new.
    pub(crate) fn route(&self, key: RouteKey) -> Arc<Traffic> {
        let mut registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(registry.routes.entry(key).or_insert_with(|| Arc::new(Traffic::new())))
    }

    pub(crate) fn service(&self, name: &str) -> Arc<ServiceMeters> {
        let mut registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = || {
            Arc::new(ServiceMeters {
                traffic: Traffic::new(),
                retries: Counter::default(),
                retries_refused: Counter::default(),
                shed: Counter::default(),
            })
        };
        Arc::clone(registry.services.entry(name.to_owned()).or_insert_with(fresh))
    }

    pub(crate) fn endpoint(&self, key: EndpointKey) -> Arc<Histogram> {
        let mut registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(registry.endpoints.entry(key).or_insert_with(|| Arc::new(Histogram::new())))
    }

    /// Forgets what only the registry still holds: routes, services and endpoints that left the
    /// configuration and have no request in flight. Without this a year of deploys would add up.
    pub(crate) fn forget_unused(&self) {
        let mut registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        registry.routes.retain(|_, meters| Arc::strong_count(meters) > 1);
        registry.services.retain(|_, meters| Arc::strong_count(meters) > 1);
        registry.endpoints.retain(|_, meters| Arc::strong_count(meters) > 1);
    }
}
