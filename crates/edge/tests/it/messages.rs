//! Heads and small messages: what is passed on, what is not, and our own answers.

use gateway::EndpointState;

use crate::harness::{Backend, Client, Proxy, name};

#[test]
fn a_request_arrives_with_its_own_fields_and_ours() {
    let backend = Backend::mirror();
    let proxy = Proxy::new(&[&backend]);
    let answer = proxy.ask(
        "GET /a/./b/../c?q=1%20 HTTP/1.1\r\nHost: Shop.Example:80\r\nX-Own: kept\r\n\
         X-Forwarded-For: 6.6.6.6\r\nConnection: x-hop, keep-alive\r\nX-Hop: gone\r\n\
         Keep-Alive: timeout=5\r\nProxy-Connection: keep-alive\r\nTE: gzip\r\n\r\n",
    );
    let head = answer.text();
    assert!(head.starts_with("GET /a/c?q=1%20 HTTP/1.1\r\nHost: shop.example:80\r\n"), "{head}");
    assert!(head.contains("X-Own: kept\r\n"));
    assert!(head.contains("X-Forwarded-For: 127.0.0.1\r\n"));
    for gone in ["6.6.6.6", "X-Hop", "Keep-Alive", "Proxy-Connection", "Connection", "TE:"] {
        assert!(!head.contains(gone), "{gone} in {head}");
    }
    assert!(head.contains("traceparent: 00-") && head.contains("X-Request-Id: "));
}

#[test]
fn a_trace_is_continued() {
    let backend = Backend::mirror();
    let proxy = Proxy::new(&[&backend]);
    let trace = "0af7651916cd43dd8448eb211c80319c";
    let answer = proxy.ask(&format!(
        "GET / HTTP/1.1\r\nHost: a\r\ntraceparent: 00-{trace}-b7ad6b7169203331-01\r\n\
         tracestate: x=1\r\n\r\n"
    ));
    let head = answer.text();
    assert!(head.contains(&format!("traceparent: 00-{trace}-")), "{head}");
    assert!(!head.contains("b7ad6b7169203331") && head.contains("tracestate: x=1"));
}

#[test]
fn connections_are_kept_on_both_sides() {
    let backend = Backend::mirror();
    let proxy = Proxy::with(&[&backend], |settings| settings.cores = 1);
    let mut client = proxy.client();
    for _ in 0..5 {
        assert_eq!(client.get("/").status, 200);
    }
    assert_eq!(backend.connections.load(std::sync::atomic::Ordering::SeqCst), 1);
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let backend = Backend::mirror();
    let proxy = Proxy::new(&[&backend]);
    let mut client = proxy.client();
    client.say(
        "GET /1 HTTP/1.1\r\nHost: a\r\n\r\nPOST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc\
         GET /3 HTTP/1.1\r\nHost: a\r\n\r\nPOST /4 HTTP/1.1\r\nHost: a\r\n\
         Transfer-Encoding: chunked\r\nContent-Type: x\r\n\r\n",
    );
    for path in ["/1", "/2", "/3"] {
        assert!(client.answer().text().contains(&format!(" {path} HTTP/1.1")));
    }
}

