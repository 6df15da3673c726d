//! One service: its replicas against what is wanted of it.
//!
//! One rule serves starts, scaling, deploys and rollbacks: replicas of the current version are
//! wanted, those of any other are on their way out, and an old one leaves only when enough others
//! are ready. A rollout adds book-keeping (deadline, outcome), never another rule.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use model::{Moment, ReplicaId, ServiceName};

use crate::effects::Effects;
use crate::replica::{Phase, Replica};
use crate::rollout::Rollout;
use crate::{
    Action, CRASH_LOOP_FROM, Exit, NoteKind, Observation, ProgramSpec, ServiceSpec, ServiceView,
    Severity, Source, TrafficState,
};

#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) name: ServiceName,
    /// What the config asks for.
    pub(crate) desired: Arc<ServiceSpec>,
    /// What replicas are started with.
    pub(crate) current: Revision,
    /// What a failed rollout goes back to.
    pub(crate) good: Revision,
    /// Whether a replica of `good` was ever ready: if not, going back to it helps nobody.
    pub(crate) good_proven: bool,
    pub(crate) last_version: u64,
    pub(crate) next_number: u32,
    pub(crate) wanted: u32,
    pub(crate) stopped: bool,
    pub(crate) leaving: bool,
    /// Its needs were met once; they are not asked for again, or a crash would wait for others.
    pub(crate) begun: bool,
    pub(crate) rollout: Option<Rollout>,
    pub(crate) last_failure: Option<String>,
    pub(crate) restarts: u64,
    pub(crate) replicas: BTreeMap<u32, Replica>,
}

#[derive(Clone, Debug)]
pub(crate) struct Revision {
    pub(crate) version: u64,
    pub(crate) spec: Arc<ServiceSpec>,
}

impl Service {
    pub(crate) fn new(spec: ServiceSpec, last_version: u64, next_number: u32) -> Self {
        let spec = Arc::new(spec);
        let current = Revision { version: last_version + 1, spec: Arc::clone(&spec) };
        Self {
            name: spec.name.clone(),
            wanted: wanted(&spec),
            desired: spec,
            good: current.clone(),
            good_proven: false,
            last_version: current.version,
            current,
            next_number,
            stopped: false,
            leaving: false,
            begun: false,
            rollout: None,
            last_failure: None,
            restarts: 0,
            replicas: BTreeMap::new(),
        }
    }

    pub(crate) fn observe(
        &mut self,
        now: Moment,
        number: u32,
        observation: Observation,
        fx: &mut Effects,
    ) {
        let Some(replica) = self.replicas.get_mut(&number) else { return };
        match observation {
            Observation::Started { address } => replica.on_started(now, address, fx),
            Observation::Checked(verdict) => {
                replica.on_checked(now, &verdict, fx);
                self.after_change(now, number);
            }
            Observation::Drained => {
                if matches!(replica.phase, Phase::Draining { .. }) {
                    replica.terminate(now, fx);
                }
            }
            Observation::NotStarted { why } => {
                self.on_end(now, number, Exit::NotStarted { why }, fx);
            }
            Observation::Exited(exit) => self.on_end(now, number, exit, fx),
        }
    }

    /// Does everything that is due and possible at `now`.
    pub(crate) fn step(&mut self, now: Moment, needs_met: bool, fx: &mut Effects) {
        self.begun |= needs_met;
        let numbers: Vec<u32> = self.replicas.keys().copied().collect();
        for number in numbers {
            if let Some(replica) = self.replicas.get_mut(&number) {
                replica.on_tick(now, fx);
            }
            self.after_change(now, number);
        }
        // An address that somebody else runs has no process to wait for.
        self.forget(fx, |replica| {
            replica.is_external() && matches!(replica.phase, Phase::Stopping { .. })
        });
        self.restart_due(now, fx);
        match &self.current.spec.source {
            Source::Program(_) => self.reconcile_program(now, fx),
            Source::External(addresses) => self.reconcile_external(now, &addresses.clone(), fx),
        }
        self.check_rollout(now, fx);
        if self.begun && !self.stopped && !self.leaving {
            let waiting = self.replicas.values_mut().filter(|r| r.phase == Phase::Waiting);
            waiting.for_each(|replica| replica.spawn(fx));
        }
    }

