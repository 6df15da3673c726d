//! Keeps programs running: carries out what `orchestrator` decides, and tells it what happens.
//!
//! [`Fleet::start`] reads what the last run left behind, takes over programs that still run, and
//! then drives one loop on the control thread: commands and observations in, actions out. What
//! must survive a crash of ours is on disk before it is acted upon.
//!
//! Reading order: [`Fleet`] (what others call), `driver` (the loop), `launch` (a replica's
//! environment), `check` (health), `logs` (what programs write), `state` (what is on disk),
//! `secrets`.

mod api;
mod driver;
mod traffic;

pub use api::{
    Applied, Event, ExitReport, FleetConfig, FleetError, FleetStatus, FollowEvents, FollowLogs,
    LimitReport, LogFormat, LogLine, LogQuery, LogStream, OnCrash, ReplicaReport, Rollout,
    SecretReport, ServiceReport,
};
pub use driver::Fleet;
pub use traffic::Traffic;