#[test]
fn a_head_request_gets_a_length_and_no_body() {
    let backend = Backend::answering("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
    let proxy = Proxy::new(&[&backend]);
    let mut client = proxy.client();
    for _ in 0..2 {
        client.say("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
        let head = client.head();
        assert!(head.contains("Content-Length: 1000"), "{head}");
    }
}

#[test]
fn an_old_client_gets_chunks_as_a_plain_body_that_ends_with_the_connection() {
    let backend = Backend::answering(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
    );
    let proxy = Proxy::new(&[&backend]);
    let mut client = proxy.client();
    client.say("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    let answer = client.answer();
    assert!(!answer.head.to_ascii_lowercase().contains("transfer-encoding"), "{}", answer.head);
    assert_eq!(answer.text(), "abcde");
}

#[test]
fn an_old_client_may_keep_its_connection_when_the_length_is_known() {
    let backend = Backend::answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    let proxy = Proxy::new(&[&backend]);
    let mut client = proxy.client();
    for _ in 0..2 {
        client.say("GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n");
        let answer = client.answer();
        assert_eq!(answer.field("connection").as_deref(), Some("keep-alive"));
    }
    client.say("GET / HTTP/1.0\r\nHost: a\r\n\r\n");
    assert_eq!(client.answer().text(), "ok");
    client.expect_closed();
}

#[test]
fn a_body_until_close_reaches_a_new_client_in_chunks() {
    let backend = Backend::start(|mut served| {
        if served.request().is_some() {
            served.say("HTTP/1.1 200 OK\r\n\r\nuntil the end");
        }
    });
    let proxy = Proxy::new(&[&backend]);
    let mut client = proxy.client();
    for _ in 0..2 {
        let answer = client.get("/");
        assert_eq!(answer.text(), "d\r\nuntil the end\r\n0\r\n\r\n");
    }
}

#[test]
fn a_client_that_asks_to_close_is_closed() {
    let backend = Backend::mirror();
    let proxy = Proxy::new(&[&backend]);
    let mut client = proxy.client();
    client.say("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert_eq!(client.answer().field("connection").as_deref(), Some("close"));
    client.expect_closed();
}

#[test]
fn a_client_that_half_closes_still_gets_its_answer() {
    let backend = Backend::mirror();
    let proxy = Proxy::new(&[&backend]);
    let mut client = proxy.client();
    client.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    client.stream.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(client.answer().status, 200);
}

#[test]
fn no_route_is_said_to_programs_and_to_browsers() {
    let backend = Backend::mirror();
    let proxy = Proxy::new(&[&backend]);
    proxy.directory.lock().unwrap().configure(vec![], vec![], Default::default()).unwrap();
    proxy.publish();
    let mut client = proxy.client();
    let answer = client.get("/");
    assert_eq!(answer.status, 404);
    assert_eq!(answer.field("content-type").as_deref(), Some("application/problem+json"));
    let id = answer.field("x-request-id").unwrap();
    assert!(answer.text().contains("Route not found") && answer.text().contains(&id));
    client.say("GET / HTTP/1.1\r\nHost: a\r\nAccept: text/html,*/*;q=0.8\r\n\r\n");
    let page = client.answer();
    assert!(page.text().contains("<html") && page.text().contains("Route not found"));
    assert_eq!(backend.seen().len(), 0);
}

#[test]
fn starting_is_503_with_a_time_to_come_back_and_down_is_502() {
    let backend = Backend::mirror();
    let proxy = Proxy::new(&[&backend]);
    let state = |state| {
        let directory = proxy.directory.lock().unwrap();
        assert!(directory.set_state(&name("backend"), "backend.0", state));
    };
    let mut client = proxy.client();
    state(EndpointState::Starting);
    let answer = client.get("/");
    assert_eq!((answer.status, answer.field("retry-after").is_some()), (503, true));
    state(EndpointState::Down);
    assert_eq!(client.get("/").status, 502);
    state(EndpointState::Ready);
    assert_eq!(client.get("/").status, 200);
}

#[test]
fn early_hints_are_passed_on_to_new_clients_only() {
    let backend = Backend::answering(
        "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
    );
    let proxy = Proxy::new(&[&backend]);
    let mut client = proxy.client();
    assert_eq!(client.get("/").status, 103);
    assert_eq!(client.answer().status, 204);
    let mut old = proxy.client();
    old.say("GET / HTTP/1.0\r\nHost: a\r\n\r\n");
    assert_eq!(old.answer().status, 204);
}

#[test]
fn an_answer_that_is_none_becomes_502() {
    for broken in [
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\nhello",
        "HTTP/1.1 200 OK\nContent-Length: 5\n\nhello",
        "SSH-2.0-OpenSSH_9.2\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n",
    ] {
        let backend = Backend::answering(broken);
        let proxy = Proxy::new(&[&backend]);
        let answer = proxy.ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(answer.status, 502, "{broken:?}");
    }
}

#[test]
fn bytes_behind_an_answer_reach_nobody() {
    let backend = Backend::answering(
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 EVIL\r\n\r\n",
    );
    let proxy = Proxy::new(&[&backend]);
    let mut client = proxy.client();
    for _ in 0..3 {
        let answer = client.get("/");
        assert_eq!((answer.status, answer.text()), (200, "ok".to_owned()));
    }
}

#[test]
fn an_answer_that_breaks_off_is_not_made_whole() {
    let backend = Backend::start(|mut served| {
        if served.request().is_some() {
            served.say("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
        }
    });
    let proxy = Proxy::new(&[&backend]);
    let mut client = proxy.client();
    client.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(client.head().contains("Content-Length: 10"));
    assert_eq!(client.rest(), b"half");
}

#[test]
fn a_services_own_door_needs_no_route() {
    let backend = Backend::mirror();
    let proxy = Proxy::new(&[&backend]);
    let door = edge::Door::Service(name("backend"));
    let listener = edge::Listener { address: "127.0.0.1:0".parse().unwrap(), door: door.clone() };
    proxy.edge.set_listeners(&[listener]).unwrap();
    let (opened, address) = proxy.edge.addresses()[0].clone();
    assert_eq!(opened, door);
    let mut client = Client::connect(address);
    assert_eq!(client.get("/anything").status, 200);
    crate::harness::eventually("counted under the door's name", || {
        let meters = proxy.edge.meters();
        let mut routes = meters.routes.iter();
        routes.any(|one| one.route == "door:backend" && one.traffic.statuses.success == 1)
    });
}
