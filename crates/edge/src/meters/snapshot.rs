//! The numbers of all cores added up, as others get them.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};

use super::{CoreMeters, EndpointKey, HistogramSnapshot, HistogramSum, RouteKey, Traffic};

/// Everything since the start, added up over cores.
#[derive(Clone, Debug, Default)]
pub struct MetersSnapshot {
    /// A route each; requests that matched none have empty names.
    pub routes: Vec<RouteSnapshot>,
    /// A service each.
    pub services: Vec<ServiceSnapshot>,
    /// A replica or address each.
    pub endpoints: Vec<EndpointSnapshot>,
    /// Connections of all doors.
    pub connections: ConnectionSnapshot,
}

/// What went through a route.
#[derive(Clone, Debug, Default)]
pub struct RouteSnapshot {
    /// Its name; empty: no route matched. Requests by a service's own door have `door:<service>`.
    pub route: String,
    /// Where it leads; empty: nowhere.
    pub service: String,
    /// How much.
    pub traffic: TrafficSnapshot,
}

/// What went to a service.
#[derive(Clone, Debug, Default)]
pub struct ServiceSnapshot {
    /// Its name.
    pub service: String,
    /// How much.
    pub traffic: TrafficSnapshot,
    /// Attempts beyond the first.
    pub retries: u64,
    /// Retries that the budget refused.
    pub retries_refused: u64,
    /// Requests answered with 503 because no endpoint could take them.
    pub shed: u64,
}

/// What went to one endpoint.
#[derive(Clone, Debug, Default)]
pub struct EndpointSnapshot {
    /// Whose.
    pub service: String,
    /// Its label, such as `orders.3`.
    pub endpoint: String,
    /// Attempts sent to it.
    pub requests: u64,
    /// Attempts that it failed: no connection, broken answer, time-out, 5xx.
    pub failures: u64,
    /// Requests that it is answering now.
    pub in_flight: u64,
    /// From the attempt's start to the answer's end.
    pub latency: HistogramSnapshot,
}

/// Requests, bytes and latency.
#[derive(Clone, Debug, Default)]
pub struct TrafficSnapshot {
    /// Requests that are over, by class of status.
    pub statuses: StatusCounts,
    /// Bytes of request bodies.
    pub bytes_in: u64,
    /// Bytes of response bodies.
    pub bytes_out: u64,
    /// From the request's head to the answer's last byte.
    pub latency: HistogramSnapshot,
    /// Requests being answered now.
    pub in_flight: u64,
}

/// Requests by class of status.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
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
    /// The client went away first.
    pub aborted: u64,
}

/// Connections with clients and with endpoints.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConnectionSnapshot {
    /// Client connections accepted so far.
    pub accepted: u64,
    /// Client connections refused so far: a limit was reached.
    pub refused: u64,
    /// Client connections in the middle of a request.
    pub active: u64,
    /// Client connections waiting for a request.
    pub idle: u64,
    /// Client connections that are a tunnel now (WebSocket and others).
    pub upgraded: u64,
    /// Connections to endpoints opened so far.
    pub upstream_opened: u64,
    /// Connections to endpoints in use.
    pub upstream_active: u64,
    /// Connections to endpoints kept for later.
    pub upstream_idle: u64,
    /// Requests refused as malformed so far.
    pub malformed: u64,
    /// Bytes of the access log that a slow disk cost.
    pub log_bytes_dropped: u64,
}

/// What endpoints count for themselves, over all cores.
pub(crate) struct EndpointCounts {
    pub(crate) key: EndpointKey,
    pub(crate) requests: u64,
    pub(crate) failures: u64,
    pub(crate) in_flight: u64,
}

/// Adds the cores' numbers up.
pub(crate) fn add_up(cores: &[Arc<CoreMeters>], endpoints: Vec<EndpointCounts>) -> MetersSnapshot {
    let mut routes: BTreeMap<RouteKey, TrafficSum> = BTreeMap::new();
    let mut services: BTreeMap<String, (TrafficSum, [u64; 3])> = BTreeMap::new();
    let mut latencies: BTreeMap<EndpointKey, HistogramSum> = BTreeMap::new();
    let mut connections = ConnectionSnapshot::default();
    for core in cores {
        let registry = core.registry.lock().unwrap_or_else(PoisonError::into_inner);
        for (key, meters) in &registry.routes {
            routes.entry(key.clone()).or_insert_with(TrafficSum::new).add(meters);
        }
        for (name, meters) in &registry.services {
            let (traffic, rest) =
                services.entry(name.clone()).or_insert_with(|| (TrafficSum::new(), [0; 3]));
            traffic.add(&meters.traffic);
            for (sum, counter) in
                rest.iter_mut().zip([&meters.retries, &meters.retries_refused, &meters.shed])
            {
                *sum += counter.get();
            }
        }
        for (key, histogram) in &registry.endpoints {
            latencies.entry(key.clone()).or_insert_with(HistogramSum::new).add(histogram);
        }
        drop(registry);
        add_connections(&mut connections, core);
    }
    MetersSnapshot {
        routes: routes.into_iter().map(route_snapshot).collect(),
        services: services.into_iter().map(service_snapshot).collect(),
        endpoints: endpoints.into_iter().map(|counts| endpoint(counts, &latencies)).collect(),
        connections,
    }
}

