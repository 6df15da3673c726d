//! The table of the admin API's operations: the one place that says what there is.
//!
//! The router, the OpenAPI document and the tests are made from it, so none of them can drift.

use schemars::{JsonSchema, Schema, SchemaGenerator};

use crate::api;

/// Everything below this is the admin API.
pub(crate) const PREFIX: &str = "/api/v1";

/// Names an operation; `operationId` in the OpenAPI document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OperationId {
    Status,
    Services,
    Service,
    Replicas,
    Routes,
    Events,
    Logs,
    LogsStream,
    Live,
    LiveStream,
    History,
    Meters,
    Plan,
    Reload,
    Deploy,
    Scale,
    Restart,
    Stop,
    Start,
    Explain,
    Secrets,
    SecretSet,
    SecretRemove,
    Shutdown,
    OpenApi,
}

/// How a request may differ from reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    Get,
    Post,
    Put,
    Delete,
}

/// One operation.
pub(crate) struct Operation {
    pub(crate) id: OperationId,
    pub(crate) method: Method,
    /// Below [`PREFIX`]; a segment in braces takes anything.
    pub(crate) path: &'static str,
    pub(crate) summary: &'static str,
    pub(crate) query: &'static [Parameter],
    /// The JSON body that it takes.
    pub(crate) body: Option<SchemaOf>,
    pub(crate) answer: Answer,
    /// Statuses of refusals beyond those that follow from the rest.
    pub(crate) refusals: &'static [u16],
}

/// A parameter in the query.
pub(crate) struct Parameter {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) kind: ParameterKind,
}

/// What a parameter's value may be.
#[derive(Clone, Copy)]
pub(crate) enum ParameterKind {
    Text,
    /// A whole number in these bounds.
    Number {
        min: u64,
        max: u64,
    },
}

