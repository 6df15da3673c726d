//! Balancing, with real threads where the promise is about them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use gateway::{
    Balance, Balancer, Directory, EdgePolicy, Endpoint, EndpointId, EndpointState, Lease,
    LeastConnections, RetryPolicy, RoundRobin, Service, ServiceSpec, Snapshot, TRIED_MAX, Tried,
    Unavailable,
};
use model::ServiceName;
use proptest::prelude::*;

const THREADS: usize = 8;
const LEASES: usize = 5_000;

fn endpoints(count: u64) -> Vec<Arc<Endpoint>> {
    let address = "127.0.0.1:1".parse().unwrap();
    let one = |number| {
        let label = format!("orders.{number}");
        Arc::new(Endpoint::new(EndpointId(number), &label, address, EndpointState::Ready))
    };
    (0..count).map(one).collect()
}

fn service(count: u16) -> (Directory, Arc<Snapshot>) {
    let name = ServiceName::new("orders").unwrap();
    let mut directory = Directory::new(EdgePolicy::default());
    let spec = ServiceSpec { name: name.clone(), retry: RetryPolicy::default() };
    directory.configure(vec![spec], vec![], EdgePolicy::default()).unwrap();
    for number in 1..=count {
        let address = ([127, 0, 0, 1], number).into();
        let label = format!("orders.{number}");
        assert!(directory.upsert_endpoint(&name, &label, address, EndpointState::Ready));
    }
    let snapshot = directory.snapshot();
    (directory, snapshot)
}

fn orders(snapshot: &Snapshot) -> &Service {
    snapshot.service(0).unwrap()
}

fn sequence(service: &Service, balance: Balance, count: usize) -> String {
    let lease = |_| service.lease(balance, &Tried::NONE).unwrap().label.replace("orders.", "");
    (0..count).map(lease).collect::<Vec<_>>().join(" ")
}

#[test]
fn round_robin_goes_round() {
    let (directory, snapshot) = service(3);
    assert_eq!(sequence(orders(&snapshot), Balance::RoundRobin, 6), "1 2 3 1 2 3");
    let name = ServiceName::new("orders").unwrap();
    assert!(directory.set_state(&name, "orders.2", EndpointState::Down));
    let even = sequence(orders(&snapshot), Balance::RoundRobin, 4);
    assert_eq!(even, "1 3 1 3", "the dead one's turns are shared, not inherited");
}

#[test]
fn equals_take_turns_under_least_connections() {
    let (_directory, snapshot) = service(3);
    assert_eq!(sequence(orders(&snapshot), Balance::LeastConnections, 6), "1 2 3 1 2 3");
}

#[test]
fn the_idlest_endpoint_is_next() {
    let endpoints = endpoints(3);
    endpoints[0].claim();
    endpoints[1].claim();
    endpoints[1].claim();
    let balancer = LeastConnections::default();
    let mut picks: Vec<usize> =
        (0..3).map(|_| balancer.claim(&endpoints, &Tried::NONE).unwrap()).collect();
    picks.sort_unstable();
    assert_eq!(picks, [0, 2, 2], "3 places were free up to the count of the fullest");
}

/// Every thread keeps what it claimed, so at the end the counts show every choice ever made.
fn counts_after_a_race(balancer: &dyn Balancer) -> Vec<u32> {
    let endpoints = endpoints(3);
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                for _ in 0..LEASES {
                    balancer.claim(&endpoints, &Tried::NONE).unwrap();
                }
            });
        }
    });
    endpoints.iter().map(|endpoint| endpoint.in_flight()).collect()
}

#[test]
fn round_robin_is_exact_across_threads() {
    let counts = counts_after_a_race(&RoundRobin::default());
    assert_eq!(counts.iter().sum::<u32>() as usize, THREADS * LEASES);
    assert!(counts.iter().max().unwrap() - counts.iter().min().unwrap() <= 1, "{counts:?}");
}

#[test]
fn least_connections_is_exact_across_threads() {
    let counts = counts_after_a_race(&LeastConnections::default());
    assert_eq!(counts.iter().sum::<u32>() as usize, THREADS * LEASES);
    assert!(counts.iter().max().unwrap() - counts.iter().min().unwrap() <= 1, "{counts:?}");
}

/// Two threads, two idle endpoints and a busy one, begun together: one claim each.
///
/// The final counts above cannot show a double choice, as later ones make it good. Ties go to
/// different endpoints by turn, except past the busy one: a third of the rounds are a real race.
#[test]
fn two_threads_never_choose_the_same_idle_endpoint() {
    const ROUNDS: usize = 10_000;
    let balancer = LeastConnections::default();
    let round = || {
        let endpoints = endpoints(3);
        (0..5).for_each(|_| endpoints[2].claim());
        endpoints
    };
    let rounds: Vec<Vec<Arc<Endpoint>>> = (0..ROUNDS).map(|_| round()).collect();
    let arrived = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                for (number, endpoints) in rounds.iter().enumerate() {
                    arrived.fetch_add(1, Ordering::SeqCst);
                    // Not a blocking barrier: its wake-ups would put one after the other.
                    let mut waits = 0_u32;
                    while arrived.load(Ordering::SeqCst) < 2 * (number + 1) {
                        waits += 1;
                        if waits.is_multiple_of(1_000) {
                            std::thread::yield_now();
                        }
                    }
                    balancer.claim(endpoints, &Tried::NONE).unwrap();
                }
            });
        }
    });
    for endpoints in &rounds {
        let counts: Vec<u32> = endpoints.iter().map(|endpoint| endpoint.in_flight()).collect();
        assert_eq!(counts, [1, 1, 5]);
    }
}

