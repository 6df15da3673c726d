//! What must hold between the sections of a file.

use std::collections::BTreeMap;
use std::ops::Range;

use model::ServiceName;
use orchestrator::{SpecProblem, check_specs};

use super::ListenConfig;
use super::diagnostic::Found;
use super::reader::nearest;
use super::service::Placed;

/// Checks services against each other and against the doors.
pub(super) fn services(services: &[Placed], listen: Option<&ListenConfig>, found: &mut Found) {
    let places: BTreeMap<&ServiceName, &Placed> =
        services.iter().map(|placed| (&placed.spec.name, placed)).collect();
    for placed in services {
        check_needs(placed, &places, found);
        if let (orchestrator::Source::External(addresses), Some(listen)) =
            (&placed.spec.source, listen)
        {
            for (address, place) in addresses.iter().zip(&placed.at) {
                if address.port() == 0 {
                    let title = format!("port 0 in `at` of [service.{}]", placed.spec.name);
                    let label = "only a door of ours can take any free port";
                    found.error(place.clone(), title, label, "write the service's port");
                } else if listen.http.contains(address) || listen.console == *address {
                    let title = format!("[service.{}] is Mainspring itself", placed.spec.name);
                    let label = "this address is one of [listen]";
                    found.error(place.clone(), title, label, "write the service's own address");
                }
            }
        }
    }
    let specs: Vec<_> = services.iter().map(|placed| placed.spec.clone()).collect();
    for problem in check_specs(&specs).err().unwrap_or_default() {
        match &problem {
            // Told above, with the nearest name; or impossible, as TOML has no equal keys.
            SpecProblem::UnknownNeed { .. } | SpecProblem::Duplicate(_) => {}
            SpecProblem::Cycle(names) => {
                let place = cycle_place(names, &places);
                let help = "remove one of these needs; a service can also wait for another by asking it until it answers";
                found.error(place, problem.to_string(), "one of the needs in the circle", help);
            }
            SpecProblem::OutOfRange { service, message } => {
                let place = places.get(service).map_or(0..0, |placed| placed.name.clone());
                found.error(place, format!("wrong value in [service.{service}]"), message, "");
            }
        }
    }
}

/// The sentence for a name that no service has.
pub(super) fn unknown_service<'n>(name: &str, known: impl Iterator<Item = &'n str>) -> String {
    let known: Vec<&str> = known.collect();
    match nearest(name, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None if known.is_empty() => format!("add a section [service.{name}]"),
        None => format!("no section [service.{name}]; there are {}", shorten(&known)),
    }
}

fn check_needs(placed: &Placed, places: &BTreeMap<&ServiceName, &Placed>, found: &mut Found) {
    for (need, place) in placed.spec.needs.iter().zip(&placed.needs) {
        if !places.contains_key(need) {
            let title = format!("[service.{}] needs an unknown service `{need}`", placed.spec.name);
            let label = unknown_service(need.as_str(), places.keys().map(|name| name.as_str()));
            found.error(place.clone(), title, label, "");
        }
    }
}

/// The entry of `needs` by which the first service of a circle leads to the next.
fn cycle_place(names: &[ServiceName], places: &BTreeMap<&ServiceName, &Placed>) -> Range<usize> {
    let Some(first) = names.first() else { return 0..0 };
    let next = names.get(1).unwrap_or(first);
    let Some(placed) = places.get(first) else { return 0..0 };
    let entry = placed.spec.needs.iter().zip(&placed.needs).find(|(need, _)| *need == next);
    entry.map_or(placed.name.clone(), |(_, place)| place.clone())
}

/// The first few of many names.
fn shorten(names: &[&str]) -> String {
    const SHOWN_MAX: usize = 8;
    let mut text = names.iter().take(SHOWN_MAX).copied().collect::<Vec<_>>().join(", ");
    if names.len() > SHOWN_MAX {
        text.push_str(", …");
    }
    text
}
