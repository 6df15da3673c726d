//! All services of a node: commands and observations in, actions out.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::{Moment, ReplicaId, ServiceName};

use crate::effects::Effects;
use crate::memory::Numbers;
use crate::replica::Phase;
use crate::service::{self, Service};
use crate::{
    Action, Command, NoteKind, Observation, REPLICAS_MAX, Refused, ServiceSpec, ServiceView,
    Severity, check_specs,
};

/// The machine. Feed it commands and observations with the time; carry out what it answers; call
/// [`Orchestrator::tick`] at [`Orchestrator::wake_at`].
#[derive(Debug)]
pub struct Orchestrator {
    pub(crate) services: BTreeMap<ServiceName, Service>,
    /// Where numbering goes on for services that left, as numbers are never used twice.
    pub(crate) numbers: BTreeMap<ServiceName, Numbers>,
    pub(crate) chance: u64,
}

/// What came of a command.
#[derive(Debug, PartialEq, Eq)]
pub struct Taken {
    /// What to do now.
    pub actions: Vec<Action>,
    /// Rollouts that it began: each ends in one `RolloutOver` with this service and version, which
    /// may be among `actions` already.
    pub rollouts: Vec<(ServiceName, u64)>,
}

impl Orchestrator {
    /// Nothing runs, nothing is wanted. `seed` is the source of all jitter.
    pub fn new(seed: u64) -> Self {
        Self { services: BTreeMap::new(), numbers: BTreeMap::new(), chance: seed }
    }

    /// Takes a command.
    ///
    /// # Errors
    /// When it makes no sense now; then nothing changed.
    pub fn command(&mut self, now: Moment, command: Command) -> Result<Taken, Refused> {
        let mut chance = self.chance;
        let mut fx = Effects::new(&mut chance);
        let rollouts = match command {
            Command::Apply(specs) => self.apply(now, specs, &mut fx)?,
            Command::Deploy(name) => {
                let service = self.rollable(&name)?;
                let spec = Arc::clone(&service.desired);
                let version = service.begin_rollout(now, spec, "a deploy was asked for", &mut fx);
                vec![(name, version)]
            }
            Command::Restart(name) => {
                let service = self.rollable(&name)?;
                let spec = Arc::clone(&service.current.spec);
                let version = service.begin_rollout(now, spec, "a restart was asked for", &mut fx);
                vec![(name, version)]
            }
            Command::Scale(name, replicas) => {
                self.scale(&name, replicas, &mut fx)?;
                Vec::new()
            }
            Command::Stop(name) => {
                let service = self.program(&name)?;
                if !service.stopped {
                    service.cancel_rollout("the service was stopped", &mut fx);
                    service.stopped = true;
                    let text = "stopping all replicas: asked to".to_owned();
                    fx.say(&name, NoteKind::Stopped, Severity::Info, text);
                }
                Vec::new()
            }
            Command::Start(name) => {
                let service = self.program(&name)?;
                if service.stopped {
                    service.stopped = false;
                    let text = format!("starting {} replicas: asked to", service.wanted);
                    fx.say(&name, NoteKind::Started, Severity::Info, text);
                }
                Vec::new()
            }
        };
        self.settle(now, &mut fx);
        let actions = fx.finish();
        self.chance = chance;
        Ok(Taken { actions, rollouts })
    }

    /// Takes note of something seen. About a replica that is gone it changes nothing.
    pub fn observe(&mut self, now: Moment, replica: &ReplicaId, what: Observation) -> Vec<Action> {
        let mut chance = self.chance;
        let mut fx = Effects::new(&mut chance);
        if let Some(service) = self.services.get_mut(&replica.service) {
            service.observe(now, replica.number, what, &mut fx);
        }
        self.settle(now, &mut fx);
        let actions = fx.finish();
        self.chance = chance;
        actions
    }

    /// Does what is due at `now`.
    pub fn tick(&mut self, now: Moment) -> Vec<Action> {
        let mut chance = self.chance;
        let mut fx = Effects::new(&mut chance);
        self.settle(now, &mut fx);
        let actions = fx.finish();
        self.chance = chance;
        actions
    }

    /// When the next thing is due, if nothing happens before.
    pub fn wake_at(&self) -> Option<Moment> {
        self.services.values().filter_map(Service::wake_at).min()
    }

    /// All services as they are now, by name.
    pub fn view(&self) -> Vec<ServiceView> {
        self.services.values().map(|service| service.view(self.waits_for(service))).collect()
    }

    /// The specs of all services that stay, as last applied.
    pub fn desired(&self) -> impl Iterator<Item = &Arc<ServiceSpec>> {
        self.services.values().filter(|service| !service.leaving).map(|service| &service.desired)
    }

    /// Whether `replica` may still be heard of.
    pub fn knows(&self, replica: &ReplicaId) -> bool {
        self.services
            .get(&replica.service)
            .is_some_and(|service| service.replicas.contains_key(&replica.number))
    }

