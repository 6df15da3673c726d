//! One request: which operation, whether it may, and what the node says.

use std::sync::Arc;

use runtime::http::{BoxFuture, Handler, Request, Response};
use runtime::sync::{OwnedSemaphorePermit, Semaphore};
use serde::de::DeserializeOwned;

use crate::api::{Event, Live, LogQuery, ScaleRequest, SecretValue, ServiceStatus};
use crate::guard::Guard;
use crate::history::{STEP_MS, Subject};
use crate::node::{Node, Refusal, RefusalKind};
use crate::operation::{self, Found, HISTORY_MINUTES, Method, Nothing, Operation, OperationId};
use crate::query::{self, Query};
use crate::sampler::Samples;
use crate::stream::{LiveSource, LogSource};
use crate::{assets, metrics, openapi, process, respond};

/// Streams open at a time; beyond: 503. Fewer than connections, so that calls find a place.
const STREAMS_MAX: usize = 128;
/// Events given when nothing is asked for.
const EVENTS_DEFAULT: u64 = 200;

/// Answers everything on the console's port.
pub(crate) struct Desk {
    node: Arc<dyn Node>,
    guard: Guard,
    samples: Arc<Samples>,
    streams: Arc<Semaphore>,
}

/// The parts of a request that an operation needs.
struct Asked {
    operation: &'static Operation,
    /// The text in the path's braces; empty without.
    argument: String,
    query: Query,
    request: Request,
}

impl Handler for Desk {
    fn handle(&self, request: Request) -> BoxFuture<'_, Response> {
        Box::pin(async move { respond::protect(self.answer(request).await) })
    }
}

impl Desk {
    pub(crate) fn new(node: Arc<dyn Node>, guard: Guard, samples: Arc<Samples>) -> Self {
        Self { node, guard, samples, streams: Arc::new(Semaphore::new(STREAMS_MAX)) }
    }

    async fn answer(&self, request: Request) -> Response {
        if let Some(path) = request.path.strip_prefix(operation::PREFIX)
            && (path.is_empty() || path.starts_with('/'))
        {
            return match self.ask(request) {
                Ok(asked) => self.perform(asked).await,
                Err(refusal) => refusal,
            };
        }
        if !matches!(request.method.as_str(), "GET" | "HEAD") {
            return respond::problem(405, "only GET and HEAD are known here")
                .with("allow", "GET, HEAD");
        }
        match request.path.as_str() {
            "/healthz" => text(200, "ok\n"),
            "/readyz" => match self.node.ready() {
                Ok(()) => text(200, "ready\n"),
                Err(reason) => text(503, &format!("not ready: {reason}\n")),
            },
            "/metrics" => match self.guard.check(&request, Method::Get) {
                Ok(()) => self.metrics(),
                Err(denied) => respond::problem(denied.status, denied.detail),
            },
            path => assets::find(&request).unwrap_or_else(|| {
                respond::problem(
                    404,
                    format!("there is nothing at {path:?}; try / or /api/v1/openapi.json"),
                )
            }),
        }
    }

    fn metrics(&self) -> Response {
        let page = metrics::write(&self.node.status(), &self.node.meters(), &process::read());
        Response::new(200, metrics::MEDIA_TYPE, page).with("cache-control", "no-store")
    }

    /// Finds the operation and checks everything about the request but its body.
    fn ask(&self, request: Request) -> Result<Asked, Response> {
        let path = request.path.strip_prefix(operation::PREFIX).unwrap_or_default();
        let (operation, argument) = match operation::find(&request.method, path) {
            Found::Operation(operation, argument) => (operation, argument),
            Found::OtherMethods(methods) => {
                let methods = methods.iter().map(|method| method.name()).collect::<Vec<_>>();
                let methods = methods.join(", ");
                let problem = respond::problem(405, format!("use {methods} here"));
                return Err(problem.with("allow", methods));
            }
            Found::Nothing => {
                let detail = "there is no such operation; /api/v1/openapi.json lists them";
                return Err(respond::problem(404, detail));
            }
        };
        let checked = self.guard.check(&request, operation.method);
        checked.map_err(|denied| respond::problem(denied.status, denied.detail))?;
        let Some(argument) = query::decode(argument.unwrap_or_default(), false) else {
            return Err(respond::problem(400, "the path is broken: bad percent-encoding"));
        };
        let query = Query::parse(operation, request.query.as_deref());
        let query = query.map_err(|detail| respond::problem(400, detail))?;
        if operation.body.is_some() && !is_json(&request) {
            // A form of another page cannot send this type without asking us first.
            let detail = "send the body as `Content-Type: application/json`; `{}` if there is \
                          nothing to say";
            return Err(respond::problem(415, detail));
        }
        Ok(Asked { operation, argument, query, request })
    }

