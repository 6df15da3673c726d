//! The processes that run now: started or taken over, watched, measured, killed.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use model::{Moment, ReplicaId};
use orchestrator::{Exit, Limits, Memory, Probe, ServiceSpec, ServiceView};
use runtime::clock;
use runtime::process::{Ended, Group, Hierarchy, Launch, Process, Survey};
use runtime::sync::mpsc;

use crate::api::{FleetConfig, FleetError, LimitReport, OnCrash};
use crate::check::{self, Surroundings};
use crate::driver::Message;
use crate::handle::Shared;
use crate::launch::{self, Ports};
use crate::logs::Logs;
use crate::secrets::Secrets;
use crate::state::{ProcessRecord, State};

const SIGKILL: i32 = 9;

/// Names the group of a replica's `exec` check, which outlives neither.
const CHECK_SUFFIX: &str = "-check";

/// All processes of this fleet.
pub(crate) struct Running {
    hierarchy: Hierarchy,
    logs: Logs,
    ports: Ports,
    processes: BTreeMap<ReplicaId, Entry>,
    messages: mpsc::Sender<Message>,
}

struct Entry {
    process: Arc<Process>,
    group: Group,
    seat: u32,
    port: u16,
    started_unix_ms: u64,
    limits: Limits,
    dir: PathBuf,
    env: Vec<(String, String)>,
    /// The limit that it was killed for exceeding.
    exceeded: Option<u64>,
    measured: Option<Measured>,
}

/// The last sample.
#[derive(Clone, Copy, Debug)]
struct Measured {
    at: Moment,
    cpu: Duration,
    cpu_cores: Option<f64>,
    resident_bytes: u64,
}

/// What status pages want to know of a process.
pub(crate) struct Sight {
    pub(crate) pid: u32,
    pub(crate) started_unix_ms: u64,
    pub(crate) cpu_cores: Option<f64>,
    pub(crate) resident_bytes: Option<u64>,
}

/// A process that ended.
pub(crate) struct Gone {
    pub(crate) seat: u32,
    pub(crate) exit: Exit,
}

impl Running {
    /// Takes over what runs still of `state`; kills what cannot be taken over. Returns the memory
    /// of those that live.
    pub(crate) fn take_over(
        config: &FleetConfig,
        shared: &Arc<Shared>,
        state: State,
        messages: mpsc::Sender<Message>,
        seed: u64,
    ) -> Result<(Self, Memory), FleetError> {
        let io = |doing: &str| {
            let doing = doing.to_owned();
            move |error| FleetError::Io { doing, error }
        };
        let fleet = config.data.join("fleet");
        crate::store::make_private_folder(&fleet).map_err(io("making the data folder"))?;
        let hierarchy = match config.cgroups {
            true => Hierarchy::open(&fleet),
            false => Hierarchy::tree(&fleet),
        };
        let logs = Logs::start(config, shared.lines_out(), shared.redactions())
            .map_err(io("starting the log thread"))?;
        let mut running =
            Self { hierarchy, logs, ports: Ports::new(seed), processes: BTreeMap::new(), messages };
        let State { mut memory, processes, .. } = state;
        if config.on_crash == OnCrash::Keep {
            let remembered: BTreeSet<ReplicaId> = (memory.services.iter())
                .flat_map(|service| service.replicas.iter().map(|replica| replica.id.clone()))
                .collect();
            for record in processes.into_iter().filter(|r| remembered.contains(&r.replica)) {
                running.adopt(&record).map_err(io("finding a control group again"))?;
            }
        }
        for service in &mut memory.services {
            service.replicas.retain(|replica| running.processes.contains_key(&replica.id));
            for replica in &service.replicas {
                running.remember(&replica.id, replica.address(), replica.seat());
            }
        }
        // Whatever runs in our groups beside those was started just before the crash, or is not
        // wanted any more.
        let kept: BTreeSet<String> = running.processes.keys().map(ToString::to_string).collect();
        for name in running.hierarchy.occupied().into_iter().filter(|name| !kept.contains(name)) {
            let group = running.hierarchy.group(&name).map_err(io("opening a control group"))?;
            group.kill();
            group.remove();
        }
        for replica in running.logs.left_behind() {
            running.logs.follow(&replica);
            if !running.processes.contains_key(&replica) {
                let _read_to_the_end = running.logs.finish(&replica);
            }
        }
        Ok((running, memory))
    }

