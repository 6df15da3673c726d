//! What a changed configuration would do, before it does it.

use std::collections::BTreeSet;
use std::fmt::{Debug, Write as _};
use std::net::SocketAddr;

use console::api::{PlanAction, PlanChange, PlanReport, PlanSubject};
use gateway::RouteSpec;
use orchestrator::{EnvValue, HealthCheck, Probe, ProgramSpec, ServiceSpec, Source};

use super::value::{show_duration, show_size};
use super::{Config, LogFormat, OnCrash};
use crate::explain::{show_path, show_to};

/// Said of settings that a reload refuses.
const NEEDS_RESTART: &str = "needs a restart of Mainspring: reload refuses it";

/// Identifies the text of a configuration: FNV-1a, 64 bits, in hexadecimal. It tells texts apart,
/// it does not protect them.
pub fn fingerprint(text: &str) -> String {
    format!("{:016x}", hash(text.as_bytes()))
}

/// What putting `new` in force would do to a node that runs `old` as its `generation`.
///
/// The report's id names this pair: any other configuration on either side has another id.
pub fn diff(old: &Config, new: &Config, generation: u64) -> PlanReport {
    let mut changes = Vec::new();
    services(old, new, &mut changes);
    routes(old, new, &mut changes);
    doors(old, new, &mut changes);
    settings(old, new, &mut changes);
    let id = fingerprint(&format!("{generation}\n{old:?}\n{new:?}"));
    PlanReport { id, generation, changes }
}

fn services(old: &Config, new: &Config, changes: &mut Vec<PlanChange>) {
    let names: BTreeSet<_> = old.services.keys().chain(new.services.keys()).collect();
    for name in names {
        let (before, after) = (old.services.get(name), new.services.get(name));
        let (action, effect, details) = match (before, after) {
            (None, Some(after)) => (PlanAction::Added, effect_of_new(after), Vec::new()),
            (Some(before), None) => (PlanAction::Removed, effect_of_removal(before), Vec::new()),
            (Some(before), Some(after)) if before != after => {
                let effect = effect_of_change(before, after);
                (PlanAction::Changed, effect, service_details(before, after))
            }
            (Some(_), Some(_)) | (None, None) => continue,
        };
        let (subject, name) = (PlanSubject::Service, name.to_string());
        changes.push(PlanChange { subject, name, action, effect, details });
    }
}

fn effect_of_new(service: &ServiceSpec) -> String {
    match &service.source {
        Source::Program(program) => match program.replicas {
            0 => "no replica runs until it is scaled".to_owned(),
            1 => "1 replica starts, then routes may lead to it".to_owned(),
            count => format!("{count} replicas start, then routes may lead to them"),
        },
        Source::External(addresses) => {
            format!("requests go to {}", plural(addresses.len(), "address", "addresses"))
        }
    }
}

fn effect_of_removal(service: &ServiceSpec) -> String {
    match &service.source {
        Source::Program(program) => {
            format!("when no route leads there any more, {}", ending(program.replicas))
        }
        Source::External(_) => "requests in hand are finished, then none goes there".to_owned(),
    }
}

fn effect_of_change(before: &ServiceSpec, after: &ServiceSpec) -> String {
    match (&before.source, &after.source) {
        (Source::Program(old), Source::Program(new)) => {
            let scaled = match (old.replicas, new.replicas) {
                (from, to) if from == to => None,
                (from, to) if from < to => Some(match to - from {
                    1 => "1 more replica starts".to_owned(),
                    more => format!("{more} more replicas start"),
                }),
                (from, to) => Some(ending(from - to)),
            };
            let renewed = before.needs_new_processes(after) && old.replicas.min(new.replicas) > 0;
            match (renewed, scaled) {
                (true, None) => format!("{}: no request is dropped", rolling(new)),
                (true, Some(scaled)) => {
                    format!("{}, and {scaled}: no request is dropped", rolling(new))
                }
                (false, Some(scaled)) => format!("{scaled}: no request is dropped"),
                (false, None) => "holds for what runs: nothing is restarted".to_owned(),
            }
        }
        (Source::External(old), Source::External(new)) if old != new => {
            "new requests go to the new addresses; those in hand are finished".to_owned()
        }
        (Source::External(_), Source::External(_)) => {
            "holds at once: no request is dropped".to_owned()
        }
        (Source::External(_), Source::Program(new)) => {
            format!("{} of our own take over", replicas(new.replicas))
        }
        (Source::Program(_), Source::External(_)) => {
            "requests go to the addresses; our own replicas are stopped".to_owned()
        }
    }
}