    async fn perform(&self, asked: Asked) -> Response {
        let status = || self.samples.status(&*self.node);
        match asked.operation.id {
            OperationId::Status => respond::json(200, &status()),
            OperationId::Services => respond::json(200, &status().services),
            OperationId::Service => respond::result(self.service(&asked.argument)),
            OperationId::Replicas => {
                respond::result(self.service(&asked.argument).map(|service| service.replicas))
            }
            OperationId::Routes => respond::json(200, &status().routes),
            OperationId::Events => respond::json(200, &self.events(&asked.query)),
            OperationId::Logs => respond::result(self.node.logs(&log_query(&asked.query)).await),
            OperationId::LogsStream => self.follow_logs(&asked.query).await,
            OperationId::Live => {
                let live = Live { status: status(), sample: self.samples.newest() };
                respond::json(200, &live)
            }
            OperationId::LiveStream => self.follow_live(&asked),
            OperationId::History => self.history(&asked.query),
            OperationId::Meters => respond::json(200, &self.node.meters()),
            OperationId::Secrets => respond::result(self.node.secrets().await),
            OperationId::OpenApi => respond::json(200, &openapi::document(&status().node.version)),
            OperationId::Plan
            | OperationId::Reload
            | OperationId::Deploy
            | OperationId::Scale
            | OperationId::Restart
            | OperationId::Stop
            | OperationId::Start
            | OperationId::Explain
            | OperationId::SecretSet
            | OperationId::SecretRemove
            | OperationId::Shutdown => self.change(asked).await.unwrap_or_else(|problem| problem),
        }
    }

    /// Operations with a body, or that change something.
    async fn change(&self, asked: Asked) -> Result<Response, Response> {
        let Asked { operation, argument, request, .. } = asked;
        if operation.path.starts_with("/services/") {
            self.service(&argument).map_err(respond::refused)?;
        }
        let (node, name) = (&self.node, argument.as_str());
        Ok(match operation.id {
            OperationId::Plan => respond::result(node.plan(body(&request)?).await),
            OperationId::Reload => respond::result(node.reload(body(&request)?).await),
            OperationId::Explain => respond::result(node.explain(body(&request)?).await),
            OperationId::Scale => {
                let ScaleRequest { replicas } = body(&request)?;
                if replicas > ScaleRequest::REPLICAS_MAX {
                    let most = ScaleRequest::REPLICAS_MAX;
                    return Err(respond::problem(422, format!("at most {most} replicas")));
                }
                respond::result(node.scale(name, replicas).await)
            }
            OperationId::SecretSet => {
                let value: SecretValue = body(&request)?;
                respond::result(node.secret_set(name, value).await)
            }
            OperationId::SecretRemove => respond::result(node.secret_remove(name).await),
            other => {
                let Nothing {} = body(&request)?;
                match other {
                    OperationId::Deploy => respond::result(node.deploy(name).await),
                    OperationId::Restart => respond::result(node.restart(name).await),
                    OperationId::Stop => respond::result(node.stop(name).await),
                    OperationId::Start => respond::result(node.start(name).await),
                    OperationId::Shutdown => respond::result(node.shutdown().await),
                    reading => unreachable!("{reading:?} changes nothing"),
                }
            }
        })
    }

    fn service(&self, name: &str) -> Result<ServiceStatus, Refusal> {
        let services = self.node.status().services;
        let found = services.into_iter().find(|service| service.name == name);
        found.ok_or_else(|| Refusal::no_service(name))
    }