struct TrafficSum {
    snapshot: TrafficSnapshot,
    latency: HistogramSum,
}

impl TrafficSum {
    fn new() -> Self {
        Self { snapshot: TrafficSnapshot::default(), latency: HistogramSum::new() }
    }

    fn add(&mut self, traffic: &Traffic) {
        let [informational, success, redirection, client_error, server_error, aborted] =
            traffic.statuses.each_ref().map(super::Counter::get);
        let statuses = &mut self.snapshot.statuses;
        statuses.informational += informational;
        statuses.success += success;
        statuses.redirection += redirection;
        statuses.client_error += client_error;
        statuses.server_error += server_error;
        statuses.aborted += aborted;
        self.snapshot.bytes_in += traffic.bytes_in.get();
        self.snapshot.bytes_out += traffic.bytes_out.get();
        self.snapshot.in_flight += traffic.in_flight.get();
        self.latency.add(&traffic.latency);
    }

    fn finish(mut self) -> TrafficSnapshot {
        self.snapshot.latency = self.latency.finish();
        self.snapshot
    }
}

fn route_snapshot((key, sum): (RouteKey, TrafficSum)) -> RouteSnapshot {
    RouteSnapshot { route: key.route, service: key.service, traffic: sum.finish() }
}

fn service_snapshot((service, (sum, rest)): (String, (TrafficSum, [u64; 3]))) -> ServiceSnapshot {
    let [retries, retries_refused, shed] = rest;
    ServiceSnapshot { service, traffic: sum.finish(), retries, retries_refused, shed }
}

fn endpoint(
    counts: EndpointCounts,
    latencies: &BTreeMap<EndpointKey, HistogramSum>,
) -> EndpointSnapshot {
    EndpointSnapshot {
        latency: latencies.get(&counts.key).map(HistogramSum::finish).unwrap_or_default(),
        service: counts.key.service,
        endpoint: counts.key.label,
        requests: counts.requests,
        failures: counts.failures,
        in_flight: counts.in_flight,
    }
}

fn add_connections(sum: &mut ConnectionSnapshot, core: &CoreMeters) {
    let own = &core.connections;
    let (open, active, upgraded) = (own.open.get(), own.active.get(), own.upgraded.get());
    sum.accepted += own.accepted.get();
    sum.refused += own.refused.get();
    sum.active += active;
    // The three are read one after the other while the core goes on: never below zero.
    sum.idle += open.saturating_sub(active).saturating_sub(upgraded);
    sum.upgraded += upgraded;
    sum.upstream_opened += own.upstream_opened.get();
    sum.upstream_active += own.upstream_open.get().saturating_sub(own.upstream_idle.get());
    sum.upstream_idle += own.upstream_idle.get();
    sum.malformed += own.malformed.get();
}

#[cfg(test)]
mod tests {
    use super::super::Ending;
    use super::*;

    #[test]
    fn cores_are_added_and_classes_kept_apart() {
        let cores = [Arc::new(CoreMeters::default()), Arc::new(CoreMeters::default())];
        let key = RouteKey { route: "r".to_owned(), service: "s".to_owned() };
        for core in &cores {
            let route = core.route(key.clone());
            route.record(Ending::Answered(204), 10);
            route.record(Ending::Answered(502), 10);
            route.record(Ending::Aborted, 10);
            route.in_flight.add(2);
            route.in_flight.sub(1);
        }
        let sum = add_up(&cores, Vec::new());
        let traffic = &sum.routes[0].traffic;
        let want = StatusCounts { success: 2, server_error: 2, aborted: 2, ..Default::default() };
        assert_eq!(traffic.statuses, want);
        assert_eq!(traffic.in_flight, 2);
        assert_eq!(traffic.latency.buckets[0].count, 6);
    }

    #[test]
    fn what_left_the_configuration_is_forgotten_when_its_last_request_ended() {
        let core = CoreMeters::default();
        let held = core.service("orders");
        core.forget_unused();
        assert_eq!(core.registry.lock().unwrap().services.len(), 1);
        drop(held);
        core.forget_unused();
        assert_eq!(core.registry.lock().unwrap().services.len(), 0);
    }
}