fn rolling(program: &ProgramSpec) -> String {
    format!("rolling deploy of {}", replicas(program.replicas))
}

/// The settings of a service that differ. Values of variables are not told: one may be a password
/// that should be a secret and is not.
fn service_details(before: &ServiceSpec, after: &ServiceSpec) -> Vec<String> {
    let mut details = Details::default();
    details.of("needs", &names(&before.needs), &names(&after.needs));
    details.of("health", &show_health(before.health.as_ref()), &show_health(after.health.as_ref()));
    match (&before.source, &after.source) {
        (Source::Program(old), Source::Program(new)) => program_details(old, new, &mut details),
        (old, new) => details.of("run or at", &show_source(old), &show_source(new)),
    }
    details.lines
}

fn program_details(old: &ProgramSpec, new: &ProgramSpec, details: &mut Details) {
    details.of("run", &old.run.text(), &new.run.text());
    details.of("replicas", &old.replicas, &new.replicas);
    details.of("dir", &old.dir, &new.dir);
    let variables: BTreeSet<_> = old.env.keys().chain(new.env.keys()).collect();
    for name in variables {
        match (old.env.get(name), new.env.get(name)) {
            (None, Some(value)) => details.lines.push(format!("env {name}: added{}", from(value))),
            (Some(_), None) => details.lines.push(format!("env {name}: removed")),
            (Some(one), Some(two)) if one != two => {
                details.lines.push(format!("env {name}: changed{}", from(two)));
            }
            (Some(_), Some(_)) | (None, None) => {}
        }
    }
    let cpu = |millis: Option<u32>| millis.map(|millis| f64::from(millis) / 1000.0);
    details.optional("limits.cpu", cpu(old.limits.cpu_millis), cpu(new.limits.cpu_millis));
    let size = |bytes: Option<u64>| bytes.map(show_size);
    let (one, two) = (size(old.limits.memory_bytes), size(new.limits.memory_bytes));
    details.optional("limits.memory", one, two);
    details.optional("limits.open-files", old.limits.open_files, new.limits.open_files);
    details.optional("limits.processes", old.limits.processes, new.limits.processes);
    let time = |name: &str, one, two, details: &mut Details| {
        details.of(name, &show_duration(one), &show_duration(two));
    };
    time("stop-grace", old.stop_grace, new.stop_grace, details);
    time("drain-grace", old.drain_grace, new.drain_grace, details);
    details.of("deploy.surge", &old.deploy.surge, &new.deploy.surge);
    time("deploy.deadline", old.deploy.deadline, new.deploy.deadline, details);
    details.of("deploy.attempts", &old.deploy.attempts, &new.deploy.attempts);
    time("back-off.first", old.back_off.first, new.back_off.first, details);
    time("back-off.longest", old.back_off.longest, new.back_off.longest, details);
    time("back-off.reset-after", old.back_off.reset_after, new.back_off.reset_after, details);
}

fn routes(old: &Config, new: &Config, changes: &mut Vec<PlanChange>) {
    let find =
        |routes: &[RouteSpec], name: &str| routes.iter().find(|route| route.name == name).cloned();
    for route in &new.routes {
        let (action, effect, details) = match find(&old.routes, &route.name) {
            None => {
                let effect = format!("requests that match go to {}", show_to(route));
                (PlanAction::Added, effect, vec![format!("matches {}", show_match(route))])
            }
            Some(before) if before != *route => {
                let effect = if before.to == route.to {
                    "holds for new requests; those in hand are finished as they began".to_owned()
                } else {
                    format!(
                        "new requests go to {}; those in hand are finished where they are",
                        show_to(route)
                    )
                };
                (PlanAction::Changed, effect, route_details(&before, route))
            }
            Some(_) => continue,
        };
        let (subject, name) = (PlanSubject::Route, route.name.clone());
        changes.push(PlanChange { subject, name, action, effect, details });
    }
    for route in old.routes.iter().filter(|route| find(&new.routes, &route.name).is_none()) {
        changes.push(PlanChange {
            subject: PlanSubject::Route,
            name: route.name.clone(),
            action: PlanAction::Removed,
            effect: "its requests take the next route that matches, or are answered with 404; \
                     those in hand are finished"
                .to_owned(),
            details: vec![format!("matched {}", show_match(route))],
        });
    }
}