/// What an operation answers with 200.
pub(crate) enum Answer {
    Json(SchemaOf),
    /// Server-sent events; the text describes them.
    Events(&'static str),
    /// The OpenAPI document.
    Document,
}

/// Makes the schema of a type.
pub(crate) type SchemaOf = fn(&mut SchemaGenerator) -> Schema;

/// The body of operations that need none: `{}`.
#[derive(Default, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Nothing {}

fn schema<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

/// Most events in one answer.
pub(crate) const EVENTS_MAX: u64 = 1000;
/// Minutes that history goes back.
pub(crate) const HISTORY_MINUTES: u64 = 60;

const AFTER: Parameter = Parameter {
    name: "after",
    about: "Only events with a larger id.",
    kind: ParameterKind::Number { min: 0, max: (1 << 53) - 1 },
};

const LOG_QUERY: &[Parameter] = &[
    Parameter { name: "service", about: "Only this service.", kind: ParameterKind::Text },
    Parameter {
        name: "replica",
        about: "Only this replica, as `orders.3`.",
        kind: ParameterKind::Text,
    },
    Parameter {
        name: "tail",
        about: "So many of the newest lines. Default 200.",
        kind: ParameterKind::Number { min: 0, max: api::LogQuery::TAIL_MAX as u64 },
    },
    Parameter {
        name: "contains",
        about: "Only lines that hold this text, in any case.",
        kind: ParameterKind::Text,
    },
];

const HISTORY_QUERY: &[Parameter] = &[
    Parameter { name: "service", about: "The series of this service.", kind: ParameterKind::Text },
    Parameter { name: "route", about: "The series of this route.", kind: ParameterKind::Text },
    Parameter {
        name: "minutes",
        about: "How far back. Default 60.",
        kind: ParameterKind::Number { min: 1, max: HISTORY_MINUTES },
    },
];

const fn read(
    id: OperationId,
    path: &'static str,
    summary: &'static str,
    query: &'static [Parameter],
    answer: Answer,
) -> Operation {
    Operation { id, method: Method::Get, path, summary, query, body: None, answer, refusals: &[] }
}

const fn write(
    id: OperationId,
    path: &'static str,
    summary: &'static str,
    body: SchemaOf,
    answer: SchemaOf,
    refusals: &'static [u16],
) -> Operation {
    Operation {
        id,
        method: Method::Post,
        path,
        summary,
        query: &[],
        body: Some(body),
        answer: Answer::Json(answer),
        refusals,
    }
}

/// All operations.
pub(crate) static OPERATIONS: &[Operation] = &[
    read(
        OperationId::Status,
        "/status",
        "The node, its services, replicas and routes",
        &[],
        Answer::Json(schema::<api::Status>),
    ),
    read(
        OperationId::Services,
        "/services",
        "All services",
        &[],
        Answer::Json(schema::<Vec<api::ServiceStatus>>),
    ),
    read(
        OperationId::Service,
        "/services/{service}",
        "One service",
        &[],
        Answer::Json(schema::<api::ServiceStatus>),
    ),
    read(
        OperationId::Replicas,
        "/services/{service}/replicas",
        "The replicas of a service",
        &[],
        Answer::Json(schema::<Vec<api::ReplicaStatus>>),
    ),
    read(
        OperationId::Routes,
        "/routes",
        "All routes",
        &[],
        Answer::Json(schema::<Vec<api::RouteStatus>>),
    ),
    read(
        OperationId::Events,
        "/events",
        "What happened of late, oldest first",
        &[
            AFTER,
            Parameter {
                name: "limit",
                about: "At most so many, the newest. Default 200.",
                kind: ParameterKind::Number { min: 1, max: EVENTS_MAX },
            },
        ],
        Answer::Json(schema::<Vec<api::Event>>),
    ),
    read(
        OperationId::Logs,
        "/logs",
        "The newest lines that programs wrote, oldest first",
        LOG_QUERY,
        Answer::Json(schema::<Vec<api::LogLine>>),
    ),
    read(
        OperationId::LogsStream,
        "/logs/stream",
        "The same, then each line as it is written",
        LOG_QUERY,
        Answer::Events("`line` with a LogLine"),
    ),
    read(
        OperationId::Live,
        "/live",
        "Status and what moved during the last five seconds",
        &[],
        Answer::Json(schema::<api::Live>),
    ),
    read(
        OperationId::LiveStream,
        "/live/stream",
        "The same every second, and each event as it happens",
        &[AFTER],
        Answer::Events("`live` with a Live, `event` with an Event"),
    ),
    read(
        OperationId::History,
        "/history",
        "Rates, latency, CPU and memory of the last hour, of all traffic or as asked for",
        HISTORY_QUERY,
        Answer::Json(schema::<api::History>),
    ),
    read(
        OperationId::Meters,
        "/meters",
        "All counters since the node began",
        &[],
        Answer::Json(schema::<api::Meters>),
    ),
    write(
        OperationId::Plan,
        "/plan",
        "What a config would change; changes nothing",
        schema::<api::ConfigText>,
        schema::<api::PlanReport>,
        &[],
    ),
    write(
        OperationId::Reload,
        "/reload",
        "Puts a config in force; an invalid one is refused and changes nothing",
        schema::<api::ReloadRequest>,
        schema::<api::ReloadReport>,
        &[],
    ),
    write(
        OperationId::Deploy,
        "/services/{service}/deploy",
        "Replaces the replicas without a gap; answers when it is over or rolled back",
        schema::<Nothing>,
        schema::<api::DeployReport>,
        &[],
    ),
    write(
        OperationId::Scale,
        "/services/{service}/scale",
        "Sets the number of replicas",
        schema::<api::ScaleRequest>,
        schema::<api::ServiceReport>,
        &[],
    ),
    write(
        OperationId::Restart,
        "/services/{service}/restart",
        "Restarts the replicas one after another",
        schema::<Nothing>,
        schema::<api::ServiceReport>,
        &[],
    ),
    write(
        OperationId::Stop,
        "/services/{service}/stop",
        "Stops a service until it is started",
        schema::<Nothing>,
        schema::<api::ServiceReport>,
        &[],
    ),
    write(
        OperationId::Start,
        "/services/{service}/start",
        "Starts a stopped service",
        schema::<Nothing>,
        schema::<api::ServiceReport>,
        &[],
    ),
    write(
        OperationId::Explain,
        "/explain",
        "Which route a request takes and why; changes nothing",
        schema::<api::ExplainRequest>,
        schema::<api::Explanation>,
        &[],
    ),
    read(
        OperationId::Secrets,
        "/secrets",
        "The names of the secrets; nothing gives their values",
        &[],
        Answer::Json(schema::<Vec<api::SecretStatus>>),
    ),
    Operation {
        id: OperationId::SecretSet,
        method: Method::Put,
        path: "/secrets/{name}",
        summary: "Sets a secret",
        query: &[],
        body: Some(schema::<api::SecretValue>),
        answer: Answer::Json(schema::<api::SecretStatus>),
        refusals: &[],
    },
    Operation {
        id: OperationId::SecretRemove,
        method: Method::Delete,
        path: "/secrets/{name}",
        summary: "Forgets a secret",
        query: &[],
        body: None,
        answer: Answer::Json(schema::<api::SecretStatus>),
        refusals: &[409],
    },
    write(
        OperationId::Shutdown,
        "/shutdown",
        "Stops the node and its programs in an orderly way",
        schema::<Nothing>,
        schema::<api::ServiceReport>,
        &[],
    ),
    read(
        OperationId::OpenApi,
        "/openapi.json",
        "This API as an OpenAPI 3.1 document",
        &[],
        Answer::Document,
    ),
];

/// What the router found.
pub(crate) enum Found<'p> {
    /// The operation, and the text in its path's braces, still percent-encoded.
    Operation(&'static Operation, Option<&'p str>),
    /// The path exists for these methods alone.
    OtherMethods(Vec<Method>),
    Nothing,
}

