//! The handle that others hold, and what it shares with the loop.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use model::{ReplicaId, ServiceName};
use orchestrator::{Command, Note, Outcome, ServiceSpec};
use runtime::clock;
use runtime::sync::{broadcast, mpsc, oneshot, watch};

use crate::api::{
    Applied, Event, FleetConfig, FleetError, FleetStatus, FollowEvents, FollowLogs, LogLine,
    LogQuery, Rollout, SecretReport,
};
use crate::driver::{Driver, MESSAGES_MAX};
use crate::logs::Redactions;
use crate::secrets::Secrets;
use crate::traffic::Traffic;

/// Commands waiting for the loop. Beyond it callers wait.
const REQUESTS_MAX: usize = 64;

/// Events kept for those who ask later.
const EVENTS_MAX: usize = 1_000;

/// Events and lines that a slow reader may be behind before it misses some.
const EVENTS_BEHIND_MAX: usize = 1_024;
const LINES_BEHIND_MAX: usize = 4_096;

/// Values of secrets, old ones included, that are kept out of logs.
const REDACTIONS_MAX: usize = 4_000;

/// The running fleet: a handle that is cheap to clone. The fleet runs on when all are dropped;
/// [`Fleet::shutdown`] ends it.
#[derive(Clone)]
pub struct Fleet {
    requests: mpsc::Sender<Request>,
    status: watch::Receiver<Arc<FleetStatus>>,
    shared: Arc<Shared>,
}

/// What handles and loop both hold.
pub(crate) struct Shared {
    events: Mutex<Events>,
    lines_out: broadcast::Sender<Arc<LogLine>>,
    redactions: Redactions,
}

struct Events {
    kept: VecDeque<Arc<Event>>,
    last_id: u64,
    out: broadcast::Sender<Arc<Event>>,
}

pub(crate) enum Request {
    Command(Command, oneshot::Sender<Result<Vec<Rollout>, FleetError>>),
    SetUrls(BTreeMap<ServiceName, String>),
    Logs(LogQuery, oneshot::Sender<Result<Vec<LogLine>, FleetError>>),
    SecretSet(String, String, oneshot::Sender<Result<SecretReport, FleetError>>),
    SecretRemove(String, oneshot::Sender<Result<SecretReport, FleetError>>),
    Secrets(oneshot::Sender<Result<Vec<SecretReport>, FleetError>>),
    Shutdown(oneshot::Sender<()>),
}

impl Fleet {
    /// Takes over what a crashed run left behind and begins to drive. Nothing is started, and
    /// nothing that runs is stopped, before the first [`Fleet::apply`]. Call it on the control
    /// thread.
    ///
    /// # Errors
    /// When the data folder cannot be used.
    pub fn start(config: FleetConfig, traffic: Arc<dyn Traffic>) -> Result<Self, FleetError> {
        let (requests, inbox) = mpsc::channel(REQUESTS_MAX);
        let (messages, heard) = mpsc::channel(MESSAGES_MAX);
        let (status_out, status) = watch::channel(Arc::new(FleetStatus::default()));
        let shared = Arc::new(Shared::new());
        let driver = Driver::new(config, traffic, Arc::clone(&shared), status_out, messages)?;
        runtime::task::spawn(driver.run(inbox, heard));
        Ok(Self { requests, status, shared })
    }

    /// These services and no others: new ones start, missing ones drain and stop, changed ones
    /// roll over, unchanged ones are not touched. Returns as soon as that has begun.
    ///
    /// # Errors
    /// When the specs are wrong together; then nothing changed.
    pub async fn apply(&self, specs: Vec<ServiceSpec>) -> Result<Applied, FleetError> {
        let rollouts = self.command(Command::Apply(specs)).await?;
        Ok(Applied { rollouts })
    }

    /// Where services are reached, for the programs started from now on.
    ///
    /// # Errors
    /// After the shutdown.
    pub async fn set_urls(&self, urls: BTreeMap<ServiceName, String>) -> Result<(), FleetError> {
        self.requests.send(Request::SetUrls(urls)).await.map_err(|_| FleetError::Closed)
    }

