//! Requests that two parsers could read differently: refused, closed, never forwarded.

use crate::harness::{Backend, Proxy};

/// Each with the reason why it is here. All are sent whole, with a second request behind.
const CORPUS: &[(&str, &str)] = &[
    (
        "both lengths",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    (
        "both, the other way",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
    ),
    (
        "lengths that differ",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nabcde",
    ),
    ("a list of lengths", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4, 5\r\n\r\nabcde"),
    ("a signed length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +4\r\n\r\nabcd"),
    ("a hexadecimal length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x4\r\n\r\nabcd"),
    (
        "a huge length",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\nabcd",
    ),
    ("bare LF after a field", "GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n"),
    ("bare LF after the request line", "GET / HTTP/1.1\nHost: a\r\n\r\n"),
    ("bare CR in a value", "GET / HTTP/1.1\r\nHost: a\r\nX: y\rZ: w\r\n\r\n"),
    ("NUL in a value", "GET / HTTP/1.1\r\nHost: a\r\nX: y\0z\r\n\r\n"),
    ("obsolete folding", "GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n z\r\n\r\n"),
    ("folded first field", "GET / HTTP/1.1\r\n Host: a\r\n\r\n"),
    ("space before the colon", "GET / HTTP/1.1\r\nHost : a\r\n\r\n"),
    (
        "transfer coding with space before the colon",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    ),
    (
        "an unknown coding",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    ),
    (
        "chunked twice",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    ),
    (
        "chunked not last",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    ),
    (
        "codings in two fields",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
    ),
    (
        "chunks from HTTP/1.0",
        "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    ("two hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"),
    ("no host", "GET / HTTP/1.1\r\n\r\n"),
    ("host and target differ", "GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("a host with a path", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"),
    ("a host with user information", "GET / HTTP/1.1\r\nHost: a@b\r\n\r\n"),
    ("an empty field name", "GET / HTTP/1.1\r\nHost: a\r\n: y\r\n\r\n"),
    ("two spaces in the request line", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("a tab in the request line", "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("no version", "GET /\r\nHost: a\r\n\r\n"),
    ("a version with three digits", "GET / HTTP/1.10\r\nHost: a\r\n\r\n"),
    ("version 2 in text", "GET / HTTP/2.0\r\nHost: a\r\n\r\n"),
    ("version 0.9 in text", "GET / HTTP/0.9\r\nHost: a\r\n\r\n"),
    ("a fragment", "GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("an encoded NUL", "GET /a%00b HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("a broken escape", "GET /a%zz HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("CONNECT", "CONNECT b:443 HTTP/1.1\r\nHost: b:443\r\n\r\n"),
    ("HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    ("TLS", "\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\u{1}\r\n\r\n"),
];

/// Chunked bodies that are broken; their heads are fine, so they may reach a backend, but no
/// second request ever does, and no terminated body.
const CHUNKS: &[(&str, &str)] = &[
    ("no size", "\r\nabc\r\n0\r\n\r\n"),
    ("a negative size", "-1\r\nabc\r\n0\r\n\r\n"),
    ("a size that overflows", "fffffffffffffffff\r\nabc\r\n0\r\n\r\n"),
    ("a size with 0x", "0x3\r\nabc\r\n0\r\n\r\n"),
    ("space before the size", " 3\r\nabc\r\n0\r\n\r\n"),
    ("space after the size", "3 \r\nabc\r\n0\r\n\r\n"),
    ("bare LF after the size", "3\nabc\r\n0\r\n\r\n"),
    ("data longer than its size", "3\r\nabcd\r\n0\r\n\r\n"),
    ("bare LF after the data", "3\r\nabc\n0\r\n\r\n"),
    ("bare LF at the end", "3\r\nabc\r\n0\r\n\n"),
    ("LF in an extension", "3;a\nb\r\nabc\r\n0\r\n\r\n"),
    ("a forbidden trailer", "0\r\nContent-Length: 5\r\n\r\n"),
    ("a host as trailer", "0\r\nHost: b\r\n\r\n"),
    ("a folded trailer", "0\r\nX: y\r\n z\r\n\r\n"),
];

const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";

#[test]
fn ambiguous_heads_are_refused_and_never_forwarded() {
    let backend = Backend::mirror();
    let proxy = Proxy::new(&[&backend]);
    for (why, bytes) in CORPUS {
        let mut client = proxy.client();
        client.say(&format!("{bytes}{SMUGGLED}"));
        let answer = client.answer();
        assert!(
            (400..=505).contains(&answer.status) && answer.status != 404,
            "{why}: {}",
            answer.head
        );
        assert_eq!(answer.field("connection").as_deref(), Some("close"), "{why}");
        client.expect_closed();
        assert_eq!(backend.seen(), Vec::<String>::new(), "{why}");
    }
    let refused = proxy.edge.meters().connections.malformed;
    assert!(refused >= CORPUS.len() as u64 - 5, "{refused} counted");
}

#[test]
fn broken_chunks_are_refused_and_nothing_behind_them_is_a_request() {
    for (why, body) in CHUNKS {
        let backend = Backend::start(|mut served| {
            while let Some(head) = served.head() {
                // A body that ends is answered; a broken one must not end.
                let mut body = Vec::new();
                while !body.ends_with(b"0\r\n\r\n") {
                    use std::io::Read;
                    let mut byte = [0];
                    match served.stream.read(&mut byte) {
                        Ok(1) => body.push(byte[0]),
                        _ => return,
                    }
                }
                drop(head);
                served.say("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
            }
        });
        let proxy = Proxy::new(&[&backend]);
        let mut client = proxy.client();
        client.say(&format!(
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{body}{SMUGGLED}"
        ));
        let answer = client.answer();
        assert!(matches!(answer.status, 400 | 431), "{why}: {}", answer.head);
        client.expect_closed();
        let seen = backend.seen();
        assert!(!seen.iter().any(|head| head.contains("smuggled")), "{why}: {seen:?}");
    }
}

#[test]
fn a_head_that_comes_byte_by_byte_is_the_same_head() {
    let backend = Backend::mirror();
    let proxy = Proxy::new(&[&backend]);
    let mut client = proxy.client();
    client.stream.set_nodelay(true).unwrap();
    for byte in "POST /slow HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n".chars() {
        client.say(&byte.to_string());
    }
    // The mirror answers without waiting for a chunked body; the rest must still be found.
    assert!(client.answer().text().starts_with("POST /slow HTTP/1.1\r\n"));
}
