//! One replica: its phase, what its checks said, and when something is due.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use model::{Moment, ReplicaId};

use crate::effects::Effects;
use crate::vocabulary::words;
use crate::{
    Action, CRASH_LOOP_FROM, Exit, NoteKind, Probe, ReplicaState, ReplicaView, ServiceSpec,
    Severity, TrafficState, Verdict,
};

/// A replica without a health check is taken for healthy once it has run this long, so that a
/// program that dies at once never gets traffic and fails a deploy.
pub(crate) const SETTLE: Duration = Duration::from_secs(1);

/// Between checks until the first success: a quick start should be noticed quickly.
const EAGER_CHECK_EVERY: Duration = Duration::from_millis(100);

/// The same for commands, which cost a process each.
const EAGER_EXEC_EVERY: Duration = Duration::from_millis(500);

/// How long requests to an address that somebody else runs may take to finish when it leaves.
const EXTERNAL_DRAIN: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub(crate) struct Replica {
    pub(crate) id: ReplicaId,
    pub(crate) seat: u32,
    pub(crate) version: u64,
    pub(crate) spec: Arc<ServiceSpec>,
    pub(crate) phase: Phase,
    pub(crate) address: Option<SocketAddr>,
    /// When its process began, or was taken over.
    pub(crate) started: Option<Moment>,
    pub(crate) restarts: u32,
    pub(crate) crashes: u32,
    pub(crate) last_exit: Option<Exit>,
    pub(crate) adopted: bool,
    pub(crate) healthy: Option<bool>,
    pub(crate) check_detail: String,
    passed: u32,
    failed: u32,
    unanswered: u32,
    next_check: Option<Moment>,
    checking: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// No process yet: services that it needs are not ready.
    Waiting,
    /// No process: it died.
    BackingOff {
        until: Moment,
    },
    /// A process was asked for.
    Spawning,
    /// Runs, not yet proven healthy.
    Starting,
    Ready,
    Unhealthy {
        since: Moment,
    },
    /// No new requests; SIGTERM when none is left, or then.
    Draining {
        until: Moment,
    },
    /// SIGTERM was sent; SIGKILL then.
    Stopping {
        until: Moment,
    },
    /// SIGKILL was sent; whether another takes its seat.
    Killed {
        replace: bool,
    },
    /// No process, by a person's wish; shown until started again.
    Stopped,
}

impl Phase {
    /// It holds, or will hold again, a seat of the service.
    pub(crate) fn is_live(self) -> bool {
        match self {
            Self::Waiting
            | Self::BackingOff { .. }
            | Self::Spawning
            | Self::Starting
            | Self::Ready
            | Self::Unhealthy { .. }
            | Self::Killed { replace: true } => true,
            Self::Draining { .. }
            | Self::Stopping { .. }
            | Self::Killed { replace: false }
            | Self::Stopped => false,
        }
    }

    /// There is, or may be, a process (or an address in use).
    pub(crate) fn exists(self) -> bool {
        match self {
            Self::Waiting | Self::BackingOff { .. } | Self::Stopped => false,
            Self::Spawning
            | Self::Starting
            | Self::Ready
            | Self::Unhealthy { .. }
            | Self::Draining { .. }
            | Self::Stopping { .. }
            | Self::Killed { .. } => true,
        }
    }

    pub(crate) fn is_retiring(self) -> bool {
        self.exists() && !self.is_live()
    }
}

impl Replica {
    pub(crate) fn new(id: ReplicaId, seat: u32, version: u64, spec: Arc<ServiceSpec>) -> Self {
        Self {
            id,
            seat,
            version,
            spec,
            phase: Phase::Waiting,
            address: None,
            started: None,
            restarts: 0,
            crashes: 0,
            last_exit: None,
            adopted: false,
            healthy: None,
            check_detail: String::new(),
            passed: 0,
            failed: 0,
            unanswered: 0,
            next_check: None,
            checking: false,
        }
    }

    pub(crate) fn is_external(&self) -> bool {
        self.spec.as_program().is_none()
    }

    /// Asks for its process.
    pub(crate) fn spawn(&mut self, fx: &mut Effects) {
        self.phase = Phase::Spawning;
        fx.act(Action::Spawn {
            replica: self.id.clone(),
            seat: self.seat,
            version: self.version,
            spec: Arc::clone(&self.spec),
        });
    }

    /// Its process runs at `address`.
    pub(crate) fn on_started(&mut self, now: Moment, address: SocketAddr, fx: &mut Effects) {
        self.address = Some(address);
        self.started = Some(now);
        if self.phase != Phase::Spawning {
            // It was given up before the answer came.
            fx.act(Action::Kill(self.id.clone()));
            return;
        }
        self.begin(now, TrafficState::Starting, fx);
        let message = format!("started at {address}");
        fx.note(&self.id, NoteKind::Started, Severity::Info, message);
    }

