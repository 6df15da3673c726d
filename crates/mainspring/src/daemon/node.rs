//! The node as the console sees it: every call of the admin API, carried out.

use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use console::api::{
    ConfigText, DeployOutcome, DeployReport, Event, ExplainRequest, Explanation, ListenerStatus,
    LogLine, LogQuery, Meters, NodeStatus, PlanReport, ReloadReport, ReloadRequest, SecretStatus,
    SecretValue, ServiceReport, Status,
};
use console::{Answer, Feed, Follow, Node, Refusal, RefusalKind};
use fleet::FleetError;
use model::{Moment, ServiceName};
use orchestrator::{Outcome, Refused};
use runtime::clock;

use super::state::Daemon;
use super::{meters, view};
use crate::config::{self, Config};

/// How long scaling, stopping or starting may take before the call answers that it goes on.
const SETTLE_PATIENCE: Duration = Duration::from_secs(120);

/// The node in the console's hands.
pub(super) struct Desk(pub(super) Arc<Daemon>);

impl Deref for Desk {
    type Target = Daemon;

    fn deref(&self) -> &Daemon {
        &self.0
    }
}

impl Node for Desk {
    fn status(&self) -> Status {
        let fleet = self.fleet.status();
        let in_force = self.in_force();
        Status {
            node: self.node_status(),
            services: view::services(&fleet),
            routes: view::routes(&in_force.config),
        }
    }

    fn meters(&self) -> Meters {
        self.front.edge().map(|edge| meters::meters(edge.meters())).unwrap_or_default()
    }

    fn ready(&self) -> Result<(), String> {
        self.is_ready()
    }

    fn events(&self, after: u64, limit: usize) -> Vec<Event> {
        self.events.newest(after, limit)
    }

    fn follow_events(&self, after: u64) -> Feed<Event> {
        Box::new(self.events.follow(after))
    }

    fn logs<'a>(&'a self, query: &'a LogQuery) -> Answer<'a, Vec<LogLine>> {
        Box::pin(async move {
            let query = self.log_query(query)?;
            let lines = self.fleet.logs(query).await.map_err(|error| refusal(&error))?;
            Ok(lines.iter().map(view::log_line).collect())
        })
    }

    fn follow_logs<'a>(&'a self, query: &'a LogQuery) -> Answer<'a, Feed<LogLine>> {
        Box::pin(async move {
            let query = self.log_query(query)?;
            // Subscribed before the tail is read: a line may come twice, none is missing. The
            // follower drops those that the tail already had.
            let next = self.fleet.follow_logs(query.clone());
            let kept = self.fleet.logs(query).await.map_err(|error| refusal(&error))?;
            Ok(Box::new(FollowLogs::new(kept, next)) as Feed<LogLine>)
        })
    }