fn route_details(before: &RouteSpec, after: &RouteSpec) -> Vec<String> {
    let mut details = Details::default();
    details.of("matches", &show_match(before), &show_match(after));
    details.of("to", &show_to(before), &show_to(after));
    let (old, new) = (&before.policy, &after.policy);
    details.of("balance", &format!("{:?}", old.balance), &format!("{:?}", new.balance));
    let times = [
        ("connect-timeout", old.connect_timeout, new.connect_timeout),
        ("response-timeout", old.response_header_timeout, new.response_header_timeout),
        ("idle-timeout", old.idle_timeout, new.idle_timeout),
    ];
    for (name, one, two) in times {
        details.of(name, &show_duration(one), &show_duration(two));
    }
    let (one, two) = (old.total_timeout.map(show_duration), new.total_timeout.map(show_duration));
    details.optional("timeout", one, two);
    details.of("retries", &old.retries, &new.retries);
    details.of("body-bytes", &show_size(old.body_bytes_max), &show_size(new.body_bytes_max));
    details.of("preserve-host", &old.preserve_host, &new.preserve_host);
    details.lines
}

fn doors(old: &Config, new: &Config, changes: &mut Vec<PlanChange>) {
    let set =
        |config: &Config| config.listen.http.iter().copied().collect::<BTreeSet<SocketAddr>>();
    let (before, after) = (set(old), set(new));
    let mut door = |name: String, action, effect: &str, details| {
        let (subject, effect) = (PlanSubject::Listener, effect.to_owned());
        changes.push(PlanChange { subject, name, action, effect, details });
    };
    for address in after.difference(&before) {
        door(format!("http {address}"), PlanAction::Added, "opens", Vec::new());
    }
    for address in before.difference(&after) {
        let effect = "closes; requests in hand are finished";
        door(format!("http {address}"), PlanAction::Removed, effect, Vec::new());
    }
    if old.listen.console != new.listen.console {
        let details = vec![format!("{} → {}", old.listen.console, new.listen.console)];
        door("console".to_owned(), PlanAction::Changed, NEEDS_RESTART, details);
    }
}

fn settings(old: &Config, new: &Config, changes: &mut Vec<PlanChange>) {
    let mut setting = |name: &str, effect: &str, details: Details| {
        if !details.lines.is_empty() {
            changes.push(PlanChange {
                subject: PlanSubject::Setting,
                name: name.to_owned(),
                action: PlanAction::Changed,
                effect: effect.to_owned(),
                details: details.lines,
            });
        }
    };
    let mut node = Details::default();
    node.of("name", &old.node.name, &new.node.name);
    node.of("data", &old.node.data, &new.node.data);
    node.of("on-crash", &show_on_crash(old.node.on_crash), &show_on_crash(new.node.on_crash));
    node.optional("cores", old.node.cores, new.node.cores);
    setting("[node]", NEEDS_RESTART, node);
    let mut region = Details::default();
    region.optional("region", old.node.region.as_ref(), new.node.region.as_ref());
    setting("[node] region", "is shown; traffic does not change", region);

    let (before, after) = (&old.edge.limits, &new.edge.limits);
    let mut limits = Details::default();
    limits.fields(&format!("{before:?}"), &format!("{after:?}"));
    limits.of("retry-after (s)", &old.edge.retry_after_seconds, &new.edge.retry_after_seconds);
    let door = (old.edge.door.body_bytes_max, new.edge.door.body_bytes_max);
    limits.of("body-bytes", &show_size(door.0), &show_size(door.1));
    setting("[limits]", "holds for new requests and connections", limits);

    let mut proxy = Details::default();
    let (before, after) = (&old.edge.forwarding, &new.edge.forwarding);
    proxy.fields(&format!("{before:?}"), &format!("{after:?}"));
    setting("[proxy]", "holds for new requests", proxy);

    let mut sample = Details::default();
    sample.of("access-sample", &old.log.access_sample, &new.log.access_sample);
    setting("[log] access-sample", "holds for new requests", sample);
    let mut log = Details::default();
    log.of("access", &old.log.access, &new.log.access);
    log.of("format", &show_format(old.log.format), &show_format(new.log.format));
    log.of("file-bytes", &show_size(old.log.file_bytes), &show_size(new.log.file_bytes));
    log.of("file-count", &old.log.file_count, &new.log.file_count);
    setting("[log]", NEEDS_RESTART, log);
}

