//! The total order of routes, as plain comparison.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use crate::route::{HostMatch, PathMatch, RouteSpec, Segment};

/// Where a route stands; smaller is more specific and is tried first.
///
/// The fields are compared in this order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank {
    host: HostRank,
    path: Vec<PathRank>,
    header_count: Reverse<usize>,
    // Among equally many conditions: more that name a value, then more that name a pattern.
    equals_count: Reverse<usize>,
    matches_count: Reverse<usize>,
    // Sets of conditions that are equally many have an arbitrary but fixed order, so that equal
    // sets stand together.
    headers: Vec<(String, u8, String)>,
    method_count: usize,
    index: usize,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum HostRank {
    Exact(String),
    /// Longer suffixes first.
    Wildcard(Reverse<usize>, String),
    Any,
}

/// One step of a path, from the left.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum PathRank {
    /// The path ends here.
    End,
    Literal(String),
    /// More literal bytes first.
    Glob(Reverse<usize>, String),
    Star,
    /// `**` with more after it; more literal bytes first.
    Middle(Reverse<usize>, String),
    /// By first appearance in the file.
    Regex(usize),
    /// `**` in last place.
    Rest,
    AnyPath,
}

impl Rank {
    pub(super) fn headers(&self) -> &[(String, u8, String)] {
        &self.headers
    }
}

/// The ranks of `routes`, in the same order.
pub(super) fn ranks(routes: &[RouteSpec]) -> Vec<Rank> {
    let mut first_seen: BTreeMap<&str, usize> = BTreeMap::new();
    for (index, spec) in routes.iter().enumerate() {
        if let PathMatch::Regex(_, text) = &spec.path {
            first_seen.entry(text).or_insert(index);
        }
    }
    let rank = |(index, spec): (usize, &RouteSpec)| {
        let mut headers: Vec<_> = spec
            .headers
            .iter()
            .map(|one| one.key())
            .map(|(name, kind, value)| (name.to_owned(), kind, value.to_owned()))
            .collect();
        headers.sort_unstable();
        headers.dedup();
        Rank {
            host: host_rank(&spec.host),
            path: path_rank(&spec.path, &first_seen),
            header_count: Reverse(headers.len()),
            equals_count: Reverse(headers.iter().filter(|(_, kind, _)| *kind == 0).count()),
            matches_count: Reverse(headers.iter().filter(|(_, kind, _)| *kind == 1).count()),
            headers,
            // No methods means all of them.
            method_count: spec.methods.len().wrapping_sub(1),
            index,
        }
    };
    routes.iter().enumerate().map(rank).collect()
}

fn host_rank(host: &HostMatch) -> HostRank {
    match host {
        HostMatch::Exact(name) => HostRank::Exact(name.clone()),
        HostMatch::Wildcard(suffix) => HostRank::Wildcard(Reverse(suffix.len()), suffix.clone()),
        HostMatch::Any => HostRank::Any,
    }
}

fn path_rank(path: &PathMatch, first_seen: &BTreeMap<&str, usize>) -> Vec<PathRank> {
    match path {
        PathMatch::Any => vec![PathRank::AnyPath],
        PathMatch::Regex(_, text) => {
            let literals = literal_segments(text).into_iter().map(PathRank::Literal);
            let index = first_seen.get(text.as_str()).copied().unwrap_or(usize::MAX);
            literals.chain([PathRank::Regex(index)]).collect()
        }
        PathMatch::Pattern(pattern) => {
            let mut ranks = Vec::new();
            for (place, segment) in pattern.segments.iter().enumerate() {
                let rest = pattern.segments.get(place + 1..).unwrap_or_default();
                match segment {
                    Segment::Literal(text) => ranks.push(PathRank::Literal(text.clone())),
                    Segment::Glob(text) => ranks.push(glob_rank(text)),
                    Segment::Star => ranks.push(PathRank::Star),
                    Segment::Rest if rest.is_empty() => {
                        ranks.push(PathRank::Rest);
                        return ranks;
                    }
                    Segment::Rest => {
                        let (bytes, text) = tail_order(rest);
                        ranks.push(PathRank::Middle(bytes, text));
                        return ranks;
                    }
                }
            }
            ranks.push(PathRank::End);
            ranks
        }
    }
}

fn glob_rank(text: &str) -> PathRank {
    let (bytes, text) = glob_order(text);
    PathRank::Glob(bytes, text)
}

/// The order among globs at one place: more literal bytes first, then by text.
pub(super) fn glob_order(text: &str) -> (Reverse<usize>, String) {
    (Reverse(text.bytes().filter(|&byte| byte != b'*').count()), text.to_owned())
}

/// The order among tails after a `**` at one place.
pub(super) fn tail_order(rest: &[Segment]) -> (Reverse<usize>, String) {
    let texts: Vec<&str> = rest.iter().map(Segment::text).collect();
    glob_order(&texts.join("/"))
}

/// The whole segments with which every path begins that `regex` matches.
///
/// Cautious: what might be an operator ends the literal part, and with `|` anywhere there is none.
pub(super) fn literal_segments(regex: &str) -> Vec<String> {
    if regex.contains('|') {
        return Vec::new();
    }
    let text = regex.strip_prefix('^').unwrap_or(regex);
    let is_literal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '-' | '_' | '~');
    let end = text.find(|c| !is_literal(c)).unwrap_or(text.len());
    let (literal, operators) = text.split_at(end);
    // The last character may be what an operator repeats (`/a/?`), and the last segment may go on.
    let whole = if operators.is_empty() || !operators.starts_with(['?', '*', '+', '{']) {
        literal
    } else {
        literal.get(..literal.len().saturating_sub(1)).unwrap_or("")
    };
    let Some(folder) = whole.rfind('/').and_then(|slash| whole.get(..slash)) else {
        return Vec::new();
    };
    match folder.strip_prefix('/') {
        Some(inner) => inner.split('/').map(str::to_owned).collect(),
        None => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_regex_begins_with_its_whole_literal_segments() {
        let joined = |regex: &str| literal_segments(regex).join(",");
        assert_eq!(joined("/api/v[0-9]+/.*"), "api");
        assert_eq!(joined("^/api/users/[0-9]+"), "api,users");
        assert_eq!(joined("/api/users"), "api");
        assert_eq!(joined("/api/?"), "");
        assert_eq!(joined("/api/a?"), "api");
        assert_eq!(joined("/a/b/{2}"), "a");
        assert_eq!(joined("/a/b|/c/d"), "");
        assert_eq!(joined("(?i)/a/b"), "");
        assert_eq!(joined(".*/a"), "");
    }
}
