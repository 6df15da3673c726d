//! What survives a change of configuration, and what is said when nothing is there.

use std::net::SocketAddr;
use std::sync::Arc;

use gateway::{
    Balance, Directory, EdgePolicy, EndpointState, HostMatch, PathMatch, RetryPolicy, RoutePolicy,
    RouteSpec, ServiceSpec, Tried, Unavailable,
};
use model::ServiceName;

fn name(text: &str) -> ServiceName {
    ServiceName::new(text).unwrap()
}

fn address(port: u16) -> SocketAddr {
    ([127, 0, 0, 1], port).into()
}

fn route(to: &str) -> RouteSpec {
    RouteSpec {
        name: to.to_owned(),
        host: HostMatch::Any,
        path: PathMatch::parse(&format!("/{to}/**")).unwrap(),
        methods: vec![],
        headers: vec![],
        to: vec![(name(to), 1)],
        policy: RoutePolicy::default(),
    }
}

fn configure(directory: &mut Directory, services: &[&str]) {
    let specs = services
        .iter()
        .map(|one| ServiceSpec { name: name(one), retry: RetryPolicy::default() })
        .collect();
    let routes = services.iter().map(|one| route(one)).collect();
    directory.configure(specs, routes, EdgePolicy::default()).unwrap();
}

#[test]
fn a_reload_keeps_endpoints_counters_and_turns_of_what_stays() {
    let mut directory = Directory::new(EdgePolicy::default());
    configure(&mut directory, &["orders", "users"]);
    for port in 1..=3 {
        let label = format!("orders.{port}");
        directory.upsert_endpoint(&name("orders"), &label, address(port), EndpointState::Ready);
    }
    let before = directory.snapshot();
    let orders = before.service_named(&name("orders")).unwrap();
    let lease = orders.lease(Balance::RoundRobin, &Tried::NONE).unwrap();
    assert_eq!(lease.label, "orders.1");

    configure(&mut directory, &["cart", "orders"]);
    let after = directory.snapshot();
    assert!(after.generation > before.generation);
    assert!(after.service_named(&name("users")).is_none());
    let same = after.service_named(&name("orders")).unwrap();
    assert!(Arc::ptr_eq(&orders.endpoints[0], &same.endpoints[0]));
    assert_eq!(directory.in_flight(&name("orders"), "orders.1"), 1);
    let next = same.lease(Balance::RoundRobin, &Tried::NONE).unwrap();
    assert_eq!(next.label, "orders.2", "the turn goes on");
    // The older snapshot, which other cores may still hold, counts with the same counters.
    let next = orders.lease(Balance::RoundRobin, &Tried::NONE).unwrap();
    assert_eq!(next.label, "orders.3");
}

#[test]
fn a_bad_configuration_changes_nothing() {
    let mut directory = Directory::new(EdgePolicy::default());
    configure(&mut directory, &["orders"]);
    let before = directory.snapshot();
    let problems = directory
        .configure(vec![], vec![route("orders"), route("users")], EdgePolicy::default())
        .unwrap_err();
    assert_eq!(problems.len(), 2, "all at once");
    assert!(problems[0].message.contains("there is no service orders"), "{}", problems[0]);
    let after = directory.snapshot();
    assert_eq!(after.generation, before.generation);
    assert!(after.service_named(&name("orders")).is_some());
}

#[test]
fn a_removed_endpoint_gets_nothing_new_and_is_waited_for() {
    let mut directory = Directory::new(EdgePolicy::default());
    configure(&mut directory, &["orders"]);
    let orders = name("orders");
    directory.upsert_endpoint(&orders, "orders.1", address(1), EndpointState::Ready);
    let old = directory.snapshot();
    let lease = old.services[0].lease(Balance::RoundRobin, &Tried::NONE).unwrap();

    assert!(directory.remove_endpoint(&orders, "orders.1"));
    assert_eq!(directory.in_flight(&orders, "orders.1"), 1);
    let again = old.services[0].lease(Balance::RoundRobin, &Tried::NONE);
    assert_eq!(again.err(), Some(Unavailable::NoneReady), "even through an older snapshot");
    drop(lease);
    assert_eq!(directory.in_flight(&orders, "orders.1"), 0);
    assert!(!directory.remove_endpoint(&orders, "orders.1"));
}

#[test]
fn another_address_under_a_label_is_another_endpoint() {
    let mut directory = Directory::new(EdgePolicy::default());
    configure(&mut directory, &["orders"]);
    let orders = name("orders");
    directory.upsert_endpoint(&orders, "orders.1", address(1), EndpointState::Ready);
    let first = Arc::clone(&directory.snapshot().services[0].endpoints[0]);
    directory.upsert_endpoint(&orders, "orders.1", address(2), EndpointState::Ready);
    let second = Arc::clone(&directory.snapshot().services[0].endpoints[0]);
    assert_ne!(first.id, second.id);
    assert_eq!(first.state(), EndpointState::Draining);
    assert_eq!(second.address, address(2));
}

#[test]
fn set_endpoints_changes_only_the_difference() {
    let mut directory = Directory::new(EdgePolicy::default());
    configure(&mut directory, &["legacy"]);
    let legacy = name("legacy");
    let list = |ports: &[u16]| -> Vec<(String, SocketAddr)> {
        ports.iter().map(|&port| (format!("legacy@{port}"), address(port))).collect()
    };
    assert!(directory.set_endpoints(&legacy, &list(&[1, 2])));
    directory.set_state(&legacy, "legacy@2", EndpointState::Down);
    let kept = directory.snapshot().services[0].endpoints[1].id;
    directory.set_endpoints(&legacy, &list(&[2, 3]));
    let snapshot = directory.snapshot();
    let now = &snapshot.services[0].endpoints;
    let labels: Vec<&str> = now.iter().map(|one| one.label.as_str()).collect();
    assert_eq!(labels, ["legacy@2", "legacy@3"]);
    assert_eq!((now[0].id, now[0].state()), (kept, EndpointState::Down));
    assert!(!directory.set_endpoints(&name("other"), &[]));
}

#[test]
fn unavailability_has_its_reason() {
    let mut directory = Directory::new(EdgePolicy::default());
    configure(&mut directory, &["orders"]);
    let orders = name("orders");
    let lease = |directory: &Directory| {
        directory.snapshot().services[0].lease(Balance::RoundRobin, &Tried::NONE).err()
    };
    assert_eq!(lease(&directory), Some(Unavailable::NoneReady), "none yet");
    directory.upsert_endpoint(&orders, "orders.1", address(1), EndpointState::Starting);
    assert_eq!(lease(&directory), Some(Unavailable::NoneReady));
    directory.set_state(&orders, "orders.1", EndpointState::Down);
    assert_eq!(lease(&directory), Some(Unavailable::Down));
    directory.upsert_endpoint(&orders, "orders.2", address(2), EndpointState::Draining);
    assert_eq!(lease(&directory), Some(Unavailable::NoneReady));
    directory.set_state(&orders, "orders.2", EndpointState::Ready);
    assert_eq!(lease(&directory), None);
    directory.set_endpoints(&orders, &[]);
    directory.set_stopped(&orders, true);
    assert_eq!(lease(&directory), Some(Unavailable::Down), "stopped on purpose");
    directory.set_stopped(&orders, false);
    assert_eq!(lease(&directory), Some(Unavailable::NoneReady));
    assert_eq!(directory.snapshot().services[0].unavailable_count(), 6);
}