    fn plan(&self, wanted: ConfigText) -> Answer<'_, PlanReport> {
        Box::pin(async move {
            let (_, _, config) = self.read_config(wanted.text, wanted.path)?;
            Ok(self.plan_against(&config))
        })
    }

    fn reload(&self, request: ReloadRequest) -> Answer<'_, ReloadReport> {
        let daemon = Arc::clone(&self.0);
        // A task of its own: a caller that hangs up must not leave a config half in force.
        let change = runtime::task::spawn(async move { daemon.reload(request).await });
        Box::pin(async move {
            let broke = || Refusal::new(RefusalKind::Failed, "the reload broke off");
            change.await.unwrap_or_else(|| Err(broke()))
        })
    }

    fn deploy<'a>(&'a self, service: &'a str) -> Answer<'a, DeployReport> {
        Box::pin(async move {
            let name = self.service_name(service)?;
            let began = clock::now();
            let outcome = self.fleet.deploy(&name).await.map_err(|error| refusal(&error))?;
            self.rollout_report(&name, outcome, began)
        })
    }

    fn scale<'a>(&'a self, service: &'a str, replicas: u32) -> Answer<'a, ServiceReport> {
        Box::pin(async move {
            let name = self.service_name(service)?;
            let began = clock::now();
            self.fleet.scale(&name, replicas).await.map_err(|error| refusal(&error))?;
            let done = match replicas {
                1 => format!("1 replica of {name} runs"),
                count => format!("{count} replicas of {name} run"),
            };
            Ok(self.settle(&name, began, done).await)
        })
    }

    fn restart<'a>(&'a self, service: &'a str) -> Answer<'a, ServiceReport> {
        Box::pin(async move {
            let name = self.service_name(service)?;
            let began = clock::now();
            let outcome = self.fleet.restart(&name).await.map_err(|error| refusal(&error))?;
            match outcome {
                Outcome::Done => Ok(report(&name, began, format!("{name} was restarted"))),
                Outcome::RolledBack { .. } | Outcome::Failed { .. } | Outcome::Cancelled { .. } => {
                    let detail = format!("restart of {name}: {outcome}");
                    Err(Refusal::new(RefusalKind::Failed, detail))
                }
            }
        })
    }

    fn stop<'a>(&'a self, service: &'a str) -> Answer<'a, ServiceReport> {
        Box::pin(async move {
            let name = self.service_name(service)?;
            let began = clock::now();
            self.fleet.stop(&name).await.map_err(|error| refusal(&error))?;
            Ok(self.settle(&name, began, format!("{name} is stopped")).await)
        })
    }

    fn start<'a>(&'a self, service: &'a str) -> Answer<'a, ServiceReport> {
        Box::pin(async move {
            let name = self.service_name(service)?;
            let began = clock::now();
            self.fleet.start_service(&name).await.map_err(|error| refusal(&error))?;
            Ok(self.settle(&name, began, format!("{name} runs")).await)
        })
    }

    fn shutdown(&self) -> Answer<'_, ServiceReport> {
        Box::pin(async move {
            self.ask_to_stop();
            let message = "the node stops".to_owned();
            Ok(ServiceReport { service: String::new(), message, took_ms: 0 })
        })
    }

    fn explain(&self, request: ExplainRequest) -> Answer<'_, Explanation> {
        Box::pin(async move {
            let in_force = self.in_force();
            crate::explain::explain(&in_force.config, &request)
                .map_err(|detail| Refusal::new(RefusalKind::Invalid, detail))
        })
    }

    fn secrets(&self) -> Answer<'_, Vec<SecretStatus>> {
        Box::pin(async move {
            let secrets = self.fleet.secrets().await.map_err(|error| refusal(&error))?;
            Ok(secrets.iter().map(view::secret).collect())
        })
    }

    fn secret_set<'a>(&'a self, name: &'a str, value: SecretValue) -> Answer<'a, SecretStatus> {
        Box::pin(async move {
            let set = self.fleet.secret_set(name, &value.value).await;
            set.map(|secret| view::secret(&secret)).map_err(|error| refusal(&error))
        })
    }

    fn secret_remove<'a>(&'a self, name: &'a str) -> Answer<'a, SecretStatus> {
        Box::pin(async move {
            let removed = self.fleet.secret_remove(name).await;
            removed.map(|secret| view::secret(&secret)).map_err(|error| refusal(&error))
        })
    }
}

impl Daemon {
    /// The config that a request names: its own text, or the node's file as it is now.
    pub(super) fn read_config(
        &self,
        text: Option<String>,
        path: Option<String>,
    ) -> Result<(PathBuf, String, Config), Refusal> {
        let path = path.map_or_else(|| self.in_force().path.clone(), PathBuf::from);
        let invalid = |problems: &config::Diagnostics| invalid_config(&path, problems);
        let text = match text {
            Some(text) => text,
            None => config::read_text(&path).map_err(|problems| invalid(&problems))?,
        };
        let config = config::load_text(&path, &text).map_err(|problems| invalid(&problems))?;
        Ok((path, text, config))
    }

    /// What putting `config` in force would do.
    pub(super) fn plan_against(&self, config: &Config) -> PlanReport {
        let in_force = self.in_force();
        config::plan::diff(&in_force.config, config, in_force.generation)
    }

    fn is_ready(&self) -> Result<(), String> {
        match (self.is_stopping(), self.front.edge()) {
            (true, _) => Err("the node is stopping".to_owned()),
            (false, None) => Err("the doors are not open yet".to_owned()),
            (false, Some(_)) => Ok(()),
        }
    }

    fn node_status(&self) -> NodeStatus {
        let in_force = self.in_force();
        let mut listeners: Vec<_> = self.front.edge().map(door_statuses).unwrap_or_default();
        if let Some(address) = self.console_address() {
            let address = address.to_string();
            listeners.push(ListenerStatus { door: "console".to_owned(), address });
        }
        NodeStatus {
            name: in_force.config.node.name.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            started_unix_ms: self.started_unix_ms,
            uptime_ms: millis(clock::now() - Moment::START),
            config_generation: in_force.generation,
            config_fingerprint: in_force.fingerprint(),
            config_path: in_force.path.display().to_string(),
            config_error: in_force.refused.clone(),
            ready: self.is_ready().is_ok(),
            listeners,
            // The console reads what this process uses itself.
            cpu_cores: 0.0,
            resident_bytes: 0,
        }
    }

    fn service_name(&self, text: &str) -> Result<ServiceName, Refusal> {
        let known = ServiceName::new(text).ok();
        let known = known.filter(|name| self.in_force().config.services.contains_key(name));
        known.ok_or_else(|| Refusal::no_service(text))
    }

