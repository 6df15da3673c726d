//! Hosts: the `Host` field and the authority of an absolute-form target.

use std::borrow::Cow;
use std::net::Ipv6Addr;

use super::Rejection;

/// Longest host name in text (RFC 1035 §2.3.4, without the root's dot).
const HOST_BYTES_MAX: usize = 253;

/// A lower-case name and perhaps a port, in one pass; `None` promises nothing.
pub(super) fn usual(field: &[u8]) -> Option<(&str, Option<u16>)> {
    let mut previous = b'.';
    let mut end = field.len();
    for (place, &byte) in field.iter().enumerate() {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' => {}
            b'.' if previous != b'.' => {}
            b':' => {
                end = place;
                break;
            }
            _ => return None,
        }
        previous = byte;
    }
    let (name, port) = field.split_at_checked(end)?;
    if previous == b'.' || name.len() > HOST_BYTES_MAX {
        return None;
    }
    let port = match port {
        [] => None,
        [b':'] => return None,
        [_, digits @ ..] => Some(digits.iter().try_fold(0_u16, |sum, digit| {
            let value = digit.is_ascii_digit().then(|| u16::from(digit - b'0'))?;
            sum.checked_mul(10)?.checked_add(value)
        })?),
    };
    Some((std::str::from_utf8(name).ok()?, port))
}

/// Host in canonical spelling, and the port if one was named.
pub(super) fn parse(authority: &str) -> Result<(Cow<'_, str>, Option<u16>), Rejection> {
    if authority.contains('@') {
        return Err(Rejection::bad("the host has user information"));
    }
    let (host, port) = if authority.starts_with('[') {
        let end = authority.find(']').ok_or(Rejection::bad("the host's [ is not closed"))?;
        let (host, rest) = authority.split_at(end + 1);
        match rest.strip_prefix(':') {
            Some(port) => (host, port),
            None if rest.is_empty() => (host, ""),
            None => return Err(Rejection::bad("the host has text after its ]")),
        }
    } else {
        authority.split_once(':').unwrap_or((authority, ""))
    };
    let host = if host.starts_with('[') { literal(host)? } else { canonical_name(host)? };
    if host.is_empty() && !port.is_empty() {
        return Err(Rejection::bad("the host is empty but has a port"));
    }
    Ok((host, parse_port(port)?))
}

/// A registered name or an IPv4 address: letters, digits, `-`, `_` in non-empty labels.
///
/// Narrower than RFC 3986's `reg-name`: percent-encoding and punctuation in hosts have no honest
/// use, and a name in another script arrives as punycode.
pub(crate) fn canonical_name(host: &str) -> Result<Cow<'_, str>, Rejection> {
    let name = host.strip_suffix('.').unwrap_or(host);
    if name.is_empty() {
        return if host.is_empty() {
            Ok(Cow::Borrowed(""))
        } else {
            Err(Rejection::bad("the host is only a dot"))
        };
    }
    if name.len() > HOST_BYTES_MAX {
        return Err(Rejection::bad("the host is longer than 253 bytes"));
    }
    let mut upper = false;
    let mut previous = b'.';
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' => {}
            b'A'..=b'Z' => upper = true,
            b'.' if previous != b'.' => {}
            b'.' => return Err(Rejection::bad("the host has an empty label")),
            _ => return Err(Rejection::bad("the host has a byte that a host name cannot have")),
        }
        previous = byte;
    }
    if previous == b'.' {
        return Err(Rejection::bad("the host has an empty label"));
    }
    Ok(if upper { Cow::Owned(name.to_ascii_lowercase()) } else { Cow::Borrowed(name) })
}

/// `[::1]`, in the one spelling of RFC 5952.
fn literal(bracketed: &str) -> Result<Cow<'_, str>, Rejection> {
    let inner = bracketed.trim_start_matches('[').trim_end_matches(']');
    let address: Ipv6Addr =
        inner.parse().map_err(|_| Rejection::bad("the host in [ ] is not an IPv6 address"))?;
    let canonical = format!("[{address}]");
    Ok(if canonical == bracketed { Cow::Borrowed(bracketed) } else { Cow::Owned(canonical) })
}

fn parse_port(port: &str) -> Result<Option<u16>, Rejection> {
    if port.is_empty() {
        return Ok(None);
    }
    const PORT: Rejection = Rejection::bad("the host's port is not a number up to 65535");
    // `parse` alone would accept a plus sign.
    if !port.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(PORT);
    }
    port.parse().map(Some).map_err(|_| PORT)
}
