//! Transcripts: lines of input, each followed by `=> ` and what came of it.

use std::path::PathBuf;

/// Runs `judge` on the part of every line before `=>` and compares; with `UPDATE=1` in the
/// environment writes down what came. Empty lines and lines that begin with `#` are kept.
///
/// Only commit an update whose every difference you can explain.
pub(crate) fn check(name: &str, mut judge: impl FnMut(&str) -> String) {
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "testdata", name].iter().collect();
    let want = std::fs::read_to_string(&path).unwrap();
    let mut got = String::new();
    let mut case_count = 0;
    for line in want.lines() {
        let input = line.split("=>").next().unwrap().trim_end();
        if input.is_empty() || input.starts_with('#') {
            got.push_str(line);
        } else {
            case_count += 1;
            let answer = judge(input);
            got.push_str(format!("{input:<52} => {answer}").trim_end());
        }
        got.push('\n');
    }
    assert!(case_count > 0, "{name} has no cases");
    if std::env::var_os("UPDATE").is_some() {
        #[expect(clippy::disallowed_methods, reason = "tests rewrite their transcripts")]
        std::fs::write(&path, &got).unwrap();
        return;
    }
    for (number, (want, got)) in want.lines().zip(got.lines()).enumerate() {
        assert_eq!(want, got, "{name}:{} (UPDATE=1 rewrites it)", number + 1);
    }
}

/// `\xNN` becomes that byte, so that transcripts are plain text.
pub(crate) fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("\\x") {
        bytes.extend_from_slice(before.as_bytes());
        bytes.push(u8::from_str_radix(&after[..2], 16).unwrap());
        rest = &after[2..];
    }
    bytes.extend_from_slice(rest.as_bytes());
    bytes
}