/// Leases race with a drain, many times over: once the drainer has seen nobody, nobody may come.
#[test]
fn drain_is_exact() {
    let name = ServiceName::new("orders").unwrap();
    for balance in [Balance::RoundRobin, Balance::LeastConnections] {
        for _ in 0..300 {
            let (directory, snapshot) = service(1);
            let endpoint = Arc::clone(&orders(&snapshot).endpoints[0]);
            std::thread::scope(|scope| {
                let racer = || {
                    while let Ok(lease) = orders(&snapshot).lease(balance, &Tried::NONE) {
                        // A lease in hand means that the drainer still counts it.
                        assert!(lease.in_flight() > 0);
                        drop(lease);
                    }
                };
                scope.spawn(racer);
                scope.spawn(racer);
                directory.set_state(&name, "orders.1", EndpointState::Draining);
                while directory.in_flight(&name, "orders.1") > 0 {
                    std::hint::spin_loop();
                }
                let requests = endpoint.requests();
                let late = orders(&snapshot).lease(balance, &Tried::NONE);
                assert_eq!(late.err(), Some(Unavailable::NoneReady));
                assert_eq!(endpoint.requests(), requests, "a lease was granted after the drain");
            });
        }
    }
}

#[test]
fn a_lease_counts_until_it_is_dropped() {
    let (directory, snapshot) = service(1);
    let name = ServiceName::new("orders").unwrap();
    let leases: Vec<Lease> = (0..3)
        .map(|_| orders(&snapshot).lease(Balance::RoundRobin, &Tried::NONE).unwrap())
        .collect();
    assert_eq!(directory.in_flight(&name, "orders.1"), 3);
    drop(leases);
    assert_eq!(directory.in_flight(&name, "orders.1"), 0);
}

#[test]
fn second_attempts_go_elsewhere_while_there_is_an_elsewhere() {
    let (_directory, snapshot) = service(2);
    for balance in [Balance::RoundRobin, Balance::LeastConnections] {
        let mut tried = Tried::NONE;
        let first = orders(&snapshot).lease(balance, &tried).unwrap();
        assert!(tried.insert(first.id));
        let second = orders(&snapshot).lease(balance, &tried).unwrap();
        assert_ne!(first.id, second.id);
        assert!(tried.insert(second.id));
        assert!(orders(&snapshot).lease(balance, &tried).is_ok(), "all tried: any of them");
    }
}

#[test]
fn a_request_remembers_as_many_attempts_as_it_may_make() {
    let mut tried = Tried::NONE;
    for number in 0..TRIED_MAX as u64 {
        assert!(tried.insert(EndpointId(number)));
    }
    assert!(tried.insert(EndpointId(0)), "known already");
    assert!(!tried.insert(EndpointId(TRIED_MAX as u64)));
}

proptest! {
    /// Whatever the states and counts: the choice is ready, untried, and for least connections
    /// nobody eligible has fewer.
    #[test]
    fn choices_are_eligible(
        setup in proptest::collection::vec((0..4_u8, 0..5_u32, any::<bool>()), 0..8),
        turns in 1..6_usize,
    ) {
        for least in [false, true] {
            let endpoints = endpoints(setup.len() as u64);
            let mut tried = Tried::NONE;
            for (endpoint, (state, in_flight, was_tried)) in endpoints.iter().zip(&setup) {
                endpoint.set_state(match state {
                    0 => EndpointState::Starting,
                    1 => EndpointState::Draining,
                    2 => EndpointState::Down,
                    _ => EndpointState::Ready,
                });
                (0..*in_flight).for_each(|_| endpoint.claim());
                if *was_tried {
                    tried.insert(endpoint.id);
                }
            }
            let fair = RoundRobin::default();
            let idle = LeastConnections::default();
            let balancer: &dyn Balancer = if least { &idle } else { &fair };
            for _ in 0..turns {
                let eligible: Vec<usize> = (0..endpoints.len())
                    .filter(|&place| endpoints[place].state() == EndpointState::Ready)
                    .filter(|&place| !tried.contains(endpoints[place].id))
                    .collect();
                let before: Vec<u32> = endpoints.iter().map(|one| one.in_flight()).collect();
                match balancer.claim(&endpoints, &tried) {
                    None => prop_assert!(eligible.is_empty()),
                    Some(place) => {
                        prop_assert!(eligible.contains(&place));
                        prop_assert_eq!(endpoints[place].in_flight(), before[place] + 1);
                        let fewest = eligible.iter().map(|&one| before[one]).min().unwrap();
                        prop_assert!(!least || before[place] == fewest);
                    }
                }
            }
        }
    }
}
