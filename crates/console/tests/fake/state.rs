//! The made-up node's state and how it moves with time.

use std::collections::VecDeque;
use std::time::Duration;

use console::api::{
    ConnectionMeters, DeployProgress, EndpointMeters, Event, EventKind, EventSeverity, ExitStatus,
    HealthState, HealthStatus, Histogram, HistogramBucket, LimitStatus, ListenerStatus, LogLine,
    LogStream, Meters, NodeStatus, ReplicaState, ReplicaStatus, RouteMeters, RouteStatus,
    SecretStatus, ServiceKind, ServiceMeters, ServiceState, ServiceStatus, Status, StatusCounts,
    TrafficMeters,
};

/// Time advances in steps of this.
const STEP: Duration = Duration::from_millis(100);
/// Lines and events kept.
const KEPT_MAX: usize = 2000;

/// Name, path, requests a second, median in µs, share of 5xx, replicas.
const SERVICES: [(&str, &str, f64, u64, f64, u32); 6] = [
    ("storefront", "/**", 48.0, 3_200, 0.0, 2),
    ("catalogue", "/api/catalogue/**", 96.0, 1_400, 0.0, 3),
    ("cart", "/api/cart/**", 31.0, 1_900, 0.0, 2),
    ("orders", "/api/orders/**", 14.0, 7_800, 0.004, 2),
    ("payments", "/api/payments/**", 9.0, 42_000, 0.06, 2),
    ("legacy", "/legacy/**", 0.0, 5_000, 0.0, 1),
];

/// Everything that changes.
pub(crate) struct State {
    pub(crate) services: Vec<ServiceStatus>,
    pub(crate) meters: Meters,
    pub(crate) events: Vec<Event>,
    pub(crate) lines: VecDeque<(u64, LogLine)>,
    pub(crate) line_count: u64,
    pub(crate) secrets: Vec<SecretStatus>,
    steps: u64,
    replica_count: u32,
}

impl State {
    pub(crate) fn new() -> Self {
        let mut state = Self {
            services: Vec::new(),
            meters: Meters::default(),
            events: Vec::new(),
            lines: VecDeque::new(),
            line_count: 0,
            secrets: vec![SecretStatus {
                name: "card-network".to_owned(),
                updated_unix_ms: runtime::clock::unix_millis(),
                used_by: vec!["payments".to_owned()],
            }],
            steps: 0,
            replica_count: 0,
        };
        let text = "mainspring began".to_owned();
        state.note(EventKind::Node, EventSeverity::Info, None, None, text);
        for (name, _, _, _, _, replicas) in SERVICES {
            state.services.push(service(name));
            state.scale(name, replicas);
        }
        state.crash();
        state
    }

    /// One replica has died and waits for its next start.
    fn crash(&mut self) {
        let now = runtime::clock::unix_millis();
        let Some(orders) = self.service("orders") else { return };
        orders.state = ServiceState::Degraded;
        orders.ready = 1;
        orders.restarts = 3;
        orders.reason = "orders.8 died: killed by SIGKILL".to_owned();
        let Some(replica) = orders.replicas.last_mut() else { return };
        replica.state = ReplicaState::BackingOff;
        replica.pid = None;
        replica.restarts = 3;
        replica.health = HealthStatus::default();
        replica.cpu_cores = None;
        replica.resident_bytes = None;
        replica.next_start_unix_ms = Some(now + 4_000);
        replica.last_exit = Some(ExitStatus {
            time_unix_ms: now,
            reason: "killed by SIGKILL".to_owned(),
            code: None,
            signal: Some(9),
            last_lines: vec!["orders: listening on 41007".to_owned()],
        });
        let id = replica.id.clone();
        let text = format!("{id} died: killed by SIGKILL; starting again in 4s");
        self.note(EventKind::Died, EventSeverity::Error, Some("orders"), Some(id), text);
    }

    /// Goes on to `elapsed`.
    pub(crate) fn advance(&mut self, elapsed: Duration) {
        let steps = u64::try_from(elapsed.as_millis() / STEP.as_millis()).unwrap_or(u64::MAX);
        while self.steps < steps {
            self.steps += 1;
            self.step();
        }
    }

