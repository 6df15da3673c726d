//! Who the client is, and what upstreams are told about it.
//!
//! Anyone can write `X-Forwarded-For`. It is believed from listed proxies only; from all others
//! the whole family is dropped and written anew. Sources: RFC 7239 (`Forwarded`), RFC 9110 §7.6.3
//! (`Via`).

use std::fmt::{self, Write};
use std::net::IpAddr;

use crate::canonical::Canonical;
use crate::cidr::TrustedProxies;
use crate::request::Fields;

/// Names by which upstreams commonly learn who the client is.
const IDENTITY_NAMES: [&str; 9] = [
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-proto",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-prefix",
    "x-forwarded-server",
    "x-real-ip",
    "x-request-id",
];

/// What to believe and what to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forwarding {
    /// Proxies before us.
    pub trusted: TrustedProxies,
    /// Write `X-Forwarded-For`, `-Proto` and `-Host`.
    pub x_forwarded: bool,
    /// Write `Forwarded`.
    pub forwarded: bool,
    /// Add a `Via` line with this name.
    pub via: Option<String>,
}

/// The other end of the client's connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its address.
    pub address: IpAddr,
    /// Whether the connection is encrypted.
    pub secure: bool,
}

/// Who asks, trusted proxies looked through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The nearest address that is no trusted proxy.
    pub client: IpAddr,
    /// Whether the client's own connection is encrypted, as far as is known.
    pub secure: bool,
    /// What to do with what the request says already.
    pub mode: ForwardMode,
}

/// What becomes of the request's own claims about its client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForwardMode {
    /// The peer is not trusted: they are dropped.
    Replace,
    /// The peer is trusted: they are kept and continued.
    Append,
}

impl Default for Forwarding {
    fn default() -> Self {
        Self { trusted: TrustedProxies::default(), x_forwarded: true, forwarded: false, via: None }
    }
}

impl Forwarding {
    /// Who is behind `peer`.
    pub fn origin(&self, peer: Peer, fields: &dyn Fields) -> Origin {
        let direct = peer.address.to_canonical();
        if !self.trusted.contains(direct) {
            return Origin { client: direct, secure: peer.secure, mode: ForwardMode::Replace };
        }
        let client = self.nearest_stranger(direct, fields);
        let mut secure = peer.secure;
        fields.each("x-forwarded-proto", &mut |value| match last_element(value) {
            b"https" => secure = true,
            b"http" => secure = false,
            _ => {}
        });
        Origin { client, secure, mode: ForwardMode::Append }
    }

    /// Whether the request's own field `name` must not reach the upstream.
    ///
    /// Underscores count as hyphens: many programs cannot tell `X_Forwarded_For` from the real one.
    pub fn drops(&self, name: &[u8], mode: ForwardMode) -> bool {
        // Few fields begin so; the others must cost nothing.
        if !matches!(name.first(), Some(b'x' | b'X' | b'f' | b'F')) {
            return false;
        }
        let same = |wanted: &str| {
            wanted.len() == name.len()
                && wanted.bytes().zip(name).all(|(one, two)| {
                    one == two.to_ascii_lowercase() || (one == b'-' && *two == b'_')
                })
        };
        let Some(found) = IDENTITY_NAMES.into_iter().find(|wanted| same(wanted)) else {
            return false;
        };
        match (mode, found) {
            (ForwardMode::Replace, _) => true,
            // Written anew from what they held.
            (ForwardMode::Append, "forwarded") => self.forwarded,
            (ForwardMode::Append, "x-forwarded-for" | "x-forwarded-proto" | "x-forwarded-host") => {
                self.x_forwarded
            }
            (ForwardMode::Append, "x-request-id") => true,
            (ForwardMode::Append, _) => name.contains(&b'_'),
        }
    }

    /// Calls `emit` with each field to add to the upstream's request.
    ///
    /// Allocates only where a trusted proxy's list is continued or `Forwarded` or `Via` is written.
    pub fn write(
        &self,
        peer: Peer,
        origin: &Origin,
        canonical: &Canonical<'_>,
        fields: &dyn Fields,
        emit: &mut dyn FnMut(&str, &[u8]),
    ) {
        let claims: &dyn Fields = match origin.mode {
            ForwardMode::Append => fields,
            ForwardMode::Replace => &NoFields,
        };
        let address = ShortText::of_address(peer.address.to_canonical());
        let authority = ShortText::of_authority(canonical);
        let authority = authority.as_bytes();
        if self.x_forwarded {
            match origin.mode {
                ForwardMode::Replace => emit("X-Forwarded-For", address.as_bytes()),
                ForwardMode::Append => {
                    let mut chain = joined(claims, "x-forwarded-for");
                    chain.extend_from_slice(address.as_bytes());
                    emit("X-Forwarded-For", &chain);
                }
            }
            emit("X-Forwarded-Proto", scheme(origin.secure).as_bytes());
            let mut earlier = Vec::new();
            claims.each("x-forwarded-host", &mut |value| earlier = value.to_vec());
            let told = if earlier.is_empty() { authority } else { &earlier };
            if !told.is_empty() {
                emit("X-Forwarded-Host", told);
            }
        }
        if self.forwarded {
            let mut chain = joined(claims, "forwarded");
            write_element(&mut chain, &address, peer.secure, authority);
            emit("Forwarded", &chain);
        }
        if let Some(name) = &self.via {
            emit("Via", format!("1.1 {name}").as_bytes());
        }
    }

