//! The one parse of a target.

use std::borrow::Cow;

use gateway::{Canonical, Rejection};
use proptest::prelude::*;

use crate::transcript::{check, unescape};

/// A line is `METHOD target [host]`; the answer is host, port, path and query, or the refusal.
fn judge(line: &str) -> String {
    let mut words = line.split_whitespace();
    let method = words.next().unwrap();
    let target = unescape(words.next().unwrap());
    let host = words.next().map(unescape);
    match Canonical::parse(method, &target, host.as_deref()) {
        Ok(canonical) => {
            let mut authority = Vec::new();
            canonical.write_authority(&mut authority);
            let mut written = Vec::new();
            canonical.write_target(&mut written);
            format!(
                "{} {}",
                String::from_utf8(authority).unwrap(),
                String::from_utf8(written).unwrap()
            )
            .trim_start()
            .to_owned()
        }
        Err(Rejection { status, reason }) => format!("{status} {reason}"),
    }
}

#[test]
fn targets_have_one_reading_or_none() {
    check("canonical.txt", judge);
}

#[test]
fn hosts_have_one_reading_or_none() {
    check("hosts.txt", |line| judge(&format!("GET / {line}")));
}

#[test]
fn a_host_of_253_bytes_is_the_longest() {
    let host = |bytes: usize| {
        let text = "a.".repeat(bytes / 2) + if bytes % 2 == 1 { "b" } else { "" };
        let name = if bytes % 2 == 1 { text } else { text.trim_end_matches('.').to_owned() + "c" };
        assert_eq!(name.len(), bytes);
        Canonical::parse("GET", b"/", Some(name.as_bytes())).is_ok()
    };
    assert!(host(253));
    assert!(!host(254));
}

#[test]
fn canonical_spellings_are_borrowed() {
    let cases: [&[u8]; 4] =
        [b"/", b"/orders/17?x=%2e", b"/a%20b/.well-known/~x", b"/a;v=1/b:c@d!$&'()*+,="];
    for target in cases {
        let canonical = Canonical::parse("GET", target, Some(b"shop.example:80")).unwrap();
        assert!(matches!(canonical.path, Cow::Borrowed(_)), "{target:?}");
        assert!(matches!(canonical.host, Cow::Borrowed(_)));
        assert_eq!(canonical.port, Some(80));
    }
}

/// Paths from the pieces out of which tricks are made.
fn tricky_path() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("/"),
        Just("."),
        Just(".."),
        Just("%2e"),
        Just("%2F"),
        Just("%5c"),
        Just(";"),
        Just("%3b"),
        Just("a"),
        Just("%61"),
        Just("%C3%A9"),
        Just("%c0"),
        Just("%ae"),
        Just("%25"),
        Just("2e"),
        Just("|"),
        Just("\\"),
        Just("%"),
        Just("%00"),
        Just("*"),
    ];
    proptest::collection::vec(piece, 0..14).prop_map(|pieces| format!("/{}", pieces.concat()))
}

fn path_of(target: &str) -> Result<String, Rejection> {
    Canonical::parse("GET", target.as_bytes(), None).map(|canonical| canonical.path.into_owned())
}

/// What a server that decodes once and then resolves would see; `None` when it leaves the root.
fn naive_server(path: &str) -> Option<Vec<String>> {
    let mut bytes = Vec::new();
    let mut rest = path;
    while let Some((before, after)) = rest.split_once('%') {
        bytes.extend_from_slice(before.as_bytes());
        bytes.push(u8::from_str_radix(&after[..2], 16).unwrap());
        rest = &after[2..];
    }
    bytes.extend_from_slice(rest.as_bytes());
    let text = String::from_utf8_lossy(&bytes).replace('\\', "/");
    let mut segments: Vec<String> = Vec::new();
    for segment in text.split('/') {
        // Servlet containers cut path parameters before they resolve dots.
        match segment.split(';').next().unwrap() {
            "" | "." => {}
            ".." => {
                segments.pop()?;
            }
            name => segments.push(name.to_owned()),
        }
    }
    Some(segments)
}

proptest! {
    #[test]
    fn canonical_is_a_fixed_point(path in tricky_path()) {
        if let Ok(once) = path_of(&path) {
            prop_assert_eq!(path_of(&once), Ok(once.clone()));
            prop_assert!(once.starts_with('/') && !once.contains("//"));
            prop_assert!(once.split('/').all(|segment| segment != "." && segment != ".."));
        }
    }

    /// The promise for which all this is done: no upstream that decodes, treats backslashes as
    /// slashes or cuts parameters finds a dot segment that we did not.
    #[test]
    fn no_server_behind_us_sees_another_folder(path in tricky_path()) {
        if let Ok(path) = path_of(&path) {
            let plain = naive_server(&path);
            prop_assert!(plain.is_some(), "{} leaves the root", path);
            let ours = path.replace("%2F", "/").replace("%5C", "/");
            let kept = ours.split('/').filter(|s| !s.split(';').next().unwrap().is_empty());
            let kept = kept.filter(|s| !s.split("%3B").next().unwrap().is_empty()).count();
            prop_assert_eq!(plain.unwrap().len(), kept, "{}", path);
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(target in proptest::collection::vec(any::<u8>(), 0..40),
                                     host in proptest::collection::vec(any::<u8>(), 0..20)) {
        let _ = Canonical::parse("GET", &target, Some(&host));
    }
}
