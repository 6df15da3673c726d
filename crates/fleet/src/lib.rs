//! Keeps programs running: carries out what `orchestrator` decides, and tells it what happens.
//!
//! [`Fleet::start`] reads what the last run left behind, takes over programs that still run, and
//! then drives one loop on the control thread: commands and observations in, actions out. What
//! must survive a crash of ours is on disk before it is acted upon.
//!
//! Reading order: [`Fleet`] (what others call), `handle`, `driver` (the loop), `launch` (a replica's
//! environment), `check` (health), `logs` (what programs write), `state` (what is on disk),
//! `secrets`.

mod api;
mod check;
mod driver;
mod handle;
mod launch;
mod logs;
mod running;
mod secrets;
mod stamp;
mod state;
mod status;
mod store;
mod traffic;

pub use api::{
    Applied, Event, ExitReport, FleetConfig, FleetError, FleetStatus, FollowEvents, FollowLogs,
    LimitReport, LogFormat, LogLine, LogQuery, LogStream, OnCrash, ReplicaReport, Rollout,
    SecretReport, ServiceReport,
};
pub use handle::Fleet;
pub use logs::{LINE_BYTES_MAX, LineCutter, decode_log_line, harmless};
pub use secrets::{
    SECRET_NAME_BYTES_MAX, SECRET_VALUE_BYTES_MAX, SECRETS_MAX, Secrets, check_name,
};
pub use state::{ProcessRecord, State};
pub use traffic::Traffic;
