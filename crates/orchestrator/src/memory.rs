//! What must survive a crash of Mainspring, so that programs that run on are taken over.
//!
//! Times are not in it: a deadline begins anew after a crash, because the monotonic clock does.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use model::{Moment, ReplicaId, ServiceName};
use serde::{Deserialize, Serialize};

use crate::effects::Effects;
use crate::replica::{Phase, Replica};
use crate::rollout::Rollout;
use crate::service::{Revision, Service};
use crate::{Action, Exit, NoteKind, Orchestrator, ServiceSpec, Severity, TrafficState};

/// The machine's memory as it is written to disk.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Memory {
    /// Services with processes that may still run.
    pub services: Vec<ServiceMemory>,
    /// Where numbering goes on for all others.
    pub numbers: BTreeMap<ServiceName, Numbers>,
}

/// Where numbering goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Numbers {
    /// The last version used.
    pub version: u64,
    /// The next replica's number.
    pub number: u32,
}

/// One service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ServiceMemory {
    desired: ServiceSpec,
    current: (u64, ServiceSpec),
    good: (u64, ServiceSpec),
    good_proven: bool,
    numbers: Numbers,
    wanted: u32,
    stopped: bool,
    begun: bool,
    restarts: u64,
    /// Replicas with a process.
    pub replicas: Vec<ReplicaMemory>,
}

/// One replica with a process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReplicaMemory {
    /// Which.
    pub id: ReplicaId,
    seat: u32,
    version: u64,
    spec: ServiceSpec,
    address: SocketAddr,
    ready: bool,
    retiring: bool,
    restarts: u32,
    last_exit: Option<Exit>,
}

impl ReplicaMemory {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its stable index among the service's replicas.
    pub fn seat(&self) -> u32 {
        self.seat
    }
}

impl Default for Numbers {
    fn default() -> Self {
        Self { version: 0, number: 1 }
    }
}

impl Orchestrator {
    /// What to keep on disk now.
    pub fn memory(&self) -> Memory {
        let programs = self.services.values().filter(|service| service.program().is_some());
        Memory { services: programs.map(remember).collect(), numbers: self.all_numbers() }
    }

    /// What to keep on disk once everything has stopped: numbers alone.
    pub fn memory_at_rest(&self) -> Memory {
        Memory { services: Vec::new(), numbers: self.all_numbers() }
    }

    /// Goes on from `memory`, in which the caller has left only replicas whose processes still
    /// run. What is no longer wanted is stopped by the first `Command::Apply`, not before.
    pub fn resume(seed: u64, now: Moment, memory: Memory) -> (Self, Vec<Action>) {
        let mut machine = Self::new(seed);
        machine.numbers = memory.numbers;
        let mut chance = machine.chance;
        let mut fx = Effects::new(&mut chance);
        for remembered in memory.services {
            let service = recall(now, remembered, &mut fx);
            machine.numbers.remove(&service.name);
            machine.services.insert(service.name.clone(), service);
        }
        let actions = fx.finish();
        machine.chance = chance;
        (machine, actions)
    }

    fn all_numbers(&self) -> BTreeMap<ServiceName, Numbers> {
        let mut numbers = self.numbers.clone();
        for service in self.services.values() {
            numbers.insert(service.name.clone(), numbers_of(service));
        }
        numbers
    }
}

fn numbers_of(service: &Service) -> Numbers {
    Numbers { version: service.last_version, number: service.next_number }
}

fn remember(service: &Service) -> ServiceMemory {
    let revision = |revision: &Revision| (revision.version, (*revision.spec).clone());
    ServiceMemory {
        desired: (*service.desired).clone(),
        current: revision(&service.current),
        good: revision(&service.good),
        good_proven: service.good_proven,
        numbers: numbers_of(service),
        wanted: service.wanted,
        stopped: service.stopped,
        begun: service.begun,
        restarts: service.restarts,
        replicas: service.replicas.values().filter_map(remember_replica).collect(),
    }
}

fn remember_replica(replica: &Replica) -> Option<ReplicaMemory> {
    if !replica.phase.exists() || replica.is_external() {
        return None;
    }
    Some(ReplicaMemory {
        id: replica.id.clone(),
        seat: replica.seat,
        version: replica.version,
        spec: (*replica.spec).clone(),
        address: replica.address?,
        ready: replica.phase == Phase::Ready,
        retiring: replica.phase.is_retiring(),
        restarts: replica.restarts,
        last_exit: replica.last_exit.clone(),
    })
}

fn recall(now: Moment, memory: ServiceMemory, fx: &mut Effects) -> Service {
    let revision = |(version, spec): (u64, ServiceSpec)| Revision { version, spec: Arc::new(spec) };
    let current = revision(memory.current);
    let good = revision(memory.good);
    let rollout = (current.version != good.version).then(|| Rollout::new(current.version, now));
    let mut replicas = BTreeMap::new();
    for remembered in memory.replicas {
        let replica = recall_replica(now, remembered, fx);
        replicas.insert(replica.id.number, replica);
    }
    Service {
        name: memory.desired.name.clone(),
        desired: Arc::new(memory.desired),
        current,
        good,
        good_proven: memory.good_proven,
        last_version: memory.numbers.version,
        next_number: memory.numbers.number,
        wanted: memory.wanted,
        stopped: memory.stopped,
        leaving: false,
        begun: memory.begun,
        rollout,
        last_failure: None,
        restarts: memory.restarts,
        replicas,
    }
}

fn recall_replica(now: Moment, memory: ReplicaMemory, fx: &mut Effects) -> Replica {
    let spec = Arc::new(memory.spec);
    let mut replica = Replica::new(memory.id, memory.seat, memory.version, spec);
    replica.address = Some(memory.address);
    replica.adopted = true;
    replica.restarts = memory.restarts;
    replica.last_exit = memory.last_exit;
    // One that was healthy is taken to be so until a check says otherwise: traffic goes on.
    let state = if memory.ready { TrafficState::Ready } else { TrafficState::Starting };
    replica.begin(now, state, fx);
    if memory.retiring {
        replica.set_traffic(TrafficState::Draining, fx);
        let grace = replica.spec.as_program().map_or(Duration::ZERO, |program| program.drain_grace);
        replica.phase = Phase::Draining { until: now + grace };
        fx.act(Action::WatchDrain(replica.id.clone()));
    }
    let message = "taken over: it ran on while Mainspring did not".to_owned();
    fx.note(&replica.id, NoteKind::Started, Severity::Info, message);
    replica
}
