//! Nouns that several rooms share, and nothing that does work.
//!
//! Pure: no I/O, clock, chance or threads. A noun moves here when two crates need it and
//! neither may name the other.
#![forbid(unsafe_code)]

mod moment;
mod name;

pub use moment::Moment;
pub use name::{InvalidName, NAME_BYTES_MAX, ReplicaId, ServiceName};
