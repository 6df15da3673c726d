//! Properties: no bytes panic, cuts do not matter, what is written is read back.

use http1::{BodyDecoder, BodyLength, Limits, Piece, Progress, RequestHead, Version, encode};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::connection::{Role, read};

/// Bytes that are often nearly HTTP: fragments in any order.
fn nearly_http() -> impl Strategy<Value = Vec<u8>> {
    let fragment = prop_oneof![
        Just(b"GET / HTTP/1.1\r\n".to_vec()),
        Just(b"POST /x HTTP/1.0\r\n".to_vec()),
        Just(b"HTTP/1.1 200 OK\r\n".to_vec()),
        Just(b"HTTP/1.1 100 Continue\r\n\r\n".to_vec()),
        Just(b"Host: a\r\n".to_vec()),
        Just(b"Content-Length: 3\r\n".to_vec()),
        Just(b"Transfer-Encoding: chunked\r\n".to_vec()),
        Just(b"Connection: close, x\r\n".to_vec()),
        Just(b"\r\n".to_vec()),
        Just(b"\n".to_vec()),
        Just(b"3\r\nabc\r\n".to_vec()),
        Just(b"0\r\n".to_vec()),
        Just(b"X: y\r\n".to_vec()),
        vec(any::<u8>(), 1..4),
    ];
    vec(fragment, 0..12).prop_map(|fragments| fragments.concat())
}

fn cut<'a>(bytes: &'a [u8], sizes: &[usize]) -> Vec<&'a [u8]> {
    let mut rest = bytes;
    let mut pieces = Vec::new();
    for size in sizes.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (piece, after) = rest.split_at((*size).min(rest.len()));
        pieces.push(piece);
        rest = after;
    }
    pieces
}

fn token() -> impl Strategy<Value = String> {
    "[A-Za-z0-9!#$%&'*+.^_`|~-]{1,20}"
}

proptest! {
    #[test]
    fn the_outcome_does_not_depend_on_the_cuts(
        bytes in nearly_http(),
        sizes in vec(1_usize..40, 1..8),
    ) {
        for role in [Role::Server, Role::Client] {
            let whole = read(role, [bytes.as_slice()]);
            prop_assert_eq!(read(role, cut(&bytes, &sizes)), whole);
        }
    }

    #[test]
    fn what_was_written_is_read_back(
        method in token(),
        path in "/[a-z0-9/._~-]{0,40}",
        fields in vec((token(), "[!-~]([ -~]{0,30}[!-~])?"), 0..20),
    ) {
        let mut out = Vec::new();
        let fields: Vec<_> = fields
            .into_iter()
            .filter(|(name, _)| http1::Known::of(name.as_bytes()) == http1::Known::Other)
            .collect();
        prop_assume!(method != "CONNECT");
        encode::request_line(&mut out, method.as_bytes(), path.as_bytes(), Version::Http11);
        encode::field(&mut out, b"Host", b"a.example:8080");
        for (name, value) in &fields {
            encode::field(&mut out, name.as_bytes(), value.as_bytes());
        }
        out.extend_from_slice(encode::HEAD_END);
        let mut head = RequestHead::new();
        prop_assert_eq!(head.parse(&out, &Limits::default()), Ok(Progress::Complete));
        prop_assert_eq!(head.bytes as usize, out.len());
        prop_assert_eq!(head.method_text.of(&out), method.as_bytes());
        prop_assert_eq!(head.target.of(&out), path.as_bytes());
        let found: Vec<_> =
            head.fields.iter().skip(1).map(|f| (f.name.of(&out), f.value.of(&out))).collect();
        let written: Vec<_> =
            fields.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
        prop_assert_eq!(found, written);
    }

    #[test]
    fn chunks_are_read_back_from_any_cuts(
        chunks in vec(vec(any::<u8>(), 1..300), 0..6),
        sizes in vec(1_usize..90, 1..8),
    ) {
        let mut wire = Vec::new();
        for chunk in &chunks {
            encode::chunk_prefix(&mut wire, chunk.len() as u64);
            wire.extend_from_slice(chunk);
            wire.extend_from_slice(encode::CHUNK_SUFFIX);
        }
        wire.extend_from_slice(encode::LAST_CHUNK);
        let mut decoder = BodyDecoder::new(BodyLength::Chunked, &Limits::default());
        let (mut buffer, mut content) = (Vec::new(), Vec::new());
        for piece in cut(&wire, &sizes) {
            buffer.extend_from_slice(piece);
            loop {
                match decoder.next(&buffer).unwrap() {
                    Piece::More | Piece::End => break,
                    Piece::Framing { bytes } => drop(buffer.drain(..bytes)),
                    Piece::Data { bytes } => content.extend(buffer.drain(..bytes)),
                    Piece::Trailer { .. } => unreachable!("none was written"),
                }
            }
        }
        prop_assert!(decoder.is_done());
        prop_assert_eq!(content, chunks.concat());
    }
}

/// A head that trickles in must cost in proportion to its bytes, not to their square: the
/// buffer before the searched part is never looked at again, so it may as well change.
#[test]
fn a_trickling_head_is_not_searched_again() {
    let mut head = RequestHead::new();
    let limits = Limits::default();
    let mut buffer = b"GET / HTTP/1.1\r\nHost: a\r\nX: ".to_vec();
    assert_eq!(head.parse(&buffer, &limits), Ok(Progress::Partial));
    buffer.extend_from_slice(&[b'x'; 1000]);
    assert_eq!(head.parse(&buffer, &limits), Ok(Progress::Partial));
    // Would be a line end, were it looked at.
    let seen = buffer.len() - 10;
    buffer[seen] = b'\n';
    buffer.extend_from_slice(b"y");
    assert_eq!(head.parse(&buffer, &limits), Ok(Progress::Partial));
    buffer[seen] = b'x';
    buffer.extend_from_slice(b"\r\n\r\n");
    assert_eq!(head.parse(&buffer, &limits), Ok(Progress::Complete));
    assert_eq!(head.fields[1].value.bytes(), 1001);
}

/// One head after another through the same struct: its storage does not grow or move.
#[test]
fn storage_is_used_again() {
    let mut head = RequestHead::new();
    let limits = Limits::default();
    let request = b"GET / HTTP/1.1\r\nHost: a\r\nA: 1\r\nB: 2\r\nC: 3\r\n\r\n";
    head.parse(request, &limits).unwrap();
    let (at, capacity) = (head.fields.as_ptr(), head.fields.capacity());
    for _ in 0..100 {
        assert_eq!(head.parse(request, &limits), Ok(Progress::Complete));
        assert_eq!(head.fields.len(), 4);
    }
    assert_eq!((head.fields.as_ptr(), head.fields.capacity()), (at, capacity));
}
