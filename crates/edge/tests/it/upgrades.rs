//! Connections that leave HTTP.

use std::io::{Read, Write};
use std::time::Duration;

use crate::harness::{Backend, Client, Proxy, eventually, name, route, service};

const UPGRADE: &str = "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                       Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
const SWITCHED: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n\
                        Upgrade: websocket\r\n\r\n";

/// Agrees to every upgrade and then sends back whatever comes.
fn echo() -> Backend {
    Backend::start(|mut served| {
        let Some(head) = served.head() else { return };
        assert!(
            head.contains("Upgrade: websocket\r\n") && head.contains("Connection: Upgrade\r\n")
        );
        served.say(SWITCHED);
        let mut buffer = [0; 4096];
        loop {
            match served.stream.read(&mut buffer) {
                Ok(0) | Err(_) => return,
                Ok(bytes) => served.stream.write_all(&buffer[..bytes]).unwrap(),
            }
        }
    })
}

fn switched(proxy: &Proxy) -> Client {
    let mut client = proxy.client();
    client.say(UPGRADE);
    let head = client.head();
    assert!(head.starts_with("HTTP/1.1 101 ") && head.contains("Upgrade: websocket"), "{head}");
    client
}

fn ping(client: &mut Client, text: &str) {
    client.say(text);
    assert_eq!(client.bytes(text.len()), text.as_bytes());
}

#[test]
fn after_101_bytes_pass_both_ways_and_are_counted() {
    let proxy = Proxy::new(&[&echo()]);
    let mut client = switched(&proxy);
    ping(&mut client, "not HTTP \u{1}\u{2} at all");
    let long = "x".repeat(300_000);
    let mut sender = client.stream.try_clone().unwrap();
    let text = long.clone();
    let sending = std::thread::spawn(move || sender.write_all(text.as_bytes()).unwrap());
    assert_eq!(client.bytes(long.len()), long.as_bytes());
    sending.join().unwrap();
    let connections = proxy.edge.meters().connections;
    assert_eq!((connections.upgraded, connections.active), (1, 0));
    let in_flight = || proxy.directory.lock().unwrap().in_flight(&name("backend"), "backend.0");
    assert_eq!(in_flight(), 1, "a tunnel counts at its endpoint");
    drop(client);
    eventually("the tunnel ended", || in_flight() == 0);
    eventually("counted", || {
        let meters = proxy.edge.meters();
        let traffic = &meters.services[0].traffic;
        traffic.bytes_in > 300_000 && traffic.statuses.informational == 1
    });
}

#[test]
fn bytes_sent_along_with_the_upgrade_are_not_lost() {
    let proxy = Proxy::new(&[&echo()]);
    let mut client = proxy.client();
    client.say(&format!("{UPGRADE}early"));
    client.head();
    assert_eq!(client.bytes(5), b"early");
}

#[test]
fn a_refused_upgrade_stays_http() {
    let backend =
        Backend::answering("HTTP/1.1 426 Upgrade Required\r\nContent-Length: 2\r\n\r\nno");
    let proxy = Proxy::new(&[&backend]);
    let mut client = proxy.client();
    client.say(UPGRADE);
    assert_eq!(client.answer().status, 426);
    assert_eq!(client.get("/").status, 426, "and can carry the next request");
    assert_eq!(proxy.edge.meters().connections.upgraded, 0);
}

/// A client that behaves as if it had its tunnel already: what it sends is read as HTTP, by our
/// rules, and never passed on raw.
#[test]
fn what_follows_a_refused_upgrade_is_a_request_like_any_other() {
    let backend =
        Backend::answering("HTTP/1.1 426 Upgrade Required\r\nContent-Length: 2\r\n\r\nno");
    let proxy = Proxy::new(&[&backend]);
    let mut client = proxy.client();
    let early = "GET /a/../early HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 6.6.6.6\r\n\r\n";
    client.say(&format!("{UPGRADE}{early}"));
    assert_eq!((client.answer().status, client.answer().status), (426, 426));
    let seen = backend.seen();
    assert_eq!(seen.len(), 2);
    assert!(seen[1].starts_with("GET /early HTTP/1.1\r\n"), "{}", seen[1]);
    assert!(!seen[1].contains("6.6.6.6"), "{}", seen[1]);

    let mut client = proxy.client();
    client.say(&format!("{UPGRADE}\u{1}\u{2}no HTTP\r\n\r\n"));
    assert_eq!((client.answer().status, client.answer().status), (426, 400));
    client.expect_closed();
    assert_eq!(backend.seen().len(), 3);
}

/// A tunnel of HTTP/2 would carry requests past routes, limits and the access log.
#[test]
fn no_tunnel_is_opened_for_http_2_in_the_clear() {
    let backend = Backend::answering(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
    );
    let proxy = Proxy::new(&[&backend]);
    for offer in ["h2c", "H2C", "websocket, h2c"] {
        let before = backend.seen().len();
        let mut client = proxy.client();
        client.say(&format!(
            "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\n\
             Upgrade: {offer}\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n"
        ));
        assert_eq!(client.answer().status, 502, "{offer}: not asked for, so not believed");
        let seen = backend.seen()[before].to_ascii_lowercase();
        assert!(!seen.contains("upgrade") && !seen.contains("http2-settings"), "{seen}");
    }
    assert_eq!(proxy.edge.meters().connections.upgraded, 0);
}

/// Two parsers could disagree on where the body ends and the tunnel begins.
#[test]
fn an_upgrade_with_a_body_is_no_upgrade() {
    let proxy = Proxy::new(&[&Backend::mirror()]);
    let answer = proxy.ask(
        "POST / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Content-Length: 2\r\n\r\nok",
    );
    let asked = answer.text().to_ascii_lowercase();
    assert!(
        answer.status == 400 || (answer.status == 200 && !asked.contains("upgrade")),
        "{asked}"
    );
}

#[test]
fn a_silent_tunnel_is_closed() {
    let proxy = Proxy::with(&[&echo()], |settings| {
        settings.route.idle_timeout = Duration::from_millis(200);
    });
    let mut client = switched(&proxy);
    ping(&mut client, "still here");
    client.expect_closed();
}

#[test]
fn two_hundred_tunnels_survive_twenty_reloads() {
    let proxy = Proxy::new(&[&echo()]);
    let mut clients: Vec<_> = (0..200).map(|_| switched(&proxy)).collect();
    let other = Backend::mirror();
    for turn in 0..20 {
        let mut directory = proxy.directory.lock().unwrap();
        let mut services = vec![service("backend")];
        let mut routes = vec![route("all", "/**", "backend", Default::default())];
        // Others come, change, and go.
        if turn % 3 != 2 {
            services.push(service("other"));
            let path = format!("/other{}/**", turn % 2);
            routes.push(route("other", &path, "other", Default::default()));
        }
        directory.configure(services, routes, Default::default()).unwrap();
        directory.set_endpoints(&name("other"), &[("other.1".to_owned(), other.address)]);
        drop(directory);
        proxy.publish();
        ping(&mut clients[turn * 10], "between reloads");
        if turn % 3 != 2 {
            assert_eq!(proxy.client().get(&format!("/other{}/x", turn % 2)).status, 200);
        }
    }
    for (number, client) in clients.iter_mut().enumerate() {
        ping(client, &format!("tunnel {number} lives"));
    }
    assert_eq!(proxy.edge.meters().connections.upgraded, 200);
}