    pub(crate) fn logs(&self) -> &Logs {
        &self.logs
    }

    pub(crate) fn messages(&self) -> mpsc::Sender<Message> {
        self.messages.clone()
    }

    /// Starts `replica`; where it will listen.
    ///
    /// # Errors
    /// With a sentence for the user.
    pub(crate) fn start(
        &mut self,
        config: &FleetConfig,
        secrets: &Secrets,
        replica: &ReplicaId,
        seat: u32,
        spec: &ServiceSpec,
    ) -> Result<SocketAddr, String> {
        let port = self.ports.take().ok_or("no free port is left for it")?;
        let started = self.launch(config, secrets, replica, seat, port, spec);
        if started.is_err() {
            self.ports.give_back(port);
        }
        started
    }

    fn launch(
        &mut self,
        config: &FleetConfig,
        secrets: &Secrets,
        replica: &ReplicaId,
        seat: u32,
        port: u16,
        spec: &ServiceSpec,
    ) -> Result<SocketAddr, String> {
        let program = spec.as_program().ok_or("somebody else runs it")?;
        let env = launch::environment(config, secrets, program, replica, seat, port)?;
        let lookup = |name: &str| {
            env.iter().find(|(variable, _)| variable == name).map(|(_, value)| value.clone())
        };
        let words = program.run.expand(lookup).map_err(|problem| problem.to_string())?;
        let words_of = |error: std::io::Error| error.to_string();
        let (stdout, stderr) = self.logs.outputs(replica).map_err(words_of)?;
        let group = self.hierarchy.group(&replica.to_string()).map_err(words_of)?;
        launch::limit_group(&self.hierarchy, &group, &program.limits)?;
        let dir = launch::folder(config, program);
        let start = Launch {
            words: &words,
            dir: &dir,
            env: &env,
            stdout,
            stderr,
            limits: launch::resource_limits(&self.hierarchy, &program.limits),
            dies_with_us: config.on_crash == OnCrash::Stop,
        };
        let process = match start.start(&group) {
            Ok(process) => Arc::new(process),
            Err(error) => {
                group.kill();
                group.remove();
                return Err(error.to_string());
            }
        };
        self.logs.follow(replica);
        self.watch(replica, &process);
        let entry = Entry {
            process,
            group,
            seat,
            port,
            started_unix_ms: clock::unix_millis(),
            limits: program.limits,
            dir,
            env,
            exceeded: None,
            measured: None,
        };
        self.processes.insert(replica.clone(), entry);
        Ok(launch::address(port))
    }

    /// Checks `replica` once, in a task that reports.
    pub(crate) fn check(&self, replica: &ReplicaId, address: SocketAddr, spec: &ServiceSpec) {
        let Some(health) = spec.health.clone() else { return };
        let runs_command = matches!(health.probe, Probe::Exec(_));
        let surroundings = self.processes.get(replica).filter(|_| runs_command).and_then(|entry| {
            let group = self.hierarchy.group(&format!("{replica}{CHECK_SUFFIX}")).ok()?;
            Some(Surroundings { dir: entry.dir.clone(), env: entry.env.clone(), group })
        });
        let (messages, replica) = (self.messages.clone(), replica.clone());
        runtime::task::spawn(async move {
            let verdict = check::check(&health, address, surroundings).await;
            let _ = messages.send(Message::Checked(replica, verdict)).await;
        });
    }

