//! The loop: commands and observations in, actions out, state on disk, status for all.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use model::{Moment, ReplicaId, ServiceName};
use orchestrator::{
    Action, Command, EnvValue, Exit, Note, NoteKind, Observation, Orchestrator, Outcome, Severity,
    Verdict,
};
use runtime::clock;
use runtime::process::Ended;
use runtime::sync::{mpsc, oneshot, watch};

use crate::api::{ExitReport, FleetConfig, FleetError, FleetStatus, Rollout, SecretReport};
use crate::handle::{Request, Shared};
use crate::running::Running;
use crate::secrets::Secrets;
use crate::state::State;
use crate::status;
use crate::traffic::Traffic;

/// Messages from tasks waiting for the loop. Beyond it the tasks wait.
pub(crate) const MESSAGES_MAX: usize = 1_024;

/// Between looks at the requests in flight to draining replicas.
const DRAIN_LOOK: Duration = Duration::from_millis(20);

/// Between samples of CPU and memory.
const SAMPLE_EVERY: Duration = Duration::from_secs(1);

/// Between looks at the memory of replicas whose limit nobody else keeps.
const MEMORY_LOOK: Duration = Duration::from_millis(100);

/// How often what is left of a group is looked for after it was killed at shutdown.
const GONE_LOOK: Duration = Duration::from_millis(5);

/// How long that is done. A process that the kernel cannot end (stuck in a device) is then left.
const GONE_PATIENCE: Duration = Duration::from_millis(500);

/// What tasks report.
pub(crate) enum Message {
    Ended(ReplicaId, Ended),
    Checked(ReplicaId, Verdict),
    LastLines { replica: ReplicaId, seat: u32, lines: Vec<String> },
}

pub(crate) struct Driver {
    config: FleetConfig,
    machine: Orchestrator,
    traffic: Arc<dyn Traffic>,
    running: Running,
    secrets: Secrets,
    shared: Arc<Shared>,
    status: watch::Sender<Arc<FleetStatus>>,
    waiters: BTreeMap<(ServiceName, u64), oneshot::Sender<Outcome>>,
    /// How the last process of each seat ended.
    exits: BTreeMap<(ServiceName, u32), ExitReport>,
    draining: Vec<ReplicaId>,
    /// Nothing is decided before the first `apply`: until then the config is not known.
    begun: bool,
    saved: Option<State>,
    next_sample: Moment,
    next_memory_look: Moment,
}

impl Driver {
    pub(crate) fn new(
        config: FleetConfig,
        traffic: Arc<dyn Traffic>,
        shared: Arc<Shared>,
        status: watch::Sender<Arc<FleetStatus>>,
        messages: mpsc::Sender<Message>,
    ) -> Result<Self, FleetError> {
        let secrets = Secrets::open(&config.data)?;
        shared.set_redactions(&secrets);
        let state = State::load(&config.data)?;
        let seed = crate::handle::random_seed()?;
        let (running, memory) = Running::take_over(&config, &shared, state, messages, seed)?;
        let (machine, actions) = Orchestrator::resume(seed, clock::now(), memory);
        let now = clock::now();
        let mut driver = Self {
            config,
            machine,
            traffic,
            running,
            secrets,
            shared,
            status,
            waiters: BTreeMap::new(),
            exits: BTreeMap::new(),
            draining: Vec::new(),
            begun: false,
            saved: None,
            next_sample: now,
            next_memory_look: now,
        };
        driver.running.surround(&driver.config, &driver.secrets, &driver.machine.view());
        driver.carry_out(actions);
        driver.settle();
        Ok(driver)
    }

    /// Runs until a shutdown is asked for or every handle is gone and nothing runs.
    pub(crate) async fn run(
        mut self,
        mut requests: mpsc::Receiver<Request>,
        mut messages: mpsc::Receiver<Message>,
    ) {
        let mut open = true;
        loop {
            let wait = self.next_look() - clock::now();
            runtime::sync::select! {
                request = requests.recv(), if open => match request {
                    Some(Request::Shutdown(reply)) => {
                        self.shutdown(&mut messages).await;
                        let _ = reply.send(());
                        return;
                    }
                    Some(request) => self.serve(request),
                    None => open = false, // The fleet keeps running without anybody watching.
                },
                message = messages.recv() => {
                    if let Some(message) = message {
                        self.hear(message);
                    }
                }
                () = runtime::time::sleep(wait) => {}
            }
            self.look();
            self.settle();
        }
    }

