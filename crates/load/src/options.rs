//! What to send, how often, for how long.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use http1::encode;

use crate::Threshold;

/// Most connections of one run; a single address has no more ports to come from.
pub const CONNECTION_COUNT_MAX: u32 = 60_000;

/// Most threads of one run.
pub const THREAD_COUNT_MAX: usize = 64;

/// Largest request body. It is kept in memory once, whatever the number of connections.
pub const BODY_BYTES_MAX: usize = 64 * 1024 * 1024;

/// All that a run needs to know.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Where the requests go.
    pub url: Url,
    /// A token such as `GET`.
    pub method: String,
    /// Further fields, checked by [`parse_header`]. `Host` here replaces the one of the URL.
    pub headers: Vec<(String, String)>,
    /// Sent with every request, with its `Content-Length`.
    pub body: Vec<u8>,
    /// Closed or open loop.
    pub pace: Pace,
    /// Connections in all. In an open loop this is the most requests that are under way at once.
    pub connections: u32,
    /// Threads; connections and rate are dealt out to them.
    pub threads: usize,
    /// How long requests are begun; answers are waited for afterwards. `None`: until `requests`.
    pub duration: Option<Duration>,
    /// How many requests are begun at most. `None`: until `duration`.
    pub requests: Option<u64>,
    /// How long one answer may take before it counts as an error, connecting included.
    pub timeout: Duration,
    /// What must hold for the run to pass.
    pub thresholds: Vec<Threshold>,
}

/// When the next request is sent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pace {
    /// When the last one of the connection is answered.
    Closed,
    /// At a constant rate, in requests a second.
    Open {
        /// Above 0.
        rate: f64,
    },
}

/// A plain HTTP address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    /// A name or an address, without brackets.
    pub host: String,
    /// 80 when the URL names none.
    pub port: u16,
    /// Path and query, beginning with `/`.
    pub target: String,
}

/// An option cannot be used as it is; says what to write instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidOption(pub(crate) String);

impl Options {
    /// Ten seconds of `GET` in a closed loop over 64 connections on one thread.
    pub fn new(url: Url) -> Self {
        Self {
            url,
            method: "GET".to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
            pace: Pace::Closed,
            connections: 64,
            threads: 1,
            duration: Some(Duration::from_secs(10)),
            requests: None,
            timeout: Duration::from_secs(10),
            thresholds: Vec::new(),
        }
    }

    /// Checks what the types do not.
    ///
    /// # Errors
    /// Names the first option that cannot be used.
    pub fn check(&self) -> Result<(), InvalidOption> {
        let refuse = |text: String| Err(InvalidOption(text));
        if !encode::is_field_name(self.method.as_bytes()) || self.method == "CONNECT" {
            return refuse(format!("the method {:?} cannot be sent: try GET or POST", self.method));
        }
        if self.connections == 0 || self.connections > CONNECTION_COUNT_MAX {
            return refuse(format!("connections must be 1 to {CONNECTION_COUNT_MAX}"));
        }
        if self.threads == 0 || self.threads > THREAD_COUNT_MAX {
            return refuse(format!("threads must be 1 to {THREAD_COUNT_MAX}"));
        }
        if self.threads > self.connections as usize {
            return refuse("each thread needs a connection: use fewer threads".to_owned());
        }
        if let Pace::Open { rate } = self.pace
            && !(rate > 0.0 && rate <= 1e8)
        {
            return refuse("the rate must be above 0 and at most 100,000,000 a second".to_owned());
        }
        if self.duration.is_none() && self.requests.is_none() {
            return refuse("say how long (duration) or how often (requests)".to_owned());
        }
        if self.timeout.is_zero() {
            return refuse("the time-out must be above 0".to_owned());
        }
        if self.body.len() > BODY_BYTES_MAX {
            return refuse(format!("the body must be at most {BODY_BYTES_MAX} bytes"));
        }
        Ok(())
    }

    /// The bytes of one request.
    pub(crate) fn request(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(256 + self.body.len());
        let target = self.url.target.as_bytes();
        encode::request_line(&mut out, self.method.as_bytes(), target, http1::Version::Http11);
        let has = |name: &str| self.headers.iter().any(|(n, _)| n.eq_ignore_ascii_case(name));
        if !has("host") {
            encode::field(&mut out, b"Host", self.url.authority().as_bytes());
        }
        if !has("user-agent") {
            encode::field(&mut out, b"User-Agent", b"mainspring-load");
        }
        for (name, value) in &self.headers {
            encode::field(&mut out, name.as_bytes(), value.as_bytes());
        }
        if !self.body.is_empty() || matches!(self.method.as_str(), "POST" | "PUT" | "PATCH") {
            encode::number_field(&mut out, b"Content-Length", self.body.len() as u64);
        }
        out.extend_from_slice(encode::HEAD_END);
        out.extend_from_slice(&self.body);
        out
    }
}

impl Url {
    fn authority(&self) -> String {
        let host =
            if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        if self.port == 80 { host } else { format!("{host}:{}", self.port) }
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}{}", self.authority(), self.target)
    }
}

impl FromStr for Url {
    type Err = InvalidOption;

