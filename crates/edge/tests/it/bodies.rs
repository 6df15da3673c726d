//! Bodies: streaming both ways, back-pressure, early answers, 100-continue, trailers, events.

use std::io::{Read, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use crate::harness::{Backend, Proxy, eventually, name};

const MIB: usize = 1 << 20;

/// How large the large body is; set `EDGE_BODY_MIB=2048` for the long run.
fn large_bytes() -> usize {
    let mib = std::env::var("EDGE_BODY_MIB").ok().and_then(|text| text.parse().ok());
    mib.unwrap_or(48_usize) * MIB
}

/// Bytes that differ with their place, so that a lost or repeated stretch shows.
fn pattern(offset: usize, bytes: &mut [u8]) {
    for (place, byte) in (offset..).zip(bytes) {
        *byte = (place.wrapping_mul(2_654_435_761) >> 13) as u8;
    }
}

fn resident_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
}

#[test]
fn a_large_body_goes_and_comes_back_at_once_with_flat_memory() {
    // Echoes while it reads: neither direction may wait for the other to end.
    let backend = Backend::start(|mut served| {
        let Some(head) = served.head() else { return };
        let length: usize =
            crate::harness::field(&head, "content-length").unwrap().parse().unwrap();
        served.say(&format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n"));
        let mut left = length;
        while left > 0 {
            let some = served.bytes(left.min(8 * 1024));
            served.stream.write_all(&some).unwrap();
            left -= some.len();
        }
    });
    let proxy = Proxy::new(&[&backend]);
    let length = large_bytes();
    let mut client = proxy.client();
    client.say(&format!("PUT /echo HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n"));
    let mut sender = client.stream.try_clone().unwrap();
    let sending = thread::spawn(move || {
        let mut piece = vec![0; 64 * 1024];
        for offset in (0..length).step_by(piece.len()) {
            pattern(offset, &mut piece);
            let size = piece.len().min(length - offset);
            sender.write_all(&piece[..size]).unwrap();
        }
    });
    assert!(client.head().starts_with("HTTP/1.1 200"));
    let before = resident_bytes();
    let (mut most, mut want) = (before, vec![0; 8 * 1024]);
    let mut offset = 0;
    while offset < length {
        let size = want.len().min(length - offset);
        pattern(offset, &mut want);
        assert_eq!(client.bytes(size), want[..size], "at {offset}");
        offset += size;
        if offset % MIB == 0 {
            most = most.max(resident_bytes());
        }
    }
    sending.join().unwrap();
    // Other tests of this process run beside this one, so the bound is generous; a proxy that
    // buffers would miss it by far in the long run.
    assert!(most - before.min(most) < 200 * MIB, "grew by {} MiB", (most - before) / MIB);
    eventually("counted", || {
        let meters = proxy.edge.meters();
        let traffic = &meters.services[0].traffic;
        traffic.bytes_in == length as u64 && traffic.bytes_out == length as u64
    });
}

#[test]
fn a_chunked_body_arrives_whole_in_small_and_large_pieces() {
    let backend = Backend::start(|mut served| {
        while served.head().is_some() {
            let mut sum = 0;
            loop {
                let mut line = Vec::new();
                while !line.ends_with(b"\r\n") {
                    line.extend(served.bytes(1));
                }
                let digits = std::str::from_utf8(&line).unwrap().trim_end();
                let size = usize::from_str_radix(digits, 16).unwrap();
                sum += size;
                served.bytes(size + 2);
                if size == 0 {
                    break;
                }
            }
            let sum = sum.to_string();
            served.say(&format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{sum}", sum.len()));
        }
    });
    let proxy = Proxy::new(&[&backend]);
    let mut client = proxy.client();
    for sizes in [&[1, 2, 3][..], &[100_000, 1, 70_000], &[0], &[20_000; 20]] {
        client.say("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
        for size in sizes.iter().filter(|size| **size > 0) {
            client.say(&format!("{size:x};ignored=yes\r\n{}\r\n", "z".repeat(*size)));
        }
        client.say("0\r\n\r\n");
        assert_eq!(client.answer().text(), sizes.iter().sum::<usize>().to_string());
    }
    assert_eq!(proxy.edge.meters().connections.accepted, 1);
}

#[test]
fn a_reader_that_stops_stops_the_sender() {
    let (told, hear) = channel();
    let told = Mutex::new(told);
    let backend = Backend::start(move |mut served| {
        served.request().unwrap();
        served.say("HTTP/1.1 200 OK\r\nContent-Length: 4294967296\r\n\r\n");
        // Blocked for so long means that everything between here and the client is full.
        served.stream.set_write_timeout(Some(Duration::from_secs(1))).unwrap();
        let mut sent = 0;
        while let Ok(bytes) = served.stream.write(&[7; 64 * 1024]) {
            sent += bytes;
            if sent > 1024 * MIB {
                break;
            }
        }
        told.lock().unwrap().send(sent).unwrap();
    });
    let proxy = Proxy::new(&[&backend]);
    let mut client = proxy.client();
    client.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    client.head();
    let sent = hear.recv_timeout(crate::harness::PATIENCE).unwrap();
    // Socket buffers of the kernel on four ends, and one buffer of ours.
    assert!(sent < 64 * MIB, "{} MiB went somewhere", sent / MIB);
}

#[test]
fn an_early_answer_to_a_long_upload_is_passed_on() {
    let backend = Backend::start(|mut served| {
        if served.head().is_some() {
            served
                .say("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno");
            // Reads on for a moment, as a good server does, so that no reset overtakes it.
            let _ = served.stream.shutdown(std::net::Shutdown::Write);
            let _ = std::io::copy(&mut served.stream.take(64 << 20), &mut std::io::sink());
        }
    });
    let proxy = Proxy::new(&[&backend]);
    let mut client = proxy.client();
    let length = 512 * MIB;
    client.say(&format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n"));
    client.say(&"x".repeat(100_000));
    let answer = client.answer();
    assert_eq!((answer.status, answer.text()), (403, "no".to_owned()));
    assert_eq!(answer.field("connection").as_deref(), Some("close"));
}

#[test]
fn continue_comes_from_the_endpoint_and_before_the_body() {
    let backend = Backend::start(|mut served| {
        while let Some(head) = served.head() {
            assert!(head.contains("Expect: 100-continue"), "{head}");
            if head.contains("/refuse") {
                served.say("HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n");
                return;
            }
            served.say("HTTP/1.1 100 Continue\r\n\r\n");
            let body = served.bytes(4);
            assert_eq!(body, b"body");
            served.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        }
    });
    let proxy = Proxy::new(&[&backend]);
    let head = |path| {
        format!(
            "POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n"
        )
    };
    let mut client = proxy.client();
    for _ in 0..2 {
        client.say(&head("/"));
        // The body is sent only after this: if the proxy waited for it, this would never come.
        assert_eq!(client.head(), "HTTP/1.1 100 Continue\r\n\r\n");
        client.say("body");
        assert_eq!(client.answer().text(), "ok");
    }
    let mut refused = proxy.client();
    refused.say(&head("/refuse"));
    let answer = refused.answer();
    assert_eq!((answer.status, answer.field("connection").as_deref()), (417, Some("close")));
}

#[test]
fn trailers_reach_those_who_ask_for_them() {
    let backend = Backend::answering(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n\
         1\r\na\r\n0\r\nX-Sum: 1\r\n\r\n",
    );
    let proxy = Proxy::new(&[&backend]);
    let mut client = proxy.client();
    client.say("GET / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nConnection: TE\r\n\r\n");
    let with = client.answer();
    assert_eq!(with.text(), "1\r\na\r\n0\r\nX-Sum: 1\r\n\r\n");
    assert_eq!(with.field("trailer").as_deref(), Some("X-Sum"));
    let without = client.get("/");
    assert_eq!(without.text(), "1\r\na\r\n0\r\n\r\n");
    assert!(without.field("trailer").is_none());
    assert!(backend.seen()[0].contains("TE: trailers\r\n"));
    assert!(!backend.seen()[1].contains("TE:"));
}

#[test]
fn an_event_arrives_before_the_next_one_is_made() {
    let (seen, wait) = channel::<()>();
    let wait = Mutex::new(wait);
    let backend = Backend::start(move |mut served| {
        served.request().unwrap();
        served.say(
            "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n",
        );
        for number in 0..5 {
            served.say(&format!("9\r\ndata: {number}\n\n\r\n"));
            // Made only once the client has the one before.
            wait.lock().unwrap().recv_timeout(crate::harness::PATIENCE).unwrap();
        }
        served.say("0\r\n\r\n");
    });
    let proxy = Proxy::new(&[&backend]);
    let mut client = proxy.client();
    client.say("GET /events HTTP/1.1\r\nHost: a\r\n\r\n");
    client.head();
    for number in 0..5 {
        let event = format!("9\r\ndata: {number}\n\n\r\n");
        assert_eq!(client.bytes(event.len()), event.as_bytes());
        seen.send(()).unwrap();
    }
    assert_eq!(client.bytes(5), b"0\r\n\r\n");
}

#[test]
fn a_client_that_leaves_frees_the_endpoint() {
    let ended = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&ended);
    let backend = Backend::start(move |mut served| {
        served.request().unwrap();
        // Never answers; the proxy's hanging up is the only way out.
        let mut byte = [0];
        let _ = served.stream.read(&mut byte);
        count.fetch_add(1, Ordering::SeqCst);
    });
    let proxy = Proxy::new(&[&backend]);
    let mut client = proxy.client();
    client.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let in_flight = || proxy.directory.lock().unwrap().in_flight(&name("backend"), "backend.0");
    eventually("in flight", || in_flight() == 1);
    drop(client);
    eventually("given up", || in_flight() == 0 && ended.load(Ordering::SeqCst) == 1);
    let aborted = proxy.edge.meters().services[0].traffic.statuses.aborted;
    assert_eq!(aborted, 1);
}
