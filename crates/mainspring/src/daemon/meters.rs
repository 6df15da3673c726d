//! The data plane's numbers, in the words of the admin API.

use console::api::{
    ConnectionMeters, EndpointMeters, Histogram, HistogramBucket, Meters, RouteMeters,
    ServiceMeters, StatusCounts, TrafficMeters,
};
use edge::{HistogramSnapshot, MetersSnapshot, TrafficSnapshot};

/// All numbers.
pub(super) fn meters(snapshot: MetersSnapshot) -> Meters {
    let of_endpoint = |endpoint: edge::EndpointSnapshot| EndpointMeters {
        service: endpoint.service,
        endpoint: endpoint.endpoint,
        requests: endpoint.requests,
        failures: endpoint.failures,
        in_flight: endpoint.in_flight,
        latency: histogram(endpoint.latency),
    };
    let of_service = |service: edge::ServiceSnapshot| ServiceMeters {
        service: service.service,
        traffic: traffic(service.traffic),
        retries: service.retries,
        retries_refused: service.retries_refused,
        shed: service.shed,
    };
    let of_route = |route: edge::RouteSnapshot| RouteMeters {
        route: route.route,
        service: route.service,
        traffic: traffic(route.traffic),
    };
    Meters {
        routes: snapshot.routes.into_iter().map(of_route).collect(),
        services: snapshot.services.into_iter().map(of_service).collect(),
        endpoints: snapshot.endpoints.into_iter().map(of_endpoint).collect(),
        connections: connections(&snapshot.connections),
    }
}

fn connections(own: &edge::ConnectionSnapshot) -> ConnectionMeters {
    ConnectionMeters {
        accepted: own.accepted,
        refused: own.refused,
        active: own.active,
        idle: own.idle,
        upgraded: own.upgraded,
        upstream_opened: own.upstream_opened,
        upstream_active: own.upstream_active,
        upstream_idle: own.upstream_idle,
        malformed: own.malformed,
    }
}

fn traffic(traffic: TrafficSnapshot) -> TrafficMeters {
    let statuses = traffic.statuses;
    TrafficMeters {
        statuses: StatusCounts {
            informational: statuses.informational,
            success: statuses.success,
            redirection: statuses.redirection,
            client_error: statuses.client_error,
            server_error: statuses.server_error,
            aborted: statuses.aborted,
        },
        bytes_in: traffic.bytes_in,
        bytes_out: traffic.bytes_out,
        latency: histogram(traffic.latency),
        in_flight: traffic.in_flight,
    }
}

fn histogram(snapshot: HistogramSnapshot) -> Histogram {
    let bucket =
        |bucket: edge::Bucket| HistogramBucket { upper_us: bucket.upper_us, count: bucket.count };
    Histogram {
        buckets: snapshot.buckets.into_iter().map(bucket).collect(),
        sum_us: snapshot.sum_us,
    }
}
