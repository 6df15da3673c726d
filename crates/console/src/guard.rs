//! Who may use the admin API: this machine without a token, everybody else with one, and never a
//! page of another origin in somebody's browser.

use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use runtime::http::Request;

use crate::operation::Method;

/// What a client that is not on this machine must know.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

/// Why a request may not pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Denied {
    /// 401 or 403.
    pub(crate) status: u16,
    pub(crate) detail: &'static str,
}

/// Decides who may pass.
pub(crate) struct Guard {
    token: Option<Token>,
    /// Names by which this machine is also called, lower case, without port.
    hosts: Vec<String>,
}

/// Bytes of chance in a token that we make.
const TOKEN_BYTES: usize = 32;
/// Longest and shortest token read from a file.
const TOKEN_LENGTH: std::ops::RangeInclusive<usize> = 16..=1024;
/// Fields by which a proxy says that it passes on somebody else's request.
const FORWARDED: [&str; 4] = ["forwarded", "x-forwarded-for", "x-real-ip", "via"];

impl Token {
    /// Reads the token from `path`; makes one there, readable by its owner alone, if there is none.
    ///
    /// # Errors
    /// When the file cannot be read or made, or holds no token.
    pub fn load_or_create(path: &Path) -> io::Result<Self> {
        match std::fs::File::open(path) {
            Ok(file) => Self::read(file, path),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::create(path),
            Err(error) => Err(error),
        }
    }

    /// The token as text, to be sent as `Authorization: Bearer …`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn read(file: std::fs::File, path: &Path) -> io::Result<Self> {
        let mut text = String::new();
        file.take(2 * *TOKEN_LENGTH.end() as u64).read_to_string(&mut text)?;
        let token = text.trim();
        if TOKEN_LENGTH.contains(&token.len()) && token.bytes().all(|byte| byte.is_ascii_graphic())
        {
            return Ok(Self(token.to_owned()));
        }
        let message = format!(
            "{} holds no token of 16 to 1024 printable characters; remove it to get a new one",
            path.display()
        );
        Err(io::Error::new(io::ErrorKind::InvalidData, message))
    }

    fn create(path: &Path) -> io::Result<Self> {
        let mut chance = [0; TOKEN_BYTES];
        getrandom::fill(&mut chance).map_err(io::Error::other)?;
        let text = chance.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let mut options = std::fs::OpenOptions::new();
        let mut file = options.write(true).create_new(true).mode(0o600).open(path)?;
        file.write_all(text.as_bytes())?;
        file.write_all(b"\n")?;
        file.sync_all()?;
        Ok(Self(text))
    }

    /// Takes as long for a wrong token as for the right one of the same length.
    fn equals(&self, given: &str) -> bool {
        let (own, given) = (self.0.as_bytes(), given.as_bytes());
        let differences = own.iter().zip(given).fold(0, |seen, (a, b)| seen | (a ^ b));
        own.len() == given.len() && std::hint::black_box(differences) == 0
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(hidden)")
    }
}

impl Guard {
    pub(crate) fn new(token: Option<Token>, hosts: &[String]) -> Self {
        Self { token, hosts: hosts.iter().map(|host| host.to_ascii_lowercase()).collect() }
    }

    /// Whether `request` may do what `method` stands for.
    pub(crate) fn check(&self, request: &Request, method: Method) -> Result<(), Denied> {
        same_origin(request, method)?;
        if let Some(given) = request.headers.get("authorization") {
            return self.check_token(given);
        }
        if !is_loopback(request.peer.ip()) {
            return Err(Denied {
                status: 401,
                detail: "from another machine this needs `Authorization: Bearer TOKEN`; \
                         the token is in the file `token` in the node's data folder",
            });
        }
        if FORWARDED.iter().any(|name| request.headers.get(name).is_some()) {
            return Err(Denied {
                status: 401,
                detail: "a proxy passed this on, so it needs `Authorization: Bearer TOKEN` \
                         although the proxy is on this machine",
            });
        }
        let host = request.headers.get("host").unwrap_or_default();
        if self.is_own_name(host, request.local) {
            return Ok(());
        }
        // A page whose name was made to resolve to 127.0.0.1 gets here (DNS rebinding).
        Err(Denied {
            status: 403,
            detail: "the Host field does not name this machine; use 127.0.0.1 or localhost, \
                     or send a token",
        })
    }

    fn check_token(&self, given: &str) -> Result<(), Denied> {
        let (scheme, given) = given.split_once(' ').unwrap_or((given, ""));
        let right = scheme.eq_ignore_ascii_case("bearer")
            && self.token.as_ref().is_some_and(|token| token.equals(given.trim()));
        if right {
            return Ok(());
        }
        Err(Denied {
            status: 401,
            detail: "the token is wrong; it is in the file `token` in the node's data folder",
        })
    }

    fn is_own_name(&self, host: &str, local: SocketAddr) -> bool {
        let name = without_port(host).to_ascii_lowercase();
        let bare = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        if let Ok(address) = bare.unwrap_or(&name).parse::<IpAddr>() {
            return is_loopback(address) || address == local.ip();
        }
        name == "localhost" || name.ends_with(".localhost") || self.hosts.contains(&name)
    }
}