/// The operation for `method` (HEAD is GET) and the path below [`PREFIX`].
pub(crate) fn find<'p>(method: &str, path: &'p str) -> Found<'p> {
    let mut others = Vec::new();
    for operation in OPERATIONS {
        let Some(argument) = operation.matches(path) else { continue };
        if operation.method.answers(method) {
            return Found::Operation(operation, argument);
        }
        others.push(operation.method);
    }
    if others.is_empty() { Found::Nothing } else { Found::OtherMethods(others) }
}

impl Operation {
    /// The outer `None`: no match. The inner one: it has no braces.
    fn matches<'p>(&self, path: &'p str) -> Option<Option<&'p str>> {
        let mut argument = None;
        let (mut pattern, mut given) = (self.path.split('/'), path.split('/'));
        loop {
            match (pattern.next(), given.next()) {
                (None, None) => return Some(argument),
                (Some(want), Some(got)) if want.starts_with('{') && !got.is_empty() => {
                    argument = Some(got);
                }
                (Some(want), Some(got)) if want == got => {}
                _ => return None,
            }
        }
    }

    /// The name in the path's braces.
    pub(crate) fn path_parameter(&self) -> Option<&'static str> {
        let (_, rest) = self.path.split_once('{')?;
        rest.split_once('}').map(|(name, _)| name)
    }
}

impl Method {
    /// As in a request line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
        }
    }

    fn answers(self, method: &str) -> bool {
        method == self.name() || (self == Self::Get && method == "HEAD")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(method: &str, path: &str) -> String {
        match find(method, path) {
            Found::Operation(operation, argument) => format!("{:?} {argument:?}", operation.id),
            Found::OtherMethods(methods) => format!("{methods:?}"),
            Found::Nothing => "nothing".to_owned(),
        }
    }

    #[test]
    fn paths_lead_to_operations() {
        assert_eq!(found("GET", "/status"), "Status None");
        assert_eq!(found("HEAD", "/status"), "Status None");
        assert_eq!(found("POST", "/status"), "[Get]");
        assert_eq!(found("POST", "/services/a%2Fb/deploy"), "Deploy Some(\"a%2Fb\")");
        assert_eq!(found("PATCH", "/secrets/x"), "[Put, Delete]");
        for path in ["", "/", "/status/", "//status", "/services//deploy", "/services/a/b"] {
            assert_eq!(found("GET", path), "nothing", "{path}");
        }
    }

    #[test]
    fn every_operation_is_reached_by_its_own_path() {
        for operation in OPERATIONS {
            let path = operation.path.replace("{service}", "x").replace("{name}", "x");
            let Found::Operation(found, _) = find(operation.method.name(), &path) else {
                panic!("{path}");
            };
            assert_eq!(found.id, operation.id);
        }
    }
}
