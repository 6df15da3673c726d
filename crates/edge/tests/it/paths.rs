//! Which path an endpoint sees, and who gets the request: gateway's own vectors over the wire.

use std::path::Path;

use gateway::{EdgePolicy, EndpointState, PathMatch, RoutePolicy, RouteSpec};

use crate::harness::{Backend, Client, Proxy, field, name, route, service};

/// A line of gateway's transcripts: what is sent, and what must come of it.
struct Vector {
    /// The line's text, for messages.
    text: String,
    method: String,
    target: Vec<u8>,
    host: Vec<u8>,
    /// Host and target that the endpoint gets, or the status of the refusal.
    want: Result<(Option<String>, String), u16>,
}

fn transcript(file: &str) -> Vec<(String, String)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../gateway/testdata").join(file);
    let text = std::fs::read_to_string(path).unwrap();
    let lines = text.lines().filter_map(|line| line.split_once("=>"));
    lines
        .filter(|(input, _)| !input.starts_with('#'))
        .map(|(input, want)| (input.trim().to_owned(), want.trim().to_owned()))
        .collect()
}

/// `\xNN` becomes that byte.
fn unescape(text: &str) -> Vec<u8> {
    let mut pieces = text.split("\\x");
    let mut bytes = pieces.next().unwrap().as_bytes().to_vec();
    for piece in pieces {
        bytes.push(u8::from_str_radix(&piece[..2], 16).unwrap());
        bytes.extend_from_slice(&piece.as_bytes()[2..]);
    }
    bytes
}

fn wanted(want: &str, names_host: bool) -> Result<(Option<String>, String), u16> {
    match want.split_once(' ') {
        Some((status @ ("400" | "501"), _)) => Err(status.parse().unwrap()),
        Some((host, target)) if names_host => Ok((Some(host.to_owned()), target.to_owned())),
        _ => Ok((None, want.to_owned())),
    }
}

/// `canonical.txt`: `METHOD target [host]`.
fn targets() -> Vec<Vector> {
    let vector = |(input, want): (String, String)| {
        let mut words = input.split_whitespace();
        let method = words.next().unwrap().to_owned();
        let target = words.next().unwrap();
        let host = words.next();
        // HTTP/1.1 wants a Host, and one that fits a target which names its own.
        let own = target.split_once("://").map(|(_, rest)| {
            rest.split(['/', '?']).next().unwrap().rsplit('@').next().unwrap().to_owned()
        });
        let names_host = host.is_some() || own.is_some();
        let host = unescape(host.or(own.as_deref()).unwrap_or("host.example"));
        let want = wanted(&want, names_host);
        Vector { text: input.clone(), method, target: unescape(target), host, want }
    };
    transcript("canonical.txt").into_iter().map(vector).collect()
}

/// `hosts.txt`: a Host field.
fn hosts() -> Vec<Vector> {
    let vector = |(input, want): (String, String)| {
        let (host, want) = (unescape(&input), wanted(&want, true));
        Vector { text: input, method: "GET".to_owned(), target: b"/".to_vec(), host, want }
    };
    transcript("hosts.txt").into_iter().map(vector).collect()
}

/// Sends each vector over a connection of its own. Returns how many were let through and refused.
fn replay(vectors: Vec<Vector>) -> (u32, u32) {
    let backend = Backend::answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    // Without a path, so that `OPTIONS *` has a route too.
    let anything =
        RouteSpec { path: PathMatch::Any, ..route("all", "/**", "a", RoutePolicy::default()) };
    let proxy = two_services(vec![anything], [&backend, &backend]);
    let (mut passed, mut refused) = (0, 0);
    for Vector { text, method, target, host, want } in vectors {
        // With HTTP/1.1 a target's own host must be that of the Host field: stricter than the
        // canonical parse, which later has to serve HTTP/2 as well.
        let differs = text == "GET http://shop.example/a/../b other.example";
        let before = backend.seen().len();
        let mut client = proxy.client();
        let mut wire = format!("{method} ").into_bytes();
        wire.extend_from_slice(&target);
        wire.extend_from_slice(b" HTTP/1.1\r\nHost: ");
        wire.extend_from_slice(&host);
        wire.extend_from_slice(b"\r\n\r\n");
        client.send(&wire);
        let answer = client.answer();
        let seen = backend.seen().split_off(before);
        match if differs { Err(400) } else { want } {
            Ok((host, target)) => {
                passed += 1;
                assert_eq!((answer.status, seen.len()), (200, 1), "{text}: {}", answer.text());
                let line = format!("{method} {target} HTTP/1.1");
                assert_eq!(seen[0].lines().next().unwrap(), line, "{text}");
                if host.is_some() {
                    assert_eq!(field(&seen[0], "host"), host, "{text}");
                }
            }
            Err(status) => {
                refused += 1;
                assert_eq!(answer.status, status, "{text}: {}", answer.text());
                client.expect_closed();
                assert_eq!(seen, Vec::<String>::new(), "{text} reached the endpoint");
            }
        }
    }
    (passed, refused)
}

