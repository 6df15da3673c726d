//! `/metrics` in Prometheus' text format, version 0.0.4.
//!
//! Written by hand because the counters exist already: a registry would count them twice. Labels
//! are bounded: routes and services come from the config, replicas from what runs now.

use std::fmt::Write;

use crate::api::{Histogram, Meters, ReplicaState, Status, TrafficMeters};
use crate::process::ProcessReading;

/// Media type of the format.
pub(crate) const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";
/// Pairs of route and service shown, and replicas; what comes after them is left out and counted
/// in `mainspring_metrics_left_out`.
pub(crate) const LABEL_SETS_MAX: usize = 1000;

/// Bounds of the latency histogram in microseconds: those that most Prometheus clients use, with
/// two finer ones because a proxy is faster than a program.
const BOUNDS_US: [u64; 16] = [
    500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 75_000, 100_000, 250_000, 500_000, 750_000,
    1_000_000, 2_500_000, 5_000_000, 10_000_000,
];

/// The whole page.
pub(crate) fn write(status: &Status, meters: &Meters, process: &ProcessReading) -> String {
    let mut page = Page(String::with_capacity(16 * 1024));
    page.routes(meters);
    page.services(meters);
    page.connections(meters);
    page.replicas(status, meters);
    page.node(status);
    page.process(process);
    let over = |count: usize| count.saturating_sub(LABEL_SETS_MAX);
    let replicas = status.services.iter().map(|service| service.replicas.len()).sum();
    let left_out = over(meters.routes.len()) + over(replicas) + over(status.services.len());
    page.single("mainspring_metrics_left_out", "Series left out of this page.", left_out as f64);
    page.0
}

struct Page(String);

#[derive(Clone, Copy)]
enum Kind {
    Counter,
    Gauge,
    Histogram,
}

