//! The orchestrator in a small world with virtual time: transcripts and random histories.

#![expect(clippy::unwrap_used, reason = "in a test a surprise is a failure")]

mod property;
mod transcript;
mod world;
