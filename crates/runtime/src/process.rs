//! Child processes: start them, watch them, find them again, and leave none behind.
//!
//! A [`Hierarchy`] keeps track of whole families of processes, each a [`Group`]: in a control
//! group of version 2 where one can be made, else by walking `/proc` for a marker in the
//! environment. A [`Process`] is a group's first process, held by a pidfd, so that its number can
//! never mean another. Output goes straight into files, so nothing breaks when we die.

mod child;
mod group;
mod hierarchy;
mod launch;
mod procfs;
mod spool;

pub use child::{Ended, Identity, Process};
pub use group::{Group, Usage};
pub use hierarchy::{Hierarchy, Survey};
pub use launch::{Launch, LaunchError, ResourceLimits};
pub use procfs::{ProcessStat, boot_id, parse_cpu_stat, parse_stat};
pub use spool::free_read_part;
