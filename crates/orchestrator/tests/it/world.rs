//! Processes that do as their command line says, and a clock that jumps.
//!
//! Commands: `ok`, `slow` (healthy after 3 s), `die` (at once), `unwell` (never healthy), `flaky`
//! (healthy, dies after 5 s), `missing` (cannot be started), `deaf` (ignores SIGTERM).

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use model::{Moment, ReplicaId, ServiceName};
use orchestrator::{
    Action, Command, CommandLine, Exit, HealthCheck, Observation, Orchestrator, Probe, Refused,
    ReplicaState, ServiceSpec, ServiceView, Source, Taken, TrafficState, Verdict,
};

pub(crate) struct World {
    pub(crate) machine: Orchestrator,
    pub(crate) now: Moment,
    pub(crate) specs: BTreeMap<ServiceName, ServiceSpec>,
    processes: BTreeMap<ReplicaId, Process>,
    due: BTreeMap<(Moment, u64), (ReplicaId, Observation)>,
    event_count: u64,
    draining: BTreeSet<ReplicaId>,
    traffic: BTreeMap<ReplicaId, TrafficState>,
    /// Requests that never end, while true.
    pub(crate) busy: bool,
    /// What happened, for transcripts.
    pub(crate) log: Vec<String>,
    /// Ready replicas that were taken out of traffic for good while fewer than wanted remained.
    pub(crate) shortages: Vec<String>,
    /// The most processes at a spawn during a rollout, beyond wanted.
    pub(crate) extra_max: i64,
}

struct Process {
    command: String,
    started: Moment,
    hung: bool,
}

impl World {
    pub(crate) fn new() -> Self {
        Self {
            machine: Orchestrator::new(7),
            now: Moment::START,
            specs: BTreeMap::new(),
            processes: BTreeMap::new(),
            due: BTreeMap::new(),
            event_count: 0,
            draining: BTreeSet::new(),
            traffic: BTreeMap::new(),
            busy: false,
            log: Vec::new(),
            shortages: Vec::new(),
            extra_max: 0,
        }
    }

    /// Adds or changes a service; takes effect with [`World::apply`].
    pub(crate) fn describe(&mut self, service: &str, command: &str, replicas: u32, needs: &[&str]) {
        let name = ServiceName::new(service).unwrap();
        let mut spec = ServiceSpec::program(name.clone(), CommandLine::split(command).unwrap());
        spec.health = Some(HealthCheck {
            probe: Probe::http("/health"),
            interval: Duration::from_millis(500),
            timeout: Duration::from_millis(200),
            fall: 2,
            start_grace: Duration::from_secs(10),
            ..HealthCheck::default()
        });
        spec.needs = needs.iter().map(|need| ServiceName::new(need).unwrap()).collect();
        if let Source::Program(program) = &mut spec.source {
            program.replicas = replicas;
            program.stop_grace = Duration::from_secs(2);
            program.drain_grace = Duration::from_secs(5);
            program.deploy.deadline = Duration::from_secs(20);
        }
        self.specs.insert(name, spec);
    }

    /// Adds or changes a service that somebody else runs.
    pub(crate) fn describe_external(&mut self, service: &str, addresses: &[&str]) {
        let name = ServiceName::new(service).unwrap();
        let addresses = addresses.iter().map(|address| address.parse().unwrap()).collect();
        self.specs.insert(name.clone(), ServiceSpec::external(name, addresses));
    }

    pub(crate) fn apply(&mut self) -> Result<(), Refused> {
        let specs = self.specs.values().cloned().collect();
        self.command(Command::Apply(specs))
    }

    pub(crate) fn command(&mut self, command: Command) -> Result<(), Refused> {
        let Taken { actions, .. } = self.machine.command(self.now, command)?;
        self.carry_out(actions);
        Ok(())
    }

