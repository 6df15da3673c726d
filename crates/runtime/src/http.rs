//! HTTP for people and tools: the console, the admin API, health checks and the command line.
//!
//! A small facade over hyper, so that nobody else names it. It is never on the path of proxied
//! traffic; there the protocol is our own. Everything is bounded: connections, heads, bodies and
//! the time that each may take.

pub mod blocking;
mod client;
mod message;
mod server;

pub use bytes::Bytes;
pub use client::{Call, Client, ClientError, ClientLimits, Reply, ReplyStream};
pub use message::{Body, BoxFuture, ChunkSource, Headers, Request, Response};
pub use server::{Handler, Server, ServerLimits};

#[cfg(test)]
mod tests;
