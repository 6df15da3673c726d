//! Routes: what a configuration says about them, and what the data plane carries.

use std::fmt;
use std::sync::Arc;

use model::ServiceName;
use regex::Regex;

use crate::canonical::{canonical_name, canonical_path};
use crate::policy::RoutePolicy;
use crate::weights::WeightedChoice;

/// Most segments in a path pattern.
pub const PATTERN_SEGMENT_COUNT_MAX: usize = 64;
/// Largest compiled regular expression, in bytes: a slip of the pen must not cost the memory.
const REGEX_BYTES_MAX: usize = 1 << 20;

/// A route as configured. Its place in the list is its place in the file.
#[derive(Clone, Debug, PartialEq)]
pub struct RouteSpec {
    /// For messages and metrics.
    pub name: String,
    /// Which hosts.
    pub host: HostMatch,
    /// Which paths.
    pub path: PathMatch,
    /// Which methods; none listed means all. `GET` covers `HEAD`.
    pub methods: Vec<String>,
    /// Conditions on header fields; all must hold.
    pub headers: Vec<HeaderMatch>,
    /// Where to, by weight; a single service may have any weight but 0.
    pub to: Vec<(ServiceName, u32)>,
    /// How to go there.
    pub policy: RoutePolicy,
}

/// Which hosts a route is for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum HostMatch {
    /// Every host, and requests that name none.
    #[default]
    Any,
    /// One host.
    Exact(String),
    /// `*.example`: every host that ends in `.example`, however many labels are before it.
    Wildcard(String),
}

/// Which canonical paths a route is for.
#[derive(Clone, Debug, Default)]
pub enum PathMatch {
    /// Every path, and `OPTIONS *`.
    #[default]
    Any,
    /// Segments: literal, with `*` inside, or `**`.
    Pattern(Pattern),
    /// The whole path must match.
    Regex(Arc<Regex>, String),
}

/// A path pattern, cut into segments.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pattern {
    pub(crate) text: String,
    pub(crate) segments: Vec<Segment>,
}

/// One segment of a [`Pattern`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Segment {
    /// This text; empty only in last place (a trailing slash).
    Literal(String),
    /// Text with one or more `*`, each for any run of characters within the segment.
    Glob(String),
    /// `*`: one whole, non-empty segment.
    Star,
    /// `**`: any number of segments, none included.
    Rest,
}

/// One condition on a header field.
#[derive(Clone, Debug)]
pub struct HeaderMatch {
    /// Lower case.
    pub name: String,
    /// What must hold for at least one field of that name.
    pub test: HeaderTest,
}

/// What a header field is compared with.
#[derive(Clone, Debug)]
pub enum HeaderTest {
    /// The field is there.
    Present,
    /// A value is exactly this.
    Equals(String),
    /// A value matches as a whole.
    Matches(Arc<Regex>, String),
}

/// A pattern that cannot be one; the message says what to write instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidPattern(pub(crate) String);

/// Why a table of routes cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteProblem {
    /// Place of the offending route in the list.
    pub index: usize,
    /// The route that it collides with, when there is one.
    pub other: Option<usize>,
    /// The part of the route to point at.
    pub field: RouteField,
    /// What is wrong and what to do.
    pub message: String,
}

/// A part of a [`RouteSpec`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RouteField {
    /// Its name.
    Name,
    /// Its path, standing for all that selects requests.
    Path,
    /// Its methods.
    Methods,
    /// Where it leads.
    To,
}

/// A route in service.
#[derive(Debug)]
pub struct Route {
    /// Place in the list that the router was built from.
    pub index: u32,
    /// For metrics, logs and messages.
    pub name: Arc<str>,
    /// Where to.
    pub to: Target,
    /// How to go there.
    pub policy: RoutePolicy,
}

/// Where a route leads; numbers are places in the snapshot's services.
#[derive(Debug)]
pub enum Target {
    /// Always the same service.
    One(u32),
    /// Services in turn, in proportion to their weights, exactly.
    Weighted(WeightedChoice),
}

impl Target {
    /// The service for the next request.
    pub fn pick(&self) -> u32 {
        match self {
            Self::One(service) => *service,
            Self::Weighted(choice) => choice.next(),
        }
    }

    /// Every service that it may pick, with its weight.
    pub fn services(&self) -> Vec<(u32, u32)> {
        match self {
            Self::One(service) => vec![(*service, 1)],
            Self::Weighted(choice) => choice.weights().to_vec(),
        }
    }
}

impl HostMatch {
    /// Reads `shop.example`, `*.example` or `[::1]`; upper case is accepted.
    ///
    /// # Errors
    /// When it names a port, or is no host.
    pub fn parse(text: &str) -> Result<Self, InvalidPattern> {
        let problem = |why: &str| InvalidPattern(format!("{text:?} is not a host: {why}"));
        if text == "*" {
            return Err(problem("leave `host` out to match every host"));
        }
        let (name, wildcard) = match text.strip_prefix("*.") {
            Some(name) => (name, true),
            None => (text, false),
        };
        if name.contains('*') {
            return Err(problem("a * may stand only as the whole first label, as in *.example"));
        }
        if let Some(inner) = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            let address: std::net::Ipv6Addr =
                inner.parse().map_err(|_| problem("the text in [ ] is no IPv6 address"))?;
            return Ok(Self::Exact(format!("[{address}]")));
        }
        if name.contains(':') {
            return Err(problem("write it without a port (and IPv6 addresses in [ ])"));
        }
        match canonical_name(name) {
            Ok(name) if name.is_empty() => Err(problem("it is empty")),
            Ok(name) if wildcard => Ok(Self::Wildcard(name.into_owned())),
            Ok(name) => Ok(Self::Exact(name.into_owned())),
            Err(why) => Err(problem(why.reason)),
        }
    }
}

