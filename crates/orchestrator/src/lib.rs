//! What should run and what does run, to what to do about it.
//!
//! Pure: [`Orchestrator`] takes commands, observations and the time, and answers with [`Action`]s;
//! `fleet` carries them out and reports back. So every promise about deploys, restarts and drains
//! is checked here by transcripts and random histories, without a process or a clock.
//!
//! Reading order: [`spec`](ServiceSpec) (what a user asks for), [`CommandLine`], [`check_specs`],
//! then the machine: `machine` (one step), `service` (one service's replicas), `rollout`.
#![forbid(unsafe_code)]

mod command_line;
mod effects;
mod machine;
mod memory;
mod replica;
mod rollout;
mod service;
mod spec;
mod validate;
mod vocabulary;

pub use command_line::{COMMAND_BYTES_MAX, CommandLine, CommandProblem, ExpandProblem};
pub use machine::{Orchestrator, Taken};
pub use memory::{Memory, Numbers, ReplicaMemory, ServiceMemory};
pub use spec::{
    BackOff, DeployPolicy, EnvValue, HealthCheck, Limits, Probe, ProgramSpec, ServiceSpec, Source,
    StatusRange,
};
pub use validate::{REPLICAS_MAX, SpecProblem, check_specs, environment_name};
pub use vocabulary::{
    Action, CRASH_LOOP_FROM, Command, Exit, Note, NoteKind, Observation, Outcome, Refused,
    ReplicaState, ReplicaView, RolloutView, ServiceView, Severity, TrafficState, Verdict,
};
