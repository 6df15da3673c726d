//! What a client cannot say about itself: the fields by which programs learn who asks.

use crate::harness::{Backend, Proxy, field};

/// Each line claims to be somebody else, in a spelling that some program takes for the real one.
const CLAIMS: &[&str] = &[
    "X-Forwarded-For: 6.6.6.6",
    "x-forwarded-for: 6.6.6.6",
    "X_Forwarded_For: 6.6.6.6",
    "X-Forwarded_For: 6.6.6.6",
    "X_FORWARDED-FOR: 6.6.6.6",
    "X-Forwarded-Proto: https-6.6.6.6",
    "X_Forwarded_Proto: https-6.6.6.6",
    "X-Forwarded-Host: 6.6.6.6",
    "X_Forwarded_Host: 6.6.6.6",
    "X-Forwarded-Port: 6666",
    "X-Forwarded-Prefix: /6.6.6.6",
    "X-Forwarded-Server: 6.6.6.6",
    "X-Real-IP: 6.6.6.6",
    "X_Real_IP: 6.6.6.6",
    "Forwarded: for=6.6.6.6;proto=https",
    "X-Request-Id: 6.6.6.6",
    "X_Request_Id: 6.6.6.6",
];

const ID: &str = "6.6.6.6";

#[test]
fn a_stranger_cannot_claim_another_identity() {
    let backend = Backend::mirror();
    let proxy = Proxy::new(&[&backend]);
    for claim in CLAIMS {
        for twice in [false, true] {
            let again = if twice { format!("{claim}\r\n") } else { String::new() };
            let request = format!("GET / HTTP/1.1\r\nHost: a.example\r\n{claim}\r\n{again}\r\n");
            let answer = proxy.ask(&request);
            assert_eq!(answer.status, 200, "{claim}");
            let head = answer.text();
            assert!(!head.contains(ID), "{claim}:\n{head}");
            let told = |name| field(&head, name);
            // Not looked for in the whole head: random ids have such digits now and then.
            assert_eq!(told("x-forwarded-port"), None, "{claim}");
            assert_eq!(told("x-forwarded-for").as_deref(), Some("127.0.0.1"), "{claim}");
            assert_eq!(told("x-forwarded-proto").as_deref(), Some("http"), "{claim}");
            assert_eq!(told("x-forwarded-host").as_deref(), Some("a.example"), "{claim}");
        }
    }
}

#[test]
fn a_trusted_proxys_list_goes_on_but_not_its_look_alikes() {
    let backend = Backend::mirror();
    let proxy = Proxy::with(&[&backend], |settings| {
        let network = gateway::Cidr::parse("127.0.0.0/8").unwrap();
        settings.edge.forwarding.trusted = gateway::TrustedProxies::new(vec![network]);
    });
    let answer = proxy.ask(
        "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 9.9.9.9\r\nX_Forwarded_For: 6.6.6.6\r\n\
         X-Forwarded-Proto: https\r\nX_Real_IP: 6.6.6.6\r\nX-Request-Id: kept-1\r\n\r\n",
    );
    let head = answer.text();
    assert_eq!(field(&head, "x-forwarded-for").as_deref(), Some("9.9.9.9, 127.0.0.1"));
    assert_eq!(field(&head, "x-forwarded-proto").as_deref(), Some("https"));
    assert_eq!(field(&head, "x-request-id").as_deref(), Some("kept-1"));
    assert!(!head.contains(ID), "{head}");
}

/// `Connection` names fields to be taken away; who we say that the client is cannot be.
#[test]
fn connection_cannot_take_our_fields_away() {
    let backend = Backend::mirror();
    let proxy = Proxy::new(&[&backend]);
    for named in
        ["X-Forwarded-For", "X-Forwarded-Host", "X-Request-Id", "Host", "Content-Length", "Cookie"]
    {
        let answer = proxy.ask(&format!(
            "POST / HTTP/1.1\r\nHost: a\r\nCookie: c=1\r\nConnection: {named}\r\n\
             Content-Length: 2\r\n\r\nok"
        ));
        // Refused, or without effect: nothing between.
        if answer.status == 400 {
            continue;
        }
        let head = answer.text();
        assert_eq!(answer.status, 200, "{named}");
        for kept in [
            "x-forwarded-for",
            "x-forwarded-host",
            "x-request-id",
            "host",
            "cookie",
            "content-length",
        ] {
            assert!(field(&head, kept).is_some(), "{named} took {kept}:\n{head}");
        }
        assert!(field(&head, "connection").is_none(), "{named}:\n{head}");
    }
}
