//! Runs against small services that behave in one way each.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod service;

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use load::{Options, Pace, Report, run};

use crate::service::Service;

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";

/// So many requests in a closed loop over two connections, and no other end.
fn options(service: &Service, requests: u64) -> Options {
    let mut options = Options::new(service.url().parse().unwrap());
    options.connections = 2;
    options.requests = Some(requests);
    options.duration = None;
    options
}

fn load(options: &Options) -> Report {
    run(options, |_| ControlFlow::Continue(())).unwrap()
}

#[test]
fn every_request_is_sent_once_and_every_answer_counted() {
    let service = Service::answering(OK);
    let mut options = options(&service, 501);
    (options.connections, options.threads) = (7, 3);
    let report = load(&options);
    assert_eq!((report.requests, report.answers, report.failed), (501, 501, 0));
    assert_eq!(report.status.success, 501);
    assert_eq!(report.bytes_read, 501 * OK.len() as u64);
    assert_eq!(service.request_count(), 501);
    assert!(report.connections_opened <= 7);
    assert!(report.latency.max_us > 0.0);
}

#[test]
fn method_headers_and_body_arrive_as_given() {
    let service = Service::answering(OK);
    let mut options = options(&service, 1);
    options.method = "POST".to_owned();
    options.headers = vec![load::parse_header("X-Test: one two").unwrap()];
    options.body = b"three".to_vec();
    assert_eq!(load(&options).answers, 1);
    let request = service.last_request();
    assert!(request.starts_with("POST /path?query HTTP/1.1\r\nHost: 127.0.0.1:"), "{request}");
    assert!(request.contains("\r\nX-Test: one two\r\nContent-Length: 5\r\n"), "{request}");
    assert!(request.ends_with("\r\n\r\nthree"), "{request}");
}

#[test]
fn a_body_larger_than_the_socket_takes_at_once_is_sent_whole() {
    let service = Service::answering(OK);
    let mut options = options(&service, 3);
    options.method = "PUT".to_owned();
    options.body = vec![b'x'; 8 * 1024 * 1024];
    let report = load(&options);
    assert_eq!((report.answers, report.failed), (3, 0));
    assert!(report.bytes_written > 3 * options.body.len() as u64);
}

#[test]
fn a_service_that_closes_each_time_gets_new_connections() {
    let service =
        Service::answering(b"HTTP/1.1 404 No\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    let report = load(&options(&service, 20));
    assert_eq!((report.answers, report.connections_opened), (20, 20));
    assert_eq!((report.status.client_error, report.failed), (20, 0));
}

#[test]
fn errors_are_told_apart() {
    let closing = load(&options(&Service::answering(b""), 4));
    assert_eq!((closing.errors.closed, closing.failed, closing.answers), (4, 4, 0));
    let cut =
        load(&options(&Service::answering(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"), 4));
    assert_eq!((cut.errors.closed, cut.answers), (4, 0));
    let babbling = load(&options(&Service::answering(b"HTTP/3 yes\r\n\r\n"), 4));
    assert_eq!((babbling.errors.malformed, babbling.answers), (4, 0));
    let mut patient = options(&Service::silent(), 4);
    patient.timeout = Duration::from_millis(50);
    assert_eq!(load(&patient).errors.timeout, 4);
    let dead = options(&Service::dead(), 4);
    assert_eq!(load(&dead).errors.connect, 4);
}

/// The point of an open loop: a stall hurts all the requests that were due during it.
#[test]
fn a_stall_is_felt_by_every_request_that_was_due() {
    const STALL: Duration = Duration::from_millis(400);
    let stalled = |pace| {
        let service = Service::stalling_once(OK, 20, STALL);
        let mut options = options(&service, 200);
        (options.pace, options.connections) = (pace, 1);
        load(&options)
    };
    let open = stalled(Pace::Open { rate: 200.0 });
    assert_eq!((open.answers, open.failed), (200, 0));
    // Due within the stall: 80 of 200, and 60 of those in its first 300 ms wait at least 100 ms.
    let p75 = open.latency.percentile_us(75.0).unwrap();
    assert!(p75 >= 80_000.0, "p75 of {p75} µs hides the stall");
    let closed = stalled(Pace::Closed);
    assert_eq!(closed.answers, 200);
    assert!(closed.latency.max_us >= STALL.as_secs_f64() * 1e6);
    // One request of 200 saw it: that is why closed loops flatter.
    assert!(closed.latency.percentile_us(50.0).unwrap() < STALL.as_secs_f64() * 1e6);
}

#[test]
fn what_could_not_be_begun_is_reported() {
    let mut options = options(&Service::silent(), 100);
    options.pace = Pace::Open { rate: 1000.0 };
    options.duration = Some(Duration::from_millis(100));
    options.timeout = Duration::from_millis(200);
    options.thresholds = vec!["errors<1".parse().unwrap()];
    let report = load(&options);
    assert_eq!(report.errors.timeout, 2, "two connections carry a request each, for ever");
    assert_eq!(report.open_loop.unwrap().not_begun, 98);
    assert!(!report.passed);
}

#[test]
fn progress_comes_while_it_runs_and_can_end_it() {
    let service = Service::answering(OK);
    let mut options = options(&service, 1);
    options.requests = None;
    options.duration = Some(Duration::from_secs(3600));
    let start = Instant::now();
    let mut calls = 0;
    let report = run(&options, |progress| {
        calls += 1;
        assert!(progress.answers > 0 && progress.rate > 0.0);
        ControlFlow::Break(())
    });
    assert!(calls >= 1 && report.unwrap().answers > 0);
    assert!(start.elapsed() < Duration::from_secs(600), "it did not end early");
}

#[test]
fn a_host_without_an_address_is_named() {
    let options = Options::new("http://no-such-host.invalid/".parse().unwrap());
    let failure = run(&options, |_| ControlFlow::Continue(())).unwrap_err().to_string();
    assert!(failure.contains("no-such-host.invalid"), "{failure}");
}