    /// The list of `X-Forwarded-For` (or, without one, of `Forwarded`) from its end: the first
    /// address that is no trusted proxy. What a stranger wrote before that is hearsay, and what is
    /// no address ends the search.
    fn nearest_stranger(&self, direct: IpAddr, fields: &dyn Fields) -> IpAddr {
        let mut chain = joined(fields, "x-forwarded-for");
        if chain.is_empty() {
            chain = joined(fields, "forwarded");
        }
        let mut nearest = direct;
        for element in chain.rsplit(|&byte| byte == b',') {
            let text = std::str::from_utf8(element).unwrap_or("").trim();
            if text.is_empty() {
                continue;
            }
            let Some(address) = element_address(text) else { break };
            nearest = address;
            if !self.trusted.contains(address) {
                break;
            }
        }
        nearest
    }
}

struct NoFields;

impl Fields for NoFields {
    fn each(&self, _: &str, _: &mut dyn FnMut(&[u8])) {}
}

const fn scheme(secure: bool) -> &'static str {
    if secure { "https" } else { "http" }
}

/// All values of `name`, each followed by a comma and a space.
fn joined(fields: &dyn Fields, name: &str) -> Vec<u8> {
    let mut chain = Vec::new();
    fields.each(name, &mut |value| {
        if !value.trim_ascii().is_empty() {
            chain.extend_from_slice(value.trim_ascii());
            chain.extend_from_slice(b", ");
        }
    });
    chain
}

fn last_element(value: &[u8]) -> &[u8] {
    value.rsplit(|&byte| byte == b',').next().unwrap_or(value).trim_ascii()
}

/// The address in `192.0.2.1`, `192.0.2.1:80`, `[2001:db8::1]:80`, or `for="…";proto=http`.
fn element_address(element: &str) -> Option<IpAddr> {
    let node = if element.contains('=') {
        let mut parameters = element.split(';').filter_map(|one| one.trim().split_once('='));
        let (_, value) = parameters.find(|(name, _)| name.eq_ignore_ascii_case("for"))?;
        value.trim_matches('"')
    } else {
        element
    };
    let bare = match node.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?.0,
        // One colon separates a port; more are an IPv6 address.
        None if node.matches(':').count() == 1 => node.split_once(':')?.0,
        None => node,
    };
    bare.parse::<IpAddr>().ok().map(|address| address.to_canonical())
}

/// RFC 7239 §4 and §6: IPv6 addresses in brackets and quotes, hosts with a port in quotes.
fn write_element(chain: &mut Vec<u8>, address: &ShortText, secure: bool, authority: &[u8]) {
    let is_v6 = address.as_bytes().contains(&b':');
    chain.extend_from_slice(if is_v6 { b"for=\"[" } else { b"for=" });
    chain.extend_from_slice(address.as_bytes());
    chain.extend_from_slice(if is_v6 { b"]\";proto=" } else { b";proto=" });
    chain.extend_from_slice(scheme(secure).as_bytes());
    // A canonical host has no quote or backslash in it.
    if !authority.is_empty() {
        chain.extend_from_slice(b";host=\"");
        chain.extend_from_slice(authority);
        chain.push(b'"');
    }
}

/// Short text without an allocation: such is written for every request.
struct ShortText {
    bytes: [u8; Self::BYTES_MAX],
    length: usize,
}

impl ShortText {
    /// A host of 253 bytes, a colon and five digits; addresses are shorter.
    const BYTES_MAX: usize = 253 + 6;

    fn of_address(address: IpAddr) -> Self {
        let mut text = Self::default();
        match address {
            // By hand: with the standard library's formatting the whole of `write` took half as long
            // again.
            IpAddr::V4(v4) => {
                for (place, octet) in v4.octets().into_iter().enumerate() {
                    if place > 0 {
                        text.push(b".");
                    }
                    text.push(itoa::Buffer::new().format(octet).as_bytes());
                }
            }
            // Cannot fail: there is room for the longest.
            IpAddr::V6(v6) => drop(write!(text, "{v6}")),
        }
        text
    }

    fn of_authority(canonical: &Canonical<'_>) -> Self {
        let mut text = Self::default();
        text.push(canonical.host.as_bytes());
        if let Some(port) = canonical.port {
            text.push(b":");
            text.push(itoa::Buffer::new().format(port).as_bytes());
        }
        text
    }

    /// Does nothing when there is no room, which the two callers above rule out.
    fn push(&mut self, bytes: &[u8]) {
        let end = self.length + bytes.len();
        if let Some(place) = self.bytes.get_mut(self.length..end) {
            place.copy_from_slice(bytes);
            self.length = end;
        }
    }

    fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

impl Default for ShortText {
    fn default() -> Self {
        Self { bytes: [0; Self::BYTES_MAX], length: 0 }
    }
}

impl Write for ShortText {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.push(text.as_bytes());
        Ok(())
    }
}