    fn from_str(text: &str) -> Result<Self, InvalidOption> {
        let refuse = |why: &str| Err(InvalidOption(format!("{text:?} cannot be loaded: {why}")));
        if text.starts_with("https://") {
            return refuse("only plain http:// is spoken so far");
        }
        let rest = text.strip_prefix("http://").unwrap_or(text);
        let (authority, target) = match rest.find(['/', '?']) {
            Some(at) => rest.split_at(at),
            None => (rest, "/"),
        };
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => match port.parse() {
                Ok(port) => (host, port),
                Err(_) => return refuse("the port must be a number up to 65535"),
            },
            _ => (authority, 80),
        };
        let host = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
        let host_fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:".contains(&byte);
        if host.is_empty() || !host.bytes().all(host_fits) {
            return refuse("write it as http://host:port/path");
        }
        if !target.bytes().all(|byte| byte.is_ascii_graphic() && !b"#\"<>`".contains(&byte)) {
            return refuse("percent-encode what is not plain ASCII, and leave out the fragment");
        }
        let slash = if target.starts_with('/') { "" } else { "/" };
        Ok(Self { host: host.to_owned(), port, target: format!("{slash}{target}") })
    }
}

impl fmt::Display for InvalidOption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for InvalidOption {}

/// Splits `Name: value`.
///
/// # Errors
/// When it is no field, or one that the framing of the request depends on.
pub fn parse_header(text: &str) -> Result<(String, String), InvalidOption> {
    let (name, value) =
        text.split_once(':').map(|(name, value)| (name.trim_end(), value.trim())).ok_or_else(
            || InvalidOption(format!("{text:?} is no header: write \"Name: value\"")),
        )?;
    if !encode::is_field_name(name.as_bytes()) || !encode::is_field_value(value.as_bytes()) {
        return Err(InvalidOption(format!("{text:?} has a character that no header may have")));
    }
    let own = ["content-length", "transfer-encoding", "connection", "expect", "upgrade"];
    if own.iter().any(|own| name.eq_ignore_ascii_case(own)) {
        return Err(InvalidOption(format!("{name} is set by the load generator itself")));
    }
    Ok((name.to_owned(), value.to_owned()))
}

/// Reads `500us`, `20ms`, `1.5s`, `2m` or `1h`.
///
/// # Errors
/// When it is not of that form.
pub fn parse_duration(text: &str) -> Result<Duration, InvalidOption> {
    let refuse =
        || InvalidOption(format!("{text:?} is no duration: write 500us, 20ms, 1.5s or 2m"));
    let unit_at = text.find(|c: char| c.is_ascii_alphabetic()).ok_or_else(refuse)?;
    let (number, unit) = text.split_at(unit_at);
    let seconds = match unit {
        "us" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return Err(refuse()),
    };
    let number: f64 = number.trim().parse().map_err(|_| refuse())?;
    Duration::try_from_secs_f64(number * seconds).map_err(|_| refuse())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_name_a_host_a_port_and_a_target() {
        let parse = |text: &str| text.parse::<Url>().map(|url| (url.host, url.port, url.target));
        let is = |host: &str, port, target: &str| Ok((host.to_owned(), port, target.to_owned()));
        assert_eq!(parse("http://a:81/b?c"), is("a", 81, "/b?c"));
        assert_eq!(parse("http://a"), is("a", 80, "/"));
        assert_eq!(parse("127.0.0.1:8080?x"), is("127.0.0.1", 8080, "/?x"));
        assert_eq!(parse("http://[::1]:8080/"), is("::1", 8080, "/"));
        assert_eq!(parse("http://[::1]/"), is("::1", 80, "/"));
        for bad in ["https://a/", "http://", "http://a:x/", "http://a/ b", "http://a/#b", "u@a"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
        assert_eq!("http://[::1]:81/x".parse::<Url>().unwrap().to_string(), "http://[::1]:81/x");
    }

    #[test]
    fn durations_have_a_unit() {
        assert_eq!(parse_duration("20ms"), Ok(Duration::from_millis(20)));
        assert_eq!(parse_duration("1.5s"), Ok(Duration::from_millis(1500)));
        for bad in ["", "20", "ms", "-1s", "1d"] {
            assert!(parse_duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn headers_cannot_break_the_framing() {
        let good = ("X-A".to_owned(), "b: c".to_owned());
        assert_eq!(parse_header("X-A: b: c"), Ok(good));
        for bad in ["X", "X Y: 1", "X: a\r\nY: b", "Content-Length: 1", "transfer-encoding: x"] {
            assert!(parse_header(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn limits_are_inclusive() {
        let with = |change: fn(&mut Options)| {
            let mut options = Options::new("http://a/".parse().unwrap());
            change(&mut options);
            options.check().is_ok()
        };
        assert!(with(|o| o.connections = CONNECTION_COUNT_MAX));
        assert!(!with(|o| o.connections = CONNECTION_COUNT_MAX + 1));
        assert!(with(|o| o.threads = 64));
        assert!(!with(|o| (o.threads, o.connections) = (65, 1000)));
        assert!(!with(|o| (o.threads, o.connections) = (2, 1)));
        assert!(!with(|o| o.pace = Pace::Open { rate: 0.0 }));
        assert!(!with(|o| o.pace = Pace::Open { rate: f64::NAN }));
        assert!(!with(|o| o.duration = None));
    }
}
