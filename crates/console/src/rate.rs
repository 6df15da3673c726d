//! Rates: what two readings of the meters say about the time between them.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::api::{
    EndpointMeters, INNER_ROUTE_PREFIX, LiveSample, Meters, TrafficMeters, TrafficRates,
};

/// What moved between two readings that are `step` apart.
pub(crate) fn sample(
    before: &Meters,
    now: &Meters,
    step: Duration,
    time_unix_ms: u64,
) -> LiveSample {
    let earlier: BTreeMap<_, _> =
        before.routes.iter().map(|meters| ((&meters.route, &meters.service), meters)).collect();
    let mut total = TrafficMeters::default();
    let mut by_route: BTreeMap<&str, TrafficMeters> = BTreeMap::new();
    for meters in &now.routes {
        let earlier = earlier.get(&(&meters.route, &meters.service));
        let traffic = since(&meters.traffic, earlier.map(|meters| &meters.traffic));
        if !meters.route.starts_with(INNER_ROUTE_PREFIX) {
            add(&mut total, &traffic);
        }
        add(by_route.entry(&meters.route).or_default(), &traffic);
    }
    let rates = |traffic: &TrafficMeters| rates(traffic, step);
    let routes = by_route.iter().map(|(name, traffic)| ((*name).to_owned(), rates(traffic)));

    let earlier: BTreeMap<_, _> =
        before.services.iter().map(|meters| (&meters.service, meters)).collect();
    let services = now.services.iter().map(|meters| {
        let earlier = earlier.get(&meters.service).map(|meters| &meters.traffic);
        (meters.service.clone(), rates(&since(&meters.traffic, earlier)))
    });

    let earlier: BTreeMap<_, _> =
        before.endpoints.iter().map(|meters| (&meters.endpoint, meters)).collect();
    let endpoints = now.endpoints.iter().map(|meters| {
        (meters.endpoint.clone(), endpoint_rates(meters, earlier.get(&meters.endpoint), step))
    });

    let connections = &now.connections;
    LiveSample {
        time_unix_ms,
        step_ms: u64::try_from(step.as_millis()).unwrap_or(u64::MAX),
        total: rates(&total),
        routes: routes.collect(),
        services: services.collect(),
        endpoints: endpoints.collect(),
        connections: connections.active + connections.idle + connections.upgraded,
    }
}

fn since(now: &TrafficMeters, before: Option<&TrafficMeters>) -> TrafficMeters {
    let Some(before) = before else { return now.clone() };
    TrafficMeters {
        statuses: now.statuses.since(&before.statuses),
        bytes_in: now.bytes_in.saturating_sub(before.bytes_in),
        bytes_out: now.bytes_out.saturating_sub(before.bytes_out),
        latency: now.latency.since(&before.latency),
        in_flight: now.in_flight,
    }
}

/// Adds the parts that rates are made of.
fn add(sum: &mut TrafficMeters, more: &TrafficMeters) {
    let (statuses, other) = (&mut sum.statuses, &more.statuses);
    statuses.informational += other.informational;
    statuses.success += other.success;
    statuses.redirection += other.redirection;
    statuses.client_error += other.client_error;
    statuses.server_error += other.server_error;
    statuses.aborted += other.aborted;
    sum.latency.add(&more.latency);
}

fn rates(traffic: &TrafficMeters, step: Duration) -> TrafficRates {
    TrafficRates {
        requests_per_s: per_second(traffic.statuses.total(), step),
        errors_per_s: per_second(traffic.statuses.server_error, step),
        p50_us: traffic.latency.quantile_us(0.5),
        p99_us: traffic.latency.quantile_us(0.99),
    }
}

fn endpoint_rates(
    now: &EndpointMeters,
    before: Option<&&EndpointMeters>,
    step: Duration,
) -> TrafficRates {
    let empty = EndpointMeters::default();
    let before = before.map_or(&empty, |before| *before);
    let latency = now.latency.since(&before.latency);
    TrafficRates {
        requests_per_s: per_second(now.requests.saturating_sub(before.requests), step),
        errors_per_s: per_second(now.failures.saturating_sub(before.failures), step),
        p50_us: latency.quantile_us(0.5),
        p99_us: latency.quantile_us(0.99),
    }
}

/// To a thousandth: more digits would only make the answers longer.
fn per_second(count: u64, step: Duration) -> f64 {
    let rate = count as f64 / step.as_secs_f64().max(0.001);
    (rate * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{Histogram, HistogramBucket, RouteMeters, StatusCounts};

    fn route(route: &str, service: &str, success: u64, server_error: u64) -> RouteMeters {
        let statuses = StatusCounts { success, server_error, ..StatusCounts::default() };
        let bucket = HistogramBucket { upper_us: 100, count: success + server_error };
        let latency = Histogram { buckets: vec![bucket], sum_us: 0 };
        let traffic = TrafficMeters { statuses, latency, ..TrafficMeters::default() };
        RouteMeters { route: route.to_owned(), service: service.to_owned(), traffic }
    }

    #[test]
    fn rates_are_differences_by_time_and_a_route_sums_its_services() {
        let before = Meters { routes: vec![route("a", "x", 10, 0)], ..Meters::default() };
        let now = Meters {
            routes: vec![
                route("a", "x", 30, 2),
                route("a", "y", 4, 0),
                route("", "", 0, 0),
                route("door:y", "y", 100, 0),
            ],
            ..Meters::default()
        };
        let sample = sample(&before, &now, Duration::from_secs(2), 7);
        assert_eq!((sample.total.requests_per_s, sample.total.errors_per_s), (13.0, 1.0));
        let names = sample.routes.iter().map(|(name, rates)| (name.as_str(), rates.requests_per_s));
        assert_eq!(names.collect::<Vec<_>>(), [("", 0.0), ("a", 13.0), ("door:y", 50.0)]);
        assert_eq!(sample.total.p99_us, Some(100));
        assert_eq!(sample.routes[0].1.p99_us, None);
    }
}
