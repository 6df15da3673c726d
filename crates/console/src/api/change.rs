//! What can be asked for, and what came of it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A config to compare with the running one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConfigText {
    /// The config itself; absent: the node reads its own file again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Where `text` comes from, for messages and for paths relative to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
}

/// A config to put in force.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReloadRequest {
    /// The config itself; absent: the node reads its own file again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Where `text` comes from, for messages and for paths relative to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Refuse with 409 unless a plan made now would have this id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<String>,
}

/// What a new config would do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PlanReport {
    /// Names the pair of running and new config.
    pub id: String,
    /// The config generation that it was compared with.
    pub generation: u64,
    /// Empty: nothing would change.
    pub changes: Vec<PlanChange>,
}

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PlanChange {
    /// What kind of thing.
    pub subject: PlanSubject,
    /// Which one.
    pub name: String,
    /// What happens to it.
    pub action: PlanAction,
    /// What that does to traffic, as a sentence.
    pub effect: String,
    /// The settings that differ, as `replicas: 2 → 4`. Never the value of a secret.
    pub details: Vec<String>,
}

/// Kinds of things in a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PlanSubject {
    /// `[service.…]`.
    Service,
    /// `[[route]]`.
    Route,
    /// `[listen]`.
    Listener,
    /// Any other section.
    Setting,
}

/// What happens to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PlanAction {
    /// Is new.
    Added,
    /// Is there in both and differs.
    Changed,
    /// Is gone.
    Removed,
}

/// A config was put in force.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReloadReport {
    /// Its generation.
    pub generation: u64,
    /// What changed.
    pub changes: Vec<PlanChange>,
}

/// A deploy is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeployReport {
    /// Of which service.
    pub service: String,
    /// How it ended.
    pub outcome: DeployOutcome,
    /// What happened and why, as a sentence.
    pub message: String,
    /// The version in force now.
    pub version: u64,
    /// How long it took.
    pub took_ms: u64,
}

/// How a deploy ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DeployOutcome {
    /// The new version answers.
    Done,
    /// The old version answers.
    RolledBack,
}

/// Sets the number of replicas.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ScaleRequest {
    /// Wanted replicas, at most [`ScaleRequest::REPLICAS_MAX`].
    #[schemars(range(max = 1000))]
    pub replicas: u32,
}

impl ScaleRequest {
    /// Most replicas of a service on a node: a slip of the finger must not start a million.
    pub const REPLICAS_MAX: u32 = 1000;
}

/// Something was done to a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ServiceReport {
    /// Which.
    pub service: String,
    /// What was done, as a sentence.
    pub message: String,
    /// How long it took.
    pub took_ms: u64,
}

/// A request to explain.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExplainRequest {
    /// `GET`.
    pub method: String,
    /// `http://shop.example/orders/1`, or a path with any host.
    pub url: String,
    /// Further fields as name and value.
    #[serde(default)]
    pub headers: Vec<(String, String)>,
}

/// Which route a request takes and why.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Explanation {
    /// As received.
    pub method: String,
    /// Canonical host.
    pub host: String,
    /// Canonical path.
    pub path: String,
    /// Query, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// The route that it takes; absent: answered with 404.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    /// The service that it reaches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// Routes in the order in which they were tried.
    pub steps: Vec<ExplainStep>,
}

/// One route on the way.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ExplainStep {
    /// Which.
    pub route: String,
    /// Whether it matched.
    pub matched: bool,
    /// Why or why not.
    pub reason: String,
}

/// A secret without its value.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SecretStatus {
    /// Name used in `env = { KEY = { secret = "name" } }`.
    pub name: String,
    /// When it was set.
    pub updated_unix_ms: u64,
    /// Services that use it.
    pub used_by: Vec<String>,
}

/// Sets a secret. Its `Debug` does not show it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SecretValue {
    /// The value.
    pub value: String,
}

impl std::fmt::Debug for SecretValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecretValue(hidden)")
    }
}

/// Why a request was refused or failed: `application/problem+json` (RFC 9457 §3.1).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Problem {
    /// `about:blank`, or a page about this kind of problem.
    #[serde(rename = "type")]
    pub kind: String,
    /// What, in few words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What, where, and what to do.
    pub detail: String,
    /// Further lines to show as they are, such as the errors of a config.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<String>,
}
