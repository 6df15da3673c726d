//! Sizes: a thousand lines a file, seventy a function, and a list of exceptions that only shrinks.
//!
//! Clippy measures functions (with the threshold of `clippy.toml`), and an exception must be
//! declared at the function by the lint's name; counted here are those declarations. The list is
//! `xtask/ratchet.txt`: `lines PATH COUNT` or `long-functions PATH COUNT` on a line, `#` comments.
//! A count that became smaller must be lowered there, and an entry that is not needed removed.
use std::collections::BTreeMap;

use super::{Problem, Tree};

const LIST: &str = "xtask/ratchet.txt";
const LINES_MAX: usize = 1000;
/// In halves, because this file is searched too.
const LINT: &str = concat!("too_many_", "lines");
const SIZED: &[&str] = &["rs", "py", "js", "mjs", "css", "sh", "lua"];

pub(super) fn check(tree: &Tree) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut granted = read(tree, &mut problems);
    for (path, text) in tree.texts() {
        let Some((_, extension)) = path.rsplit_once('.') else { continue };
        if !SIZED.contains(&extension) {
            continue;
        }
        let lines = text.lines().count();
        let limit = granted.remove(&("lines", path.to_owned()));
        problems.extend(hold("lines", path, lines, LINES_MAX, limit));
        let long = text.matches(LINT).count();
        let limit = granted.remove(&("long-functions", path.to_owned()));
        problems.extend(hold("long-functions", path, long, 0, limit));
    }
    for ((what, path), (line, _)) in granted {
        let message = format!("`{what} {path}` names no source file; remove the line");
        problems.push(Problem::new(LIST, line, message));
    }
    problems
}

type Granted = BTreeMap<(&'static str, String), (usize, usize)>;

fn read(tree: &Tree, problems: &mut Vec<Problem>) -> Granted {
    let mut granted = Granted::new();
    for (number, line) in (1..).zip(tree.text(LIST).unwrap_or_default().lines()) {
        let line = line.split_once('#').map_or(line, |(before, _)| before);
        let words: Vec<&str> = line.split_whitespace().collect();
        let what = ["lines", "long-functions"].into_iter().find(|what| words.first() == Some(what));
        match (what, words.as_slice()) {
            (_, []) => {}
            (Some(what), [_, path, count]) if count.parse::<usize>().is_ok() => {
                let count = count.parse().unwrap_or_default();
                granted.insert((what, (*path).to_owned()), (number, count));
            }
            _ => problems.push(Problem::new(
                LIST,
                number,
                "write `lines PATH COUNT` or `long-functions PATH COUNT`",
            )),
        }
    }
    granted
}

/// Compares a count with the rule's limit, or with what the list grants (`line`, `count`).
fn hold(
    what: &str,
    path: &str,
    count: usize,
    limit: usize,
    granted: Option<(usize, usize)>,
) -> Option<Problem> {
    let advice = if what == "lines" { "split it by idea" } else { "split the function" };
    match granted {
        None if count > limit => {
            Some(Problem::new(path, 0, format!("{count} {what}, {limit} allowed: {advice}")))
        }
        Some((_, allowed)) if count > allowed => {
            let message = format!("{count} {what}, the ratchet allows {allowed}: {advice}");
            Some(Problem::new(path, 0, message))
        }
        Some((line, _)) if count <= limit => {
            let message = format!("`{what} {path}` is not needed any more; remove the line");
            Some(Problem::new(LIST, line, message))
        }
        Some((line, allowed)) if count < allowed => {
            let message = format!("`{what} {path}` shrank from {allowed}; write {count}");
            Some(Problem::new(LIST, line, message))
        }
        None | Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_with(list: &str, path: &str, text: &str) -> Vec<String> {
        let tree = Tree::of(&[(LIST, list), (path, text)]);
        check(&tree).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_long_file_is_found_at_the_limit_and_one_beyond() {
        assert!(check_with("", "a.rs", &"//\n".repeat(1000)).is_empty());
        let found = check_with("", "a.rs", &"//\n".repeat(1001));
        assert_eq!(found, ["a.rs: 1001 lines, 1000 allowed: split it by idea"]);
    }

    #[test]
    fn a_long_function_is_found_by_its_exception() {
        let text = format!("#[expect(clippy::{LINT}, reason = \"a table\")]\nfn a() {{}}\n");
        let found = check_with("", "a.rs", &text);
        assert_eq!(found, ["a.rs: 1 long-functions, 0 allowed: split the function"]);
        assert!(check_with("long-functions a.rs 1 # a table\n", "a.rs", &text).is_empty());
    }

    #[test]
    fn the_list_only_shrinks() {
        let long = "//\n".repeat(1200);
        assert!(check_with("lines a.rs 1200", "a.rs", &long).is_empty());
        let found = check_with("lines a.rs 1300", "a.rs", &long);
        assert_eq!(found, ["xtask/ratchet.txt:1: `lines a.rs` shrank from 1300; write 1200"]);
        assert!(
            check_with("lines a.rs 1100", "a.rs", &long)[0].contains("the ratchet allows 1100")
        );
        assert!(check_with("lines a.rs 1100", "a.rs", "")[0].contains("not needed any more"));
        assert!(check_with("lines b.rs 1100", "a.rs", "")[0].contains("names no source file"));
        assert!(check_with("line a.rs", "a.rs", "")[0].starts_with("xtask/ratchet.txt:1: write"));
    }
}
