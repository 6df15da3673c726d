//! What a user asks for: services, how to run them, how to see that they are well.
//!
//! Built by the config and by tests; every field is public and every struct has a `Default` or a
//! constructor with the documented defaults. No secret value is ever in here, only its name, so
//! specs may be stored, compared and shown.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use model::ServiceName;
use serde::{Deserialize, Serialize};

use crate::CommandLine;

/// One service as the config describes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceSpec {
    /// Its name, which is also how others reach it.
    pub name: ServiceName,
    /// Who runs it.
    pub source: Source,
    /// How to see that a replica is well; `None` takes every running replica for healthy.
    pub health: Option<HealthCheck>,
    /// Services that must have a healthy replica before this one is started for the first time.
    pub needs: Vec<ServiceName>,
}

/// Who runs a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::large_enum_variant, reason = "a node has tens of specs, not millions")]
pub enum Source {
    /// Mainspring does.
    Program(ProgramSpec),
    /// Somebody else does, at these addresses (`at = […]`). They are checked but never started.
    External(Vec<SocketAddr>),
}

/// A program and how to treat its processes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProgramSpec {
    /// What to run.
    pub run: CommandLine,
    /// Working folder, absolute; `None` is the folder of the config file (`fleet` is told it).
    pub dir: Option<PathBuf>,
    /// Variables on top of those that Mainspring sets (`PORT`, `NODE`, …).
    pub env: BTreeMap<String, EnvValue>,
    /// Replicas wanted. Zero is allowed: the service is known and asleep.
    pub replicas: u32,
    /// Ceilings for each replica.
    pub limits: Limits,
    /// From SIGTERM to SIGKILL.
    pub stop_grace: Duration,
    /// From "no new requests" to SIGTERM at the latest, when requests do not finish.
    pub drain_grace: Duration,
    /// How a new version replaces the old.
    pub deploy: DeployPolicy,
    /// How long to wait before starting a crashed replica again.
    pub back_off: BackOff,
}

/// The value of an environment variable.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum EnvValue {
    /// Written in the config.
    Plain(String),
    /// The name of a stored secret.
    Secret(String),
}

/// Ceilings for one replica and all its descendants; `None` is no ceiling.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Thousandths of one CPU: 1500 is one and a half.
    pub cpu_millis: Option<u32>,
    /// Resident memory.
    pub memory_bytes: Option<u64>,
    /// Open files of each process (RLIMIT_NOFILE).
    pub open_files: Option<u64>,
    /// Processes and threads.
    pub processes: Option<u64>,
}

/// How to see that a replica is well.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthCheck {
    /// What is asked.
    pub probe: Probe,
    /// From the end of one check to the start of the next. Until the first success checks come
    /// faster, so that a quick start is noticed quickly.
    pub interval: Duration,
    /// A check that takes longer has failed.
    pub timeout: Duration,
    /// Successes in a row that make it healthy. At least 1.
    pub rise: u32,
    /// Failures in a row that take it out of traffic; when none of them was answered at all, the
    /// replica hangs and is killed and replaced. At least 1.
    pub fall: u32,
    /// How long a new replica may take to its first success before it is killed and replaced.
    pub start_grace: Duration,
    /// How long a replica that answers, but not well, is left running before it is replaced.
    pub replace_after: Duration,
}

/// What a health check asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Probe {
    /// `GET path`; healthy when the status is in `expect`.
    Http {
        /// Path and query, beginning with `/`.
        path: String,
        /// `Host` field; `None` sends the address.
        host: Option<String>,
        /// Which statuses are well.
        expect: StatusRange,
    },
    /// The port accepts a connection.
    Tcp,
    /// A command exits with 0. It gets the replica's environment.
    Exec(CommandLine),
}

/// Statuses from `first` to `last`, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusRange {
    /// Lowest.
    pub first: u16,
    /// Highest.
    pub last: u16,
}

/// How a new version replaces the old.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeployPolicy {
    /// How many processes more than `replicas` may exist while a deploy runs. At least 1.
    pub surge: u32,
    /// A deploy in which no new replica became healthy for this long is rolled back.
    pub deadline: Duration,
    /// How many new replicas may die before the deploy is rolled back. At least 1.
    pub attempts: u32,
}

