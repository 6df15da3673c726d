//! Everything behind the `mainspring` program: its configuration, its command line, and the wiring
//! of the rooms into one node.
//!
//! A library beside a thin `main`, so that tests and the demo can start a node in their own
//! process. This crate alone may name every other room.

pub mod cli;
pub mod config;
pub mod daemon;
pub mod demo;
pub mod explain;
pub mod init;
pub mod node_file;
