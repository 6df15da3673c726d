//! From a spec to a started process: its port, its environment, its words, its limits.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;

use model::{ReplicaId, ServiceName};
use orchestrator::{EnvValue, Limits, ProgramSpec, environment_name};
use runtime::process::{Group, Hierarchy, ResourceLimits};

use crate::api::{FleetConfig, LimitReport};
use crate::secrets::Secrets;

/// Ports for programs. Below Linux's range for outgoing connections (from 32768), so that none of
/// those takes a port between our look and the program's bind.
const PORT_FIRST: u16 = 20_000;
const PORT_COUNT: u16 = 10_000;

/// Variables of ours that are about our own process and not for children.
const NOT_INHERITED: [&str; 4] = ["NOTIFY_SOCKET", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"];

/// Hands out ports, each to one replica at a time.
#[derive(Debug)]
pub(crate) struct Ports {
    taken: BTreeSet<u16>,
    next: u16,
}

impl Ports {
    /// Begins at a place given by `chance`, so that two nodes on one machine rarely meet.
    pub(crate) fn new(chance: u64) -> Self {
        let next = u16::try_from(chance % u64::from(PORT_COUNT)).unwrap_or(0);
        Self { taken: BTreeSet::new(), next }
    }

    /// A port that nobody listens on now.
    pub(crate) fn take(&mut self) -> Option<u16> {
        for _ in 0..PORT_COUNT {
            let port = PORT_FIRST + self.next;
            self.next = (self.next + 1) % PORT_COUNT;
            let free = |ip: Ipv4Addr| TcpListener::bind((ip, port)).is_ok();
            if !self.taken.contains(&port)
                && free(Ipv4Addr::UNSPECIFIED)
                && free(Ipv4Addr::LOCALHOST)
            {
                self.taken.insert(port);
                return Some(port);
            }
        }
        None
    }

    /// `port` is in use by a program that was taken over.
    pub(crate) fn keep(&mut self, port: u16) {
        self.taken.insert(port);
    }

    pub(crate) fn give_back(&mut self, port: u16) {
        self.taken.remove(&port);
    }
}

/// Where a program with `port` is reached.
pub(crate) fn address(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

/// The working folder of `program`.
pub(crate) fn folder(config: &FleetConfig, program: &ProgramSpec) -> PathBuf {
    match &program.dir {
        Some(dir) => config.base_dir.join(dir),
        None => config.base_dir.clone(),
    }
}

/// The whole environment of a replica: ours, then the config's, then what Mainspring sets.
///
/// # Errors
/// When a secret is missing; the message says how to set it.
pub(crate) fn environment(
    config: &FleetConfig,
    secrets: &Secrets,
    program: &ProgramSpec,
    replica: &ReplicaId,
    seat: u32,
    port: u16,
) -> Result<Vec<(String, String)>, String> {
    let mut env: BTreeMap<String, String> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .filter(|(name, _)| {
            !name.starts_with("MAINSPRING_") && !NOT_INHERITED.contains(&name.as_str())
        })
        .collect();
    for (name, value) in &program.env {
        let value = match value {
            EnvValue::Plain(text) => text.clone(),
            EnvValue::Secret(secret) => match secrets.get(secret) {
                Ok(Some(value)) => value,
                Ok(None) => {
                    return Err(format!(
                        "{name} needs the secret {secret}: `mainspring secret set {secret}`"
                    ));
                }
                Err(error) => return Err(error.to_string()),
            },
        };
        env.insert(name.clone(), value);
    }
    let others = |(service, _): &(&ServiceName, &String)| **service != replica.service;
    for (service, url) in config.urls.iter().filter(others) {
        env.insert(environment_name(service), url.clone());
    }
    env.insert("PORT".to_owned(), port.to_string());
    env.insert("NODE".to_owned(), config.node.clone());
    env.insert("REPLICA".to_owned(), replica.number.to_string());
    env.insert("REPLICA_INDEX".to_owned(), seat.to_string());
    Ok(env.into_iter().collect())
}

/// What setrlimit is asked for, where a control group does not do it better.
pub(crate) fn resource_limits(hierarchy: &Hierarchy, limits: &Limits) -> ResourceLimits {
    let processes = if hierarchy.controls("pids") { None } else { limits.processes };
    ResourceLimits { open_files: limits.open_files, processes }
}

/// Sets the limits of `group` that control groups keep. One that the kernel refuses is in the
/// report of [`limit_reports`] all the same, so the refusal is returned.
///
/// # Errors
/// In words, naming the limit.
pub(crate) fn limit_group(
    hierarchy: &Hierarchy,
    group: &Group,
    limits: &Limits,
) -> Result<(), String> {
    let set = |what: &str, result: std::io::Result<()>| {
        result.map_err(|error| format!("the limit of {what} was refused: {error}"))
    };
    if let Some(bytes) = limits.memory_bytes.filter(|_| hierarchy.controls("memory")) {
        set("memory", group.limit_memory(bytes))?;
    }
    if let Some(millis) = limits.cpu_millis.filter(|_| hierarchy.controls("cpu")) {
        set("cpu", group.limit_cpu(millis))?;
    }
    if let Some(count) = limits.processes.filter(|_| hierarchy.controls("pids")) {
        set("processes", group.limit_processes(count))?;
    }
    Ok(())
}

/// What keeps each limit.
pub(crate) fn limit_reports(hierarchy: &Hierarchy, limits: &Limits) -> Vec<LimitReport> {
    const GROUP: &str = "cgroup v2";
    let mut reports = Vec::new();
    let mut add = |what, limit: String, enforced_by: &str| {
        reports.push(LimitReport { what, limit, enforced_by: enforced_by.to_owned() });
    };
    if let Some(millis) = limits.cpu_millis {
        let by = match hierarchy.controls("cpu") {
            true => GROUP,
            false => "not enforced: no cpu controller of cgroup v2 can be used here",
        };
        add("cpu", format!("{}.{:03} cores", millis / 1_000, millis % 1_000), by);
    }
    if let Some(bytes) = limits.memory_bytes {
        let by = match hierarchy.controls("memory") {
            true => GROUP,
            false => "memory watch (resident memory, ten times a second)",
        };
        add("memory", format!("{bytes} bytes"), by);
    }
    if let Some(count) = limits.open_files {
        add("open files", count.to_string(), "resource limit (each process)");
    }
    if let Some(count) = limits.processes {
        let by = match hierarchy.controls("pids") {
            true => GROUP,
            false => "resource limit (all processes of the user; not kept for root)",
        };
        add("processes", count.to_string(), by);
    }
    reports
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_not_given_twice_nor_while_somebody_listens() {
        let mut ports = Ports::new(PORT_COUNT.into());
        let first = ports.take().unwrap();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, first + 1));
        let second = ports.take().unwrap();
        assert_ne!(first, second);
        assert!(listener.is_err() || second != first + 1);
        // All the way round: what was given back is given again, what was not is not.
        ports.give_back(first);
        ports.next = 0;
        assert_eq!(ports.take(), Some(first));
        ports.next = 0;
        assert_ne!(ports.take(), Some(first));
    }
}