#[test]
fn the_endpoint_gets_the_canonical_target_or_nothing() {
    let (passed, refused) = replay(targets());
    assert!(passed > 30 && refused > 30, "{passed} passed, {refused} refused");
}

#[test]
fn the_endpoint_gets_the_canonical_host_or_nothing() {
    let (passed, refused) = replay(hosts());
    assert!(passed > 10 && refused > 20, "{passed} passed, {refused} refused");
}

/// A proxy with `routes` over services `a` and `b`, each with one endpoint.
fn two_services(routes: Vec<RouteSpec>, backends: [&Backend; 2]) -> Proxy {
    let proxy = Proxy::with(&[], |settings| settings.cores = 2);
    {
        let mut directory = proxy.directory.lock().unwrap();
        let services = vec![service("a"), service("b")];
        directory.configure(services, routes, EdgePolicy::default()).unwrap();
        for (service, backend) in ["a", "b"].into_iter().zip(backends) {
            let label = format!("{service}.0");
            let state = EndpointState::Ready;
            directory.upsert_endpoint(&name(service), &label, backend.address, state);
        }
    }
    proxy.publish();
    proxy
}

/// `/admin/**` leads elsewhere than `/**`: whatever gets to the second must not be read as the
/// first by the program behind it.
#[test]
fn no_spelling_of_a_path_slips_past_its_route() {
    let (public, admin) = (Backend::mirror(), Backend::mirror());
    let routes = vec![
        route("all", "/**", "a", RoutePolicy::default()),
        route("admin", "/admin/**", "b", RoutePolicy::default()),
    ];
    let proxy = two_services(routes, [&public, &admin]);
    for path in [
        "/admin/x",
        "//admin/x",
        "/./admin/x",
        "/a/../admin/x",
        "/a/%2e%2e/admin/x",
        "/%61dmin/x",
        "/%61%64%6d%69%6e/x",
        "http://test/admin/x",
        "http://test//admin/x",
    ] {
        let answer = proxy.client().get(path);
        assert_eq!(answer.status, 200, "{path}");
        assert!(answer.text().starts_with("GET /admin/x HTTP/1.1\r\n"), "{path}");
    }
    assert_eq!((public.seen().len(), admin.seen().len()), (0, 9));
    for path in [
        "/..;/admin/x",
        "/a/..;/admin/x",
        "/a/..%2fadmin/x",
        "/a%2f..%2fadmin/x",
        "/a/..%5cadmin/x",
        "/a\\..\\admin/x",
        "/%2e%2e%2fadmin/x",
        "/\\admin/x",
        "/a/.%00./admin/x",
        "/a/%c0%ae%c0%ae/admin/x",
        "/x#/../admin",
    ] {
        let mut client = proxy.client();
        assert_eq!(client.get(path).status, 400, "{path}");
        client.expect_closed();
    }
    assert_eq!((public.seen().len(), admin.seen().len()), (0, 9));
}

#[test]
fn a_method_that_no_route_takes_is_405_and_says_which_are() {
    let (one, two) = (Backend::mirror(), Backend::mirror());
    let only = |route_name: &str, to: &str, methods: &[&str]| RouteSpec {
        methods: methods.iter().map(|&method| method.to_owned()).collect(),
        ..route(route_name, "/orders", to, RoutePolicy::default())
    };
    let routes = vec![only("read", "a", &["GET"]), only("write", "b", &["POST", "PUT"])];
    let proxy = two_services(routes, [&one, &two]);
    let ask = |method: &str, path: &str| {
        proxy.ask(&format!("{method} {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"))
    };
    let refused = ask("DELETE", "/orders");
    assert_eq!(refused.status, 405);
    assert_eq!(refused.field("allow").as_deref(), Some("GET, HEAD, POST, PUT"));
    assert_eq!(refused.field("content-type").as_deref(), Some("application/problem+json"));
    let id = refused.field("x-request-id").unwrap();
    assert!(refused.text().contains(&id), "{}", refused.text());
    assert_eq!(ask("get", "/orders").status, 405, "methods are case-sensitive");
    assert_eq!(ask("DELETE", "/other").status, 404);
    assert_eq!((one.seen().len(), two.seen().len()), (0, 0));
    assert_eq!((ask("GET", "/orders").status, ask("PUT", "/orders").status), (200, 200));
    assert_eq!((one.seen().len(), two.seen().len()), (1, 1));
}

#[test]
fn weights_are_exact_over_connections_and_cores() {
    let (most, some) = (Backend::mirror(), Backend::mirror());
    let divided = RouteSpec {
        to: vec![(name("a"), 90), (name("b"), 10)],
        ..route("divided", "/**", "a", RoutePolicy::default())
    };
    let proxy = two_services(vec![divided], [&most, &some]);
    let mut clients: Vec<Client> = (0..7).map(|_| proxy.client()).collect();
    for turn in 1..=200 {
        assert_eq!(clients[turn % 7].get("/").status, 200);
        if turn % 10 == 0 {
            assert_eq!((most.seen().len(), some.seen().len()), (turn / 10 * 9, turn / 10));
        }
    }
}
