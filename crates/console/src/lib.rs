//! The node as people and programs see it: admin API, metrics, and the console in the browser.
//!
//! It knows the node through [`Node`] alone and speaks HTTP through `runtime::http`; it names
//! neither the data plane nor the fleet. The table in `operation.rs` says what the API can do; the
//! router, the OpenAPI document and the tests follow it.

pub mod api;
mod assets;
mod door;
mod guard;
mod handler;
mod history;
mod metrics;
mod node;
mod openapi;
mod operation;
mod process;
mod query;
mod rate;
mod respond;
mod sampler;
mod stream;

pub use door::{Console, ConsoleConfig};
pub use guard::Token;
pub use node::{Answer, Feed, Follow, Node, Refusal, RefusalKind};
