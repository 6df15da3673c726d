//! The gateway's rules through its public face: transcripts, properties, and real threads.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod balance;
mod canonical;
mod directory;
mod forwarded;
mod routes;
mod transcript;
