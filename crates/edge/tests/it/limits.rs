//! Limits: at the limit it works, one beyond it does not. Times are set small; a slow machine
//! makes these tests slower, not wrong.

use std::time::Duration;

use crate::harness::{Backend, Proxy, eventually};

#[test]
fn a_head_that_does_not_end_is_408() {
    let backend = Backend::mirror();
    let proxy = Proxy::with(&[&backend], |settings| {
        settings.edge.limits.head_timeout = Duration::from_millis(200);
    });
    let mut client = proxy.client();
    client.say("GET / HTTP/1.1\r\nHost: a\r\nX-");
    assert_eq!(client.answer().status, 408);
    client.expect_closed();
    // One that says nothing is closed without a word.
    proxy.client().expect_closed();
}

#[test]
fn a_drop_now_and_then_does_not_keep_a_head_open() {
    let backend = Backend::mirror();
    let proxy = Proxy::with(&[&backend], |settings| {
        settings.edge.limits.head_timeout = Duration::from_millis(300);
    });
    let mut client = proxy.client();
    client.say("GET / HTTP/1.1\r\n");
    client.stream.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    let mut drops = 0;
    loop {
        use std::io::{Read, Write};
        match client.stream.read(&mut [0; 512]) {
            Ok(0..) => break,
            Err(_) => {
                drops += 1;
                assert!(drops < 2000, "a slow head is never ended");
                if client.stream.write_all(b"X").is_err() {
                    break;
                }
            }
        }
    }
    assert_eq!(backend.seen().len(), 0);
}

/// Reads the head and one piece of the body, and then waits for the proxy to give up.
fn waiting_for_more() -> Backend {
    Backend::start(|mut served| while served.head().is_some() {})
}

#[test]
fn a_body_that_crawls_is_408() {
    let backend = waiting_for_more();
    let proxy = Proxy::with(&[&backend], |settings| {
        settings.edge.limits.body_rate_min = 1000;
        settings.edge.limits.body_rate_grace = Duration::from_secs(1);
    });
    let mut client = proxy.client();
    client.say("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nab");
    assert_eq!(client.answer().status, 408);
    client.expect_closed();
}

#[test]
fn a_client_that_waits_for_100_is_not_slow() {
    let backend = waiting_for_more();
    let proxy = Proxy::with(&[&backend], |settings| {
        settings.edge.limits.body_rate_min = 1000;
        settings.edge.limits.body_rate_grace = Duration::from_millis(100);
        settings.route.total_timeout = Some(Duration::from_secs(1));
    });
    let head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n";
    // What ends it is the endpoint's time, not the client's.
    assert_eq!(proxy.ask(head).status, 504);
}

#[test]
fn an_idle_connection_is_closed_and_a_busy_one_is_not() {
    let backend = Backend::mirror();
    let proxy = Proxy::with(&[&backend], |settings| {
        settings.edge.limits.keep_alive_timeout = Duration::from_millis(200);
    });
    let mut client = proxy.client();
    for _ in 0..3 {
        assert_eq!(client.get("/").status, 200);
    }
    client.expect_closed();
}

#[test]
fn an_endpoint_that_does_not_answer_is_504() {
    let backend = Backend::start(|mut served| {
        served.request();
        served.request();
    });
    let proxy = Proxy::with(&[&backend], |settings| {
        settings.route.response_header_timeout = Duration::from_millis(200);
    });
    let mut client = proxy.client();
    assert_eq!(client.get("/").status, 504);
    assert_eq!(client.get("/").status, 504, "the client's connection lives on");
    assert_eq!(backend.seen().len(), 2, "a request that timed out is not repeated");
}