    pub(crate) fn terminate(&self, replica: &ReplicaId) {
        if let Some(entry) = self.processes.get(replica) {
            entry.process.terminate();
        }
    }

    pub(crate) fn kill(&self, replica: &ReplicaId) {
        if let Some(entry) = self.processes.get(replica) {
            entry.group.kill();
            entry.process.kill();
        }
    }

    /// `replica`'s first process ended: so does the rest of its family.
    pub(crate) fn bury(&mut self, replica: &ReplicaId, ended: Ended) -> Option<Gone> {
        let entry = self.processes.remove(replica)?;
        let kernel_killed = entry.group.out_of_memory_kills() > 0;
        entry.group.kill();
        entry.group.remove();
        self.ports.give_back(entry.port);
        let by_kernel = entry.limits.memory_bytes.filter(|_| kernel_killed);
        let exit = match (ended, entry.exceeded.or(by_kernel)) {
            (Ended::Signal(SIGKILL) | Ended::Unknown, Some(limit_bytes)) => {
                Exit::OutOfMemory { limit_bytes }
            }
            (Ended::Status(status), _) => Exit::Status(status),
            (Ended::Signal(signal), _) => Exit::Signal(signal),
            (Ended::Unknown, None) => Exit::Unknown,
        };
        Some(Gone { seat: entry.seat, exit })
    }

    /// `replica` is forgotten; its group is removed, should it have been busy until now.
    pub(crate) fn forget(&self, replica: &ReplicaId) {
        if !self.processes.contains_key(replica)
            && let Ok(group) = self.hierarchy.group(&replica.to_string())
        {
            group.remove();
        }
    }

    /// Whether some limit of memory is kept by nobody else.
    pub(crate) fn watches_memory(&self) -> bool {
        !self.hierarchy.controls("memory")
            && self.processes.values().any(|entry| entry.limits.memory_bytes.is_some())
    }

    /// Kills those that use more memory than they may.
    pub(crate) fn kill_the_greedy(&mut self) {
        if !self.watches_memory() {
            return;
        }
        let survey = self.hierarchy.survey();
        for entry in self.processes.values_mut() {
            if let Some(limit) = entry.limits.memory_bytes
                && entry.group.usage(&survey).resident_bytes > limit
            {
                entry.exceeded = Some(limit);
                entry.group.kill();
            }
        }
    }

    /// Measures CPU and memory of all, and reaps what was left to us.
    pub(crate) fn sample(&mut self, now: Moment) {
        let survey = self.hierarchy.survey();
        for entry in self.processes.values_mut() {
            entry.measure(now, &survey);
        }
        let owned: BTreeSet<u32> = self.processes.values().map(|e| e.process.pid()).collect();
        self.hierarchy.reap_orphans(|pid| owned.contains(&pid));
        let wanted: BTreeSet<String> = self.processes.keys().map(ToString::to_string).collect();
        self.hierarchy
            .prune(|name| wanted.contains(name.strip_suffix(CHECK_SUFFIX).unwrap_or(name)));
    }

    pub(crate) fn sight(&self, replica: &ReplicaId) -> Option<Sight> {
        let entry = self.processes.get(replica)?;
        Some(Sight {
            pid: entry.process.pid(),
            started_unix_ms: entry.started_unix_ms,
            cpu_cores: entry.measured.and_then(|measured| measured.cpu_cores),
            resident_bytes: entry.measured.map(|measured| measured.resident_bytes),
        })
    }

    pub(crate) fn tracking(&self) -> String {
        self.hierarchy.describe()
    }

    pub(crate) fn limit_reports(&self, limits: &Limits) -> Vec<LimitReport> {
        launch::limit_reports(&self.hierarchy, limits)
    }