    /// Lets `duration` pass.
    pub(crate) fn pass(&mut self, duration: Duration) {
        let end = self.now + duration;
        loop {
            let event = self.due.keys().next().map(|(at, _)| *at);
            let wake = self.machine.wake_at();
            let idle = (!self.busy && !self.draining.is_empty()).then_some(self.now);
            match event.into_iter().chain(wake).chain(idle).min().filter(|at| *at <= end) {
                Some(at) => self.now = at.max(self.now),
                None => break,
            }
            for replica in std::mem::take(&mut self.draining) {
                if self.busy {
                    self.draining.insert(replica);
                } else {
                    self.observe(&replica, Observation::Drained);
                }
            }
            while let Some(entry) = self.due.first_entry().filter(|entry| entry.key().0 <= self.now)
            {
                let (replica, what) = entry.remove();
                self.deliver(&replica, what);
            }
            let actions = self.machine.tick(self.now);
            self.carry_out(actions);
            let woken = self.machine.wake_at();
            assert!(woken.is_none_or(|at| at > self.now), "it would spin: {:?}", self.machine);
        }
        self.now = end;
    }

    /// Kills the `index`-th process.
    pub(crate) fn kill(&mut self, index: usize) {
        let replica = self.processes.keys().nth(index).cloned();
        if let Some(replica) = replica {
            self.processes.remove(&replica);
            self.observe(&replica, Observation::Exited(Exit::Signal(9)));
        }
    }

    /// Stops the `index`-th process from answering.
    pub(crate) fn hang(&mut self, index: usize) {
        if let Some(process) = self.processes.values_mut().nth(index) {
            process.hung = true;
        }
    }

    pub(crate) fn view(&self, service: &str) -> ServiceView {
        let views = self.machine.view();
        views.into_iter().find(|view| view.desired.name.as_str() == service).unwrap()
    }

    pub(crate) fn process_count(&self) -> usize {
        self.processes.len()
    }

    /// `web: v2 2/2 ready, replicas 3 ready (v2) …`
    pub(crate) fn picture(&self) -> Vec<String> {
        let line = |view: &ServiceView| {
            let replicas: Vec<String> = (view.replicas.iter())
                .map(|r| format!("{} {} v{}", r.id.number, r.state.word(), r.version))
                .collect();
            let waits: Vec<&str> = view.waits_for.iter().map(ServiceName::as_str).collect();
            let waits = match waits.is_empty() {
                true => String::new(),
                false => format!(" waits for {}", waits.join(", ")),
            };
            let name = &view.desired.name;
            format!("= {name} v{} of {}{waits}: {}", view.version, view.wanted, replicas.join("; "))
        };
        self.machine.view().iter().map(line).collect()
    }

    fn observe(&mut self, replica: &ReplicaId, what: Observation) {
        let actions = self.machine.observe(self.now, replica, what);
        self.carry_out(actions);
    }

    fn later(&mut self, after_ms: u64, replica: &ReplicaId, what: Observation) {
        self.event_count += 1;
        let at = self.now + Duration::from_millis(after_ms);
        self.due.insert((at, self.event_count), (replica.clone(), what));
    }

    /// What was to happen happens, unless the process is gone meanwhile.
    fn deliver(&mut self, replica: &ReplicaId, what: Observation) {
        if let Observation::Exited(_) = what
            && self.processes.remove(replica).is_none()
        {
            return;
        }
        self.observe(replica, what);
    }

    fn carry_out(&mut self, actions: Vec<Action>) {
        for action in actions {
            self.write_down(&action);
            match action {
                Action::Spawn { replica, spec, .. } => self.spawn(&replica, &spec),
                Action::Check { replica, .. } => self.check(&replica),
                Action::Terminate(replica) => self.terminate(&replica),
                Action::Kill(replica) => {
                    self.later(1, &replica, Observation::Exited(Exit::Signal(9)));
                }
                Action::WatchDrain(replica) => {
                    self.draining.insert(replica);
                }
                Action::SetTraffic { replica, state, .. } => {
                    let was_ready = self.traffic.insert(replica.clone(), state);
                    if state == TrafficState::Draining && was_ready == Some(TrafficState::Ready) {
                        self.judge_drain(&replica);
                    }
                }
                Action::RemoveTraffic(_)
                | Action::Forget(_)
                | Action::RolloutOver { .. }
                | Action::Note(_) => {}
            }
        }
    }

