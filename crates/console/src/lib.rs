//! The node as people and programs see it: admin API, metrics, and the console in the browser.
//!
//! It knows the node through [`Node`] alone and speaks HTTP through `runtime::http`; it names
//! neither the data plane nor the fleet.

pub mod api;
mod node;

pub use node::{Answer, Feed, Follow, Node, Refusal, RefusalKind};