/// How long to wait before starting a crashed replica again: nothing after the first crash of one
/// that had run for `reset_after`, then `first`, doubling up to `longest`, each ± a quarter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackOff {
    /// After the second crash in a row.
    pub first: Duration,
    /// Never longer than this.
    pub longest: Duration,
    /// A replica that ran this long has not crashed "in a row".
    pub reset_after: Duration,
}

impl ServiceSpec {
    /// A program with all defaults: one replica, TCP health check.
    pub fn program(name: ServiceName, run: CommandLine) -> Self {
        Self {
            name,
            source: Source::Program(ProgramSpec::new(run)),
            health: Some(HealthCheck::default()),
            needs: Vec::new(),
        }
    }

    /// A service that somebody else runs, without a health check.
    pub fn external(name: ServiceName, addresses: Vec<SocketAddr>) -> Self {
        Self { name, source: Source::External(addresses), health: None, needs: Vec::new() }
    }

    /// The program, if Mainspring runs it.
    pub fn as_program(&self) -> Option<&ProgramSpec> {
        match &self.source {
            Source::Program(program) => Some(program),
            Source::External(_) => None,
        }
    }

    /// Whether going from `self` to `new` needs new processes. Health, graces, replicas, needs and
    /// policies do not: they take effect on what runs.
    pub fn needs_new_processes(&self, new: &Self) -> bool {
        match (&self.source, &new.source) {
            (Source::Program(old), Source::Program(new)) => {
                (&old.run, &old.dir, &old.env, old.limits)
                    != (&new.run, &new.dir, &new.env, new.limits)
            }
            (Source::External(_), Source::External(_)) => false,
            (Source::Program(_), Source::External(_))
            | (Source::External(_), Source::Program(_)) => true,
        }
    }
}

impl ProgramSpec {
    /// `run` with all defaults.
    pub fn new(run: CommandLine) -> Self {
        Self {
            run,
            dir: None,
            env: BTreeMap::new(),
            replicas: 1,
            limits: Limits::default(),
            stop_grace: Duration::from_secs(10),
            drain_grace: Duration::from_secs(30),
            deploy: DeployPolicy::default(),
            back_off: BackOff::default(),
        }
    }
}

impl Default for HealthCheck {
    fn default() -> Self {
        Self {
            probe: Probe::Tcp,
            interval: Duration::from_secs(2),
            timeout: Duration::from_secs(2),
            rise: 1,
            fall: 3,
            start_grace: Duration::from_secs(60),
            replace_after: Duration::from_secs(30),
        }
    }
}

impl Probe {
    /// `GET path`, healthy with any 2xx or 3xx.
    pub fn http(path: &str) -> Self {
        Self::Http { path: path.to_owned(), host: None, expect: StatusRange::default() }
    }
}

impl StatusRange {
    /// Whether `status` is well.
    pub fn contains(self, status: u16) -> bool {
        (self.first..=self.last).contains(&status)
    }
}

impl Default for StatusRange {
    fn default() -> Self {
        Self { first: 200, last: 399 }
    }
}

impl Default for DeployPolicy {
    fn default() -> Self {
        Self { surge: 1, deadline: Duration::from_secs(60), attempts: 2 }
    }
}

impl Default for BackOff {
    fn default() -> Self {
        Self {
            first: Duration::from_millis(250),
            longest: Duration::from_secs(30),
            reset_after: Duration::from_secs(10),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_process_sees_at_its_start_needs_a_new_one() {
        let name = ServiceName::new("web").unwrap();
        let old = ServiceSpec::program(name, CommandLine::split("web").unwrap());
        let change = |edit: fn(&mut ProgramSpec)| {
            let mut new = old.clone();
            if let Source::Program(program) = &mut new.source {
                edit(program);
            }
            old.needs_new_processes(&new)
        };
        assert!(change(|program| program.run = CommandLine::split("web --v2").unwrap()));
        assert!(change(|program| program.limits.memory_bytes = Some(1)));
        assert!(change(|program| {
            program.env.insert("LOG".into(), EnvValue::Plain("debug".into()));
        }));
        assert!(!change(|program| program.replicas = 7));
        assert!(!change(|program| program.stop_grace = Duration::ZERO));
    }
}