    fn step(&mut self) {
        let seconds = self.steps as f64 * STEP.as_secs_f64();
        for (index, (name, _, rate, median, errors, _)) in SERVICES.into_iter().enumerate() {
            let Some(service) = self.services.iter_mut().find(|service| service.name == name)
            else {
                continue;
            };
            let wave = 1.0 + 0.35 * (seconds / (7.0 + index as f64)).sin();
            let due = rate * wave * STEP.as_secs_f64();
            // Whole requests: the fraction comes with a later step.
            let count = (due * self.steps as f64) as u64 - (due * (self.steps - 1) as f64) as u64;
            let ready = service.replicas.iter_mut();
            let ready = ready.filter(|replica| replica.state == ReplicaState::Ready);
            let mut ready = ready.collect::<Vec<_>>();
            for (at, replica) in ready.iter_mut().enumerate() {
                let base = rate / 220.0 / (at + 2) as f64;
                replica.cpu_cores = Some(base * wave);
                replica.resident_bytes = Some(18_000_000 + median * 400 + self.steps % 97 * 40_000);
            }
            let names = ready.iter().map(|replica| replica.id.clone()).collect::<Vec<_>>();
            self.count(name, count, median, errors, &names);
            if count > 0 && self.steps.is_multiple_of(4 + index as u64) {
                self.write(name, &names);
            }
        }
        let active = 3 + self.steps % 5;
        self.meters.connections = ConnectionMeters {
            accepted: 40 + self.steps / 9,
            active,
            idle: 24,
            upgraded: 2,
            upstream_opened: 18,
            upstream_active: active,
            upstream_idle: 15,
            ..ConnectionMeters::default()
        };
    }

    fn count(&mut self, name: &str, count: u64, median: u64, errors: f64, replicas: &[String]) {
        // Thousandths, spread by a number that has no factor in common with them.
        let fails = |at: u64| (self.steps * 13 + at * 7) * 397 % 1000 < (errors * 1000.0) as u64;
        let fails = (0..count).map(|at| replicas.is_empty() || fails(at)).collect::<Vec<_>>();
        for (at, fails) in (0..count).zip(fails) {
            let latency = median * (70 + (self.steps * 7 + at * 13) % 90) / 100;
            let latency = if (self.steps + at).is_multiple_of(61) { latency * 6 } else { latency };
            let server_error = u64::from(fails);
            let statuses =
                StatusCounts { success: 1 - server_error, server_error, ..Default::default() };
            let bucket = HistogramBucket { upper_us: latency / 50 * 50 + 50, count: 1 };
            let latency = Histogram { buckets: vec![bucket], sum_us: latency };
            let route = entry(
                &mut self.meters.routes,
                |meters| meters.route == name,
                || {
                    let (route, service) = (name.to_owned(), name.to_owned());
                    RouteMeters { route, service, ..RouteMeters::default() }
                },
            );
            add(&mut route.traffic, &statuses, &latency);
            let service = entry(
                &mut self.meters.services,
                |meters| meters.service == name,
                || ServiceMeters { service: name.to_owned(), ..ServiceMeters::default() },
            );
            add(&mut service.traffic, &statuses, &latency);
            let Some(replica) = replicas.get((self.steps + at) as usize % replicas.len().max(1))
            else {
                continue;
            };
            let endpoint = entry(
                &mut self.meters.endpoints,
                |meters| meters.endpoint == *replica,
                || {
                    let (service, endpoint) = (name.to_owned(), replica.clone());
                    EndpointMeters { service, endpoint, ..EndpointMeters::default() }
                },
            );
            endpoint.requests += 1;
            endpoint.failures += server_error;
            endpoint.latency.add(&latency);
        }
    }

    fn write(&mut self, service: &str, replicas: &[String]) {
        let Some(replica) = replicas.get(self.steps as usize / 7 % replicas.len().max(1)) else {
            return;
        };
        let slow = self.steps.is_multiple_of(11);
        let (stream, text) = match slow {
            true => (LogStream::Stderr, format!("warning: slow query ({} ms)", self.steps % 90)),
            false => (LogStream::Stdout, format!("GET /api/{service}/{} 200", self.steps % 1000)),
        };
        let line = LogLine {
            time_unix_ms: runtime::clock::unix_millis(),
            service: service.to_owned(),
            replica: replica.clone(),
            stream,
            text,
        };
        self.lines.push_back((self.line_count, line));
        self.line_count += 1;
        if self.lines.len() > KEPT_MAX {
            self.lines.pop_front();
        }
    }

    pub(crate) fn note(
        &mut self,
        kind: EventKind,
        severity: EventSeverity,
        service: Option<&str>,
        replica: Option<String>,
        message: String,
    ) {
        let id = self.events.last().map_or(1, |event| event.id + 1);
        let time_unix_ms = runtime::clock::unix_millis();
        let service = service.map(str::to_owned);
        self.events.push(Event { id, time_unix_ms, kind, severity, service, replica, message });
        if self.events.len() > KEPT_MAX {
            self.events.remove(0);
        }
    }

    fn service(&mut self, name: &str) -> Option<&mut ServiceStatus> {
        self.services.iter_mut().find(|service| service.name == name)
    }

    pub(crate) fn set_state(&mut self, name: &str, state: ServiceState) {
        let Some(service) = self.service(name) else { return };
        service.state = state;
        service.deploy = (state == ServiceState::Deploying).then(|| DeployProgress {
            version: service.version + 1,
            replaced: 0,
            wanted: service.desired,
            step: format!("waiting for the first new replica of {name} to get healthy"),
        });
    }

