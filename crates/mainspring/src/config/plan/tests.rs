//! What a plan says of changes, one kind at a time.

use std::path::Path;

use super::*;
use crate::config::load_text;

const BASE: &str = "
[service.orders]
run = \"orders\"
replicas = 2
env = { LOG = \"info\", KEY = { secret = \"pay-key\" } }

[service.old]
at = [\"127.0.0.1:5001\"]

[[route]]
path = \"/orders/**\"
to = \"orders\"

[[route]]
path = \"/old/**\"
to = \"old\"
";

fn read(text: &str) -> Config {
    load_text(Path::new("/srv/mainspring.toml"), text)
        .unwrap_or_else(|problems| panic!("{}", problems.render(false)))
}

/// Replaces `from` in the base and shows the plan, a line a change and an indented one a detail.
fn check(from: &str, to: &str, want: &[&str]) {
    assert!(BASE.contains(from), "{from}");
    let report = diff(&read(BASE), &read(&BASE.replace(from, to)), 1);
    let mut shown = Vec::new();
    for change in &report.changes {
        shown.push(format!("{:?} {}: {}", change.action, change.name, change.effect));
        shown.extend(change.details.iter().map(|detail| format!("  {detail}")));
    }
    assert_eq!(shown, want);
}

#[test]
fn the_same_text_is_no_change() {
    check("replicas = 2", "replicas   =   2 # two", &[]);
}

#[test]
fn what_processes_see_is_a_rolling_deploy() {
    check(
        "run = \"orders\"",
        "run = \"orders -v\"",
        &[
            "Changed orders: rolling deploy of 2 replicas: no request is dropped",
            "  run: \"orders\" → \"orders -v\"",
        ],
    );
}

#[test]
fn values_of_variables_are_never_shown() {
    check(
        "LOG = \"info\"",
        "LOG = \"hunter2\", NEW = \"hunter3\"",
        &[
            "Changed orders: rolling deploy of 2 replicas: no request is dropped",
            "  env LOG: changed",
            "  env NEW: added",
        ],
    );
}

#[test]
fn scaling_says_how_many_start_or_stop() {
    check(
        "replicas = 2",
        "replicas = 5",
        &["Changed orders: 3 more replicas start: no request is dropped", "  replicas: 2 → 5"],
    );
    check(
        "replicas = 2",
        "replicas = 1",
        &[
            "Changed orders: 1 replica finishes its requests and is stopped: no request is dropped",
            "  replicas: 2 → 1",
        ],
    );
}

#[test]
fn what_holds_for_running_processes_restarts_nothing() {
    check(
        "replicas = 2",
        "replicas = 2\nstop-grace = \"3s\"",
        &[
            "Changed orders: holds for what runs: nothing is restarted",
            "  stop-grace: \"10s\" → \"3s\"",
        ],
    );
}

#[test]
fn routes_and_services_come_and_go() {
    check(
        "[[route]]\npath = \"/old/**\"\nto = \"old\"\n",
        "[[route]]\npath = \"/new\"\nto = \"orders\"\n",
        &[
            "Added /new: requests that match go to orders",
            "  matches /new",
            "Removed /old/**: its requests take the next route that matches, or are answered with \
             404; those in hand are finished",
            "  matched /old/**",
        ],
    );
}

#[test]
fn a_route_that_leads_elsewhere_says_where() {
    check(
        "path = \"/old/**\"\nto = \"old\"",
        "path = \"/old/**\"\nto = { old = 9, orders = 1 }\nretries = 0",
        &[
            "Changed /old/**: new requests go to old 90 %, orders 10 %; those in hand are \
             finished where they are",
            "  to: \"old\" → \"old 90 %, orders 10 %\"",
            "  retries: 2 → 0",
        ],
    );
}

#[test]
fn settings_that_need_a_restart_say_so() {
    check(
        "\n[service.orders]",
        "[listen]\nhttp = [\"0.0.0.0:8080\", \"127.0.0.1:81\"]\nconsole = \"127.0.0.1:7\"\n\
         [node]\nregion = \"x\"\ncores = 1\n[service.orders]",
        &[
            "Added http 127.0.0.1:81: opens",
            "Changed console: needs a restart of Mainspring: reload refuses it",
            "  127.0.0.1:7070 → 127.0.0.1:7",
            "Changed [node]: needs a restart of Mainspring: reload refuses it",
            "  cores: not set → 1",
            "Changed [node] region: is shown; traffic does not change",
            "  region: not set → \"x\"",
        ],
    );
}

#[test]
fn the_id_names_the_pair_and_the_generation() {
    let (one, two) = (read(BASE), read(&BASE.replace("replicas = 2", "replicas = 3")));
    let id = diff(&one, &two, 1).id;
    assert_eq!(diff(&one.clone(), &two.clone(), 1).id, id);
    for other in [diff(&one, &two, 2), diff(&one, &one, 1), diff(&two, &one, 1)] {
        assert_ne!(other.id, id);
    }
}