    fn serve(&mut self, request: Request) {
        match request {
            Request::Command(command, reply) => {
                let _ = reply.send(self.command(command));
            }
            Request::SetUrls(urls) => self.config.urls = urls,
            Request::Logs(query, reply) => {
                let services = self.machine.desired().map(|spec| spec.name.clone()).collect();
                let lines = self.running.logs().read(query, services);
                runtime::task::spawn(async move {
                    let _ = reply.send(lines.await);
                });
            }
            Request::SecretSet(name, value, reply) => {
                let result = self.secrets.set(&name, &value, clock::unix_millis());
                self.shared.set_redactions(&self.secrets);
                let _ = reply.send(result.map(|()| self.secret_report(&name, None)));
            }
            Request::SecretRemove(name, reply) => {
                let report = self.secret_report(&name, None);
                let result = self.secrets.remove(&name);
                let _ = reply.send(result.map(|()| report));
            }
            Request::Secrets(reply) => {
                let report = |(name, set): (&str, u64)| self.secret_report(name, Some(set));
                let _ = reply.send(Ok(self.secrets.names().map(report).collect()));
            }
            Request::Shutdown(_) => {} // Taken by the loop itself.
        }
    }

    fn command(&mut self, command: Command) -> Result<Vec<Rollout>, FleetError> {
        let applies = matches!(command, Command::Apply(_));
        let taken = self.machine.command(clock::now(), command)?;
        self.begun |= applies;
        let mut rollouts = Vec::new();
        for (service, version) in taken.rollouts {
            let (waiter, over) = oneshot::channel();
            self.waiters.insert((service.clone(), version), waiter);
            rollouts.push(Rollout { service, version, over });
        }
        self.carry_out(taken.actions);
        Ok(rollouts)
    }

    fn hear(&mut self, message: Message) {
        match message {
            Message::Checked(replica, verdict) => {
                self.observe(&replica, Observation::Checked(verdict));
            }
            Message::Ended(replica, ended) => self.on_ended(&replica, ended),
            Message::LastLines { replica, seat, lines } => {
                if let Some(report) = self.exits.get_mut(&(replica.service, seat)) {
                    report.last_lines = lines;
                }
            }
        }
    }

    fn on_ended(&mut self, replica: &ReplicaId, ended: Ended) {
        let Some(gone) = self.running.bury(replica, ended) else { return };
        self.note_exit(replica, gone.seat, gone.exit.clone());
        let finished = self.running.logs().finish(replica);
        let (messages, replica_id, seat) = (self.running.messages(), replica.clone(), gone.seat);
        runtime::task::spawn(async move {
            if let Ok(lines) = finished.await {
                let _ =
                    messages.send(Message::LastLines { replica: replica_id, seat, lines }).await;
            }
        });
        self.observe(replica, Observation::Exited(gone.exit));
    }

    fn note_exit(&mut self, replica: &ReplicaId, seat: u32, exit: Exit) {
        let time_unix_ms = clock::unix_millis();
        let report = ExitReport { time_unix_ms, exit, last_lines: Vec::new() };
        self.exits.insert((replica.service.clone(), seat), report);
    }

    fn observe(&mut self, replica: &ReplicaId, what: Observation) {
        let actions = self.machine.observe(clock::now(), replica, what);
        self.carry_out(actions);
    }

    /// Carries out `actions` and all that follow from their results.
    fn carry_out(&mut self, actions: Vec<Action>) {
        let mut queue = VecDeque::from(actions);
        while let Some(action) = queue.pop_front() {
            match action {
                Action::Spawn { replica, seat, version: _, spec } => {
                    let started =
                        self.running.start(&self.config, &self.secrets, &replica, seat, &spec);
                    let what = match started {
                        Ok(address) => Observation::Started { address },
                        Err(why) => {
                            self.note_exit(&replica, seat, Exit::NotStarted { why: why.clone() });
                            Observation::NotStarted { why }
                        }
                    };
                    queue.extend(self.machine.observe(clock::now(), &replica, what));
                    // On disk before anything else happens: a crash must not lose a process. One
                    // between start and here is found in its group, and killed.
                    self.save();
                }
                Action::Check { replica, address, spec } => {
                    self.running.check(&replica, address, &spec);
                }
                Action::Terminate(replica) => self.running.terminate(&replica),
                Action::Kill(replica) => self.running.kill(&replica),
                Action::SetTraffic { replica, address, state } => {
                    self.traffic.set(&replica, address, state);
                }
                Action::RemoveTraffic(replica) => self.traffic.remove(&replica),
                Action::WatchDrain(replica) => self.draining.push(replica),
                Action::Forget(replica) => {
                    self.draining.retain(|draining| *draining != replica);
                    self.running.forget(&replica);
                }
                Action::RolloutOver { service, version, outcome } => {
                    if let Some(waiter) = self.waiters.remove(&(service, version)) {
                        let _ = waiter.send(outcome); // Nobody has to wait.
                    }
                }
                Action::Note(note) => self.shared.add_event(note),
            }
        }
    }

