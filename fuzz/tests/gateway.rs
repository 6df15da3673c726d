//! What the gateway reads from strangers: targets, hosts, forwarding claims, traces, `Accept`.

use std::net::IpAddr;

use bolero::check;
use gateway::{
    AccessRecord, Canonical, Cidr, FieldList, Forwarding, Peer, Problem, RequestId, TraceContext,
    TrustedProxies, prefers_html,
};

/// What is accepted has one spelling, and that spelling is accepted and stays.
#[test]
fn target() {
    check!().with_type::<(Vec<u8>, Option<Vec<u8>>)>().for_each(|(target, host)| {
        let Ok(once) = Canonical::parse("GET", target, host.as_deref()) else { return };
        assert!(once.path.starts_with('/') && !once.path.contains("//"));
        assert!(once.path.split('/').all(|segment| segment != "." && segment != ".."));
        let (mut again, mut authority) = (Vec::new(), Vec::new());
        once.write_target(&mut again);
        once.write_authority(&mut authority);
        assert!(again.iter().chain(&authority).all(u8::is_ascii_graphic));
        let twice = Canonical::parse("GET", &again, Some(&authority)).expect("canonical is valid");
        assert_eq!(once, twice);
    });
}

/// Our own fields are one line of visible text each, whatever a trusted proxy claims.
#[test]
fn forwarding_claims() {
    let trusted = Cidr::parse("10.0.0.0/8").expect("a range");
    let forwarding = Forwarding {
        trusted: TrustedProxies::new(vec![trusted]),
        forwarded: true,
        via: Some("mainspring".to_owned()),
        ..Forwarding::default()
    };
    let peer = Peer { address: IpAddr::from([10, 0, 0, 1]), secure: false };
    let canonical = Canonical::parse("GET", b"/", Some(b"shop.example")).expect("a target");
    check!().with_type::<[String; 3]>().for_each(|[x_forwarded_for, forwarded, proto]| {
        // A field's value has no control characters: `http1` refuses them.
        let clean = |text: &String| text.replace(|c: char| c.is_control(), " ");
        let fields = FieldList(vec![
            ("x-forwarded-for".to_owned(), clean(x_forwarded_for)),
            ("forwarded".to_owned(), clean(forwarded)),
            ("x-forwarded-proto".to_owned(), clean(proto)),
        ]);
        let origin = forwarding.origin(peer, &fields);
        forwarding.write(peer, &origin, &canonical, &fields, &mut |_, value| {
            assert!(value.iter().all(|byte| *byte >= b' ' && *byte != 0x7f), "{value:?}");
        });
        for byte in 0..=255 {
            forwarding.drops(&[b'x', byte], origin.mode);
        }
    });
}

#[test]
fn trace_and_request_id() {
    check!().for_each(|bytes: &[u8]| {
        if let Some(context) = TraceContext::parse(bytes) {
            let mut written = Vec::new();
            context.write(&mut written);
            assert_eq!(TraceContext::parse(&written), Some(context));
        }
        if let Some(id) = RequestId::accept(bytes) {
            assert_eq!(id.as_str().as_bytes(), bytes);
        }
    });
}

/// Whatever the client sent: one line, and a page without markup of the client's.
#[test]
fn answers_and_records() {
    check!().with_type::<(String, Vec<u8>)>().for_each(|(text, bytes)| {
        prefers_html(&FieldList(vec![("accept".to_owned(), text.clone())]));
        let mut line = Vec::new();
        let record = AccessRecord {
            unix_millis: 1_000 * text.len() as u64,
            request_id: text,
            trace_id: text,
            client: IpAddr::from([127, 0, 0, 1]),
            method: text,
            host: text,
            path: text,
            status: 200,
            route: text,
            service: text,
            endpoint: text,
            retries: 0,
            bytes_in: 0,
            bytes_out: 0,
            duration: std::time::Duration::ZERO,
            error: Some(text),
            user_agent: bytes,
        };
        record.write_line(&mut line);
        let body = line.strip_suffix(b"\n").expect("a line ends");
        assert!(body.iter().all(|byte| (b' '..=b'~').contains(byte)), "{body:?}");
        let mut page = Vec::new();
        Problem::new(404, text, text).write_body(true, &mut page);
        let mut without = Vec::new();
        Problem::new(404, "", "x").write_body(true, &mut without);
        let tags = |html: &[u8]| html.iter().filter(|byte| **byte == b'<').count();
        let expected = if text.is_empty() { tags(&without) - 6 } else { tags(&without) };
        assert_eq!(tags(&page), expected);
    });
}