    pub(crate) fn wake_at(&self) -> Option<Moment> {
        let rollout = self.rollout_deadline();
        self.replicas.values().filter_map(Replica::wake_at).chain(rollout).min()
    }

    pub(crate) fn ready(&self) -> u32 {
        self.count(|replica| replica.phase == Phase::Ready)
    }

    pub(crate) fn count(&self, which: impl Fn(&Replica) -> bool) -> u32 {
        let count = self.replicas.values().filter(|replica| which(replica)).count();
        u32::try_from(count).unwrap_or(u32::MAX)
    }

    /// Replicas that should run now.
    pub(crate) fn wanted_now(&self) -> u32 {
        if self.stopped || self.leaving { 0 } else { self.wanted }
    }

    pub(crate) fn is_gone(&self) -> bool {
        self.leaving && self.replicas.is_empty()
    }

    pub(crate) fn view(&self, waits_for: Vec<ServiceName>) -> ServiceView {
        ServiceView {
            desired: Arc::clone(&self.desired),
            running: Arc::clone(&self.current.spec),
            version: self.current.version,
            wanted: self.wanted,
            stopped: self.stopped,
            leaving: self.leaving,
            waits_for,
            rollout: self.rollout_view(),
            last_failure: self.last_failure.clone(),
            restarts: self.restarts,
            replicas: self.replicas.values().map(Replica::view).collect(),
        }
    }

    /// Gives every replica the settings of `new` that need no new process.
    pub(crate) fn adjust(&mut self, new: &ServiceSpec) {
        let adjusted = |old: &Arc<ServiceSpec>| Arc::new(with_soft_settings(old, new));
        self.current.spec = adjusted(&self.current.spec);
        self.good.spec = adjusted(&self.good.spec);
        for replica in self.replicas.values_mut() {
            replica.spec = adjusted(&replica.spec);
        }
    }

    pub(crate) fn next_id(&mut self) -> ReplicaId {
        let number = self.next_number;
        self.next_number = self.next_number.saturating_add(1);
        ReplicaId { service: self.name.clone(), number }
    }

    pub(crate) fn is_current(&self, replica: &Replica) -> bool {
        replica.version == self.current.version
    }

    /// A replica that just became ready proves its version and moves the rollout on.
    fn after_change(&mut self, now: Moment, number: u32) {
        let Some(replica) = self.replicas.get(&number) else { return };
        if replica.phase != Phase::Ready {
            return;
        }
        self.good_proven |= replica.version == self.good.version;
        if replica.version == self.current.version
            && let Some(rollout) = &mut self.rollout
        {
            rollout.saw_ready(now, number);
        }
    }

    fn on_end(&mut self, now: Moment, number: u32, exit: Exit, fx: &mut Effects) {
        let Some(replica) = self.replicas.get_mut(&number) else { return };
        if !replica.phase.exists() {
            return;
        }
        let leaves = replica.phase.is_retiring();
        replica.set_traffic(TrafficState::Down, fx);
        if leaves {
            fx.note(&replica.id, NoteKind::Stopped, Severity::Info, format!("stopped: {exit}"));
            let show = self.stopped && !self.leaving;
            replica.phase = Phase::Stopped;
            replica.last_exit = Some(exit);
            if let Some(rollout) = &mut self.rollout {
                rollout.progress = now;
            }
            if !show {
                self.forget(fx, |replica| replica.id.number == number);
            }
            return;
        }
        let policy = replica.spec.as_program().map(|program| program.back_off).unwrap_or_default();
        let ran = replica.started.map(|started| now - started);
        let crashes =
            if ran.is_some_and(|ran| ran >= policy.reset_after) { 0 } else { replica.crashes };
        replica.crashes = crashes.saturating_add(1);
        let wait = match replica.crashes {
            0 | 1 => Duration::ZERO,
            more => {
                let doubled = 2u32.saturating_pow(more.saturating_sub(2).min(30));
                fx.jitter(policy.first.saturating_mul(doubled).min(policy.longest))
            }
        };
        replica.phase = Phase::BackingOff { until: now + wait };
        let severity =
            if replica.crashes >= CRASH_LOOP_FROM { Severity::Error } else { Severity::Warning };
        let was_current = replica.version == self.current.version;
        let id = replica.id.clone();
        replica.last_exit = Some(exit.clone());
        let next = if !was_current {
            "; its version is being replaced".to_owned()
        } else if self.turns_back_after(&exit) {
            String::new() // The next note says what happens instead.
        } else {
            match wait {
                Duration::ZERO => "; starting another at once".to_owned(),
                wait => format!("; starting another in {}", crate::vocabulary::words(wait)),
            }
        };
        fx.note(&id, NoteKind::Died, severity, format!("died: {exit}{next}"));
        if was_current {
            self.rollout_lost_one(now, &exit, fx);
        }
    }