    /// Does what is due.
    fn look(&mut self) {
        let now = clock::now();
        let idle = |replica: &ReplicaId| self.traffic.in_flight(replica) == 0;
        let (drained, draining): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.draining).into_iter().partition(idle);
        self.draining = draining;
        for replica in drained {
            self.observe(&replica, Observation::Drained);
        }
        if self.begun && self.machine.wake_at().is_some_and(|due| due <= now) {
            let actions = self.machine.tick(now);
            self.carry_out(actions);
        }
        if now >= self.next_memory_look {
            self.next_memory_look = now + MEMORY_LOOK;
            self.running.kill_the_greedy();
        }
        if now >= self.next_sample {
            self.next_sample = now + SAMPLE_EVERY;
            self.running.sample(now);
        }
    }

    fn next_look(&self) -> Moment {
        let now = clock::now();
        let drain = (!self.draining.is_empty()).then(|| now + DRAIN_LOOK);
        let machine = if self.begun { self.machine.wake_at() } else { None };
        let memory = self.running.watches_memory().then_some(self.next_memory_look);
        let due = drain.into_iter().chain(machine).chain(memory);
        due.chain([self.next_sample]).min().unwrap_or(self.next_sample)
    }

    /// Makes disk and status say what is.
    fn settle(&mut self) {
        self.save();
        let views = self.machine.view();
        self.exits.retain(|(service, _), _| views.iter().any(|view| view.desired.name == *service));
        let status = status::build(&views, &self.running, &self.exits, self.traffic.as_ref());
        self.status.send_replace(Arc::new(status));
    }

    fn save(&mut self) {
        let state = State::new(self.machine.memory(), self.running.records());
        if self.saved.as_ref() == Some(&state) {
            return;
        }
        match state.save(&self.config.data) {
            Ok(()) => self.saved = Some(state),
            Err(error) => self.complain(&error),
        }
    }

    /// Says once that the state cannot be kept. Programs run on; only a crash would lose them.
    fn complain(&mut self, error: &FleetError) {
        let Some(service) = self.machine.desired().next().map(|spec| spec.name.clone()) else {
            return;
        };
        let message = format!("the state of programs cannot be kept: {error}");
        if !self.shared.has_event(&message) {
            let (kind, severity) = (NoteKind::Config, Severity::Error);
            self.shared.add_event(Note { service, replica: None, kind, severity, message });
        }
    }

    fn secret_report(&self, name: &str, set: Option<u64>) -> SecretReport {
        let uses = |value: &EnvValue| matches!(value, EnvValue::Secret(secret) if secret == name);
        let users = self
            .machine
            .desired()
            .filter(|spec| spec.as_program().is_some_and(|program| program.env.values().any(uses)));
        let stored = || self.secrets.names().find(|(known, _)| *known == name).map(|(_, at)| at);
        SecretReport {
            name: name.to_owned(),
            set_unix_ms: set.or_else(stored).unwrap_or(0),
            used_by: users.map(|spec| spec.name.clone()).collect(),
        }
    }

    /// SIGTERM to all, a grace, then nothing is left. The machine is not asked: it would restart.
    async fn shutdown(&mut self, messages: &mut mpsc::Receiver<Message>) {
        let deadline = clock::now() + self.config.shutdown_grace;
        self.waiters.clear();
        self.running.terminate_all();
        while !self.running.is_empty() && clock::now() < deadline {
            let wait = deadline - clock::now();
            let message = runtime::time::timeout(wait, messages.recv()).await;
            if let Ok(Some(Message::Ended(replica, ended))) = message {
                self.running.bury(&replica, ended);
                let _read_to_the_end = self.running.logs().finish(&replica);
            }
        }
        let patience = clock::now() + GONE_PATIENCE;
        self.running.kill_all();
        while !self.running.all_gone() && clock::now() < patience {
            runtime::time::sleep(GONE_LOOK).await;
            self.running.kill_all();
        }
        self.running.remove_all();
        let state = State::new(self.machine.memory_at_rest(), Vec::new());
        let _ = state.save(&self.config.data); // If not, the next start finds all dead.
        self.status.send_replace(Arc::new(FleetStatus::default()));
    }
}