    fn judge_drain(&mut self, replica: &ReplicaId) {
        let view = self.view(replica.service.as_str());
        let ready = view.replicas.iter().filter(|r| r.state == ReplicaState::Ready).count();
        if !view.stopped && !view.leaving && ready < view.wanted as usize && view.rollout.is_some()
        {
            self.shortages
                .push(format!("{replica} left while {ready} of {} were ready", view.wanted));
        }
    }

    fn spawn(&mut self, replica: &ReplicaId, spec: &ServiceSpec) {
        let command = spec.as_program().unwrap().run.text().to_owned();
        let view = self.view(replica.service.as_str());
        if view.rollout.is_some() {
            let existing =
                self.processes.keys().filter(|known| known.service == replica.service).count() + 1;
            let extra = i64::try_from(existing).unwrap() - i64::from(view.wanted);
            self.extra_max = self.extra_max.max(extra);
        }
        if command == "missing" {
            self.later(1, replica, Observation::NotStarted { why: "no such program".to_owned() });
            return;
        }
        let port = 10_000 + u16::try_from(replica.number % 50_000).unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        match command.as_str() {
            "die" => self.later(10, replica, Observation::Exited(Exit::Status(1))),
            "flaky" => self.later(5_000, replica, Observation::Exited(Exit::Status(2))),
            _ => {}
        }
        let process = Process { command, started: self.now, hung: false };
        self.processes.insert(replica.clone(), process);
        self.later(0, replica, Observation::Started { address });
    }

    fn check(&mut self, replica: &ReplicaId) {
        let Some(process) = self.processes.get(replica) else {
            let detail = "refused".to_owned();
            return self.later(1, replica, Observation::Checked(Verdict::NoAnswer { detail }));
        };
        let age = self.now - process.started;
        let boots_in = if process.command == "slow" { 3_000 } else { 50 };
        let (after, verdict) = if process.hung {
            (200, Verdict::NoAnswer { detail: "no answer".to_owned() })
        } else if age < Duration::from_millis(boots_in) {
            (1, Verdict::NoAnswer { detail: "refused".to_owned() })
        } else if process.command == "unwell" {
            (1, Verdict::Unwell { detail: "status 500".to_owned() })
        } else {
            (1, Verdict::Passed { detail: "status 200".to_owned() })
        };
        self.later(after, replica, Observation::Checked(verdict));
    }

    fn terminate(&mut self, replica: &ReplicaId) {
        let hears = |process: &Process| !process.hung && process.command != "deaf";
        if self.processes.get(replica).is_some_and(hears) {
            self.later(20, replica, Observation::Exited(Exit::Signal(15)));
        }
    }

    fn write_down(&mut self, action: &Action) {
        let what = match action {
            Action::Spawn { replica, seat, version, spec } => {
                let command = spec.as_program().unwrap().run.text();
                format!("spawn {replica} seat {seat} v{version} `{command}`")
            }
            Action::Check { .. } => return,
            Action::Terminate(replica) => format!("terminate {replica}"),
            Action::Kill(replica) => format!("kill {replica}"),
            Action::SetTraffic { replica, state, .. } => format!("traffic {replica} {state:?}"),
            Action::RemoveTraffic(replica) => format!("traffic {replica} gone"),
            Action::WatchDrain(replica) => format!("watch drain {replica}"),
            Action::Forget(replica) => format!("forget {replica}"),
            Action::RolloutOver { service, version, outcome } => {
                format!("rollout {service} v{version} {outcome}")
            }
            Action::Note(note) => {
                let replica = note.replica.map(|number| format!(".{number}")).unwrap_or_default();
                format!("note {}{replica}: {}", note.service, note.message)
            }
        };
        let seconds = self.now.since_start().as_secs_f64();
        self.log.push(format!("{seconds:8.3} {what}"));
    }
}