/// Refuses what a page of another origin made a browser send (Fetch Metadata; RFC 6454 §7).
fn same_origin(request: &Request, method: Method) -> Result<(), Denied> {
    let denied = |detail| Err(Denied { status: 403, detail });
    let site = request.headers.get("sec-fetch-site");
    let navigates = request.headers.get("sec-fetch-mode") == Some("navigate");
    match site {
        None | Some("same-origin" | "none") => {}
        // Following a link is harmless; the page that links never sees the answer.
        Some(_) if navigates && method == Method::Get => {}
        Some(_) => return denied("a page of another origin may not use the admin API"),
    }
    let Some(origin) = request.headers.get("origin") else { return Ok(()) };
    let host = request.headers.get("host").unwrap_or_default();
    let own = ["http://", "https://"]
        .iter()
        .any(|scheme| origin.strip_prefix(scheme).is_some_and(|rest| rest == host));
    if own && !host.is_empty() {
        return Ok(());
    }
    denied("the Origin field names another origin, which may not use the admin API")
}

fn without_port(host: &str) -> &str {
    if host.starts_with('[') {
        return host.split_inclusive(']').next().unwrap_or_default();
    }
    host.split(':').next().unwrap_or_default()
}

fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

#[cfg(test)]
mod tests {
    use runtime::http::{Bytes, Headers};

    use super::*;

    const TOKEN: &str = "0123456789abcdef";

    fn check(peer: &str, method: Method, fields: &[(&str, &str)]) -> u16 {
        let pairs = fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let request = Request {
            method: method.name().to_owned(),
            path: "/api/v1/status".to_owned(),
            query: None,
            headers: Headers::from_pairs(pairs.collect()),
            body: Bytes::new(),
            peer: peer.parse().unwrap(),
            local: "10.0.0.1:7070".parse().unwrap(),
        };
        let guard = Guard::new(Some(Token(TOKEN.to_owned())), &["Box.lan".to_owned()]);
        guard.check(&request, method).map_or_else(|denied| denied.status, |()| 200)
    }

    #[test]
    fn this_machine_needs_no_token_if_it_calls_us_by_a_name_of_ours() {
        for host in [
            "localhost:7070",
            "127.0.0.1:7070",
            "127.9.9.9",
            "[::1]:7070",
            "a.localhost",
            "LOCALHOST",
            "10.0.0.1:7070",
            "box.lan:1",
        ] {
            assert_eq!(check("127.0.0.1:5", Method::Post, &[("host", host)]), 200, "{host}");
        }
        for host in ["evil.example", "10.0.0.2:7070", "", "localhost.evil.example", "[::1", "x]"] {
            assert_eq!(check("127.0.0.1:5", Method::Get, &[("host", host)]), 403, "{host}");
        }
        assert_eq!(check("[::ffff:127.0.0.1]:5", Method::Get, &[("host", "localhost")]), 200);
    }

    #[test]
    fn other_machines_need_the_token() {
        let host = ("host", "10.0.0.1:7070");
        assert_eq!(check("10.0.0.9:5", Method::Get, &[host]), 401);
        for (given, want) in [
            ("Bearer 0123456789abcdef", 200),
            ("bearer  0123456789abcdef", 200),
            ("Bearer 0123456789abcdeF", 401),
            ("Bearer 0123456789abcde", 401),
            ("Bearer 0123456789abcdef0", 401),
            ("Bearer ", 401),
            ("Basic 0123456789abcdef", 401),
            ("", 401),
        ] {
            let fields = [host, ("authorization", given)];
            assert_eq!(check("10.0.0.9:5", Method::Get, &fields), want, "{given}");
        }
        // A wrong token is wrong here, too: somebody believes to be protected by it.
        let fields = [("host", "localhost"), ("authorization", "Bearer x")];
        assert_eq!(check("127.0.0.1:5", Method::Get, &fields), 401);
    }

    #[test]
    fn what_a_proxy_on_this_machine_passes_on_is_not_from_this_machine() {
        for name in FORWARDED {
            let fields = [("host", "localhost"), (name, "1.2.3.4")];
            assert_eq!(check("127.0.0.1:5", Method::Get, &fields), 401, "{name}");
        }
    }

    #[test]
    fn pages_of_other_origins_are_refused_even_with_a_token() {
        let host = ("host", "localhost:7070");
        let bearer = ("authorization", "Bearer 0123456789abcdef");
        for (field, want) in [
            (("sec-fetch-site", "same-origin"), 200),
            (("sec-fetch-site", "none"), 200),
            (("sec-fetch-site", "same-site"), 403),
            (("sec-fetch-site", "cross-site"), 403),
            (("origin", "http://localhost:7070"), 200),
            (("origin", "http://localhost:8080"), 403),
            (("origin", "http://evil.example"), 403),
            (("origin", "null"), 403),
            (("origin", ""), 403),
        ] {
            assert_eq!(check("127.0.0.1:5", Method::Post, &[host, field]), want, "{field:?}");
            let fields = [host, field, bearer];
            assert_eq!(check("10.0.0.9:5", Method::Post, &fields), want, "{field:?}");
        }
        let link = [host, ("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")];
        assert_eq!(check("127.0.0.1:5", Method::Get, &link), 200);
        assert_eq!(check("127.0.0.1:5", Method::Post, &link), 403);
    }

    #[test]
    fn a_token_is_made_once_and_only_for_its_owner() {
        use std::os::unix::fs::PermissionsExt;
        let folder = std::env::temp_dir().join(format!("console-token-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("token");
        let made = Token::load_or_create(&path).unwrap();
        assert_eq!(made.as_str().len(), 2 * TOKEN_BYTES);
        assert_eq!(Token::load_or_create(&path).unwrap(), made);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::write(&path, "short").unwrap();
        assert!(Token::load_or_create(&path).unwrap_err().to_string().contains("remove it"));
        std::fs::remove_dir_all(&folder).unwrap();
        assert_eq!(format!("{made:?}"), "Token(hidden)");
    }
}
