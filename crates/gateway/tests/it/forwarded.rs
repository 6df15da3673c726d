//! Who the client is, and what upstreams are told.

use std::net::IpAddr;

use gateway::{Canonical, Cidr, FieldList, ForwardMode, Forwarding, Peer, TrustedProxies};

fn forwarding() -> Forwarding {
    let trusted = ["10.0.0.0/8", "fd00::/8"].map(|range| Cidr::parse(range).unwrap());
    Forwarding {
        trusted: TrustedProxies::new(trusted.to_vec()),
        x_forwarded: true,
        forwarded: true,
        via: Some("mainspring".to_owned()),
    }
}

fn fields(list: &[(&str, &str)]) -> FieldList {
    FieldList(list.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect())
}

fn told(peer: &str, list: &[(&str, &str)]) -> String {
    let peer = Peer { address: peer.parse().unwrap(), secure: false };
    let fields = fields(list);
    let forwarding = forwarding();
    let origin = forwarding.origin(peer, &fields);
    let mut lines = vec![format!("client {} secure {}", origin.client, origin.secure)];
    let canonical = Canonical::parse("GET", b"/", Some(b"shop.example:8080")).unwrap();
    forwarding.write(peer, &origin, &canonical, &fields, &mut |name, value| {
        lines.push(format!("{name}: {}", std::str::from_utf8(value).unwrap()));
    });
    lines.join("\n")
}

#[test]
fn strangers_claims_are_replaced() {
    let claims = [
        ("X-Forwarded-For", "1.1.1.1"),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Host", "evil.example"),
        ("Forwarded", "for=1.1.1.1"),
    ];
    assert_eq!(
        told("203.0.113.9", &claims),
        "client 203.0.113.9 secure false\n\
         X-Forwarded-For: 203.0.113.9\n\
         X-Forwarded-Proto: http\n\
         X-Forwarded-Host: shop.example:8080\n\
         Forwarded: for=203.0.113.9;proto=http;host=\"shop.example:8080\"\n\
         Via: 1.1 mainspring"
    );
}

#[test]
fn trusted_claims_are_continued() {
    let claims = [
        ("X-Forwarded-For", "198.51.100.7, 10.1.1.1"),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Host", "www.shop.example"),
        ("Forwarded", "for=198.51.100.7"),
    ];
    assert_eq!(
        told("10.9.9.9", &claims),
        "client 198.51.100.7 secure true\n\
         X-Forwarded-For: 198.51.100.7, 10.1.1.1, 10.9.9.9\n\
         X-Forwarded-Proto: https\n\
         X-Forwarded-Host: www.shop.example\n\
         Forwarded: for=198.51.100.7, for=10.9.9.9;proto=http;host=\"shop.example:8080\"\n\
         Via: 1.1 mainspring"
    );
}

#[test]
fn the_client_is_the_nearest_that_is_no_trusted_proxy() {
    let client = |peer: &str, name: &str, value: &str| {
        let peer = Peer { address: peer.parse().unwrap(), secure: false };
        forwarding().origin(peer, &fields(&[(name, value)])).client.to_string()
    };
    let name = "x-forwarded-for";
    assert_eq!(client("10.0.0.1", name, "6.6.6.6, 198.51.100.7, 10.1.1.1"), "198.51.100.7");
    assert_eq!(client("10.0.0.1", name, "6.6.6.6, nonsense, 10.1.1.1"), "10.1.1.1");
    assert_eq!(client("10.0.0.1", name, "10.2.2.2, 10.1.1.1"), "10.2.2.2");
    assert_eq!(client("10.0.0.1", name, ""), "10.0.0.1");
    assert_eq!(client("10.0.0.1", name, "198.51.100.7:4711"), "198.51.100.7");
    assert_eq!(client("::ffff:10.0.0.1", name, "[2001:db8::7]:80"), "2001:db8::7");
    assert_eq!(
        client("fd00::1", "forwarded", "for=\"[2001:db8::7]:80\";proto=http"),
        "2001:db8::7"
    );
    assert_eq!(client("fd00::1", "forwarded", "for=_hidden"), "fd00::1");
    assert_eq!(client("203.0.113.9", name, "6.6.6.6"), "203.0.113.9");
}

#[test]
fn an_ipv6_peer_is_quoted_where_the_grammar_wants_it() {
    let text = told("2001:db8::9", &[]);
    assert!(text.contains("X-Forwarded-For: 2001:db8::9\n"), "{text}");
    assert!(text.contains("Forwarded: for=\"[2001:db8::9]\";proto=http"), "{text}");
}

#[test]
fn identity_fields_do_not_pass_in_disguise() {
    let forwarding = forwarding();
    for name in ["X-Forwarded-For", "x_forwarded_for", "X-Real-IP", "Forwarded", "X-Request-Id"] {
        assert!(forwarding.drops(name.as_bytes(), ForwardMode::Replace), "{name}");
    }
    for name in ["X-Forwarded-For", "x_forwarded_proto", "X_Real-IP", "Forwarded", "X-Request-Id"] {
        assert!(forwarding.drops(name.as_bytes(), ForwardMode::Append), "{name}");
    }
    assert!(!forwarding.drops(b"X-Real-IP", ForwardMode::Append), "a trusted proxy may set it");
    let silent = Forwarding { x_forwarded: false, ..forwarding.clone() };
    assert!(silent.drops(b"X-Forwarded-For", ForwardMode::Replace));
    assert!(!silent.drops(b"X-Forwarded-For", ForwardMode::Append));
    for name in ["Accept", "X-Custom", "From", "X-Forwarded", ""] {
        assert!(!forwarding.drops(name.as_bytes(), ForwardMode::Replace), "{name}");
    }
}

#[test]
fn nothing_is_written_that_was_not_asked_for() {
    let quiet = Forwarding { x_forwarded: false, ..Forwarding::default() };
    let peer = Peer { address: IpAddr::from([203, 0, 113, 9]), secure: true };
    let origin = quiet.origin(peer, &FieldList::default());
    let canonical = Canonical::parse("GET", b"/", Some(b"a")).unwrap();
    quiet.write(peer, &origin, &canonical, &FieldList::default(), &mut |name, _| panic!("{name}"));
    assert!(origin.secure);
}
