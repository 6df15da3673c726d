//! What is tried again, and what never is.

use std::net::{SocketAddr, TcpListener};

use crate::harness::{Backend, Proxy, name};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// An address at which nobody listens.
fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// Reads a request and hangs up.
fn hanging_up() -> Backend {
    Backend::start(|mut served| {
        served.request();
    })
}

#[test]
fn an_endpoint_that_cannot_be_reached_costs_nothing_whatever_the_method() {
    let good = Backend::answering(OK);
    let proxy = Proxy::to(&[nobody(), good.address], |_| {});
    let mut client = proxy.client();
    for _ in 0..4 {
        client.say("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody");
        assert_eq!(client.answer().status, 200);
    }
    assert_eq!(good.seen().len(), 4);
    let meters = proxy.edge.meters();
    assert_eq!(meters.services[0].retries, 2);
    assert_eq!(meters.endpoints[0].failures, 2);
}

#[test]
fn nobody_anywhere_is_502() {
    let proxy = Proxy::to(&[nobody(), nobody()], |_| {});
    assert_eq!(proxy.ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n").status, 502);
}

#[test]
fn a_lost_get_is_asked_elsewhere_and_a_lost_post_is_not() {
    let (bad, good) = (hanging_up(), Backend::answering(OK));
    let proxy = Proxy::new(&[&bad, &good]);
    let mut client = proxy.client();
    for _ in 0..2 {
        assert_eq!(client.get("/").status, 200);
    }
    let (mut ok, mut failed) = (0, 0);
    for _ in 0..4 {
        client.say("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody");
        match client.answer().status {
            200 => ok += 1,
            502 => failed += 1,
            other => panic!("{other}"),
        }
    }
    let posts =
        |backend: &Backend| backend.seen().iter().filter(|head| head.starts_with("POST")).count();
    assert_eq!((ok, failed), (2, 2));
    assert_eq!((posts(&good), posts(&bad)), (2, 2), "none was sent twice");
}

#[test]
fn as_many_retries_as_the_route_allows() {
    let (one, two, three) = (hanging_up(), hanging_up(), hanging_up());
    for (retries, attempts) in [(0, 1), (1, 2), (2, 3)] {
        let before: usize = [&one, &two, &three].iter().map(|one| one.seen().len()).sum();
        let proxy = Proxy::with(&[&one, &two, &three], |settings| settings.route.retries = retries);
        assert_eq!(proxy.ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n").status, 502);
        let after: usize = [&one, &two, &three].iter().map(|one| one.seen().len()).sum();
        assert_eq!(after - before, attempts, "{retries} retries");
    }
}

#[test]
fn a_kept_connection_that_died_is_replaced_unnoticed() {
    // Says that it keeps the connection, and hangs up all the same.
    let backend = Backend::start(|mut served| {
        if served.request().is_some() {
            served.say(OK);
        }
    });
    let proxy = Proxy::with(&[&backend], |settings| settings.cores = 1);
    let mut client = proxy.client();
    for turn in 0..30 {
        if turn % 3 == 0 {
            // Only once the closed connection was noticed is it certain that a POST does not race
            // with the close.
            crate::harness::eventually("its connection ended", || {
                let connections = proxy.edge.meters().connections;
                connections.upstream_idle == 0 && connections.upstream_active == 0
            });
            client.say("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody");
            assert_eq!(client.answer().status, 200, "turn {turn}");
        } else {
            assert_eq!(client.get("/").status, 200, "turn {turn}");
        }
    }
    assert_eq!(backend.seen().len(), 30, "each request was executed once");
    assert_eq!(proxy.edge.meters().endpoints[0].failures, 0, "the endpoint did nothing wrong");
}

#[test]
fn retries_stop_when_the_budget_is_spent() {
    let (bad, worse) = (hanging_up(), hanging_up());
    let proxy = Proxy::with(&[&bad, &worse], |settings| settings.route.retries = 1);
    proxy
        .directory
        .lock()
        .unwrap()
        .configure(
            vec![gateway::ServiceSpec {
                name: name("backend"),
                retry: gateway::RetryPolicy { percent: 0, floor_per_second: 1 },
            }],
            vec![crate::harness::route(
                "all",
                "/**",
                "backend",
                gateway::RoutePolicy { retries: 1, ..Default::default() },
            )],
            Default::default(),
        )
        .unwrap();
    proxy.publish();
    let mut client = proxy.client();
    for _ in 0..40 {
        assert_eq!(client.get("/").status, 502);
    }
    let meters = proxy.edge.meters();
    let service = &meters.services[0];
    // One a second over ten seconds; the test may take a few of them on a slow machine.
    assert!((10..=25).contains(&service.retries), "{} retries", service.retries);
    assert_eq!(service.retries + service.retries_refused, 40);
}