    fn log_query(&self, query: &LogQuery) -> Result<fleet::LogQuery, Refusal> {
        let service = query.service.as_deref().map(|name| self.service_name(name)).transpose()?;
        let replica = query.replica.as_deref().map(replica_number).transpose()?;
        let contains = query.contains.clone();
        Ok(fleet::LogQuery { service, replica, tail: query.tail as usize, contains })
    }

    async fn settle(&self, name: &ServiceName, began: Moment, done: String) -> ServiceReport {
        let message = if self.fleet.settled(name, SETTLE_PATIENCE).await {
            done
        } else {
            format!("{done}: not yet after {}s, and going on", SETTLE_PATIENCE.as_secs())
        };
        report(name, began, message)
    }

    fn rollout_report(
        &self,
        name: &ServiceName,
        outcome: Outcome,
        began: Moment,
    ) -> Result<DeployReport, Refusal> {
        let status = self.fleet.status();
        let service = status.services.iter().find(|service| service.name == *name);
        let version = service.map_or(0, |service| service.version);
        let report = |outcome, message| DeployReport {
            service: name.to_string(),
            outcome,
            message,
            version,
            took_ms: millis(clock::now() - began),
        };
        match outcome {
            Outcome::Done => {
                Ok(report(DeployOutcome::Done, format!("version {version} of {name} answers")))
            }
            Outcome::RolledBack { why } => Ok(report(DeployOutcome::RolledBack, why)),
            Outcome::Failed { why } => Err(Refusal::new(RefusalKind::Failed, why)),
            Outcome::Cancelled { why } => Err(Refusal::new(RefusalKind::Conflict, why)),
        }
    }
}

/// The tail, then each line as it is written.
struct FollowLogs {
    kept: std::collections::VecDeque<fleet::LogLine>,
    /// The end of the tail: what `next` may bring once more.
    last: Option<fleet::LogLine>,
    next: fleet::FollowLogs,
}

impl FollowLogs {
    fn new(kept: Vec<fleet::LogLine>, next: fleet::FollowLogs) -> Self {
        Self { last: kept.last().cloned(), kept: kept.into(), next }
    }
}

impl Follow<LogLine> for FollowLogs {
    fn next(&mut self) -> super::Coming<'_, LogLine> {
        Box::pin(async {
            if let Some(line) = self.kept.pop_front() {
                return Some(view::log_line(&line));
            }
            loop {
                let line = self.next.next().await?;
                let seen = self
                    .last
                    .as_ref()
                    .is_some_and(|last| line.time_unix_ms < last.time_unix_ms || *line == *last);
                if !seen {
                    self.last = None;
                    return Some(view::log_line(&line));
                }
            }
        })
    }
}

/// What the admin API says when a config is not accepted.
pub(super) fn invalid_config(path: &Path, problems: &config::Diagnostics) -> Refusal {
    Refusal {
        kind: RefusalKind::Invalid,
        detail: format!("{} is not in force: it has errors", path.display()),
        lines: problems.render(false).lines().map(str::to_owned).collect(),
    }
}

/// What the admin API says when the fleet cannot.
pub(super) fn refusal(error: &FleetError) -> Refusal {
    let kind = match error {
        FleetError::Refused(Refused::NoService(_)) => RefusalKind::NotFound,
        FleetError::Refused(Refused::Busy { .. } | Refused::Stopped(_)) => RefusalKind::Conflict,
        FleetError::Refused(Refused::NotOurs(_) | Refused::Invalid(_) | Refused::TooMany(_))
        | FleetError::Secret(_) => RefusalKind::Invalid,
        FleetError::Closed => RefusalKind::Unavailable,
        FleetError::Io { .. } | FleetError::Damaged { .. } => RefusalKind::Failed,
    };
    Refusal::new(kind, error.to_string())
}

fn replica_number(text: &str) -> Result<u32, Refusal> {
    let number = text.rsplit('.').next().and_then(|number| number.parse().ok());
    number.ok_or_else(|| {
        let detail = format!("{text:?} is not a replica: write it as `orders.3`");
        Refusal::new(RefusalKind::Invalid, detail)
    })
}

fn report(name: &ServiceName, began: Moment, message: String) -> ServiceReport {
    ServiceReport { service: name.to_string(), message, took_ms: millis(clock::now() - began) }
}

fn door_statuses(edge: &edge::Edge) -> Vec<ListenerStatus> {
    let status = |(door, address): (edge::Door, std::net::SocketAddr)| {
        let door = match door {
            edge::Door::Public => "http".to_owned(),
            edge::Door::Service(name) => format!("service {name}"),
        };
        ListenerStatus { door, address: address.to_string() }
    };
    edge.addresses().into_iter().map(status).collect()
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
