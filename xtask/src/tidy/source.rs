//! Rules about single files: a doc on top, nothing left to do, no developer's machine, no blobs.
use super::{Problem, Tree};

/// Beyond this a file is a blob, which every clone pays for ever after.
const FILE_BYTES_MAX: u64 = 100 * 1024;
/// Screenshots are worth more.
const IMAGE_BYTES_MAX: u64 = 1024 * 1024;

/// What must not be left behind in sources, and what to do instead. (Written in halves, because
/// this file is a source too.)
const LEFT_BEHIND: &[(&str, &str)] = &[
    (concat!("FIX", "ME"), "fix it, or say in the docs that it is not done"),
    (concat!("TO", "DO"), "do it, or say in the docs that it is not done"),
    (concat!("dbg", "!("), "remove the debugging aid"),
    (concat!("todo", "!("), "write it, or leave the feature out"),
    (concat!("unimplemented", "!("), "write it, or leave the feature out"),
    (concat!("#[", "ignore"), "make the test run everywhere, or remove it"),
];

/// Paths that exist on somebody's own machine only.
const OWN_MACHINE: &[&str] = &[
    concat!("/ho", "me/"),
    concat!("/Us", "ers/"),
    concat!("/ro", "ot/"),
    concat!("C:\\Us", "ers\\"),
];

const SOURCES: &[&str] = &["rs", "py", "js", "mjs", "html", "css", "sh", "lua", "toml"];
const IMAGES: &[&str] = &["png", "jpg", "webp", "gif"];

pub(super) fn check(tree: &Tree) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (path, text) in tree.texts() {
        let extension = extension(path);
        if extension == "rs" && !text.starts_with("//!") {
            let message = "a file begins with `//!` and says in a sentence what it is for";
            problems.push(Problem::new(path, 1, message));
        }
        if SOURCES.contains(&extension) {
            left_behind(path, text, &mut problems);
        }
        if SOURCES.contains(&extension) || extension == "md" {
            own_machine(path, text, &mut problems);
        }
    }
    for (path, bytes) in tree.sizes() {
        let image = IMAGES.contains(&extension(path));
        let limit = if image { IMAGE_BYTES_MAX } else { FILE_BYTES_MAX };
        if bytes > limit && !path.ends_with(".lock") {
            let message = format!("{bytes} bytes; at most {limit} belong into the repository");
            problems.push(Problem::new(path, 0, message));
        }
    }
    problems
}

fn left_behind(path: &str, text: &str, problems: &mut Vec<Problem>) {
    for (number, line) in (1..).zip(text.lines()) {
        for (word, advice) in LEFT_BEHIND {
            if finds(line, word) {
                problems.push(Problem::new(path, number, format!("`{word}`: {advice}")));
            }
        }
    }
}

fn own_machine(path: &str, text: &str, problems: &mut Vec<Problem>) {
    for (number, line) in (1..).zip(text.lines()) {
        for place in OWN_MACHINE {
            if finds(line, place) {
                let message =
                    format!("`{place}…` is on one machine only; write a path that others have");
                problems.push(Problem::new(path, number, message));
            }
        }
    }
}

/// Whether `word` stands in `line` by itself: not as a part of a longer word or path.
fn finds(line: &str, word: &str) -> bool {
    let inside = |c: char| c.is_alphanumeric() || "_-./".contains(c);
    let open_ended = !word.ends_with(char::is_alphanumeric);
    line.match_indices(word).any(|(at, _)| {
        let before = line.get(..at).and_then(|text| text.chars().next_back());
        let after = line.get(at + word.len()..).and_then(|text| text.chars().next());
        !before.is_some_and(inside)
            && (open_ended || !after.is_some_and(|c| c.is_alphanumeric() || c == '_'))
    })
}

fn extension(path: &str) -> &str {
    path.rsplit_once('.').map_or("", |(_, extension)| extension)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_one(path: &str, text: &str) -> Vec<String> {
        check(&Tree::of(&[(path, text)])).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_file_without_a_doc_is_found() {
        assert!(check_one("a.rs", "//! What it is for.\nfn a() {}\n").is_empty());
        assert!(check_one("a.rs", "fn a() {}\n")[0].starts_with("a.rs:1: a file begins with"));
        assert!(check_one("a.py", "pass\n").is_empty());
    }

    #[test]
    fn what_was_left_behind_is_found() {
        for (word, _) in LEFT_BEHIND {
            let found = check_one("a.rs", &format!("//! Doc.\nfn a() {{ {word}) }}\n"));
            assert!(found.len() == 1 && found[0].starts_with("a.rs:2: `"), "{word}: {found:?}");
        }
        let inside = concat!("//! A TO", "DOS_LIST and my_dbg", "!() are other words.\n");
        assert_eq!(check_one("a.rs", inside), Vec::<String>::new());
    }

    #[test]
    fn a_path_of_one_machine_is_found() {
        let text = |path: &str| format!("See `{path}somebody/x`.\n");
        for place in OWN_MACHINE {
            assert_eq!(check_one("a.md", &text(place)).len(), 1, "{place}");
        }
        assert!(check_one("a.md", &text("https://example.org/home/")).is_empty());
    }

    #[test]
    fn blobs_are_found_at_the_limit_and_one_beyond() {
        let text = |bytes| "x".repeat(bytes);
        assert!(check_one("a.txt", &text(100 * 1024)).is_empty());
        assert_eq!(check_one("a.txt", &text(100 * 1024 + 1)).len(), 1);
        assert!(check_one("a.png", &text(1024 * 1024)).is_empty());
        assert_eq!(check_one("a.png", &text(1024 * 1024 + 1)).len(), 1);
        assert!(check_one("Cargo.lock", &text(200 * 1024)).is_empty());
    }
}