    /// Replaces all processes of `service` by new ones of what the config says; returns when it
    /// is over.
    ///
    /// # Errors
    /// When it is refused (no such service, busy, stopped). A rollback is an outcome.
    pub async fn deploy(&self, service: &ServiceName) -> Result<Outcome, FleetError> {
        self.rollout(Command::Deploy(service.clone())).await
    }

    /// Replaces all processes of `service` by new ones of what runs now; returns when it is over.
    ///
    /// # Errors
    /// As [`Fleet::deploy`].
    pub async fn restart(&self, service: &ServiceName) -> Result<Outcome, FleetError> {
        self.rollout(Command::Restart(service.clone())).await
    }

    /// Sets how many replicas `service` has; returns as soon as that has begun. See
    /// [`Fleet::settled`].
    ///
    /// # Errors
    /// When it is refused.
    pub async fn scale(&self, service: &ServiceName, replicas: u32) -> Result<(), FleetError> {
        self.command(Command::Scale(service.clone(), replicas)).await.map(drop)
    }

    /// Stops `service` until it is started; returns as soon as that has begun.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn stop(&self, service: &ServiceName) -> Result<(), FleetError> {
        self.command(Command::Stop(service.clone())).await.map(drop)
    }

    /// Starts a stopped `service`; returns as soon as that has begun.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn start_service(&self, service: &ServiceName) -> Result<(), FleetError> {
        self.command(Command::Start(service.clone())).await.map(drop)
    }

    /// Waits until `service` is as wanted: all wanted replicas ready (none, if it is stopped or
    /// gone), no others left, no rollout going on. False when that took longer than `patience`.
    pub async fn settled(&self, service: &ServiceName, patience: Duration) -> bool {
        let mut status = self.status.clone();
        let settled = async {
            while !status.borrow_and_update().is_settled(service) {
                if status.changed().await.is_err() {
                    return false;
                }
            }
            true
        };
        runtime::time::timeout(patience, settled).await.unwrap_or(false)
    }

    /// What runs now. At most a second old in its measurements, up to date in its states.
    pub fn status(&self) -> Arc<FleetStatus> {
        Arc::clone(&self.status.borrow())
    }

    /// Waits for the next change of [`Fleet::status`] after the caller's last look.
    pub fn watch(&self) -> watch::Receiver<Arc<FleetStatus>> {
        self.status.clone()
    }

    /// Events that are still kept with an id above `after`, oldest first, and those that follow.
    /// None is missing or double between the two.
    pub fn events(&self, after: u64) -> (Vec<Arc<Event>>, FollowEvents) {
        // The lock is held while subscribing, and while the loop adds and sends.
        let events = self.shared.events.lock().unwrap_or_else(PoisonError::into_inner);
        let follow = FollowEvents(events.out.subscribe());
        (events.kept.iter().filter(|event| event.id > after).cloned().collect(), follow)
    }

    /// The newest lines that `query` wants, oldest first.
    ///
    /// # Errors
    /// When the log files cannot be read.
    pub async fn logs(&self, query: LogQuery) -> Result<Vec<LogLine>, FleetError> {
        self.ask(|reply| Request::Logs(query, reply)).await
    }

    /// Lines that `query` wants, as they are written from now on.
    pub fn follow_logs(&self, query: LogQuery) -> FollowLogs {
        FollowLogs { lines: self.shared.lines_out.subscribe(), query }
    }

    /// Stores a secret. Programs get it at their next start.
    ///
    /// # Errors
    /// When the name or value is not acceptable, or the disk refuses.
    pub async fn secret_set(&self, name: &str, value: &str) -> Result<SecretReport, FleetError> {
        self.ask(|reply| Request::SecretSet(name.to_owned(), value.to_owned(), reply)).await
    }

    /// Forgets a secret. Programs that run keep it until they end.
    ///
    /// # Errors
    /// When there is none of that name, or the disk refuses.
    pub async fn secret_remove(&self, name: &str) -> Result<SecretReport, FleetError> {
        self.ask(|reply| Request::SecretRemove(name.to_owned(), reply)).await
    }

    /// All secrets without their values, by name.
    ///
    /// # Errors
    /// When the disk refuses.
    pub async fn secrets(&self) -> Result<Vec<SecretReport>, FleetError> {
        self.ask(Request::Secrets).await
    }

    /// Stops all programs: SIGTERM, at most `shutdown_grace`, SIGKILL to all that is left,
    /// descendants included. When it returns nothing runs any more.
    pub async fn shutdown(&self) {
        let (reply, done) = oneshot::channel();
        if self.requests.send(Request::Shutdown(reply)).await.is_ok() {
            let _ = done.await; // An error means that the loop is gone: the same thing.
        }
    }

    async fn rollout(&self, command: Command) -> Result<Outcome, FleetError> {
        match self.command(command).await?.into_iter().next() {
            Some(rollout) => rollout.outcome().await,
            None => Ok(Outcome::Done),
        }
    }

    async fn command(&self, command: Command) -> Result<Vec<Rollout>, FleetError> {
        self.ask(|reply| Request::Command(command, reply)).await
    }

    async fn ask<T>(
        &self,
        request: impl FnOnce(oneshot::Sender<Result<T, FleetError>>) -> Request,
    ) -> Result<T, FleetError> {
        let (reply, answer) = oneshot::channel();
        self.requests.send(request(reply)).await.map_err(|_| FleetError::Closed)?;
        answer.await.map_err(|_| FleetError::Closed)?
    }
}