    /// Begins to watch a process or address.
    pub(crate) fn begin(&mut self, now: Moment, state: TrafficState, fx: &mut Effects) {
        self.phase = match state {
            TrafficState::Ready => Phase::Ready,
            TrafficState::Starting | TrafficState::Draining | TrafficState::Down => Phase::Starting,
        };
        self.started.get_or_insert(now);
        self.next_check = self.spec.health.as_ref().map(|_| now);
        self.set_traffic(state, fx);
    }

    pub(crate) fn on_checked(&mut self, now: Moment, verdict: &Verdict, fx: &mut Effects) {
        self.checking = false;
        let Some(health) = self.spec.health.clone() else { return };
        verdict.detail().clone_into(&mut self.check_detail);
        match verdict {
            Verdict::Passed { .. } => {
                self.passed = self.passed.saturating_add(1);
                (self.failed, self.unanswered) = (0, 0);
                if self.passed >= health.rise {
                    self.healthy = Some(true);
                }
            }
            Verdict::Unwell { .. } | Verdict::NoAnswer { .. } => {
                let unanswered = matches!(verdict, Verdict::NoAnswer { .. });
                self.passed = 0;
                self.failed = self.failed.saturating_add(1);
                self.unanswered = if unanswered { self.unanswered.saturating_add(1) } else { 0 };
                if self.failed >= health.fall {
                    self.healthy = Some(false);
                }
            }
        }
        let eager = match health.probe {
            Probe::Http { .. } | Probe::Tcp => EAGER_CHECK_EVERY,
            Probe::Exec(_) => EAGER_EXEC_EVERY,
        };
        let starting = self.phase == Phase::Starting;
        let wait = if starting { health.interval.min(eager) } else { health.interval };
        self.next_check = Some(now + wait);
        let hangs = self.unanswered >= health.fall && !self.is_external();
        let fails = self.failed >= health.fall;
        match self.phase {
            Phase::Starting | Phase::Unhealthy { .. } if self.passed >= health.rise => {
                self.become_ready(fx);
            }
            Phase::Ready | Phase::Unhealthy { .. } if hangs => {
                let checks = health.fall;
                let why = format!("{checks} checks in a row got no answer: {}", self.check_detail);
                self.kill_to_replace(why, fx);
            }
            Phase::Ready if fails => self.become_unhealthy(now, fx),
            Phase::Starting if fails && self.is_external() => self.become_unhealthy(now, fx),
            Phase::Waiting
            | Phase::BackingOff { .. }
            | Phase::Spawning
            | Phase::Starting
            | Phase::Ready
            | Phase::Unhealthy { .. }
            | Phase::Draining { .. }
            | Phase::Stopping { .. }
            | Phase::Killed { .. }
            | Phase::Stopped => {}
        }
    }

    /// Does what is due at `now`.
    pub(crate) fn on_tick(&mut self, now: Moment, fx: &mut Effects) {
        self.check_if_due(now, fx);
        let started = self.started.unwrap_or(now);
        let ours = !self.is_external();
        match (self.phase, &self.spec.health) {
            (Phase::Starting, None) if !ours || now >= started + SETTLE => {
                self.become_ready(fx);
            }
            (Phase::Starting, Some(health)) if ours && now >= started + health.start_grace => {
                let grace = words(health.start_grace);
                let why = format!("not healthy within {grace}: {}", self.check_detail);
                self.kill_to_replace(why, fx);
            }
            (Phase::Unhealthy { since }, Some(health))
                if ours && now >= since + health.replace_after =>
            {
                let after = words(health.replace_after);
                let why = format!("unhealthy for {after}: {}", self.check_detail);
                self.kill_to_replace(why, fx);
            }
            (Phase::Draining { until }, _) if now >= until => self.terminate(now, fx),
            // What somebody else runs has no process that could be killed: it is forgotten.
            (Phase::Stopping { until }, _) if ours && now >= until => {
                let grace = self.spec.as_program().map_or(Duration::ZERO, |p| p.stop_grace);
                let message = format!("did not end within {} of SIGTERM: SIGKILL", words(grace));
                fx.note(&self.id, NoteKind::Stopped, Severity::Warning, message);
                self.phase = Phase::Killed { replace: false };
                fx.act(Action::Kill(self.id.clone()));
            }
            _ => {}
        }
    }

    /// Whether it can be forgotten at once; else it has begun to leave.
    pub(crate) fn retire(&mut self, now: Moment, fx: &mut Effects) -> bool {
        match self.phase {
            Phase::Waiting | Phase::BackingOff { .. } | Phase::Stopped => return true,
            Phase::Spawning => self.phase = Phase::Killed { replace: false },
            Phase::Killed { .. } => self.phase = Phase::Killed { replace: false },
            Phase::Starting => {
                self.set_traffic(TrafficState::Draining, fx);
                if self.is_external() {
                    return true;
                }
                self.terminate(now, fx);
            }
            Phase::Ready | Phase::Unhealthy { .. } => {
                self.set_traffic(TrafficState::Draining, fx);
                let grace = self.spec.as_program().map_or(EXTERNAL_DRAIN, |p| p.drain_grace);
                self.phase = Phase::Draining { until: now + grace };
                fx.act(Action::WatchDrain(self.id.clone()));
            }
            Phase::Draining { .. } | Phase::Stopping { .. } => {}
        }
        false
    }

