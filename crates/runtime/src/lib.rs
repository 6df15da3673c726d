//! The outside world: sockets, threads, timers, child processes.
//!
//! This room alone names tokio, hyper, rustix and socket2, so that the others can be read, tested
//! and changed without knowing which reactor turns beneath them. It names no protocol of ours: it
//! carries bytes, and does not ask what they mean.
//!
//! Two kinds of thread exist. [`cores`] starts the data plane's: one per core, each a single-threaded
//! reactor that owns its sockets. [`control`] starts the one on which everything slow lives
//! (orchestration, console, admin API), so that no request ever waits for it.

pub mod clock;
pub mod control;
pub mod cores;
pub mod deadline;
pub mod descriptors;
pub mod http;
pub mod net;
pub mod poll;
pub mod process;
pub mod signal;
pub mod sink;
pub mod sync;
pub mod task;
pub mod time;
