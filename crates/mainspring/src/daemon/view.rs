//! What the fleet reports, in the words of the admin API.

use console::api::{
    DeployProgress, ExitStatus, HealthState, HealthStatus, LimitStatus, LogLine, LogStream,
    ReplicaState, ReplicaStatus, RouteStatus, SecretStatus, ServiceKind, ServiceState,
    ServiceStatus,
};
use fleet::{ReplicaReport, ServiceReport};
use orchestrator::{Exit, Source};

use crate::explain::{show_path, show_to};

/// All services.
pub(super) fn services(status: &fleet::FleetStatus) -> Vec<ServiceStatus> {
    status.services.iter().map(service).collect()
}

/// One service.
fn service(report: &ServiceReport) -> ServiceStatus {
    let (state, reason) = service_state(report);
    let (kind, run) = match &report.running.source {
        Source::Program(program) => (ServiceKind::Program, Some(program.run.text().to_owned())),
        Source::External(_) => (ServiceKind::External, None),
    };
    ServiceStatus {
        name: report.name.to_string(),
        kind,
        state,
        reason,
        desired: if report.stopped || report.leaving { 0 } else { report.wanted },
        ready: report.ready,
        version: report.version,
        run,
        needs: report.desired.needs.iter().map(ToString::to_string).collect(),
        restarts: report.restarts,
        limits: report.limits.iter().map(limit).collect(),
        deploy: report.rollout.as_ref().map(|rollout| DeployProgress {
            version: rollout.version,
            replaced: rollout.ready,
            wanted: rollout.wanted,
            step: rollout.step.clone(),
        }),
        replicas: report.replicas.iter().map(replica).collect(),
    }
}

/// The service in one word, and why.
fn service_state(report: &ServiceReport) -> (ServiceState, String) {
    let running = report.replicas.iter().any(|replica| replica.pid.is_some());
    let looping = |replica: &ReplicaReport| replica.state == orchestrator::ReplicaState::CrashLoop;
    // Not one that is still starting: its first checks may fail.
    let is_unhealthy =
        |replica: &ReplicaReport| replica.state == orchestrator::ReplicaState::Unhealthy;
    if report.stopped || report.leaving {
        let state = if running { ServiceState::Stopping } else { ServiceState::Stopped };
        return (state, String::new());
    }
    if let Some(rollout) = &report.rollout {
        return (ServiceState::Deploying, rollout.step.clone());
    }
    if report.ready >= report.wanted {
        return (ServiceState::Ready, report.last_failure.clone().unwrap_or_default());
    }
    if report.ready > 0 {
        let reason = format!("{} of {} replicas are ready", report.ready, report.wanted);
        return (ServiceState::Degraded, reason);
    }
    if let Some(replica) = report.replicas.iter().find(|replica| looping(replica)) {
        return (ServiceState::CrashLoop, last_words(replica));
    }
    if !report.waits_for.is_empty() {
        let names: Vec<_> = report.waits_for.iter().map(ToString::to_string).collect();
        return (ServiceState::Waiting, format!("waits for {}", names.join(", ")));
    }
    match report.replicas.iter().find(|replica| replica.last_exit.is_some()) {
        Some(replica) => (ServiceState::Down, last_words(replica)),
        None if report.replicas.iter().any(is_unhealthy) => {
            (ServiceState::Down, "no replica passes its health check".to_owned())
        }
        None => (ServiceState::Starting, String::new()),
    }
}

/// How a replica's last process ended, with the last line that it wrote.
fn last_words(replica: &ReplicaReport) -> String {
    let Some(last) = &replica.last_exit else { return String::new() };
    match last.last_lines.last() {
        Some(line) => format!("{}: {}; its last line: {line}", replica.id, last.exit),
        None => format!("{}: {}", replica.id, last.exit),
    }
}

fn limit(report: &fleet::LimitReport) -> LimitStatus {
    LimitStatus {
        what: report.what.to_owned(),
        limit: report.limit.clone(),
        enforced_by: report.enforced_by.clone(),
    }
}

