//! The real program, end to end, against clients that nobody here wrote: curl, wrk, and the
//! WebSocket library of the Python world.
//!
//! Each test starts its own node on free ports with a data folder of its own, and says on standard
//! error what it saw. What they need from Debian is in [`outside`].

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod big_bodies;
mod node;
mod outside;
mod slow_clients;
mod two_services;
mod under_load;
mod websockets;
