//! The one parse of a request's target.
//!
//! Routing, authorisation, caching and the upstream request all use what this module returns, and
//! nobody parses the target a second time: two readings of one path are how access rules get
//! bypassed. Where a spelling could be read in two ways it is refused, not repaired.
//!
//! The rules, in the order in which they are applied, are in `docs/proxy.md`; the vectors are in
//! `testdata/canonical.txt`. Sources: RFC 9112 §3.2 (forms of the target), RFC 3986 §3.2.2, §3.3,
//! §5.2.4 and §6.2.2 (hosts, paths, dot segments, normalisation).

mod host;
mod path;

use std::borrow::Cow;
use std::fmt;

pub(crate) use host::canonical_name;
pub(crate) use path::canonical_path;

/// A request's target, in the only spelling that the rest of the gateway knows.
///
/// Everything is borrowed when the client already wrote it canonically, which is nearly always.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Canonical<'a> {
    /// Lower case, without port or trailing dot; an IPv6 literal keeps its brackets. Empty when an
    /// HTTP/1.0 client named none.
    pub host: Cow<'a, str>,
    /// The port that the client named with the host.
    pub port: Option<u16>,
    /// Begins with `/`, without dot segments or empty inner segments; `*` for `OPTIONS *`.
    pub path: Cow<'a, str>,
    /// What follows the first `?`, verbatim.
    pub query: Option<&'a str>,
}

/// Why a target cannot be served, and the status that says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// 400, or 501 for `CONNECT`.
    pub status: u16,
    /// One clause that says what is wrong.
    pub reason: &'static str,
}

impl<'a> Canonical<'a> {
    /// Reads `target` as the request line has it; `host_field` is the `Host` field's value.
    ///
    /// An absolute-form target's own authority takes precedence (RFC 9112 §3.2.2); the `Host`
    /// field must be valid even then.
    ///
    /// # Errors
    /// When the target or the host is malformed, or could be read in two ways.
    pub fn parse(
        method: &str,
        target: &'a [u8],
        host_field: Option<&'a [u8]>,
    ) -> Result<Self, Rejection> {
        match Self::parse_usual(method, target, host_field) {
            Some(usual) => Ok(usual),
            None => Self::parse_any(method, target, host_field),
        }
    }

    fn parse_any(
        method: &str,
        target: &'a [u8],
        host_field: Option<&'a [u8]>,
    ) -> Result<Self, Rejection> {
        if method == "CONNECT" {
            return Err(Rejection { status: 501, reason: "CONNECT is not supported" });
        }
        let target = printable(target)?;
        let (host, port) = match host_field {
            Some(field) => host::parse(printable_host(field)?)?,
            None => (Cow::Borrowed(""), None),
        };
        if target == "*" {
            return if method == "OPTIONS" {
                Ok(Self { host, port, path: Cow::Borrowed("*"), query: None })
            } else {
                Err(Rejection::bad("the target * is for OPTIONS only"))
            };
        }
        if target.starts_with('/') {
            let (path, query) = split_query(target);
            return Ok(Self { host, port, path: path::canonical_path(path)?, query });
        }
        let (authority, rest) = split_absolute(target)?;
        if authority.is_empty() {
            return Err(Rejection::bad("the target names no host"));
        }
        let (host, port) = host::parse(authority)?;
        let (path, query) = split_query(rest);
        let path = if path.is_empty() { "/" } else { path };
        Ok(Self { host, port, path: path::canonical_path(path)?, query })
    }

    /// What nearly every request looks like, in one pass over each text: `/path?query` without
    /// anything to rewrite or to doubt, and a lower-case host name. `None` promises nothing.
    fn parse_usual(method: &str, target: &'a [u8], host: Option<&'a [u8]>) -> Option<Self> {
        let path_bytes = path::usual_bytes(target)?;
        let (host, port) = host::usual(host?)?;
        let text = std::str::from_utf8(target).ok()?;
        let (path, rest) = text.split_at_checked(path_bytes)?;
        let query = match rest.split_at_checked(1) {
            Some((_, query)) if query.bytes().all(is_query) => Some(query),
            Some(_) => return None,
            None => None,
        };
        if method == "CONNECT" {
            return None;
        }
        Some(Self { host: Cow::Borrowed(host), port, path: Cow::Borrowed(path), query })
    }

    /// Appends the target as the upstream gets it: canonical path, then the query verbatim.
    pub fn write_target(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.path.as_bytes());
        if let Some(query) = self.query {
            out.push(b'?');
            out.extend_from_slice(query.as_bytes());
        }
    }

    /// Appends the value of the `Host` field as the upstream gets it: canonical host, then the
    /// client's port if it named one.
    pub fn write_authority(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.host.as_bytes());
        if let Some(port) = self.port {
            out.push(b':');
            out.extend_from_slice(itoa::Buffer::new().format(port).as_bytes());
        }
    }
}

impl Rejection {
    pub(crate) const fn bad(reason: &'static str) -> Self {
        Self { status: 400, reason }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason)
    }
}

impl std::error::Error for Rejection {}

/// Visible ASCII without `#`: what RFC 3986 allows in a target, and the few harmless characters
/// that browsers send besides.
fn printable(target: &[u8]) -> Result<&str, Rejection> {
    if target.is_empty() {
        return Err(Rejection::bad("the target is empty"));
    }
    if target.contains(&b'#') {
        return Err(Rejection::bad("the target has a fragment (#)"));
    }
    ascii(target).ok_or(Rejection::bad("the target has a byte that must be percent-encoded"))
}

/// Visible ASCII but `#`.
const fn is_query(byte: u8) -> bool {
    byte.is_ascii_graphic() && byte != b'#'
}

fn printable_host(field: &[u8]) -> Result<&str, Rejection> {
    ascii(field).ok_or(Rejection::bad("the host has a byte that a host name cannot have"))
}

fn ascii(bytes: &[u8]) -> Option<&str> {
    if bytes.iter().all(u8::is_ascii_graphic) { std::str::from_utf8(bytes).ok() } else { None }
}

fn split_query(text: &str) -> (&str, Option<&str>) {
    match text.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (text, None),
    }
}

/// `http://authority/rest` → authority and rest, where rest may be empty.
fn split_absolute(target: &str) -> Result<(&str, &str), Rejection> {
    const FORM: Rejection = Rejection::bad("the target begins neither with / nor with http://");
    let (scheme, rest) = target.split_once("://").ok_or(FORM)?;
    if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
        return Err(FORM);
    }
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    Ok(rest.split_at(end))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_000))]

        /// The quick way is only quicker.
        #[test]
        fn the_usual_is_read_as_anything_is(
            target in "/?[a-b/.%;?#|]{0,10}|/[a-b.]{1,3}(/[a-b.]{0,3}){0,3}([?][a-b#/]{0,3})?",
            host in "[a-bA.:0-9\\[\\]-]{0,9}|[a-b]{1,3}([.][a-b]{0,2}){0,3}(:[0-9]{0,6})?",
            method in "GET|CONNECT",
        ) {
            let (target, host) = (target.as_bytes(), Some(host.as_bytes()));
            if let Some(usual) = Canonical::parse_usual(&method, target, host) {
                prop_assert_eq!(Ok(usual), Canonical::parse_any(&method, target, host));
            }
        }
    }

    #[test]
    fn the_usual_is_recognised() {
        for (target, host) in [("/", "a"), ("/a/b.c/d?x=%zz?", "shop.example:65535")] {
            let host = Some(host.as_bytes());
            assert!(Canonical::parse_usual("GET", target.as_bytes(), host).is_some(), "{target}");
        }
    }
}
