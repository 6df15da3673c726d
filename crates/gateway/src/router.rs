//! The router: the most specific route for a request.
//!
//! Routes stand in one total order, from most to least specific, and a request gets the first
//! whose conditions all hold. [`order`] defines that order as plain comparison; [`tree`] finds the
//! same route without looking at the others; a property test holds them together. The order in
//! words is in `docs/proxy.md`.

mod explain;
mod order;
mod tree;

use std::collections::BTreeMap;

use model::ServiceName;

pub use explain::{Candidate, Explanation, Verdict};

use crate::request::Request;
use crate::route::{
    HeaderMatch, HeaderTest, HostMatch, Route, RouteField, RouteProblem, RouteSpec, Target,
};
use crate::weights::WeightedChoice;
use order::Rank;
use tree::Tree;

/// Finds routes; built once per configuration.
#[derive(Debug)]
pub struct Router {
    // By place in the file.
    entries: Vec<Entry>,
    // Places of entries, most specific first.
    order: Vec<u32>,
    hosts: BTreeMap<String, Tree>,
    // By suffix, without `*.`.
    wildcards: BTreeMap<String, Tree>,
    any_host: Tree,
}

/// Why no route was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// 404.
    NotFound,
    /// 405: routes exist for this host and path, but only for these methods (RFC 9110 §15.5.6).
    MethodNotAllowed {
        /// The value of the `Allow` field.
        allow: String,
    },
}

#[derive(Debug)]
struct Entry {
    spec: RouteSpec,
    route: Route,
    rank: Rank,
}

impl Router {
    /// A router without routes.
    pub fn empty() -> Self {
        Self {
            entries: Vec::new(),
            order: Vec::new(),
            hosts: BTreeMap::new(),
            wildcards: BTreeMap::new(),
            any_host: Tree::default(),
        }
    }

    /// Builds a router; `services` are the names that routes may lead to, in the order in which
    /// the snapshot has them.
    ///
    /// # Errors
    /// Every problem at once: services that do not exist, unusable weights, names used twice,
    /// routes that can never match because others match first.
    pub fn build(
        routes: Vec<RouteSpec>,
        services: &[ServiceName],
    ) -> Result<Self, Vec<RouteProblem>> {
        let mut problems = Vec::new();
        names_used_twice(&routes, &mut problems);
        let ranks = order::ranks(&routes);
        let mut entries = Vec::with_capacity(routes.len());
        for ((index, spec), rank) in routes.into_iter().enumerate().zip(ranks) {
            match target(&spec, services) {
                Ok(to) => {
                    let name = spec.name.as_str().into();
                    let policy = spec.policy.clone();
                    let place = u32::try_from(index).unwrap_or(u32::MAX);
                    let route = Route { index: place, name, to, policy };
                    entries.push(Entry { spec, route, rank });
                }
                Err(message) => {
                    let message = format!("route {:?}: {message}", spec.name);
                    problems.push(RouteProblem {
                        index,
                        other: None,
                        field: RouteField::To,
                        message,
                    });
                }
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        let mut order: Vec<u32> = (0..).take(entries.len()).collect();
        order.sort_by_key(|&place| entries.get(place as usize).map(|entry| &entry.rank));
        never_reached(&entries, &order, &mut problems);
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Self::plant(entries, order))
    }

    fn plant(entries: Vec<Entry>, order: Vec<u32>) -> Self {
        let mut router = Self { entries, order, ..Self::empty() };
        // In order, so that within a leaf the first that fits is the most specific.
        for &place in &router.order {
            let Some(entry) = router.entries.get(place as usize) else { continue };
            let tree = match &entry.spec.host {
                HostMatch::Any => &mut router.any_host,
                HostMatch::Exact(name) => router.hosts.entry(name.clone()).or_default(),
                HostMatch::Wildcard(suffix) => router.wildcards.entry(suffix.clone()).or_default(),
            };
            tree.insert(&entry.spec.path, place);
        }
        router
    }

    /// The route for `request`: a few map look-ups, however many routes there are; allocates
    /// nothing.
    pub fn find(&self, request: &Request<'_>) -> Option<&Route> {
        let place = self.walk(request, |entry| entry.fits(request))?;
        self.entries.get(place as usize).map(|entry| &entry.route)
    }

    /// Why [`Self::find`] found nothing; not for the hot path.
    pub fn refuse(&self, request: &Request<'_>) -> Refusal {
        let mut methods: Vec<&str> = Vec::new();
        self.walk(request, |entry| {
            if entry.headers_fit(request) {
                methods.extend(entry.spec.methods.iter().map(String::as_str));
            }
            false
        });
        if methods.is_empty() {
            return Refusal::NotFound;
        }
        if methods.contains(&"GET") {
            methods.push("HEAD");
        }
        methods.sort_unstable();
        methods.dedup();
        Refusal::MethodNotAllowed { allow: methods.join(", ") }
    }

    /// Every route in order, and why it was passed over: for people.
    pub fn explain(&self, request: &Request<'_>) -> Explanation {
        explain::explain(self, request)
    }

    /// All routes, in the order of the file.
    pub fn routes(&self) -> impl Iterator<Item = &Route> {
        self.entries.iter().map(|entry| &entry.route)
    }

    /// The route at `index`.
    pub fn route(&self, index: u32) -> Option<&Route> {
        self.entries.get(index as usize).map(|entry| &entry.route)
    }

    /// Offers entries whose host and path match, most specific first, until one is taken.
    fn walk<'r>(
        &'r self,
        request: &Request<'_>,
        mut take: impl FnMut(&'r Entry) -> bool,
    ) -> Option<u32> {
        let host: &str = &request.canonical.host;
        let path: &str = &request.canonical.path;
        let mut take = |place: u32| self.entries.get(place as usize).is_some_and(&mut take);
        if let Some(tree) = self.hosts.get(host)
            && let Some(place) = tree.find(path, &mut take)
        {
            return Some(place);
        }
        if !self.wildcards.is_empty() {
            let mut rest = host;
            while let Some((_, suffix)) = rest.split_once('.') {
                if let Some(tree) = self.wildcards.get(suffix)
                    && let Some(place) = tree.find(path, &mut take)
                {
                    return Some(place);
                }
                rest = suffix;
            }
        }
        self.any_host.find(path, &mut take)
    }
}

impl Entry {
    fn fits(&self, request: &Request<'_>) -> bool {
        self.method_fits(request.method) && self.headers_fit(request)
    }