#[test]
fn an_endpoint_that_stops_in_its_answer_is_cut() {
    let backend = Backend::start(|mut served| {
        served.request();
        served.say("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
        served.request();
    });
    let proxy = Proxy::with(&[&backend], |settings| {
        settings.route.total_timeout = Some(Duration::from_millis(300));
    });
    let mut client = proxy.client();
    client.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    client.head();
    assert_eq!(client.rest(), b"half");
}

#[test]
fn a_body_at_the_limit_passes_and_one_byte_more_is_413() {
    let backend = Backend::start(|mut served| {
        while let Some(head) = served.head() {
            let body = if head.contains("Content-Length") { 10 } else { 20 };
            served.bytes(body);
            served.say("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        }
    });
    let proxy = Proxy::with(&[&backend], |settings| settings.route.body_bytes_max = 10);
    let counted = |bytes: usize| {
        let body = "x".repeat(bytes);
        proxy
            .ask(&format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {bytes}\r\n\r\n{body}"))
            .status
    };
    let chunked = |bytes: usize| {
        let body = "x".repeat(bytes);
        let head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
        proxy.ask(&format!("{head}{bytes:x}\r\n{body}\r\n0\r\n\r\n")).status
    };
    assert_eq!((counted(10), counted(11)), (200, 413));
    // "a", ten bytes, CRLF, and the end: 20 bytes on the wire.
    assert_eq!((chunked(10), chunked(11)), (200, 413));
}

#[test]
fn chunk_extensions_have_their_limit_and_go_no_further() {
    let backend = Backend::start(|mut served| {
        while served.head().is_some() {
            // The body as it stands on the wire: one chunk of two bytes, and the end.
            let body = served.bytes("2\r\nok\r\n0\r\n\r\n".len());
            let length = body.len();
            served.say(&format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n"));
            served.say(std::str::from_utf8(&body).unwrap());
        }
    });
    let proxy = Proxy::new(&[&backend]);
    let head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    // Counted with its semicolon.
    let of_bytes = |bytes: usize| format!("2;{}\r\nok\r\n0\r\n\r\n", "x".repeat(bytes - 1));
    let passed = proxy.ask(&format!("{head}{}", of_bytes(256)));
    assert_eq!((passed.status, passed.text().as_str()), (200, "2\r\nok\r\n0\r\n\r\n"));
    assert_eq!(proxy.ask(&format!("{head}{}", of_bytes(257))).status, 400);
    // One that never ends is not read to its end.
    let mut client = proxy.client();
    client.say(&format!("{head}2;{}", "x".repeat(4096)));
    assert_eq!(client.answer().status, 400);
    client.expect_closed();
}

#[test]
fn heads_fields_and_targets_have_their_limits() {
    let backend = Backend::answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    let proxy = Proxy::with(&[&backend], |settings| {
        let limits = &mut settings.edge.limits;
        limits.head_bytes_max = 2000;
        limits.field_count_max = 10;
        limits.target_bytes_max = 100;
    });
    let of_size = |bytes: usize| {
        let start = "GET / HTTP/1.1\r\nHost: a\r\nX: ";
        format!("{start}{}\r\n\r\n", "x".repeat(bytes - start.len() - 4))
    };
    assert_eq!(proxy.ask(&of_size(2000)).status, 200);
    assert_eq!(proxy.ask(&of_size(2001)).status, 431);
    let of_count =
        |count: usize| format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: y\r\n".repeat(count - 1));
    assert_eq!(proxy.ask(&of_count(10)).status, 200);
    assert_eq!(proxy.ask(&of_count(11)).status, 431);
    let of_target =
        |bytes: usize| format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(bytes - 1));
    assert_eq!(proxy.ask(&of_target(100)).status, 200);
    assert_eq!(proxy.ask(&of_target(101)).status, 414);
}

#[test]
fn an_endpoints_head_has_its_limit_too() {
    let long = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(70_000));
    let long: &'static str = Box::leak(long.into_boxed_str());
    let backend = Backend::answering(long);
    let proxy = Proxy::new(&[&backend]);
    assert_eq!(proxy.ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n").status, 502);
    let fits = format!("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX: {}\r\n\r\n", "x".repeat(60_000));
    let backend = Backend::answering(Box::leak(fits.into_boxed_str()));
    let proxy = Proxy::new(&[&backend]);
    assert_eq!(proxy.ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n").status, 200);
}

#[test]
fn one_connection_too_many_is_told_so() {
    let backend = Backend::mirror();
    let proxy = Proxy::with(&[&backend], |settings| {
        settings.edge.limits.connections_max = 3;
        settings.edge.limits.connections_per_client_max = 3;
    });
    let mut clients: Vec<_> = (0..3).map(|_| proxy.client()).collect();
    for client in &mut clients {
        assert_eq!(client.get("/").status, 200);
    }
    let mut refused = proxy.client();
    assert_eq!(refused.answer().status, 503);
    refused.expect_closed();
    clients.pop();
    eventually("a place is free", || proxy.edge.connection_count() == 2);
    assert_eq!(proxy.client().get("/").status, 200);
}

#[test]
fn one_connection_too_many_from_one_address_is_told_so() {
    let backend = Backend::mirror();
    let proxy =
        Proxy::with(&[&backend], |settings| settings.edge.limits.connections_per_client_max = 1);
    let mut first = proxy.client();
    assert_eq!(first.get("/").status, 200);
    let mut refused = proxy.client();
    assert_eq!(refused.answer().status, 429);
    assert_eq!(first.get("/").status, 200, "the others do not notice");
    assert_eq!(proxy.edge.meters().connections.refused, 1);
}
