//! The machine's view and the processes' measurements, joined for status pages.

use std::collections::BTreeMap;

use model::{Moment, ServiceName};
use orchestrator::{ReplicaState, ReplicaView, ServiceView};
use runtime::clock;

use crate::api::{ExitReport, FleetStatus, ReplicaReport, ServiceReport};
use crate::check;
use crate::running::Running;
use crate::traffic::Traffic;

type Exits = BTreeMap<(ServiceName, u32), ExitReport>;

pub(crate) fn build(
    views: &[ServiceView],
    running: &Running,
    exits: &Exits,
    traffic: &dyn Traffic,
) -> FleetStatus {
    let service = |view: &ServiceView| service(view, running, exits, traffic);
    FleetStatus { services: views.iter().map(service).collect(), tracking: running.tracking() }
}

fn service(
    view: &ServiceView,
    running: &Running,
    exits: &Exits,
    traffic: &dyn Traffic,
) -> ServiceReport {
    let ready = view.replicas.iter().filter(|r| r.state == ReplicaState::Ready).count();
    let limits = view.running.as_program().map(|program| running.limit_reports(&program.limits));
    let check = view.running.health.as_ref().map(check::describe).unwrap_or_default();
    let replica = |view: &ReplicaView| replica(view, running, exits, traffic, &check);
    ServiceReport {
        name: view.desired.name.clone(),
        desired: view.desired.clone(),
        running: view.running.clone(),
        version: view.version,
        wanted: view.wanted,
        ready: u32::try_from(ready).unwrap_or(u32::MAX),
        stopped: view.stopped,
        leaving: view.leaving,
        waits_for: view.waits_for.clone(),
        rollout: view.rollout.clone(),
        last_failure: view.last_failure.clone(),
        restarts: view.restarts,
        limits: limits.unwrap_or_default(),
        replicas: view.replicas.iter().map(replica).collect(),
    }
}

fn replica(
    view: &ReplicaView,
    running: &Running,
    exits: &Exits,
    traffic: &dyn Traffic,
    check: &str,
) -> ReplicaReport {
    let sight = running.sight(&view.id);
    let known = exits.get(&(view.id.service.clone(), view.seat)).cloned();
    // After a crash of ours the exit is remembered, its time and lines are not.
    let remembered = || {
        let exit = view.last_exit.clone()?;
        Some(ExitReport { time_unix_ms: 0, exit, last_lines: Vec::new() })
    };
    ReplicaReport {
        id: view.id.clone(),
        seat: view.seat,
        version: view.version,
        state: view.state,
        address: view.address,
        pid: sight.as_ref().map(|sight| sight.pid),
        started_unix_ms: sight.as_ref().map(|sight| sight.started_unix_ms),
        adopted: view.adopted,
        restarts: view.restarts,
        crashes: view.crashes,
        next_start_unix_ms: view.next_start.map(wall),
        check: check.to_owned(),
        healthy: view.healthy,
        check_detail: view.check_detail.clone(),
        cpu_cores: sight.as_ref().and_then(|sight| sight.cpu_cores),
        resident_bytes: sight.as_ref().and_then(|sight| sight.resident_bytes),
        in_flight: traffic.in_flight(&view.id),
        last_exit: view.last_exit.as_ref().and(known.or_else(remembered)),
    }
}

/// When `moment` will be by the wall clock.
fn wall(moment: Moment) -> u64 {
    let ms = u64::try_from((moment - clock::now()).as_millis()).unwrap_or(u64::MAX);
    clock::unix_millis().saturating_add(ms)
}
