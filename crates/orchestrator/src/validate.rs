//! What a set of services must satisfy before anything is started.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use model::ServiceName;

use crate::{ServiceSpec, Source};

/// Most replicas of one service on one node.
pub const REPLICAS_MAX: u32 = 1_000;

/// One thing wrong with a set of services.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SpecProblem {
    /// Two services have this name.
    Duplicate(ServiceName),
    /// `service` needs something that is not there.
    UnknownNeed {
        /// Who needs it.
        service: ServiceName,
        /// What does not exist.
        need: ServiceName,
    },
    /// These need each other in a circle, so none could ever start.
    Cycle(Vec<ServiceName>),
    /// A number is outside what makes sense.
    OutOfRange {
        /// Of which service.
        service: ServiceName,
        /// What and why.
        message: String,
    },
}

/// Checks `specs` together: all problems at once, not the first alone.
///
/// # Errors
/// One entry for each problem.
pub fn check_specs(specs: &[ServiceSpec]) -> Result<(), Vec<SpecProblem>> {
    let mut problems = Vec::new();
    let mut by_name = BTreeMap::new();
    for spec in specs {
        if by_name.insert(spec.name.clone(), spec).is_some() {
            problems.push(SpecProblem::Duplicate(spec.name.clone()));
        }
        problems.extend(ranges(spec));
    }
    for spec in specs {
        let unknown = spec.needs.iter().filter(|need| !by_name.contains_key(*need));
        problems.extend(unknown.map(|need| SpecProblem::UnknownNeed {
            service: spec.name.clone(),
            need: need.clone(),
        }));
    }
    problems.extend(cycles(&by_name));
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}

/// The variable by which others find `service`: `MAINSPRING_ORDERS_V2_URL` for `orders-v2`.
pub fn environment_name(service: &ServiceName) -> String {
    format!("MAINSPRING_{}_URL", service.as_str().to_ascii_uppercase().replace('-', "_"))
}

fn ranges(spec: &ServiceSpec) -> Vec<SpecProblem> {
    let mut messages = Vec::new();
    match &spec.source {
        Source::Program(program) => {
            if program.replicas > REPLICAS_MAX {
                messages.push(format!(
                    "replicas = {} is more than the {REPLICAS_MAX} that one node runs",
                    program.replicas
                ));
            }
            if program.deploy.surge == 0 {
                messages.push("a deploy needs room for one extra replica: surge ≥ 1".to_owned());
            }
            if program.deploy.attempts == 0 {
                messages.push("a deploy needs at least one attempt".to_owned());
            }
            if program.limits.cpu_millis == Some(0) || program.limits.memory_bytes == Some(0) {
                messages.push("a limit of nothing would stop it from running".to_owned());
            }
        }
        Source::External(addresses) => {
            if addresses.is_empty() {
                messages.push("`at` has no address: write at least one".to_owned());
            }
        }
    }
    if let Some(health) = &spec.health {
        if health.rise == 0 || health.fall == 0 {
            messages.push("rise and fall count checks in a row: at least 1".to_owned());
        }
        if health.interval.is_zero() || health.timeout.is_zero() {
            messages.push("a health check needs an interval and a time-out above zero".to_owned());
        }
    }
    let problem = |message| SpecProblem::OutOfRange { service: spec.name.clone(), message };
    messages.into_iter().map(problem).collect()
}

/// Each circle of needs once, beginning with its first name in order.
fn cycles(by_name: &BTreeMap<ServiceName, &ServiceSpec>) -> Vec<SpecProblem> {
    let mut found = Vec::new();
    let mut finished = BTreeSet::new();
    for start in by_name.keys() {
        // Depth first, with an own stack: (service, which need comes next).
        let mut path: Vec<(&ServiceName, usize)> = Vec::new();
        if !finished.contains(start) {
            path.push((start, 0));
        }
        while let Some((name, next)) = path.pop() {
            let need = by_name.get(name).and_then(|spec| spec.needs.get(next));
            let Some(need) = need else {
                finished.insert(name);
                continue;
            };
            path.push((name, next + 1));
            if let Some(begin) = path.iter().position(|(on_path, _)| *on_path == need) {
                let circle = path.iter().skip(begin).map(|(name, _)| (*name).clone()).collect();
                found.push(SpecProblem::Cycle(circle));
            } else if !finished.contains(need) && by_name.contains_key(need) {
                path.push((need, 0));
            }
        }
    }
    found
}

impl fmt::Display for SpecProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Duplicate(name) => write!(f, "two services are called {name}"),
            Self::UnknownNeed { service, need } => {
                write!(f, "{service} needs {need}, which is not a service here")
            }
            Self::Cycle(names) => {
                let mut chain: Vec<&str> = names.iter().map(ServiceName::as_str).collect();
                chain.extend(names.first().map(ServiceName::as_str));
                write!(f, "these need each other, so none can start: {}", chain.join(" → "))
            }
            Self::OutOfRange { service, message } => write!(f, "{service}: {message}"),
        }
    }
}

impl std::error::Error for SpecProblem {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::CommandLine;

    fn specs(needs: &[(&str, &[&str])]) -> Vec<ServiceSpec> {
        let name = |text: &str| ServiceName::new(text).unwrap();
        needs
            .iter()
            .map(|(service, needs)| {
                let run = CommandLine::split("run").unwrap();
                let mut spec = ServiceSpec::program(name(service), run);
                spec.needs = needs.iter().map(|need| name(need)).collect();
                spec
            })
            .collect()
    }

    fn check(needs: &[(&str, &[&str])], want: &[&str]) {
        let problems = check_specs(&specs(needs)).err().unwrap_or_default();
        let messages: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(messages, want);
    }

    #[test]
    fn needs_that_can_be_met_are_fine() {
        check(&[("a", &["b", "c"]), ("b", &["c"]), ("c", &[])], &[]);
    }

    #[test]
    fn circles_and_unknown_needs_are_all_named() {
        check(
            &[("a", &["b"]), ("b", &["c"]), ("c", &["a", "nope"]), ("d", &["d"])],
            &[
                "c needs nope, which is not a service here",
                "these need each other, so none can start: a → b → c → a",
                "these need each other, so none can start: d → d",
            ],
        );
    }

    #[test]
    fn the_replica_limit_is_exact() {
        let with = |replicas| {
            let mut specs = specs(&[("a", &[])]);
            if let Source::Program(program) = &mut specs[0].source {
                program.replicas = replicas;
            }
            check_specs(&specs).is_ok()
        };
        assert!(with(REPLICAS_MAX));
        assert!(!with(REPLICAS_MAX + 1));
    }

    #[test]
    fn discovery_variables_are_upper_case_with_underscores() {
        assert_eq!(
            environment_name(&ServiceName::new("orders-v2").unwrap()),
            "MAINSPRING_ORDERS_V2_URL"
        );
    }
}