impl fmt::Display for HostMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("any host"),
            Self::Exact(name) => f.write_str(name),
            Self::Wildcard(suffix) => write!(f, "*.{suffix}"),
        }
    }
}

impl PathMatch {
    /// Reads `/exact`, `/prefix/**`, or a glob: `/users/*/orders`, `/img/*.png`.
    ///
    /// # Errors
    /// When no request could ever have such a path, or it does not say what its author means.
    pub fn parse(text: &str) -> Result<Self, InvalidPattern> {
        let problem = |why: &str| InvalidPattern(format!("{text:?} is not a path: {why}"));
        if !text.starts_with('/') {
            return Err(problem(&format!("begin it with a slash, \"/{text}\"")));
        }
        if let Some(mark) = text.chars().find(|&c| c == '?' || c == '#') {
            return Err(problem(&format!("a path ends before {mark:?}; queries are not matched")));
        }
        if text.bytes().any(|byte| !byte.is_ascii_graphic()) {
            return Err(problem("percent-encode spaces and characters beyond ASCII"));
        }
        match canonical_path(text) {
            Ok(canonical) if canonical == text => {}
            Ok(canonical) => {
                return Err(problem(&format!(
                    "requests are matched in canonical spelling; write {canonical:?}"
                )));
            }
            Err(why) => return Err(problem(why.reason)),
        }
        let segments: Vec<Segment> = text.split('/').skip(1).map(Segment::new).collect();
        if segments.len() > PATTERN_SEGMENT_COUNT_MAX {
            return Err(problem(&format!("more than {PATTERN_SEGMENT_COUNT_MAX} segments")));
        }
        let sticky =
            |segment: &Segment| matches!(segment, Segment::Glob(glob) if glob.contains("**"));
        if segments.iter().any(sticky) {
            return Err(problem("** must be a whole segment, as in /orders/**"));
        }
        Ok(Self::Pattern(Pattern { text: text.to_owned(), segments }))
    }

    /// A regular expression that the whole path must match.
    ///
    /// # Errors
    /// When it is no regular expression, or compiles to too much.
    pub fn regex(text: &str) -> Result<Self, InvalidPattern> {
        Ok(Self::Regex(whole(text)?, text.to_owned()))
    }
}

impl fmt::Display for PathMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("any path"),
            Self::Pattern(pattern) => f.write_str(&pattern.text),
            Self::Regex(_, text) => write!(f, "regex {text}"),
        }
    }
}

impl PartialEq for PathMatch {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Any, Self::Any) => true,
            (Self::Pattern(one), Self::Pattern(two)) => one == two,
            (Self::Regex(_, one), Self::Regex(_, two)) => one == two,
            (Self::Any | Self::Pattern(_) | Self::Regex(..), _) => false,
        }
    }
}

impl Segment {
    fn new(text: &str) -> Self {
        match text {
            "*" => Self::Star,
            "**" => Self::Rest,
            _ if text.contains('*') => Self::Glob(text.to_owned()),
            _ => Self::Literal(text.to_owned()),
        }
    }
}

impl HeaderMatch {
    /// The field `name` is there.
    pub fn present(name: &str) -> Self {
        Self { name: name.to_ascii_lowercase(), test: HeaderTest::Present }
    }

    /// A field `name` is exactly `value`.
    pub fn equals(name: &str, value: &str) -> Self {
        Self { name: name.to_ascii_lowercase(), test: HeaderTest::Equals(value.to_owned()) }
    }

    /// A field `name` matches `regex` as a whole.
    ///
    /// # Errors
    /// When it is no regular expression, or compiles to too much.
    pub fn matches(name: &str, regex: &str) -> Result<Self, InvalidPattern> {
        let test = HeaderTest::Matches(whole(regex)?, regex.to_owned());
        Ok(Self { name: name.to_ascii_lowercase(), test })
    }

    /// The condition as text: one order and one equality for all conditions.
    pub(crate) fn key(&self) -> (&str, u8, &str) {
        match &self.test {
            HeaderTest::Equals(value) => (&self.name, 0, value),
            HeaderTest::Matches(_, regex) => (&self.name, 1, regex),
            HeaderTest::Present => (&self.name, 2, ""),
        }
    }
}

impl PartialEq for HeaderMatch {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl fmt::Display for HeaderMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.test {
            HeaderTest::Present => write!(f, "{} present", self.name),
            HeaderTest::Equals(value) => write!(f, "{} = {value:?}", self.name),
            HeaderTest::Matches(_, regex) => write!(f, "{} matching {regex}", self.name),
        }
    }
}

impl fmt::Display for InvalidPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for InvalidPattern {}

impl fmt::Display for RouteProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for RouteProblem {}

fn whole(text: &str) -> Result<Arc<Regex>, InvalidPattern> {
    // Compiled alone first, so that a message quotes what the user wrote, and so that an unbalanced
    // parenthesis cannot escape the anchors.
    let problem = |error: regex::Error| {
        InvalidPattern(format!("{text:?} is not a usable regular expression: {error}"))
    };
    regex::RegexBuilder::new(text).size_limit(REGEX_BYTES_MAX).build().map_err(problem)?;
    let anchored = format!("^(?:{text})$");
    let build = regex::RegexBuilder::new(&anchored).size_limit(REGEX_BYTES_MAX).build();
    build.map(Arc::new).map_err(problem)
}
