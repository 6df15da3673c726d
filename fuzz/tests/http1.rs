//! The decoders of HTTP/1.1: no bytes panic, cuts change nothing, and hyper agrees.

use std::cell::Cell;

use bolero::check;
use fuzz::generate::{self, Choices};
use fuzz::theirs::Hyper;
use fuzz::{Message, assert_alike, ours};
use http1::{BodyLength, Known, Limits, Method, RequestHead, ResponseHead, encode};

/// Choices that one input deals out; more would only repeat the shape.
const CHOICE_COUNT_MAX: usize = 64;

#[test]
fn any_bytes() {
    check!().for_each(|wire: &[u8]| {
        let _ = RequestHead::new().parse(wire, &Limits::default());
        let _ = ResponseHead::new().parse(wire, Method::Get, &Limits::default());
        for length in [BodyLength::Chunked, BodyLength::Length(7), BodyLength::UntilClose] {
            let _ = ours::body(wire, length, 3, &mut Message::default());
        }
        let _ = Known::of(wire);
    });
}

#[test]
fn cuts_change_nothing() {
    check!().with_max_len(CHOICE_COUNT_MAX).for_each(|input: &[u8]| {
        let wire = generate::requests(&mut Choices::new(input));
        let whole = ours::requests(&wire, usize::MAX / 2);
        assert_eq!(whole, ours::requests(&wire, 1), "{}", wire.escape_ascii());
        assert_eq!(whole, ours::requests(&wire, 7), "{}", wire.escape_ascii());
        let wire = generate::response(&mut Choices::new(input));
        let whole = ours::response(&wire, usize::MAX / 2);
        assert_eq!(whole, ours::response(&wire, 1), "{}", wire.escape_ascii());
    });
}

#[test]
fn bodies() {
    check!().with_max_len(CHOICE_COUNT_MAX).for_each(|input: &[u8]| {
        let wire = generate::body(&mut Choices::new(input));
        let read = |piece_bytes| {
            let mut message = Message::default();
            (ours::body(&wire, BodyLength::Chunked, piece_bytes, &mut message), message)
        };
        let (whole, content) = read(usize::MAX / 2);
        assert_eq!((whole, &content), (read(1).0, &read(1).1), "{}", wire.escape_ascii());
        // What was accepted can be written again and is read the same.
        if let Ok(Some(_)) = whole {
            let again = written(&content);
            let mut message = Message::default();
            let outcome = ours::body(&again, BodyLength::Chunked, 5, &mut message);
            assert_eq!((outcome, message), (Ok(Some(again.len())), content));
        }
    });
}

/// Whatever hyper's server refuses we refuse, and what we accept it reads as we do.
#[test]
fn requests_as_hyper_reads_them() {
    let (hyper, accepted) = (Hyper::new(), Cell::new(0_u64));
    let hyper = std::panic::AssertUnwindSafe(hyper);
    let count = std::panic::AssertUnwindSafe(&accepted);
    check!().with_max_len(CHOICE_COUNT_MAX).for_each(|input: &[u8]| {
        let wire = generate::requests(&mut Choices::new(input));
        let (mut ours, _) = ours::requests(&wire, usize::MAX / 2);
        // hyper refuses the whole connection at a target with one of these: nothing to compare.
        let raw = |one: &Message| one.target.contains(['"', '<', '>', '`']);
        ours.truncate(ours.iter().position(raw).unwrap_or(ours.len()));
        count.set(count.get() + ours.len() as u64);
        if !ours.is_empty() {
            assert_alike(&wire, &ours, &hyper.requests(&wire));
        }
    });
    println!("{} messages compared", accepted.get());
    assert!(accepted.get() > 0, "nothing was accepted, so nothing was compared");
}

/// The same for the upstream side, against hyper's client.
#[test]
fn responses_as_hyper_reads_them() {
    let (hyper, accepted) = (Hyper::new(), Cell::new(0_u64));
    let hyper = std::panic::AssertUnwindSafe(hyper);
    let count = std::panic::AssertUnwindSafe(&accepted);
    check!().with_max_len(CHOICE_COUNT_MAX).for_each(|input: &[u8]| {
        let wire = generate::response(&mut Choices::new(input));
        let (ours, _) = ours::response(&wire, usize::MAX / 2);
        count.set(count.get() + ours.len() as u64);
        if !ours.is_empty() {
            assert_alike(&wire, &ours, &hyper.response(&wire));
        }
    });
    println!("{} messages compared", accepted.get());
    assert!(accepted.get() > 0, "nothing was accepted, so nothing was compared");
}

fn written(content: &Message) -> Vec<u8> {
    let mut out = Vec::new();
    if !content.body.is_empty() {
        encode::chunk_prefix(&mut out, content.body.len() as u64);
        out.extend_from_slice(&content.body);
        out.extend_from_slice(encode::CHUNK_SUFFIX);
    }
    out.extend_from_slice(encode::LAST_CHUNK_SIZE);
    for (name, value) in &content.trailers {
        encode::field(&mut out, name.as_bytes(), value);
    }
    out.extend_from_slice(encode::HEAD_END);
    out
}