    pub(crate) fn finish_deploy(&mut self, name: &str, done: bool) -> u64 {
        if done {
            self.restart(name);
        }
        let Some(service) = self.service(name) else { return 0 };
        if done {
            service.version += 1;
        }
        service.state = ServiceState::Ready;
        service.deploy = None;
        service.version
    }

    pub(crate) fn restart(&mut self, name: &str) {
        let desired = self.service(name).map_or(0, |service| service.desired);
        self.scale(name, 0);
        self.scale(name, desired);
    }

    pub(crate) fn scale(&mut self, name: &str, replicas: u32) {
        let Some(service) = self.services.iter_mut().find(|service| service.name == name) else {
            return;
        };
        let (was, wanted) = (service.desired, replicas as usize);
        service.desired = replicas;
        service.replicas.truncate(wanted);
        let mut begun = Vec::new();
        while service.replicas.len() < wanted {
            self.replica_count += 1;
            let replica = replica(service, self.replica_count);
            begun.push(replica.id.clone());
            service.replicas.push(replica);
        }
        service.ready = replicas;
        service.reason = String::new();
        service.state = if replicas == 0 { ServiceState::Stopped } else { ServiceState::Ready };
        if was > replicas {
            let text = format!("{name}: {was} → {replicas} replicas");
            self.note(EventKind::Scale, EventSeverity::Info, Some(name), None, text);
        }
        for id in begun {
            let text = format!("{id} is ready: GET /health answered 200");
            self.note(EventKind::Ready, EventSeverity::Info, Some(name), Some(id), text);
        }
    }

    pub(crate) fn status(&self, uptime: Duration) -> Status {
        let uptime_ms = u64::try_from(uptime.as_millis()).unwrap_or(u64::MAX);
        let listener = |door: &str, address: &str| ListenerStatus {
            door: door.to_owned(),
            address: address.to_owned(),
        };
        let node = NodeStatus {
            name: "n1".to_owned(),
            version: "0.1.0".to_owned(),
            pid: std::process::id(),
            started_unix_ms: runtime::clock::unix_millis() - uptime_ms,
            uptime_ms,
            config_generation: 1,
            config_fingerprint: "5f2c19ab".to_owned(),
            config_path: "mainspring.toml".to_owned(),
            config_error: None,
            ready: true,
            listeners: vec![listener("http", "127.0.0.1:8080")],
            cpu_cores: 0.04,
            resident_bytes: 21_000_000,
        };
        let route = |(name, path, ..): &(&str, &str, f64, u64, f64, u32)| RouteStatus {
            name: (*name).to_owned(),
            host: None,
            path: (*path).to_owned(),
            methods: Vec::new(),
            to: (*name).to_owned(),
            balance: "least-connections".to_owned(),
        };
        let routes = SERVICES.iter().map(route).collect();
        Status { node, services: self.services.clone(), routes }
    }
}

fn service(name: &str) -> ServiceStatus {
    let external = name == "legacy";
    let limit = LimitStatus {
        what: "memory".to_owned(),
        limit: "256MiB".to_owned(),
        enforced_by: "memory watch".to_owned(),
    };
    ServiceStatus {
        name: name.to_owned(),
        kind: if external { ServiceKind::External } else { ServiceKind::Program },
        version: 1,
        run: (!external).then(|| format!("apps/{name} --port $PORT")),
        needs: if name == "orders" { vec!["payments".to_owned()] } else { Vec::new() },
        limits: if external { Vec::new() } else { vec![limit] },
        ..ServiceStatus::default()
    }
}

fn replica(service: &ServiceStatus, number: u32) -> ReplicaStatus {
    let own = service.kind == ServiceKind::Program;
    ReplicaStatus {
        id: format!("{}.{number}", service.name),
        number,
        state: ReplicaState::Ready,
        version: service.version,
        address: Some(format!("127.0.0.1:{}", 41_000 + number)),
        pid: own.then_some(9_000 + number),
        started_unix_ms: own.then(runtime::clock::unix_millis),
        health: HealthStatus {
            state: HealthState::Passing,
            check: "GET /health".to_owned(),
            detail: "200 OK in 1 ms".to_owned(),
        },
        cpu_cores: own.then_some(0.0),
        resident_bytes: own.then_some(20_000_000),
        ..ReplicaStatus::default()
    }
}

fn add(traffic: &mut TrafficMeters, statuses: &StatusCounts, latency: &Histogram) {
    traffic.statuses.success += statuses.success;
    traffic.statuses.server_error += statuses.server_error;
    traffic.latency.add(latency);
    traffic.bytes_out += 1024;
}

/// The one that `is_it`, made if there is none.
fn entry<T>(all: &mut Vec<T>, is_it: impl Fn(&T) -> bool, make: impl FnOnce() -> T) -> &mut T {
    let at = all.iter().position(is_it).unwrap_or_else(|| {
        all.push(make());
        all.len() - 1
    });
    all.get_mut(at).unwrap_or_else(|| unreachable!("it was found or pushed"))
}
