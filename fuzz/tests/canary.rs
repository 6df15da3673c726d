//! The harness must find bugs, so one is planted: should these tests fail, no other target here
//! can be believed.

use std::panic::{AssertUnwindSafe, catch_unwind};

use bolero::check;
use fuzz::generate::{self, Choices};
use fuzz::theirs::Hyper;
use fuzz::{Message, assert_alike, ours};

/// A reader with the classic fault: it overlooks `Transfer-Encoding` and so believes that such a
/// request has no body.
fn planted(wire: &[u8]) -> Vec<Message> {
    let (mut messages, _) = ours::requests(wire, usize::MAX / 2);
    for message in &mut messages {
        if message.fields.iter().any(|(name, _)| name == "transfer-encoding") {
            message.body.clear();
        }
    }
    messages
}

#[test]
fn a_planted_misreading_is_found() {
    let hyper = AssertUnwindSafe(Hyper::new());
    let found = catch_unwind(AssertUnwindSafe(|| {
        check!().with_max_len(64).with_iterations(100_000).for_each(|input: &[u8]| {
            let wire = generate::requests(&mut Choices::new(input));
            assert_alike(&wire, &planted(&wire), &hyper.requests(&wire));
        });
    }));
    assert!(found.is_err(), "the planted bug was not found");
}

/// A target that must never come, dressed as a decoder's panic on one rare input.
#[test]
fn a_planted_panic_is_found() {
    let found = catch_unwind(|| {
        check!().with_max_len(64).with_iterations(100_000).for_each(|input: &[u8]| {
            let wire = generate::body(&mut Choices::new(input));
            assert!(!wire.starts_with(b"00a"), "planted");
        });
    });
    assert!(found.is_err(), "the planted panic was not found");
}
