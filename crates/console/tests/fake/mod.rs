//! A node that is made up: services that serve, fail and answer to commands, without programs.
//!
//! The tests of the API and the browser run against it, so that they need no data plane; the same
//! browser tests run against a real node, too.

mod state;

use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use console::api::{
    ConfigText, DeployOutcome, DeployReport, Event, EventKind, EventSeverity, ExplainRequest,
    ExplainStep, Explanation, LogLine, LogQuery, Meters, PlanReport, ReloadReport, ReloadRequest,
    SecretStatus, SecretValue, ServiceReport, ServiceState, Status,
};
use console::{Answer, Feed, Follow, Node, Refusal, RefusalKind};

use state::State;

/// How often the feeds look for news.
const LOOK: Duration = Duration::from_millis(50);

/// The node. Time goes on by itself.
pub(crate) struct FakeNode {
    begun: Instant,
    state: std::sync::Arc<Mutex<State>>,
}

impl FakeNode {
    pub(crate) fn new() -> Self {
        Self { begun: Instant::now(), state: std::sync::Arc::new(Mutex::new(State::new())) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.advance(self.begun.elapsed());
        state
    }

    fn report<'a>(
        &'a self,
        service: &'a str,
        message: String,
        change: impl FnOnce(&mut State) + Send + 'a,
    ) -> Answer<'a, ServiceReport> {
        Box::pin(async move {
            change(&mut self.state());
            Ok(ServiceReport { service: service.to_owned(), message, took_ms: 12 })
        })
    }
}

/// Gives what is new since the last look.
struct Tail<T> {
    state: std::sync::Arc<Mutex<State>>,
    begun: Instant,
    waiting: std::collections::VecDeque<T>,
    next: u64,
    look: Look<T>,
}

/// What there is from a number on, and the number to go on from.
type Look<T> = Box<dyn Fn(&State, u64) -> (Vec<T>, u64) + Send>;

impl<T: Send> Follow<T> for Tail<T> {
    fn next(&mut self) -> Pin<Box<dyn Future<Output = Option<T>> + Send + '_>> {
        Box::pin(async move {
            loop {
                if let Some(item) = self.waiting.pop_front() {
                    return Some(item);
                }
                {
                    let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
                    state.advance(self.begun.elapsed());
                    let (items, next) = (self.look)(&state, self.next);
                    self.waiting.extend(items);
                    self.next = next;
                }
                if self.waiting.is_empty() {
                    runtime::time::sleep(LOOK).await;
                }
            }
        })
    }
}

fn selects(query: &LogQuery, line: &LogLine) -> bool {
    let fits = |want: &Option<String>, is: &str| want.as_deref().is_none_or(|want| want == is);
    let contains = query
        .contains
        .as_ref()
        .is_none_or(|text| line.text.to_ascii_lowercase().contains(&text.to_ascii_lowercase()));
    fits(&query.service, &line.service) && fits(&query.replica, &line.replica) && contains
}

impl Node for FakeNode {
    fn status(&self) -> Status {
        let uptime = self.begun.elapsed();
        self.state().status(uptime)
    }

    fn meters(&self) -> Meters {
        self.state().meters.clone()
    }

    fn ready(&self) -> Result<(), String> {
        match self.begun.elapsed() {
            up if up < Duration::from_millis(1) => Err("still starting".to_owned()),
            _ => Ok(()),
        }
    }

    fn events(&self, after: u64, limit: usize) -> Vec<Event> {
        let mut events = self.state().events.clone();
        events.retain(|event| event.id > after);
        events.split_off(events.len().saturating_sub(limit))
    }

    fn follow_events(&self, after: u64) -> Feed<Event> {
        Box::new(Tail {
            state: std::sync::Arc::clone(&self.state),
            begun: self.begun,
            waiting: std::collections::VecDeque::new(),
            next: after,
            look: Box::new(|state, after| {
                let new = state.events.iter().filter(|event| event.id > after);
                let new = new.cloned().collect::<Vec<_>>();
                let last = new.last().map_or(after, |event| event.id);
                (new, last)
            }),
        })
    }

    fn logs<'a>(&'a self, query: &'a LogQuery) -> Answer<'a, Vec<LogLine>> {
        Box::pin(async move {
            let state = self.state();
            let lines = state.lines.iter().filter(|(_, line)| selects(query, line));
            let mut lines = lines.map(|(_, line)| line.clone()).collect::<Vec<_>>();
            Ok(lines.split_off(lines.len().saturating_sub(query.tail as usize)))
        })
    }

    fn follow_logs<'a>(&'a self, query: &'a LogQuery) -> Answer<'a, Feed<LogLine>> {
        Box::pin(async move {
            let waiting = self.logs(query).await?.into();
            let next = self.state().line_count;
            let query = query.clone();
            let feed: Feed<LogLine> = Box::new(Tail {
                state: std::sync::Arc::clone(&self.state),
                begun: self.begun,
                waiting,
                next,
                look: Box::new(move |state, after| {
                    let new = state.lines.iter().filter(|(number, _)| *number >= after);
                    let new = new.filter(|(_, line)| selects(&query, line));
                    (new.map(|(_, line)| line.clone()).collect(), state.line_count)
                }),
            });
            Ok(feed)
        })
    }