    fn apply(
        &mut self,
        now: Moment,
        specs: Vec<ServiceSpec>,
        fx: &mut Effects,
    ) -> Result<Vec<(ServiceName, u64)>, Refused> {
        check_specs(&specs).map_err(Refused::Invalid)?;
        for service in self.services.values_mut() {
            let stays = specs.iter().any(|spec| spec.name == service.name);
            if !stays && !service.leaving {
                service.cancel_rollout("the service left the config", fx);
                service.leaving = true;
                service.stopped = false;
                let text = "no longer in the config: draining and stopping".to_owned();
                fx.say(&service.name, NoteKind::Config, Severity::Info, text);
            }
        }
        let mut rollouts = Vec::new();
        for spec in specs {
            let name = spec.name.clone();
            if let Some(service) = self.services.get_mut(&name) {
                let version = change(service, now, spec, fx);
                rollouts.extend(version.map(|version| (name, version)));
            } else {
                let Numbers { version, number } = self.numbers.remove(&name).unwrap_or_default();
                self.services.insert(name, Service::new(spec, version, number));
            }
        }
        Ok(rollouts)
    }

    fn scale(&mut self, name: &ServiceName, to: u32, fx: &mut Effects) -> Result<(), Refused> {
        let service = self.program(name)?;
        if to > REPLICAS_MAX {
            return Err(Refused::TooMany(to));
        }
        let from = service.wanted;
        if from != to {
            service.wanted = to;
            let text = format!("{from} → {to} replicas: asked to");
            fx.say(name, NoteKind::Scale, Severity::Info, text);
        }
        Ok(())
    }

    /// Lets every service do what it can, until none can do more.
    fn settle(&mut self, now: Moment, fx: &mut Effects) {
        // Twice: what the first pass made ready is what others may have waited for. A replica is
        // never ready in the step that starts it, so a third pass would find nothing.
        for _ in 0..2 {
            let met: Vec<bool> =
                self.services.values().map(|service| self.waits_for(service).is_empty()).collect();
            for (service, met) in self.services.values_mut().zip(met) {
                service.step(now, met, fx);
            }
        }
        let gone: Vec<ServiceName> =
            self.services.values().filter(|s| s.is_gone()).map(|s| s.name.clone()).collect();
        for name in gone {
            if let Some(service) = self.services.remove(&name) {
                let numbers =
                    Numbers { version: service.last_version, number: service.next_number };
                fx.say(&name, NoteKind::Config, Severity::Info, "is gone".to_owned());
                self.numbers.insert(name, numbers);
            }
        }
    }

    fn waits_for(&self, service: &Service) -> Vec<ServiceName> {
        if service.begun {
            return Vec::new();
        }
        let unready =
            |need: &&ServiceName| self.services.get(*need).is_none_or(|needed| needed.ready() == 0);
        service.desired.needs.iter().filter(unready).cloned().collect()
    }

    /// The service, if Mainspring runs it and it stays.
    fn program(&mut self, name: &ServiceName) -> Result<&mut Service, Refused> {
        match self.services.get_mut(name) {
            Some(service) if !service.leaving => match service.desired.as_program() {
                Some(_) => Ok(service),
                None => Err(Refused::NotOurs(name.clone())),
            },
            Some(_) | None => Err(Refused::NoService(name.clone())),
        }
    }

    /// The service, if a rollout of it can begin.
    fn rollable(&mut self, name: &ServiceName) -> Result<&mut Service, Refused> {
        let service = self.program(name)?;
        if service.stopped {
            return Err(Refused::Stopped(name.clone()));
        }
        if let Some(rollout) = &service.rollout {
            return Err(Refused::Busy { service: name.clone(), version: rollout.version });
        }
        Ok(service)
    }
}

/// Makes `spec` what is desired of `service`; the version of the rollout that this takes.
fn change(service: &mut Service, now: Moment, spec: ServiceSpec, fx: &mut Effects) -> Option<u64> {
    let returns = std::mem::take(&mut service.leaving);
    if *service.desired == spec && !returns {
        return None;
    }
    let (before, after) = (service::wanted(&service.desired), service::wanted(&spec));
    // A number that the config did not touch stays as a person scaled it.
    if before != after || returns {
        service.wanted = after;
    }
    let changed = service.desired.needs_new_processes(&spec);
    let spec = Arc::new(spec);
    service.desired = Arc::clone(&spec);
    service.adjust(&spec);
    if !changed || !service.current.spec.needs_new_processes(&spec) {
        if !returns {
            let text = "settings changed; nothing needs a new process".to_owned();
            fx.say(&service.name, NoteKind::Config, Severity::Info, text);
        }
        return None;
    }
    service.wanted = after;
    let untouched = service.replicas.values().all(|replica| replica.phase == Phase::Waiting);
    if spec.as_program().is_none() || untouched {
        // Nothing runs yet, or nothing of ours will: there is nothing to go back to.
        service.cancel_rollout("the config changed", fx);
        service.last_version += 1;
        service.current = service::Revision { version: service.last_version, spec };
        service.good = service.current.clone();
        service.good_proven = false;
        return None;
    }
    Some(service.begin_rollout(now, spec, "the config changed", fx))
}
