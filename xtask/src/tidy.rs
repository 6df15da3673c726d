//! `cargo xtask tidy`: the house rules that neither rustfmt nor clippy knows, each in a file.
//!
//! | file | rule |
//! | --- | --- |
//! | [`source`] | a doc on top of every file, sizes against the ratchet, nothing left to do |
//! | [`rooms`] | who may name whom, by the table in `ARCHITECTURE.md`; lints and thresholds agree |
//! | [`purity`] | pure crates touch no file, socket, clock, thread or unordered map |
//! | [`links`] | no dead link in a Markdown file |
//!
//! A rule reads a [`Tree`] of texts and returns [`Problem`]s; that is also how each is tested.
mod links;
mod manifest;
mod purity;
mod ratchet;
mod rooms;
mod source;
mod tree;

use std::fmt;

pub use tree::Tree;

/// A rule that is broken: where, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// Relative to the root.
    pub path: String,
    /// Counted from 1; 0 where the file as a whole is meant.
    pub line: usize,
    pub message: String,
}

impl Problem {
    fn new(path: &str, line: usize, message: impl Into<String>) -> Problem {
        Problem { path: path.to_owned(), line, message: message.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.path, self.message),
            line => write!(f, "{}:{line}: {}", self.path, self.message),
        }
    }
}

/// All rules over a tree, in the order of the files.
pub fn check(tree: &Tree) -> Vec<Problem> {
    let mut problems = [
        source::check(tree),
        ratchet::check(tree),
        rooms::check(tree),
        purity::check(tree),
        links::check(tree),
    ]
    .concat();
    problems.sort();
    problems
}

/// Checks this repository and prints what is wrong.
///
/// # Errors
/// When anything is; the text counts them.
pub fn run() -> Result<(), String> {
    let problems = check(&Tree::read(&crate::step::root())?);
    for problem in &problems {
        eprintln!("{problem}");
    }
    match problems.len() {
        0 => Ok(()),
        count => Err(format!("tidy: {count} to put right")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What CI runs through `cargo test` as well, so that nobody has to think of it.
    #[test]
    fn this_repository_is_tidy() {
        let problems = check(&Tree::read(&crate::step::root()).unwrap());
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert!(lines.is_empty(), "\n{}", lines.join("\n"));
    }
}