    /// Its requests are over, or have had their time.
    pub(crate) fn terminate(&mut self, now: Moment, fx: &mut Effects) {
        let grace = self.spec.as_program().map_or(Duration::ZERO, |program| program.stop_grace);
        self.phase = Phase::Stopping { until: now + grace };
        if !self.is_external() {
            fx.act(Action::Terminate(self.id.clone()));
        }
    }

    pub(crate) fn set_traffic(&self, state: TrafficState, fx: &mut Effects) {
        if let Some(address) = self.address {
            fx.act(Action::SetTraffic { replica: self.id.clone(), address, state });
        }
    }

    /// When [`Replica::on_tick`] has something to do.
    pub(crate) fn wake_at(&self) -> Option<Moment> {
        let started = self.started.unwrap_or(Moment::START);
        let phase = match (self.phase, &self.spec.health) {
            (Phase::BackingOff { until } | Phase::Draining { until }, _) => Some(until),
            (Phase::Stopping { until }, _) => Some(until),
            (Phase::Starting, None) => Some(started + SETTLE),
            (Phase::Starting, Some(health)) if !self.is_external() => {
                Some(started + health.start_grace)
            }
            (Phase::Unhealthy { since }, Some(health)) if !self.is_external() => {
                Some(since + health.replace_after)
            }
            _ => None,
        };
        let check = self.next_check.filter(|_| self.is_checked() && !self.checking);
        phase.into_iter().chain(check).min()
    }

    pub(crate) fn view(&self) -> ReplicaView {
        let state = match self.phase {
            Phase::Waiting => ReplicaState::Waiting,
            Phase::BackingOff { .. } if self.crashes >= CRASH_LOOP_FROM => ReplicaState::CrashLoop,
            Phase::BackingOff { .. } => ReplicaState::BackingOff,
            Phase::Spawning | Phase::Starting => ReplicaState::Starting,
            Phase::Ready => ReplicaState::Ready,
            Phase::Unhealthy { .. } => ReplicaState::Unhealthy,
            Phase::Draining { .. } => ReplicaState::Draining,
            Phase::Stopping { .. } | Phase::Killed { .. } => ReplicaState::Stopping,
            Phase::Stopped => ReplicaState::Stopped,
        };
        let next_start = match self.phase {
            Phase::BackingOff { until } => Some(until),
            _ => None,
        };
        ReplicaView {
            id: self.id.clone(),
            seat: self.seat,
            version: self.version,
            state,
            address: self.address,
            adopted: self.adopted,
            restarts: self.restarts,
            crashes: self.crashes,
            next_start,
            healthy: self.healthy,
            check_detail: self.check_detail.clone(),
            last_exit: self.last_exit.clone(),
        }
    }

    fn is_checked(&self) -> bool {
        matches!(self.phase, Phase::Starting | Phase::Ready | Phase::Unhealthy { .. })
    }

    fn check_if_due(&mut self, now: Moment, fx: &mut Effects) {
        let (Some(due), Some(address)) = (self.next_check, self.address) else { return };
        if self.is_checked() && !self.checking && now >= due {
            self.checking = true;
            let spec = Arc::clone(&self.spec);
            fx.act(Action::Check { replica: self.id.clone(), address, spec });
        }
    }

    fn become_ready(&mut self, fx: &mut Effects) {
        self.phase = Phase::Ready;
        self.set_traffic(TrafficState::Ready, fx);
        let message = match self.check_detail.as_str() {
            "" => "takes traffic".to_owned(),
            detail => format!("healthy, takes traffic: {detail}"),
        };
        fx.note(&self.id, NoteKind::Ready, Severity::Info, message);
    }

    fn become_unhealthy(&mut self, now: Moment, fx: &mut Effects) {
        self.phase = Phase::Unhealthy { since: now };
        self.set_traffic(TrafficState::Down, fx);
        let message = format!("takes no traffic: {}", self.check_detail);
        fx.note(&self.id, NoteKind::Unhealthy, Severity::Warning, message);
    }

    fn kill_to_replace(&mut self, why: String, fx: &mut Effects) {
        self.phase = Phase::Killed { replace: true };
        self.set_traffic(TrafficState::Down, fx);
        let message = format!("killed and replaced: {why}");
        fx.note(&self.id, NoteKind::Unhealthy, Severity::Error, message);
        fx.act(Action::Kill(self.id.clone()));
    }
}