    fn method_fits(&self, method: &str) -> bool {
        // RFC 9110 §9.3.2: HEAD is GET without the content.
        let stands_for =
            |listed: &String| listed == method || (listed == "GET" && method == "HEAD");
        self.spec.methods.is_empty() || self.spec.methods.iter().any(stands_for)
    }

    fn headers_fit(&self, request: &Request<'_>) -> bool {
        self.spec.headers.iter().all(|condition| condition.holds(request))
    }
}

impl HeaderMatch {
    fn holds(&self, request: &Request<'_>) -> bool {
        request.fields.any(&self.name, &mut |value| match &self.test {
            HeaderTest::Present => true,
            HeaderTest::Equals(wanted) => value == wanted.as_bytes(),
            HeaderTest::Matches(regex, _) => {
                std::str::from_utf8(value).is_ok_and(|value| regex.is_match(value))
            }
        })
    }
}

fn target(spec: &RouteSpec, services: &[ServiceName]) -> Result<Target, String> {
    let mut weights = Vec::with_capacity(spec.to.len());
    for (name, weight) in &spec.to {
        let Ok(place) = services.binary_search(name) else {
            return Err(format!("there is no service {name}"));
        };
        weights.push((u32::try_from(place).unwrap_or(u32::MAX), *weight));
    }
    if let [(service, weight)] = weights.as_slice()
        && *weight > 0
    {
        return Ok(Target::One(*service));
    }
    WeightedChoice::new(weights).map(Target::Weighted).map_err(|problem| problem.to_string())
}

fn names_used_twice(routes: &[RouteSpec], problems: &mut Vec<RouteProblem>) {
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    for (index, spec) in routes.iter().enumerate() {
        if let Some(&other) = seen.get(spec.name.as_str()) {
            let message = format!("route name {:?} is used twice; rename one", spec.name);
            problems.push(RouteProblem {
                index,
                other: Some(other),
                field: RouteField::Name,
                message,
            });
        } else {
            seen.insert(&spec.name, index);
        }
    }
}

/// Among routes for the same host, path and headers, those whose methods are all taken by others.
fn never_reached(entries: &[Entry], order: &[u32], problems: &mut Vec<RouteProblem>) {
    let sorted: Vec<&Entry> =
        order.iter().filter_map(|&place| entries.get(place as usize)).collect();
    for group in sorted.chunk_by(|one, two| one.is_twin(two)) {
        let mut taken: BTreeMap<&str, &Entry> = BTreeMap::new();
        let mut catch_all: Option<&Entry> = None;
        for entry in group {
            let methods = &entry.spec.methods;
            let by_method = methods.first().and_then(|first| taken.get(first.as_str()).copied());
            let by_others =
                by_method.filter(|_| methods.iter().all(|m| taken.contains_key(m.as_str())));
            if let Some(other) = catch_all.or(by_others) {
                problems.push(shadow(entry, other));
            }
            if methods.is_empty() {
                catch_all = catch_all.or(Some(entry));
            }
            for method in methods {
                taken.entry(method).or_insert(entry);
                if method == "GET" {
                    taken.entry("HEAD").or_insert(entry);
                }
            }
        }
    }
}

fn shadow(entry: &Entry, other: &Entry) -> RouteProblem {
    let message = format!(
        "route {:?} can never match: route {:?} has the same host, path and headers and takes its \
         methods first; change a condition or remove one of them",
        entry.spec.name, other.spec.name
    );
    let index = entry.route.index as usize;
    let narrowed = !entry.spec.methods.is_empty();
    let field = if narrowed { RouteField::Methods } else { RouteField::Path };
    RouteProblem { index, other: Some(other.route.index as usize), field, message }
}

impl Entry {
    /// Whether only methods tell the two apart.
    fn is_twin(&self, other: &Self) -> bool {
        self.spec.host == other.spec.host
            && self.spec.path == other.spec.path
            && self.rank.headers() == other.rank.headers()
    }
}