    /// Starts again those that have waited long enough, under a new number.
    fn restart_due(&mut self, now: Moment, fx: &mut Effects) {
        let due = |replica: &&Replica| match replica.phase {
            Phase::BackingOff { until } => now >= until,
            _ => false,
        };
        let current = self.current.version;
        let due: Vec<u32> = (self.replicas.values())
            .filter(|replica| replica.version == current)
            .filter(due)
            .map(|replica| replica.id.number)
            .collect();
        if self.wanted_now() == 0 {
            return;
        }
        for number in due {
            let Some(dead) = self.replicas.remove(&number) else { continue };
            release(&dead, fx);
            let id = self.next_id();
            let spec = Arc::clone(&self.current.spec);
            let mut next = Replica::new(id, dead.seat, dead.version, spec);
            next.restarts = dead.restarts.saturating_add(1);
            next.crashes = dead.crashes;
            next.last_exit = dead.last_exit;
            self.restarts = self.restarts.saturating_add(1);
            next.spawn(fx);
            self.replicas.insert(next.id.number, next);
        }
    }

    fn reconcile_program(&mut self, now: Moment, fx: &mut Effects) {
        let wanted = self.wanted_now();
        let current = self.current.version;
        let is_new = |replica: &Replica| replica.version == current && !replica.is_external();
        let stopped = self.stopped;
        self.forget(fx, |replica| match replica.phase {
            Phase::Waiting | Phase::BackingOff { .. } => !is_new(replica),
            Phase::Stopped => !stopped,
            _ => false,
        });
        while self.count(|r| is_new(r) && r.phase.is_live()) > wanted {
            let Some(number) = self.surplus(&is_new) else { break };
            self.retire(now, number, fx);
        }
        // An old one that is ready leaves only when that leaves enough ready ones.
        while wanted == 0 || self.ready() > wanted {
            let old = |r: &&Replica| !is_new(r) && r.phase == Phase::Ready;
            let Some(number) = self.replicas.values().find(old).map(|r| r.id.number) else { break };
            self.retire(now, number, fx);
        }
        // An old one that is not ready serves nobody: it leaves when its room is needed, or when
        // the new version has proven itself, or is itself what failed.
        let room = wanted.saturating_add(self.surge());
        let proven = self.count(|r| is_new(r) && r.phase == Phase::Ready) > 0;
        if wanted == 0 || proven || self.is_rolling_back() || self.occupied() >= room {
            let idle = |r: &&Replica| !is_new(r) && r.phase.is_live() && r.phase != Phase::Ready;
            let numbers: Vec<u32> =
                self.replicas.values().filter(idle).map(|r| r.id.number).collect();
            numbers.into_iter().for_each(|number| self.retire(now, number, fx));
        }
        while self.count(|r| is_new(r) && r.phase.is_live()) < wanted && self.occupied() < room {
            self.create(None);
        }
    }

    fn reconcile_external(&mut self, now: Moment, addresses: &[SocketAddr], fx: &mut Effects) {
        let wanted: BTreeSet<SocketAddr> = if self.wanted_now() == 0 {
            BTreeSet::new()
        } else {
            addresses.iter().copied().collect()
        };
        let live = |r: &Replica| r.is_external() && r.phase.is_live();
        let present: BTreeSet<SocketAddr> =
            self.replicas.values().filter(|r| live(r)).filter_map(|r| r.address).collect();
        for address in wanted.difference(&present) {
            let number = self.create(Some(*address));
            let state = match self.current.spec.health {
                None => TrafficState::Ready,
                Some(_) => TrafficState::Starting,
            };
            if let Some(replica) = self.replicas.get_mut(&number) {
                replica.begin(now, state, fx);
                replica.on_tick(now, fx);
            }
            self.after_change(now, number);
        }
        let served = self.count(|r| live(r) && r.phase == Phase::Ready) > 0 || wanted.is_empty();
        let leaves = |replica: &Replica| match replica.is_external() {
            true => replica.address.is_none_or(|address| !wanted.contains(&address)),
            // Programs of before keep serving until an address answers.
            false => served,
        };
        let numbers: Vec<u32> = (self.replicas.values())
            .filter(|replica| replica.phase.is_live() && leaves(replica))
            .map(|replica| replica.id.number)
            .collect();
        numbers.into_iter().for_each(|number| self.retire(now, number, fx));
        self.forget(fx, |replica| replica.phase == Phase::Stopped);
    }

