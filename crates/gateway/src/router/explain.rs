//! Why a request goes where it goes: every route in order, judged by plain comparison.
//!
//! Deliberately not the tree's code: what people are told and what is done are computed twice, and
//! a property test compares them.

use std::fmt;

use super::tree::glob_matches;
use super::{Entry, Router};
use crate::request::Request;
use crate::route::{HostMatch, PathMatch, Segment};

/// The routes in the order in which they are tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// Most specific first.
    pub candidates: Vec<Candidate>,
    /// Place in `candidates` of the route that is taken.
    pub chosen: Option<usize>,
}

/// A route, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Place in the file.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// Its host, as configured.
    pub host: String,
    /// Its path, as configured.
    pub path: String,
    /// Why it was taken or passed over.
    pub verdict: Verdict,
}

/// What became of a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Taken: the first of which every condition holds.
    Chosen,
    /// Its host is another.
    HostDiffers,
    /// Its path is another.
    PathDiffers,
    /// The method is not listed.
    MethodNotListed,
    /// This condition on a header field does not hold.
    HeaderDiffers(String),
    /// Would fit, but a more specific route was taken.
    LessSpecific,
}

pub(super) fn explain(router: &Router, request: &Request<'_>) -> Explanation {
    let mut explanation = Explanation { candidates: Vec::new(), chosen: None };
    for &place in &router.order {
        let Some(entry) = router.entries.get(place as usize) else { continue };
        let verdict = match judge(entry, request) {
            Some(refusal) => refusal,
            None if explanation.chosen.is_some() => Verdict::LessSpecific,
            None => {
                explanation.chosen = Some(explanation.candidates.len());
                Verdict::Chosen
            }
        };
        explanation.candidates.push(Candidate {
            index: entry.route.index,
            name: entry.spec.name.clone(),
            host: entry.spec.host.to_string(),
            path: entry.spec.path.to_string(),
            verdict,
        });
    }
    explanation
}

fn judge(entry: &Entry, request: &Request<'_>) -> Option<Verdict> {
    if !entry.spec.host.matches(&request.canonical.host) {
        return Some(Verdict::HostDiffers);
    }
    if !entry.spec.path.matches(&request.canonical.path) {
        return Some(Verdict::PathDiffers);
    }
    if !entry.method_fits(request.method) {
        return Some(Verdict::MethodNotListed);
    }
    let failing = entry.spec.headers.iter().find(|condition| !condition.holds(request));
    failing.map(|condition| Verdict::HeaderDiffers(condition.to_string()))
}

impl HostMatch {
    /// Whether the canonical `host` is one of these.
    pub fn matches(&self, host: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Exact(name) => name == host,
            Self::Wildcard(suffix) => host
                .strip_suffix(suffix.as_str())
                .and_then(|before| before.strip_suffix('.'))
                .is_some_and(|label| !label.is_empty()),
        }
    }
}

impl PathMatch {
    /// Whether the canonical `path` is one of these.
    pub fn matches(&self, path: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Regex(regex, _) => regex.is_match(path),
            Self::Pattern(pattern) => {
                let Some(inner) = path.strip_prefix('/') else { return false };
                let segments: Vec<&str> = inner.split('/').collect();
                segments_match(&pattern.segments, &segments)
            }
        }
    }
}

/// By the definition of each segment; `**` by trying every length, from the longest.
fn segments_match(pattern: &[Segment], path: &[&str]) -> bool {
    let Some((first, pattern_rest)) = pattern.split_first() else { return path.is_empty() };
    if let Segment::Rest = first {
        return (0..=path.len())
            .any(|skip| segments_match(pattern_rest, path.get(skip..).unwrap_or_default()));
    }
    let Some((segment, path_rest)) = path.split_first() else { return false };
    let fits = match first {
        Segment::Literal(text) => text == segment,
        Segment::Glob(glob) => glob_matches(glob, segment),
        Segment::Star => !segment.is_empty(),
        Segment::Rest => false,
    };
    fits && segments_match(pattern_rest, path_rest)
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Chosen => f.write_str("chosen"),
            Self::HostDiffers => f.write_str("the host is another"),
            Self::PathDiffers => f.write_str("the path is another"),
            Self::MethodNotListed => f.write_str("the method is not listed"),
            Self::HeaderDiffers(condition) => write!(f, "header condition fails: {condition}"),
            Self::LessSpecific => f.write_str("fits, but a more specific route was chosen"),
        }
    }
}