    fn events(&self, query: &Query) -> Vec<Event> {
        let limit = query.number("limit").unwrap_or(EVENTS_DEFAULT);
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        self.node.events(query.number("after").unwrap_or(0), limit)
    }

    fn history(&self, query: &Query) -> Response {
        let subject = match (query.text("service"), query.text("route")) {
            (None, None) => Subject::Total,
            (Some(service), None) => Subject::Service(service.to_owned()),
            (None, Some(route)) => Subject::Route(route.to_owned()),
            (Some(_), Some(_)) => {
                return respond::problem(400, "ask for a service or for a route, not for both");
            }
        };
        let minutes = query.number("minutes").unwrap_or(HISTORY_MINUTES);
        let point_count = usize::try_from(minutes * 60_000 / STEP_MS).unwrap_or(usize::MAX);
        let history = self.samples.with_record(|record| record.read(&subject, point_count));
        match history {
            Some(history) => respond::json(200, &history),
            // Too early for its first point.
            None if self.exists(&subject) => respond::json(200, &crate::api::History::default()),
            None => respond::problem(404, "there is no service or route of that name"),
        }
    }

    fn exists(&self, subject: &Subject) -> bool {
        let status = self.node.status();
        match subject {
            Subject::Total => true,
            Subject::Service(wanted) => status.services.iter().any(|one| one.name == *wanted),
            Subject::Route(wanted) => status.routes.iter().any(|one| one.name == *wanted),
        }
    }

    fn follow_live(&self, asked: &Asked) -> Response {
        // A browser that lost the stream says what it saw last.
        let seen = asked.request.headers.get("last-event-id").and_then(|id| id.parse().ok());
        let after = asked.query.number("after").or(seen).unwrap_or(0);
        self.place().map_or_else(
            |full| full,
            |place| {
                let events = self.node.follow_events(after);
                let source = LiveSource::new(self.samples.pictures(), events, place);
                event_stream(Box::new(source))
            },
        )
    }

    async fn follow_logs(&self, query: &Query) -> Response {
        let place = match self.place() {
            Ok(place) => place,
            Err(full) => return full,
        };
        match self.node.follow_logs(&log_query(query)).await {
            Ok(lines) => event_stream(Box::new(LogSource::new(lines, place))),
            Err(refusal) => respond::refused(refusal),
        }
    }

    fn place(&self) -> Result<OwnedSemaphorePermit, Response> {
        Arc::clone(&self.streams).try_acquire_owned().map_err(|_| {
            let detail = format!("{STREAMS_MAX} streams are open already; close one");
            respond::refused(Refusal::new(RefusalKind::Unavailable, detail))
        })
    }
}

fn event_stream(source: Box<dyn runtime::http::ChunkSource>) -> Response {
    Response::stream(200, "text/event-stream", source).with("cache-control", "no-store")
}

fn text(status: u16, text: &str) -> Response {
    Response::new(status, "text/plain; charset=utf-8", text.to_owned())
        .with("cache-control", "no-store")
}

fn is_json(request: &Request) -> bool {
    let media_type = request.headers.get("content-type").unwrap_or_default();
    let essence = media_type.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json")
}

/// The body; an empty one is `{}`.
fn body<T: DeserializeOwned>(request: &Request) -> Result<T, Response> {
    let bytes: &[u8] = if request.body.is_empty() { b"{}" } else { &request.body };
    let broken = |error: serde_json::Error| {
        // Well-formed JSON of another shape is a different mistake than broken JSON.
        let status = if error.is_data() { 422 } else { 400 };
        respond::problem(status, format!("the body does not fit: {error}"))
    };
    // Serde would take an array for a struct as well, its fields in order.
    if bytes.trim_ascii_start().first() == Some(&b'[') {
        return Err(respond::problem(422, "the body is an array; send an object"));
    }
    serde_json::from_slice(bytes).map_err(broken)
}

fn log_query(query: &Query) -> LogQuery {
    let text = |name| query.text(name).map(str::to_owned);
    let tail = query.number("tail").and_then(|tail| u32::try_from(tail).ok());
    LogQuery {
        service: text("service"),
        replica: text("replica"),
        tail: tail.unwrap_or(LogQuery::TAIL_DEFAULT),
        contains: text("contains"),
    }
}