    /// Adds a replica of the current version in the lowest free seat.
    fn create(&mut self, address: Option<SocketAddr>) -> u32 {
        let taken: BTreeSet<u32> = (self.replicas.values())
            .filter(|replica| self.is_current(replica) && replica.phase.is_live())
            .map(|replica| replica.seat)
            .collect();
        let seat = (0..).find(|seat| !taken.contains(seat)).unwrap_or(u32::MAX);
        let id = self.next_id();
        let number = id.number;
        let mut replica =
            Replica::new(id, seat, self.current.version, Arc::clone(&self.current.spec));
        replica.address = address;
        self.replicas.insert(number, replica);
        number
    }

    fn retire(&mut self, now: Moment, number: u32, fx: &mut Effects) {
        let Some(replica) = self.replicas.get_mut(&number) else { return };
        if replica.retire(now, fx) {
            self.forget(fx, |replica| replica.id.number == number);
        }
    }

    fn forget(&mut self, fx: &mut Effects, which: impl Fn(&Replica) -> bool) {
        let numbers: Vec<u32> =
            self.replicas.values().filter(|r| which(r)).map(|r| r.id.number).collect();
        for number in numbers {
            if let Some(replica) = self.replicas.remove(&number) {
                release(&replica, fx);
            }
        }
    }

    /// Of too many new ones, the one whose loss costs least: without a process, then not ready,
    /// then the youngest.
    fn surplus(&self, is_new: &impl Fn(&Replica) -> bool) -> Option<u32> {
        let cost = |replica: &&Replica| {
            let rank = match replica.phase {
                Phase::Waiting | Phase::BackingOff { .. } | Phase::Stopped => 0,
                Phase::Killed { .. } | Phase::Spawning => 1,
                Phase::Starting | Phase::Unhealthy { .. } => 2,
                Phase::Ready | Phase::Draining { .. } | Phase::Stopping { .. } => 3,
            };
            (rank, u32::MAX - replica.id.number)
        };
        let live = self.replicas.values().filter(|r| is_new(r) && r.phase.is_live());
        live.min_by_key(cost).map(|replica| replica.id.number)
    }

    /// Seats in use against `wanted + surge`. Outside a rollout those that leave do not count:
    /// scaling up again need not wait for the last scale-down to finish.
    fn occupied(&self) -> u32 {
        let rolling = self.rollout.is_some();
        self.count(|replica| replica.phase.is_live() || rolling && replica.phase.is_retiring())
    }

    fn surge(&self) -> u32 {
        self.program().map_or(1, |program| program.deploy.surge)
    }

    pub(crate) fn program(&self) -> Option<&ProgramSpec> {
        self.current.spec.as_program()
    }
}

/// Replicas that `spec` asks for.
pub(crate) fn wanted(spec: &ServiceSpec) -> u32 {
    match &spec.source {
        Source::Program(program) => program.replicas,
        Source::External(addresses) => u32::try_from(addresses.len()).unwrap_or(u32::MAX),
    }
}

fn release(replica: &Replica, fx: &mut Effects) {
    if replica.address.is_some() {
        fx.act(Action::RemoveTraffic(replica.id.clone()));
    }
    fx.act(Action::Forget(replica.id.clone()));
}

/// `old`'s processes with `new`'s other settings.
fn with_soft_settings(old: &ServiceSpec, new: &ServiceSpec) -> ServiceSpec {
    let mut spec = new.clone();
    match (&old.source, &mut spec.source) {
        (Source::Program(old), Source::Program(new)) => {
            new.run.clone_from(&old.run);
            new.dir.clone_from(&old.dir);
            new.env.clone_from(&old.env);
            new.limits = old.limits;
            spec
        }
        (Source::External(_), Source::External(_)) => spec,
        (Source::Program(_), Source::External(_)) | (Source::External(_), Source::Program(_)) => {
            old.clone()
        }
    }
}
