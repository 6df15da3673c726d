//! The real binary, as a person or a script runs it.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

mod cli;
mod demo;
mod hostile;
mod mishaps;
mod node;
mod place;
