//! A tree of path segments, walked most specific branch first.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use regex::Regex;

use super::order::{glob_order, literal_segments, tail_order};
use crate::route::{PathMatch, Segment};

/// The routes of one host, by path.
#[derive(Debug, Default)]
pub(super) struct Tree {
    root: Node,
    any_path: Vec<u32>,
}

/// The branches below one place in a path. They are tried in the order of the fields.
#[derive(Debug, Default)]
struct Node {
    /// Routes whose path ends here.
    end: Vec<u32>,
    literals: BTreeMap<String, Node>,
    globs: Vec<(GlobOrder, Node)>,
    star: Option<Box<Node>>,
    /// `**` with more after it.
    middles: Vec<(GlobOrder, Vec<Segment>, Vec<u32>)>,
    regexes: Vec<(String, Arc<Regex>, Vec<u32>)>,
    /// `**` in last place.
    rest: Vec<u32>,
}

type GlobOrder = (Reverse<usize>, String);

/// The path being looked for: the regexes want it whole.
struct Sought<'p> {
    path: &'p str,
}

impl Tree {
    /// Adds a route; routes come in their total order.
    pub(super) fn insert(&mut self, path: &PathMatch, route: u32) {
        match path {
            PathMatch::Any => self.any_path.push(route),
            PathMatch::Pattern(pattern) => self.root.insert(&pattern.segments, route),
            PathMatch::Regex(regex, text) => {
                let mut node = &mut self.root;
                for segment in literal_segments(text) {
                    node = node.literals.entry(segment).or_default();
                }
                match node.regexes.iter_mut().find(|(other, ..)| other == text) {
                    Some((.., routes)) => routes.push(route),
                    None => node.regexes.push((text.clone(), Arc::clone(regex), vec![route])),
                }
            }
        }
    }

    /// Offers the routes whose path matches, in order, until one is taken.
    pub(super) fn find(&self, path: &str, take: &mut impl FnMut(u32) -> bool) -> Option<u32> {
        let sought = Sought { path };
        let below =
            path.strip_prefix('/').and_then(|rest| self.root.find(&sought, Some(rest), take));
        below.or_else(|| first(&self.any_path, take))
    }
}

impl Node {
    fn insert(&mut self, segments: &[Segment], route: u32) {
        let Some((segment, rest)) = segments.split_first() else {
            self.end.push(route);
            return;
        };
        match segment {
            Segment::Literal(text) => {
                self.literals.entry(text.clone()).or_default().insert(rest, route);
            }
            Segment::Glob(text) => {
                let order = glob_order(text);
                let place = match self.globs.binary_search_by(|(other, _)| other.cmp(&order)) {
                    Ok(place) => place,
                    Err(place) => {
                        self.globs.insert(place, (order, Self::default()));
                        place
                    }
                };
                if let Some((_, node)) = self.globs.get_mut(place) {
                    node.insert(rest, route);
                }
            }
            Segment::Star => self.star.get_or_insert_default().insert(rest, route),
            Segment::Rest if rest.is_empty() => self.rest.push(route),
            Segment::Rest => {
                let order = tail_order(rest);
                match self.middles.binary_search_by(|(other, ..)| other.cmp(&order)) {
                    Ok(place) => {
                        if let Some((.., routes)) = self.middles.get_mut(place) {
                            routes.push(route);
                        }
                    }
                    Err(place) => self.middles.insert(place, (order, rest.to_vec(), vec![route])),
                }
            }
        }
    }

    /// `rest` is what follows the slash after this place; `None` when the path ends here.
    ///
    /// Recursion is as deep as the deepest pattern, not as the path.
    fn find(
        &self,
        sought: &Sought<'_>,
        rest: Option<&str>,
        take: &mut impl FnMut(u32) -> bool,
    ) -> Option<u32> {
        if let Some(rest) = rest {
            let (segment, after) = match rest.split_once('/') {
                Some((segment, after)) => (segment, Some(after)),
                None => (rest, None),
            };
            if let Some(node) = self.literals.get(segment)
                && let Some(found) = node.find(sought, after, take)
            {
                return Some(found);
            }
            for ((_, glob), node) in &self.globs {
                if glob_matches(glob, segment)
                    && let Some(found) = node.find(sought, after, take)
                {
                    return Some(found);
                }
            }
            if let Some(node) = &self.star
                && !segment.is_empty()
                && let Some(found) = node.find(sought, after, take)
            {
                return Some(found);
            }
        } else if let Some(found) = first(&self.end, take) {
            return Some(found);
        }
        for (_, tail, routes) in &self.middles {
            if tail_matches(tail, rest)
                && let Some(found) = first(routes, take)
            {
                return Some(found);
            }
        }
        for (_, regex, routes) in &self.regexes {
            if regex.is_match(sought.path)
                && let Some(found) = first(routes, take)
            {
                return Some(found);
            }
        }
        first(&self.rest, take)
    }
}

impl Segment {
    pub(super) fn text(&self) -> &str {
        match self {
            Self::Literal(text) | Self::Glob(text) => text,
            Self::Star => "*",
            Self::Rest => "**",
        }
    }

    pub(super) fn matches(&self, segment: &str) -> bool {
        match self {
            Self::Literal(text) => text == segment,
            Self::Glob(glob) => glob_matches(glob, segment),
            Self::Star => !segment.is_empty(),
            Self::Rest => false,
        }
    }
}

fn first(routes: &[u32], take: &mut impl FnMut(u32) -> bool) -> Option<u32> {
    routes.iter().copied().find(|&route| take(route))
}

/// Whether `text` is `glob` with each `*` standing for any run of characters.
///
/// Greedy with one step back: the time is at most the product of the lengths.
pub(super) fn glob_matches(glob: &str, text: &str) -> bool {
    let (mut glob, mut text) = (glob.as_bytes(), text.as_bytes());
    let mut retreat: Option<(&[u8], &[u8])> = None;
    loop {
        match (glob.split_first(), text.split_first()) {
            (Some((b'*', glob_rest)), _) => {
                retreat = Some((glob_rest, text));
                glob = glob_rest;
            }
            (Some((one, glob_rest)), Some((two, text_rest))) if one == two => {
                (glob, text) = (glob_rest, text_rest);
            }
            (None, None) => return true,
            _ => {
                let Some((glob_rest, [_, text_rest @ ..])) = retreat else { return false };
                retreat = Some((glob_rest, text_rest));
                (glob, text) = (glob_rest, text_rest);
            }
        }
    }
}

/// Whether some suffix of the segments in `rest` matches `tail`, which may hold more `**`: the
/// same greedy walk, a segment at a time.
fn tail_matches(tail: &[Segment], rest: Option<&str>) -> bool {
    let mut at = rest;
    let mut tail_now = tail;
    let mut retreat = (tail, rest);
    loop {
        let step = at.map(|text| match text.split_once('/') {
            Some((segment, after)) => (segment, Some(after)),
            None => (text, None),
        });
        match (tail_now.split_first(), step) {
            (Some((Segment::Rest, tail_rest)), _) => {
                retreat = (tail_rest, at);
                tail_now = tail_rest;
            }
            (Some((one, tail_rest)), Some((segment, after))) if one.matches(segment) => {
                (tail_now, at) = (tail_rest, after);
            }
            (None, None) => return true,
            _ => {
                let (tail_rest, Some(text)) = retreat else { return false };
                let after = text.split_once('/').map(|(_, after)| after);
                retreat = (tail_rest, after);
                (tail_now, at) = (tail_rest, after);
            }
        }
    }
}
