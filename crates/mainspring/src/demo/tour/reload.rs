//! The step in which the configuration changes while orders are on their way.

use std::thread;
use std::time::Instant;

use super::Tour;
use super::load;
use super::report::{StepReport, millis};
use super::steps::CALM;
use crate::demo::client;
use crate::demo::place::route;
use crate::demo::visitors;

/// A card that is paid after two seconds.
const SLOW_CARD: &str = "4000000000000044";

/// Refuses a wrong configuration; then adds a service, a route and a setting, and takes them back.
pub(super) fn step(tour: &mut Tour<'_>) -> StepReport {
    let mut step = StepReport::new("reload the configuration");
    let from = Instant::now();
    // This order takes two seconds: it is on its way through all that follows.
    let http = tour.place.http;
    let slow = thread::spawn(move || {
        let order = load::order(&visitors::reference(), SLOW_CARD).to_string();
        client::call(http, "POST", "/api/orders", Some(&order))
    });
    let begun = Instant::now();
    let outcome = change(tour);
    step.check(outcome);
    // Whatever came of it: the next step starts from a good file.
    step.check(tour.place.write_config(&tour.place.config()));
    step.detail = format!("refused one, did two in {} ms", millis(begun.elapsed()));
    thread::sleep(CALM);
    match slow.join() {
        Ok(ending) if ending.status() == Some(201) => {}
        Ok(ending) => step.complain(format!("the slow order: {}", ending.describe())),
        Err(_) => step.complain("the slow order was not sent"),
    }
    tour.finish(&mut step, from, |_, _| false);
    step
}

fn change(tour: &Tour<'_>) -> Result<(), String> {
    let (place, node) = (tour.place, &tour.node);
    let plain = place.config();
    let generation = node.status()?.node.config_generation;
    // Nobody is called that: the running configuration stays.
    place.write_config(&(plain.clone() + &route("/nowhere/**", &[], "nobody")))?;
    node.expect(&["reload"], 2)?;
    if node.status()?.node.config_generation != generation {
        return Err("a wrong configuration was put in force".to_owned());
    }
    // A second storefront under its own path, and a setting of users that restarts it.
    let more = plain.replacen("[service.users]", "[service.users]\nstop-grace = \"7s\"", 1)
        + &place.section("outlet", &place.launcher("outlet"), &[])
        + &route("/outlet/**", &[], "outlet");
    place.copy_launcher("storefront", "outlet")?;
    place.write_config(&more)?;
    reload_as_planned(tour)?;
    expect(tour, "/outlet", "outlet")?;
    place.write_config(&plain)?;
    reload_as_planned(tour)?;
    expect(tour, "/outlet", "storefront")
}

/// Plans, and does exactly what was planned.
fn reload_as_planned(tour: &Tour<'_>) -> Result<(), String> {
    let plan = tour.node.expect(&["plan", "--json"], 3)?;
    let plan: serde_json::Value =
        serde_json::from_str(&plan).map_err(|error| format!("plan --json: {error}: {plan}"))?;
    let id = plan.get("id").and_then(serde_json::Value::as_str).unwrap_or_default();
    tour.node.expect(&["reload", "--plan", id], 0)?;
    tour.node.expect(&["plan"], 0).map(|_| ())
}

/// The page is there, and comes from this service.
fn expect(tour: &Tour<'_>, path: &str, service: &str) -> Result<(), String> {
    let ending = client::call(tour.place.http, "GET", path, None);
    let explained = tour.node.expect(&["explain", "GET", path, "--json"], 0);
    if ending.status() != Some(200) {
        return Err(format!("{path}: {}", ending.describe()));
    }
    // `explain` reads the file, which the node has in force here.
    let explained = explained?;
    let told: serde_json::Value =
        serde_json::from_str(&explained).map_err(|error| format!("explain --json: {error}"))?;
    let found = told.get("service").and_then(serde_json::Value::as_str);
    if found != Some(service) {
        return Err(format!("{path} goes to {found:?}, not to {service}"));
    }
    Ok(())
}
