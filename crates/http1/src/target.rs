//! Request targets and hosts: which forms are allowed where (RFC 9112 §3.2, RFC 3986).

use crate::Method;

/// The four forms of a request target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form<'a> {
    /// `/path?query`
    Origin,
    /// `http://authority/path?query`
    Absolute { authority: &'a [u8], default_port: &'static [u8] },
    /// `host:port`, of CONNECT only.
    Authority,
    /// `*`, of OPTIONS only.
    Asterisk,
}

const PATH: u8 = 1;
const QUERY: u8 = 2;
const HOST: u8 = 4;

/// What each byte may be part of: RFC 3986's characters, and all other visible ones, which
/// clients send raw (JSON in a query, say) and which mean the same to every parser.
/// `#` is none of them: who cuts the fragment off sees another target than who does not.
const CLASSES: [u8; 256] = classes();

#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler; byte is below 127")]
const fn classes() -> [u8; 256] {
    let mut table = [0; 256];
    let mut byte = 0x21;
    while byte < 0x7F {
        table[byte] = match byte as u8 {
            b'#' => 0,
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                PATH | QUERY | HOST
            }
            b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b';' | b'=' => {
                PATH | QUERY | HOST
            }
            b'?' => QUERY,
            _ => PATH | QUERY,
        };
        byte += 1;
    }
    table
}

fn all_in(text: &[u8], class: u8) -> bool {
    text.iter().all(|byte| CLASSES.get(usize::from(*byte)).is_some_and(|of| of & class != 0))
}

/// Longest host name in presentation form (RFC 1035 §2.3.4).
const HOST_BYTES_MAX: usize = 255;

/// Decides the form of `target`.
pub(crate) fn check(method: Method, target: &[u8]) -> Result<Form<'_>, &'static str> {
    if method == Method::Connect {
        return match split_authority(target) {
            Some((_, Some(port))) if !port.is_empty() => Ok(Form::Authority),
            _ => Err("CONNECT needs a target of the form host:port"),
        };
    }
    match target {
        [b'/', ..] => path_and_query(target).map(|()| Form::Origin),
        b"*" if method == Method::Options => Ok(Form::Asterisk),
        _ => absolute(target),
    }
}

fn absolute(target: &[u8]) -> Result<Form<'_>, &'static str> {
    const NOT_A_TARGET: &str = "the request target is neither a path nor an http URL";
    let after = |scheme: &[u8]| {
        target
            .split_at_checked(scheme.len())
            .and_then(|(start, rest)| start.eq_ignore_ascii_case(scheme).then_some(rest))
    };
    let (rest, default_port): (_, &[u8]) = match (after(b"http://"), after(b"https://")) {
        (Some(rest), _) => (rest, b"80"),
        (None, Some(rest)) => (rest, b"443"),
        (None, None) => return Err(NOT_A_TARGET),
    };
    let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?' | b'#')).unwrap_or(rest.len());
    let (authority, path) = rest.split_at_checked(end).ok_or(NOT_A_TARGET)?;
    if split_authority(authority).is_none() {
        return Err("the request target has an invalid host");
    }
    path_and_query(path)?;
    Ok(Form::Absolute { authority, default_port })
}

fn path_and_query(text: &[u8]) -> Result<(), &'static str> {
    let end = text.iter().position(|byte| *byte == b'?').unwrap_or(text.len());
    let (path, query) = text.split_at_checked(end).unwrap_or((text, &[]));
    if all_in(path, PATH) && all_in(query, QUERY) {
        Ok(())
    } else {
        Err("an invalid character in the request target")
    }
}

/// Host and port of `host[:port]`; `None` when it is not that. User information is refused
/// (RFC 9110 §4.2.4).
pub(crate) fn split_authority(text: &[u8]) -> Option<(&[u8], Option<&[u8]>)> {
    let host_end = match text {
        [b'[', ..] => text.iter().position(|byte| *byte == b']')? + 1,
        _ => text.iter().position(|byte| *byte == b':').unwrap_or(text.len()),
    };
    let (host, rest) = text.split_at_checked(host_end)?;
    let port = match rest {
        [] => None,
        [b':', port @ ..] => Some(port),
        _ => return None,
    };
    let host_fits = match host {
        [] => false,
        [b'[', inner @ .., b']'] => is_ipv6(inner),
        name => name.len() <= HOST_BYTES_MAX && all_in(name, HOST),
    };
    let port_fits = port.is_none_or(is_port);
    (host_fits && port_fits).then_some((host, port))
}

/// Whether the host of an absolute target is the one of the `Host` field.
pub(crate) fn same_host(authority: &[u8], host: &[u8], default_port: &[u8]) -> bool {
    let (Some((name, port)), Some((other, other_port))) =
        (split_authority(authority), split_authority(host))
    else {
        return false;
    };
    let or_default = |port: Option<&'_ [u8]>| match port {
        None | Some([]) => default_port.to_vec(),
        Some(port) => port.to_vec(),
    };
    name.eq_ignore_ascii_case(other) && or_default(port) == or_default(other_port)
}

/// Digits of a port, or none at all (RFC 3986 §3.2.3).
fn is_port(port: &[u8]) -> bool {
    let digit = |byte: &u8| byte.is_ascii_digit().then(|| u32::from(byte - b'0'));
    port.len() <= 5
        && port
            .iter()
            .try_fold(0_u32, |sum, byte| Some(sum * 10 + digit(byte)?))
            .is_some_and(|number| number <= u32::from(u16::MAX))
}

fn is_ipv6(inner: &[u8]) -> bool {
    std::str::from_utf8(inner).is_ok_and(|text| text.parse::<std::net::Ipv6Addr>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn authorities_are_a_host_and_perhaps_a_port() {
        for good in ["a", "a.b", "a:80", "a:", "127.0.0.1:65535", "[::1]", "[::1]:8080", "a_b"] {
            assert!(split_authority(good.as_bytes()).is_some(), "{good}");
        }
        for bad in [
            "", ":80", "a:65536", "a:000080", "a:8x", "a b", "u@a", "a/b", "a:1:2", "[::1", "[x]",
            "[::1]x", "a%41", "a,b", "a?b", "a#", "\u{e9}",
        ] {
            assert!(split_authority(bad.as_bytes()).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_default_port_is_the_same_host() {
        assert!(same_host(b"A:80", b"a", b"80"));
        assert!(same_host(b"a", b"a:443", b"443"));
        assert!(!same_host(b"a", b"a:81", b"80"));
        assert!(!same_host(b"a", b"b", b"80"));
    }
}