/// Lines such as `replicas: 2 → 4`.
#[derive(Default)]
struct Details {
    lines: Vec<String>,
}

impl Details {
    fn of<T: PartialEq + Debug + ?Sized>(&mut self, name: &str, before: &T, after: &T) {
        if before != after {
            self.lines.push(format!("{name}: {before:?} → {after:?}"));
        }
    }

    fn optional<T: PartialEq + Debug>(&mut self, name: &str, before: Option<T>, after: Option<T>) {
        let show = |value: &Option<T>| match value {
            Some(value) => format!("{value:?}"),
            None => "not set".to_owned(),
        };
        if before != after {
            self.lines.push(format!("{name}: {} → {}", show(&before), show(&after)));
        }
    }

    /// Two structures as a whole, when their parts are many and the difference is small.
    fn fields(&mut self, before: &str, after: &str) {
        if before != after {
            self.lines.push(format!("{before} → {after}"));
        }
    }
}

fn show_match(route: &RouteSpec) -> String {
    let mut text = String::new();
    if !route.methods.is_empty() {
        text.push_str(&route.methods.join(","));
        text.push(' ');
    }
    if route.host != gateway::HostMatch::Any {
        text.push_str(&route.host.to_string());
    }
    text.push_str(&show_path(&route.path));
    for header in &route.headers {
        // Writing to a String cannot fail.
        let _ = write!(text, ", {header}");
    }
    text
}

fn show_health(health: Option<&HealthCheck>) -> String {
    let Some(health) = health else { return "none".to_owned() };
    let probe = match &health.probe {
        Probe::Http { path, host, expect } => {
            let host = host.as_ref().map_or_else(String::new, |host| format!(" at {host}"));
            format!("GET {path}{host} answers {} to {}", expect.first, expect.last)
        }
        Probe::Tcp => "tcp".to_owned(),
        Probe::Exec(command) => format!("exec {}", command.text()),
    };
    format!(
        "{probe}, every {}, timeout {}, rise {}, fall {}, grace {}, replace-after {}",
        show_duration(health.interval),
        show_duration(health.timeout),
        health.rise,
        health.fall,
        show_duration(health.start_grace),
        show_duration(health.replace_after),
    )
}

fn show_source(source: &Source) -> String {
    match source {
        Source::Program(program) => format!("run {}", program.run.text()),
        Source::External(addresses) => {
            let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
            format!("at {}", addresses.join(", "))
        }
    }
}

fn show_on_crash(on_crash: OnCrash) -> &'static str {
    match on_crash {
        OnCrash::Keep => "keep",
        OnCrash::Stop => "stop",
    }
}

fn show_format(format: LogFormat) -> &'static str {
    match format {
        LogFormat::Text => "text",
        LogFormat::Json => "json",
    }
}

fn from(value: &EnvValue) -> String {
    match value {
        EnvValue::Plain(_) => String::new(),
        EnvValue::Secret(name) => format!(", from the secret {name}"),
    }
}

fn names(needs: &[model::ServiceName]) -> Vec<&str> {
    needs.iter().map(model::ServiceName::as_str).collect()
}

/// What becomes of replicas that are not wanted any more.
fn ending(count: u32) -> String {
    match count {
        0 => "nothing runs that could be stopped".to_owned(),
        1 => "1 replica finishes its requests and is stopped".to_owned(),
        count => format!("{count} replicas finish their requests and are stopped"),
    }
}

fn replicas(count: u32) -> String {
    plural(count as usize, "replica", "replicas")
}

fn plural(count: usize, one: &str, many: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {many}") }
}

/// FNV-1a (draft-eastlake-fnv, 64 bits).
fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests;