    /// What to keep on disk.
    pub(crate) fn records(&self) -> Vec<ProcessRecord> {
        let record = |(replica, entry): (&ReplicaId, &Entry)| {
            let identity = entry.process.identity().clone();
            ProcessRecord {
                replica: replica.clone(),
                pid: identity.pid,
                start_ticks: identity.start_ticks,
                boot_id: identity.boot_id,
                started_unix_ms: entry.started_unix_ms,
            }
        };
        self.processes.iter().map(record).collect()
    }

    /// Gives processes that were taken over the surroundings for their checks.
    pub(crate) fn surround(
        &mut self,
        config: &FleetConfig,
        secrets: &Secrets,
        views: &[ServiceView],
    ) {
        for view in views {
            let Some(program) = view.running.as_program() else { continue };
            for replica in &view.replicas {
                if let Some(entry) = self.processes.get_mut(&replica.id) {
                    entry.limits = program.limits;
                    entry.dir = launch::folder(config, program);
                    let (id, seat, port) = (&replica.id, entry.seat, entry.port);
                    // Without a secret the check still runs; the program has what it was given.
                    entry.env = launch::environment(config, secrets, program, id, seat, port)
                        .unwrap_or_default();
                }
            }
        }
    }

    pub(crate) fn terminate_all(&self) {
        self.processes.values().for_each(|entry| entry.process.terminate());
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.processes.is_empty()
    }

    /// Kills everything in our groups, checks included.
    pub(crate) fn kill_all(&self) {
        for name in self.hierarchy.occupied() {
            if let Ok(group) = self.hierarchy.group(&name) {
                group.kill();
            }
        }
        self.processes.values().for_each(|entry| entry.process.kill());
        self.hierarchy.kill_strays();
    }

    pub(crate) fn all_gone(&self) -> bool {
        self.hierarchy.occupied().is_empty()
            && self.processes.values().all(|e| Process::find(e.process.identity()).is_none())
    }

    pub(crate) fn remove_all(&mut self) {
        for (replica, entry) in std::mem::take(&mut self.processes) {
            let _read_to_the_end = self.logs.finish(&replica);
            entry.group.remove();
        }
        self.hierarchy.remove();
    }

    fn watch(&self, replica: &ReplicaId, process: &Arc<Process>) {
        let (messages, replica) = (self.messages.clone(), replica.clone());
        let process = Arc::clone(process);
        runtime::task::spawn(async move {
            let ended = process.ended().await.unwrap_or(Ended::Unknown);
            let _ = messages.send(Message::Ended(replica, ended)).await;
        });
    }

    fn adopt(&mut self, record: &ProcessRecord) -> std::io::Result<()> {
        let Some(process) = Process::find(&record.identity()) else { return Ok(()) };
        let process = Arc::new(process);
        self.watch(&record.replica, &process);
        let entry = Entry {
            process,
            group: self.hierarchy.group(&record.replica.to_string())?,
            seat: 0,
            port: 0,
            started_unix_ms: record.started_unix_ms,
            limits: Limits::default(),
            dir: PathBuf::new(),
            env: Vec::new(),
            exceeded: None,
            measured: None,
        };
        self.processes.insert(record.replica.clone(), entry);
        Ok(())
    }

    fn remember(&mut self, replica: &ReplicaId, address: SocketAddr, seat: u32) {
        if let Some(entry) = self.processes.get_mut(replica) {
            (entry.seat, entry.port) = (seat, address.port());
            self.ports.keep(address.port());
        }
    }
}

impl Entry {
    fn measure(&mut self, now: Moment, survey: &Survey) {
        let usage = self.group.usage(survey);
        let cpu_cores = self.measured.and_then(|before| {
            let passed = (now - before.at).as_secs_f64();
            (passed > 0.0).then(|| usage.cpu.saturating_sub(before.cpu).as_secs_f64() / passed)
        });
        let resident_bytes = usage.resident_bytes;
        self.measured = Some(Measured { at: now, cpu: usage.cpu, cpu_cores, resident_bytes });
    }
}
