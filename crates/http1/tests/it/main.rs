//! The corpora, cut in every way, and properties that hold for any bytes.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod connection;
mod corpus;
mod property;
mod transcript;