    fn plan(&self, config: ConfigText) -> Answer<'_, PlanReport> {
        Box::pin(async move {
            match config.text {
                Some(text) if !text.contains("[service.") => Err(Refusal {
                    kind: RefusalKind::Invalid,
                    detail: "the config has 1 error".to_owned(),
                    lines: vec!["error: no service".to_owned()],
                }),
                _ => Ok(PlanReport { id: "p1".to_owned(), generation: 1, changes: Vec::new() }),
            }
        })
    }

    fn reload(&self, request: ReloadRequest) -> Answer<'_, ReloadReport> {
        Box::pin(async move {
            if request.plan.is_some_and(|plan| plan != "p1") {
                let detail = "the running config is not the one that was planned against";
                return Err(Refusal::new(RefusalKind::Conflict, detail));
            }
            let config = ConfigText { text: request.text, path: request.path };
            let plan = self.plan(config).await?;
            Ok(ReloadReport { generation: 2, changes: plan.changes })
        })
    }

    fn deploy<'a>(&'a self, service: &'a str) -> Answer<'a, DeployReport> {
        Box::pin(async move {
            let fails = {
                let mut state = self.state();
                let text = format!("deploy of {service} began");
                state.note(EventKind::Deploy, EventSeverity::Info, Some(service), None, text);
                state.set_state(service, ServiceState::Deploying);
                service == "payments"
            };
            runtime::time::sleep(Duration::from_millis(300)).await;
            let mut state = self.state();
            let version = state.finish_deploy(service, !fails);
            let (outcome, message) = match fails {
                false => (DeployOutcome::Done, "2 replicas replaced".to_owned()),
                true => {
                    let why = "payments.9 did not get healthy within 10s; the old version answers";
                    (DeployOutcome::RolledBack, why.to_owned())
                }
            };
            let severity = if fails { EventSeverity::Error } else { EventSeverity::Info };
            state.note(EventKind::Deploy, severity, Some(service), None, message.clone());
            Ok(DeployReport {
                service: service.to_owned(),
                outcome,
                message,
                version,
                took_ms: 300,
            })
        })
    }

    fn scale<'a>(&'a self, service: &'a str, replicas: u32) -> Answer<'a, ServiceReport> {
        let message = format!("{service} now has {replicas} replicas");
        self.report(service, message, move |state| state.scale(service, replicas))
    }

    fn restart<'a>(&'a self, service: &'a str) -> Answer<'a, ServiceReport> {
        let message = format!("{service} was restarted");
        self.report(service, message, move |state| state.restart(service))
    }

    fn stop<'a>(&'a self, service: &'a str) -> Answer<'a, ServiceReport> {
        let message = format!("{service} was stopped");
        self.report(service, message, move |state| state.scale(service, 0))
    }

    fn start<'a>(&'a self, service: &'a str) -> Answer<'a, ServiceReport> {
        let message = format!("{service} was started");
        self.report(service, message, move |state| state.scale(service, 2))
    }

    fn shutdown(&self) -> Answer<'_, ServiceReport> {
        self.report("", "the node would stop now".to_owned(), |_| {})
    }

    fn explain(&self, request: ExplainRequest) -> Answer<'_, Explanation> {
        Box::pin(async move {
            let path = request.url.split_once("://").map_or(request.url.as_str(), |(_, rest)| rest);
            let Some(at) = path.find('/') else {
                return Err(Refusal::new(RefusalKind::Invalid, "the URL has no path"));
            };
            let step = ExplainStep {
                route: "storefront".to_owned(),
                matched: true,
                reason: "path /** matches".to_owned(),
            };
            Ok(Explanation {
                method: request.method,
                host: path[..at].to_owned(),
                path: path[at..].to_owned(),
                route: Some("storefront".to_owned()),
                service: Some("storefront".to_owned()),
                steps: vec![step],
                ..Explanation::default()
            })
        })
    }

    fn secrets(&self) -> Answer<'_, Vec<SecretStatus>> {
        Box::pin(async { Ok(self.state().secrets.clone()) })
    }

    fn secret_set<'a>(&'a self, name: &'a str, _value: SecretValue) -> Answer<'a, SecretStatus> {
        Box::pin(async move {
            let secret = SecretStatus { name: name.to_owned(), ..SecretStatus::default() };
            let mut state = self.state();
            state.secrets.retain(|other| other.name != name);
            state.secrets.push(secret.clone());
            Ok(secret)
        })
    }

    fn secret_remove<'a>(&'a self, name: &'a str) -> Answer<'a, SecretStatus> {
        Box::pin(async move {
            let mut state = self.state();
            let found = state.secrets.iter().position(|secret| secret.name == name);
            let missing = || Refusal::new(RefusalKind::NotFound, format!("no secret {name:?}"));
            found.map(|at| state.secrets.remove(at)).ok_or_else(missing)
        })
    }
}
