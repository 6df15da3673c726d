//! Every case of every corpus, whole and in every cut.

use crate::connection::{Role, read};
use crate::transcript::{Case, check};

/// Reads the case whole, byte by byte, and cut in two everywhere; all must agree.
fn in_every_cut(role: Role, case: &Case) -> Vec<String> {
    let whole = read(role, [case.bytes.as_slice()]);
    assert_eq!(read(role, case.bytes.chunks(1)), whole, "byte by byte: {}", case.name);
    // Cuts inside a long filler all look alike: take those near its ends and a few others.
    let step = (case.bytes.len() / 512).max(1);
    for at in (0..case.bytes.len()).filter(|at| *at < 256 || at % step == 0) {
        let (start, end) = case.bytes.split_at(at);
        assert_eq!(read(role, [start, end]), whole, "cut at {at}: {}", case.name);
    }
    whole
}

fn refused(case: &Case) -> Vec<String> {
    let outcome = in_every_cut(Role::Server, case);
    let last = outcome.last().map_or("nothing", String::as_str);
    assert!(last.starts_with("refused "), "{}: ends in {last:?}", case.name);
    outcome
}

#[test]
fn malformed_requests_are_refused() {
    check("malformed.txt", refused);
}

#[test]
fn ambiguous_requests_are_refused() {
    check("smuggling.txt", refused);
}

#[test]
fn right_requests_are_read_as_meant() {
    check("accepted.txt", |case| {
        let outcome = in_every_cut(Role::Server, case);
        assert!(!outcome.iter().any(|line| line.starts_with("refused")), "{}", case.name);
        outcome
    });
}

#[test]
fn responses_are_read_as_meant() {
    check("responses.txt", |case| in_every_cut(Role::Client, case));
}