fn replica(report: &ReplicaReport) -> ReplicaStatus {
    ReplicaStatus {
        id: report.id.to_string(),
        number: report.id.number,
        state: replica_state(report.state),
        version: report.version,
        address: report.address.map(|address| address.to_string()),
        pid: report.pid,
        adopted: report.adopted,
        started_unix_ms: report.started_unix_ms,
        restarts: report.restarts,
        next_start_unix_ms: report.next_start_unix_ms,
        health: HealthStatus {
            state: match report.healthy {
                None => HealthState::Unknown,
                Some(true) => HealthState::Passing,
                Some(false) => HealthState::Failing,
            },
            check: report.check.clone(),
            detail: report.check_detail.clone(),
        },
        cpu_cores: report.cpu_cores,
        resident_bytes: report.resident_bytes,
        in_flight: report.in_flight,
        last_exit: report.last_exit.as_ref().map(|last| ExitStatus {
            time_unix_ms: last.time_unix_ms,
            reason: last.exit.to_string(),
            code: match last.exit {
                Exit::Status(code) => Some(code),
                Exit::Signal(_)
                | Exit::OutOfMemory { .. }
                | Exit::Unknown
                | Exit::NotStarted { .. } => None,
            },
            signal: match last.exit {
                Exit::Signal(signal) => Some(signal),
                Exit::Status(_)
                | Exit::OutOfMemory { .. }
                | Exit::Unknown
                | Exit::NotStarted { .. } => None,
            },
            last_lines: last.last_lines.clone(),
        }),
    }
}

fn replica_state(state: orchestrator::ReplicaState) -> ReplicaState {
    match state {
        orchestrator::ReplicaState::Waiting | orchestrator::ReplicaState::Starting => {
            ReplicaState::Starting
        }
        orchestrator::ReplicaState::Ready => ReplicaState::Ready,
        orchestrator::ReplicaState::Unhealthy => ReplicaState::Unhealthy,
        orchestrator::ReplicaState::Draining => ReplicaState::Draining,
        orchestrator::ReplicaState::Stopping => ReplicaState::Stopping,
        orchestrator::ReplicaState::BackingOff => ReplicaState::BackingOff,
        orchestrator::ReplicaState::CrashLoop => ReplicaState::CrashLoop,
        orchestrator::ReplicaState::Stopped => ReplicaState::Stopped,
    }
}

/// A line that a program wrote.
pub(super) fn log_line(line: &fleet::LogLine) -> LogLine {
    LogLine {
        time_unix_ms: line.time_unix_ms,
        service: line.replica.service.to_string(),
        replica: line.replica.to_string(),
        stream: match line.stream {
            fleet::LogStream::Stdout => LogStream::Stdout,
            fleet::LogStream::Stderr => LogStream::Stderr,
        },
        text: line.text.clone(),
    }
}

/// The routes of a config.
pub(super) fn routes(config: &crate::config::Config) -> Vec<RouteStatus> {
    config.routes.iter().map(route).collect()
}

fn route(route: &gateway::RouteSpec) -> RouteStatus {
    RouteStatus {
        name: route.name.clone(),
        host: match &route.host {
            gateway::HostMatch::Any => None,
            host @ (gateway::HostMatch::Exact(_) | gateway::HostMatch::Wildcard(_)) => {
                Some(host.to_string())
            }
        },
        path: show_path(&route.path),
        methods: route.methods.clone(),
        to: show_to(route),
        balance: match route.policy.balance {
            gateway::Balance::RoundRobin => "round-robin",
            gateway::Balance::LeastConnections => "least-connections",
        }
        .to_owned(),
    }
}

/// A secret without its value.
pub(super) fn secret(secret: &fleet::SecretReport) -> SecretStatus {
    SecretStatus {
        name: secret.name.clone(),
        updated_unix_ms: secret.set_unix_ms,
        used_by: secret.used_by.iter().map(ToString::to_string).collect(),
    }
}