impl Page {
    fn family(&mut self, name: &str, kind: Kind, help: &str) {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        self.0.push_str(&format!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        self.0.push_str(name);
        for (at, (label, text)) in labels.iter().enumerate() {
            self.0.push(if at == 0 { '{' } else { ',' });
            self.0.push_str(label);
            self.0.push_str("=\"");
            for character in text.chars() {
                match character {
                    '\\' => self.0.push_str("\\\\"),
                    '"' => self.0.push_str("\\\""),
                    '\n' => self.0.push_str("\\n"),
                    other => self.0.push(other),
                }
            }
            self.0.push('"');
        }
        let close = if labels.is_empty() { "" } else { "}" };
        // Writing into a String cannot fail.
        let _ = writeln!(self.0, "{close} {value}");
    }

    fn single(&mut self, name: &str, help: &str, value: f64) {
        let kind = if name.ends_with("_total") { Kind::Counter } else { Kind::Gauge };
        self.family(name, kind, help);
        self.sample(name, &[], value);
    }

    fn routes(&mut self, meters: &Meters) {
        let routes = || meters.routes.iter().take(LABEL_SETS_MAX);
        let name = "mainspring_http_requests_total";
        self.family(name, Kind::Counter, "Requests by route, service and class of status.");
        for meters in routes() {
            for (code, count) in meters.traffic.statuses.classes() {
                let labels = [
                    ("route", meters.route.as_str()),
                    ("service", &meters.service),
                    ("code", code),
                ];
                self.sample(name, &labels, count as f64);
            }
        }
        let name = "mainspring_http_request_duration_seconds";
        let help = "Time from a request's first byte to its answer's last.";
        self.family(name, Kind::Histogram, help);
        for meters in routes() {
            self.histogram(name, &meters.route, &meters.service, &meters.traffic.latency);
        }
        type Value = fn(&TrafficMeters) -> u64;
        let rest: [(&str, Kind, &str, Value); 3] = [
            (
                "mainspring_http_request_body_bytes_total",
                Kind::Counter,
                "Bytes of request bodies received.",
                |traffic| traffic.bytes_in,
            ),
            (
                "mainspring_http_response_body_bytes_total",
                Kind::Counter,
                "Bytes of response bodies sent.",
                |traffic| traffic.bytes_out,
            ),
            (
                "mainspring_http_requests_in_flight",
                Kind::Gauge,
                "Requests being answered.",
                |traffic| traffic.in_flight,
            ),
        ];
        for (name, kind, help, value) in rest {
            self.family(name, kind, help);
            for meters in routes() {
                let labels = [("route", meters.route.as_str()), ("service", &meters.service)];
                self.sample(name, &labels, value(&meters.traffic) as f64);
            }
        }
    }

    /// A value counts towards a bound when its whole bucket is at or below it, so that a bound is
    /// never too optimistic.
    fn histogram(&mut self, name: &str, route: &str, service: &str, histogram: &Histogram) {
        let bucket = format!("{name}_bucket");
        let mut buckets = histogram.buckets.iter().peekable();
        let mut seen = 0;
        for bound in BOUNDS_US {
            while let Some(next) = buckets.next_if(|next| next.upper_us <= bound) {
                seen += next.count;
            }
            let le = (bound as f64 / 1e6).to_string();
            let labels = [("route", route), ("service", service), ("le", le.as_str())];
            self.sample(&bucket, &labels, seen as f64);
        }
        let count = histogram.count() as f64;
        let labels = [("route", route), ("service", service), ("le", "+Inf")];
        self.sample(&bucket, &labels, count);
        let labels = [("route", route), ("service", service)];
        self.sample(&format!("{name}_sum"), &labels, histogram.sum_us as f64 / 1e6);
        self.sample(&format!("{name}_count"), &labels, count);
    }

    fn services(&mut self, meters: &Meters) {
        type Value = fn(&crate::api::ServiceMeters) -> u64;
        let families: [(&str, &str, Value); 3] = [
            ("mainspring_upstream_retries_total", "Attempts beyond the first.", |meters| {
                meters.retries
            }),
            (
                "mainspring_upstream_retries_refused_total",
                "Retries that the retry budget refused.",
                |meters| meters.retries_refused,
            ),
            (
                "mainspring_http_requests_shed_total",
                "Requests answered with 503 because no replica could take them.",
                |meters| meters.shed,
            ),
        ];
        for (name, help, value) in families {
            self.family(name, Kind::Counter, help);
            for meters in meters.services.iter().take(LABEL_SETS_MAX) {
                self.sample(name, &[("service", &meters.service)], value(meters) as f64);
            }
        }
    }

    fn connections(&mut self, meters: &Meters) {
        let all = &meters.connections;
        let total = |page: &mut Self, name: &str, help: &str, value: u64| {
            page.single(name, help, value as f64);
        };
        let name = "mainspring_connections_accepted_total";
        total(self, name, "Client connections accepted.", all.accepted);
        let name = "mainspring_connections_refused_total";
        total(self, name, "Client connections refused by a limit.", all.refused);
        let name = "mainspring_http_malformed_total";
        total(self, name, "Messages refused as malformed.", all.malformed);
        let name = "mainspring_upstream_connections_opened_total";
        total(self, name, "Connections to replicas opened.", all.upstream_opened);
        let name = "mainspring_connections";
        self.family(name, Kind::Gauge, "Client connections by state.");
        let states = [("active", all.active), ("idle", all.idle), ("upgraded", all.upgraded)];
        for (state, count) in states {
            self.sample(name, &[("state", state)], count as f64);
        }
        let name = "mainspring_upstream_connections";
        self.family(name, Kind::Gauge, "Connections to replicas by state.");
        for (state, count) in [("active", all.upstream_active), ("idle", all.upstream_idle)] {
            self.sample(name, &[("state", state)], count as f64);
        }
    }

    fn replicas(&mut self, status: &Status, meters: &Meters) {
        let services = || status.services.iter().take(LABEL_SETS_MAX);
        let name = "mainspring_replicas";
        self.family(name, Kind::Gauge, "Replicas by service and state.");
        for service in services() {
            for state in ReplicaState::ALL {
                let states = service.replicas.iter().map(|replica| replica.state);
                let count = states.filter(|other| *other == state).count();
                let labels = [("service", service.name.as_str()), ("state", state.word())];
                self.sample(name, &labels, count as f64);
            }
        }
        let name = "mainspring_replicas_desired";
        self.family(name, Kind::Gauge, "Wanted replicas by service.");
        for service in services() {
            self.sample(name, &[("service", &service.name)], f64::from(service.desired));
        }
        let name = "mainspring_replica_restarts_total";
        self.family(name, Kind::Counter, "Restarts of a service's replicas.");
        for service in services() {
            self.sample(name, &[("service", &service.name)], service.restarts as f64);
        }
        let replicas = || {
            let all = status.services.iter().flat_map(|service| {
                service.replicas.iter().map(move |replica| (service.name.as_str(), replica))
            });
            all.take(LABEL_SETS_MAX)
        };
        let name = "mainspring_replica_cpu_cores";
        self.family(name, Kind::Gauge, "CPU cores that a replica used of late.");
        for (service, replica) in replicas() {
            let labels = [("service", service), ("replica", replica.id.as_str())];
            if let Some(cores) = replica.cpu_cores {
                self.sample(name, &labels, cores);
            }
        }
        let name = "mainspring_replica_resident_memory_bytes";
        self.family(name, Kind::Gauge, "Memory of a replica.");
        for (service, replica) in replicas() {
            let labels = [("service", service), ("replica", replica.id.as_str())];
            if let Some(bytes) = replica.resident_bytes {
                self.sample(name, &labels, bytes as f64);
            }
        }
        self.endpoints(meters);
    }

    fn endpoints(&mut self, meters: &Meters) {
        type Value = fn(&crate::api::EndpointMeters) -> u64;
        let families: [(&str, Kind, &str, Value); 3] = [
            (
                "mainspring_upstream_requests_total",
                Kind::Counter,
                "Requests sent to a replica.",
                |meters| meters.requests,
            ),
            (
                "mainspring_upstream_failures_total",
                Kind::Counter,
                "Requests that a replica failed.",
                |meters| meters.failures,
            ),
            (
                "mainspring_upstream_requests_in_flight",
                Kind::Gauge,
                "Requests that a replica is answering.",
                |meters| meters.in_flight,
            ),
        ];
        for (name, kind, help, value) in families {
            self.family(name, kind, help);
            for meters in meters.endpoints.iter().take(LABEL_SETS_MAX) {
                let labels =
                    [("service", meters.service.as_str()), ("replica", meters.endpoint.as_str())];
                self.sample(name, &labels, value(meters) as f64);
            }
        }
    }

    fn node(&mut self, status: &Status) {
        let node = &status.node;
        let name = "mainspring_build_info";
        self.family(name, Kind::Gauge, "Always 1; the labels say what runs.");
        self.sample(name, &[("version", &node.version), ("node", &node.name)], 1.0);
        let help = "Counts the configs put in force.";
        self.single("mainspring_config_generation", help, node.config_generation as f64);
        let help = "Whether the newest attempt to reload was accepted.";
        let good = if node.config_error.is_none() { 1.0 } else { 0.0 };
        self.single("mainspring_config_last_reload_successful", help, good);
        let ready = if node.ready { 1.0 } else { 0.0 };
        self.single("mainspring_ready", "Whether the node takes traffic.", ready);
    }

    fn process(&mut self, process: &ProcessReading) {
        let all = [
            ("process_cpu_seconds_total", "CPU time used.", process.cpu_seconds),
            ("process_resident_memory_bytes", "Memory in use.", process.resident_bytes as f64),
            ("process_virtual_memory_bytes", "Address space.", process.virtual_bytes as f64),
            ("process_threads", "Threads.", process.thread_count as f64),
            ("process_open_fds", "Open file descriptors.", process.open_fds as f64),
            ("process_max_fds", "Most open file descriptors.", process.max_fds as f64),
            (
                "process_start_time_seconds",
                "Start since the Unix epoch.",
                process.start_unix_seconds,
            ),
        ];
        for (name, help, value) in all {
            self.single(name, help, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{
        EndpointMeters, HistogramBucket, ReplicaStatus, RouteMeters, ServiceStatus, StatusCounts,
    };

    fn page() -> String {
        let bucket = |upper_us, count| HistogramBucket { upper_us, count };
        let traffic = TrafficMeters {
            statuses: StatusCounts { success: 8, server_error: 1, ..StatusCounts::default() },
            latency: Histogram {
                buckets: vec![bucket(500, 4), bucket(501, 2), bucket(20_000_000, 3)],
                sum_us: 60_003_002,
            },
            ..TrafficMeters::default()
        };
        let route = "a\"b\\c\nd".to_owned();
        let endpoint = EndpointMeters {
            service: "shop".to_owned(),
            endpoint: "shop.1".to_owned(),
            requests: 9,
            ..EndpointMeters::default()
        };
        let meters = Meters {
            routes: vec![RouteMeters { route, service: "shop".to_owned(), traffic }],
            endpoints: vec![endpoint],
            ..Meters::default()
        };
        let replica = ReplicaStatus {
            id: "shop.1".to_owned(),
            state: ReplicaState::Ready,
            ..Default::default()
        };
        let service = ServiceStatus {
            name: "shop".to_owned(),
            replicas: vec![replica],
            ..Default::default()
        };
        let status = Status { services: vec![service], ..Status::default() };
        write(&status, &meters, &ProcessReading::default())
    }

    #[test]
    fn counters_and_labels_are_written_as_the_format_asks() {
        let page = page();
        for line in [
            r#"mainspring_http_requests_total{route="a\"b\\c\nd",service="shop",code="2xx"} 8"#,
            r#"mainspring_http_requests_total{route="a\"b\\c\nd",service="shop",code="5xx"} 1"#,
            r#"mainspring_upstream_requests_total{service="shop",replica="shop.1"} 9"#,
            r#"mainspring_replicas{service="shop",state="ready"} 1"#,
            r#"mainspring_replicas{service="shop",state="starting"} 0"#,
            "# TYPE mainspring_http_request_duration_seconds histogram",
            "mainspring_metrics_left_out 0",
        ] {
            assert!(page.lines().any(|other| other == line), "{line}\n{page}");
        }
    }

    #[test]
    fn histograms_are_cumulative_and_end_with_all() {
        let page = page();
        let values = page
            .lines()
            .filter(|line| line.starts_with("mainspring_http_request_duration_seconds"))
            .map(|line| {
                let le = line.split("le=\"").nth(1).and_then(|rest| rest.split('"').next());
                (le.unwrap_or("-"), line.rsplit(' ').next().unwrap())
            })
            .collect::<Vec<_>>();
        assert_eq!(values[..3], [("0.0005", "4"), ("0.001", "6"), ("0.0025", "6")]);
        assert_eq!(values[15..], [("10", "6"), ("+Inf", "9"), ("-", "60.003002"), ("-", "9")]);
    }

    #[test]
    fn every_sample_belongs_to_the_family_above_it() {
        let mut family = String::new();
        let mut seen = Vec::new();
        for line in page().lines() {
            if let Some(rest) = line.strip_prefix("# TYPE ") {
                family = rest.split(' ').next().unwrap().to_owned();
                assert!(!seen.contains(&family), "{family} twice");
                seen.push(family.clone());
            } else if !line.starts_with('#') {
                assert!(line.starts_with(&family), "{line} below {family}");
                assert!(line.rsplit(' ').next().unwrap().parse::<f64>().is_ok(), "{line}");
            }
        }
    }
}
