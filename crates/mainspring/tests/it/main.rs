//! The real binary, as a person or a script runs it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod cli;
mod hostile;
mod node;
mod place;
