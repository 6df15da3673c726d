//! Pure crates: no file, socket, clock, thread, environment, async or unordered map outside tests.
//!
//! `clippy.toml` bans items and cannot ban modules, so this looks for the modules' names as well.
use super::{Problem, Tree, rooms};

/// What must not be named, and what to do instead.
const BANNED: &[(&str, &str)] = &[
    ("std::fs", "files are the caller's"),
    ("std::env", "configuration is an input"),
    ("std::process", "programs are the caller's"),
    ("std::thread", "threads are the caller's"),
    ("std::net::Tcp", "sockets are the caller's"),
    ("std::net::Udp", "sockets are the caller's"),
    ("std::time::Instant", "time is an input: `model::Moment`"),
    ("std::time::SystemTime", "time is an input: `model::Moment`"),
    ("HashMap", "its order is chance; use `BTreeMap`"),
    ("HashSet", "its order is chance; use `BTreeSet`"),
    ("async fn", "async is the caller's"),
    ("async move", "async is the caller's"),
];

pub(super) fn check(tree: &Tree) -> Vec<Problem> {
    let mut problems = Vec::new();
    for room in rooms::rooms(tree).into_iter().filter(|room| room.pure) {
        let sources = format!("{}/src/", room.path);
        for (path, text) in tree.texts().filter(|(path, _)| path.starts_with(&sources)) {
            if is_source(path) {
                check_file(path, text, &mut problems);
            }
        }
        let library = format!("{sources}lib.rs");
        let text = tree.text(&library).unwrap_or_default();
        if !text.contains("#![forbid(unsafe_code)]") {
            let message = "a pure crate says `#![forbid(unsafe_code)]`";
            problems.push(Problem::new(&library, 1, message));
        }
    }
    problems
}

/// Tests may use threads and files; by the house's habit they are in files of these names.
fn is_source(path: &str) -> bool {
    path.ends_with(".rs") && !path.ends_with("/tests.rs") && !path.contains("/tests/")
}

fn check_file(path: &str, text: &str, problems: &mut Vec<Problem>) {
    let mut group = String::new();
    for (number, line) in (1..).zip(text.lines()) {
        // Tests stand below the code.
        if line.trim_start().starts_with("#[cfg(test)]") {
            break;
        }
        let code = line.split_once("//").map_or(line, |(code, _)| code);
        // `use std::{fs, net::{…}}` may go over several lines.
        if !group.is_empty() || code.trim_start().starts_with("use std::") {
            group.push_str(code.trim());
            if code.contains(';') {
                let named = std::mem::take(&mut group);
                report(path, number, &spelled_out(&named), problems);
            }
        } else {
            report(path, number, code, problems);
        }
    }
}

fn report(path: &str, line: usize, code: &str, problems: &mut Vec<Problem>) {
    for (name, advice) in BANNED {
        if code.contains(name) {
            let message = format!("`{name}` in a pure crate: {advice}");
            problems.push(Problem::new(path, line, message));
        }
    }
}

/// `use std::{fs, time::{Duration, Instant}};` → `std::fs std::time::Duration std::time::Instant`.
fn spelled_out(statement: &str) -> String {
    let mut prefixes: Vec<String> = vec![String::new()];
    let mut names = String::new();
    let mut word = String::new();
    for c in statement.trim_start_matches("use ").chars() {
        match c {
            '{' => {
                let prefix = prefixes.last().cloned().unwrap_or_default() + word.trim();
                prefixes.push(prefix);
                word.clear();
            }
            ',' | '}' | ';' => {
                if !word.trim().is_empty() {
                    names.push_str(prefixes.last().map_or("", String::as_str));
                    names.push_str(word.trim());
                    names.push(' ');
                }
                word.clear();
                if c == '}' {
                    prefixes.pop();
                }
            }
            _ => word.push(c),
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_code(path: &str, code: &str) -> Vec<String> {
        let map = "| `crates/model`° | nouns | nobody |\n| `crates/edge` | bytes | nobody |\n";
        let library = "//! Nouns.\n#![forbid(unsafe_code)]\n";
        let files = [("ARCHITECTURE.md", map), ("crates/model/src/lib.rs", library), (path, code)];
        check(&Tree::of(&files)).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn each_banned_name_is_found() {
        for (name, _) in BANNED {
            let found = check_code("crates/model/src/a.rs", &format!("//! A.\nlet x = {name};\n"));
            assert!(found.len() == 1 && found[0].contains(name), "{name}: {found:?}");
        }
    }

    #[test]
    fn a_banned_name_within_a_group_is_found() {
        let code =
            "//! A.\nuse std::{\n    fmt, net::IpAddr,\n    time::{Duration, Instant},\n};\n";
        let found = check_code("crates/model/src/a.rs", code);
        assert!(found.len() == 1 && found[0].contains("a.rs:5: `std::time::Instant`"), "{found:?}");
    }

    #[test]
    fn tests_comments_and_other_rooms_may_say_anything() {
        let code = "//! About std::fs.\nuse std::{fmt, net::IpAddr};\n#[cfg(test)]\nuse std::fs;\n";
        assert_eq!(check_code("crates/model/src/a.rs", code), Vec::<String>::new());
        assert!(check_code("crates/edge/src/a.rs", "use std::fs;\n").is_empty());
        assert!(check_code("crates/model/src/a/tests.rs", "use std::fs;\n").is_empty());
    }

    #[test]
    fn a_pure_crate_without_the_ban_on_unsafe_code_is_found() {
        let found = check_code("crates/model/src/lib.rs", "//! Nouns.\n");
        assert!(found.len() == 1 && found[0].contains("forbid(unsafe_code)"), "{found:?}");
    }
}