impl Shared {
    fn new() -> Self {
        let (out, _) = broadcast::channel(EVENTS_BEHIND_MAX);
        let (lines_out, _) = broadcast::channel(LINES_BEHIND_MAX);
        let events = Events { kept: VecDeque::new(), last_id: 0, out };
        Self { events: Mutex::new(events), lines_out, redactions: Redactions::default() }
    }

    pub(crate) fn add_event(&self, note: Note) {
        let Note { service, replica, kind, severity, message } = note;
        let mut events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        events.last_id += 1;
        let event = Arc::new(Event {
            id: events.last_id,
            time_unix_ms: clock::unix_millis(),
            replica: replica.map(|number| ReplicaId { service: service.clone(), number }),
            service,
            kind,
            severity,
            message,
        });
        if events.kept.len() == EVENTS_MAX {
            events.kept.pop_front();
        }
        events.kept.push_back(Arc::clone(&event));
        let _ = events.out.send(event); // Nobody has to listen.
    }

    /// Whether an event with this message is still kept.
    pub(crate) fn has_event(&self, message: &str) -> bool {
        let events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        events.kept.iter().any(|event| event.message == message)
    }

    pub(crate) fn lines_out(&self) -> broadcast::Sender<Arc<LogLine>> {
        self.lines_out.clone()
    }

    pub(crate) fn redactions(&self) -> Redactions {
        Arc::clone(&self.redactions)
    }

    /// Keeps the values of `secrets` out of logs from now on. Values that were removed stay in
    /// the list: programs that run still have them.
    pub(crate) fn set_redactions(&self, secrets: &Secrets) {
        let mut redactions = self.redactions.lock().unwrap_or_else(PoisonError::into_inner);
        for (name, _) in secrets.names() {
            let Ok(Some(value)) = secrets.get(name) else { continue };
            let entry = (value, name.to_owned());
            if !redactions.contains(&entry) && redactions.len() < REDACTIONS_MAX {
                redactions.push(entry);
            }
        }
    }
}

/// A seed for jitter and ports.
pub(crate) fn random_seed() -> Result<u64, FleetError> {
    getrandom::u64().map_err(|error| FleetError::Io {
        doing: "asking the system for random bytes".to_owned(),
        error: io::Error::other(error.to_string()),
    })
}

impl FleetStatus {
    /// See [`Fleet::settled`].
    pub fn is_settled(&self, service: &ServiceName) -> bool {
        let Some(report) = self.services.iter().find(|report| report.name == *service) else {
            return true;
        };
        let wanted = if report.stopped { 0 } else { report.wanted as usize };
        let exist = report.replicas.iter().filter(|replica| replica.pid.is_some()).count();
        let external = report.running.as_program().is_none();
        !report.leaving
            && report.rollout.is_none()
            && report.ready as usize == wanted
            && (external || exist == wanted)
    }
}
