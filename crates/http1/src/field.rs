//! Fields of a head, and the names that this system cares about.

use crate::Span;

/// One field line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// As written; compare without regard to case.
    pub name: Span,
    /// Without the white space around it. May hold bytes above 0x7F.
    pub value: Span,
    /// The name, when it is one that we know.
    pub known: Known,
    /// Meant for this connection only (RFC 9110 §7.6.1, including names listed in `Connection`):
    /// not to be forwarded.
    pub hop_by_hop: bool,
}

/// Declares the known names once: the enum, its names, and which of them never travel on.
macro_rules! known {
    ($($(#[$doc:meta])* $variant:ident = $name:literal $scope:ident,)*) => {
        /// A field name that some part of the system treats specially.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[allow(missing_docs, reason = "each variant is the name itself")]
        pub enum Known {
            $($variant,)*
            /// Any other name.
            Other,
        }

        impl Known {
            /// All of them, without `Other`.
            pub const ALL: &'static [Known] = &[$(Known::$variant,)*];

            /// In lower case; empty for `Other`.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Known::$variant => $name,)*
                    Known::Other => "",
                }
            }

            /// Whether it belongs to the connection by definition, named in `Connection` or not.
            pub const fn is_hop_by_hop(self) -> bool {
                match self {
                    $(Known::$variant => known!(@$scope),)*
                    Known::Other => false,
                }
            }
        }
    };
    (@hop) => { true };
    (@end) => { false };
}

known! {
    Accept = "accept" end,
    AcceptEncoding = "accept-encoding" end,
    Age = "age" end,
    Authorization = "authorization" end,
    CacheControl = "cache-control" end,
    Connection = "connection" hop,
    ContentEncoding = "content-encoding" end,
    ContentLength = "content-length" end,
    ContentRange = "content-range" end,
    ContentType = "content-type" end,
    Cookie = "cookie" end,
    Date = "date" end,
    Etag = "etag" end,
    Expect = "expect" end,
    Expires = "expires" end,
    Forwarded = "forwarded" end,
    Host = "host" end,
    Http2Settings = "http2-settings" hop,
    IfMatch = "if-match" end,
    IfModifiedSince = "if-modified-since" end,
    IfNoneMatch = "if-none-match" end,
    IfRange = "if-range" end,
    IfUnmodifiedSince = "if-unmodified-since" end,
    KeepAlive = "keep-alive" hop,
    LastModified = "last-modified" end,
    Location = "location" end,
    MaxForwards = "max-forwards" end,
    Origin = "origin" end,
    Pragma = "pragma" end,
    ProxyAuthenticate = "proxy-authenticate" hop,
    ProxyAuthorization = "proxy-authorization" hop,
    ProxyConnection = "proxy-connection" hop,
    Range = "range" end,
    Referer = "referer" end,
    RetryAfter = "retry-after" end,
    Server = "server" end,
    SetCookie = "set-cookie" end,
    Te = "te" hop,
    Traceparent = "traceparent" end,
    Tracestate = "tracestate" end,
    Trailer = "trailer" end,
    TransferEncoding = "transfer-encoding" hop,
    Upgrade = "upgrade" hop,
    UserAgent = "user-agent" end,
    Vary = "vary" end,
    Via = "via" end,
    WwwAuthenticate = "www-authenticate" end,
    XForwardedFor = "x-forwarded-for" end,
    XForwardedHost = "x-forwarded-host" end,
    XForwardedPort = "x-forwarded-port" end,
    XForwardedProto = "x-forwarded-proto" end,
    XRealIp = "x-real-ip" end,
    XRequestId = "x-request-id" end,
}

impl Known {
    /// Recognises a field name, in any case.
    #[inline]
    pub fn of(name: &[u8]) -> Self {
        use Known::*;
        let Some(first) = name.first() else { return Other };
        // Length and first letter leave at most four candidates, mostly one: as good as a perfect
        // hash here, and it can be read.
        let candidates: &[Known] = match (name.len(), first | 0x20) {
            (2, b't') => &[Te],
            (3, b'a') => &[Age],
            (3, b'v') => &[Via],
            (4, b'd') => &[Date],
            (4, b'e') => &[Etag],
            (4, b'h') => &[Host],
            (4, b'v') => &[Vary],
            (5, b'r') => &[Range],
            (6, b'a') => &[Accept],
            (6, b'c') => &[Cookie],
            (6, b'e') => &[Expect],
            (6, b'o') => &[Origin],
            (6, b'p') => &[Pragma],
            (6, b's') => &[Server],
            (7, b'e') => &[Expires],
            (7, b'r') => &[Referer],
            (7, b't') => &[Trailer],
            (7, b'u') => &[Upgrade],
            (8, b'i') => &[IfMatch, IfRange],
            (8, b'l') => &[Location],
            (9, b'f') => &[Forwarded],
            (9, b'x') => &[XRealIp],
            (10, b'c') => &[Connection],
            (10, b'k') => &[KeepAlive],
            (10, b's') => &[SetCookie],
            (10, b't') => &[Tracestate],
            (10, b'u') => &[UserAgent],
            (11, b'r') => &[RetryAfter],
            (11, b't') => &[Traceparent],
            (12, b'c') => &[ContentType],
            (12, b'm') => &[MaxForwards],
            (12, b'x') => &[XRequestId],
            (13, b'a') => &[Authorization],
            (13, b'c') => &[CacheControl, ContentRange],
            (13, b'i') => &[IfNoneMatch],
            (13, b'l') => &[LastModified],
            (14, b'c') => &[ContentLength],
            (14, b'h') => &[Http2Settings],
            (15, b'a') => &[AcceptEncoding],
            (15, b'x') => &[XForwardedFor],
            (16, b'c') => &[ContentEncoding],
            (16, b'p') => &[ProxyConnection],
            (16, b'w') => &[WwwAuthenticate],
            (16, b'x') => &[XForwardedHost, XForwardedPort],
            (17, b'i') => &[IfModifiedSince],
            (17, b't') => &[TransferEncoding],
            (17, b'x') => &[XForwardedProto],
            (18, b'p') => &[ProxyAuthenticate],
            (19, b'i') => &[IfUnmodifiedSince],
            (19, b'p') => &[ProxyAuthorization],
            _ => return Other,
        };
        for candidate in candidates {
            if is_name(name, candidate.name().as_bytes()) {
                return *candidate;
            }
        }
        Other
    }

    /// Whether it must not stand in trailers: framing, routing, authentication, and what decides
    /// how the content is read (RFC 9110 §6.5.1).
    pub(crate) const fn is_forbidden_in_trailers(self) -> bool {
        match self {
            Known::Etag | Known::Server | Known::Via | Known::Other => false,
            Known::Traceparent | Known::Tracestate | Known::XRequestId => false,
            Known::Accept
            | Known::AcceptEncoding
            | Known::Age
            | Known::Authorization
            | Known::CacheControl
            | Known::Connection
            | Known::ContentEncoding
            | Known::ContentLength
            | Known::ContentRange
            | Known::ContentType
            | Known::Cookie
            | Known::Date
            | Known::Expect
            | Known::Expires
            | Known::Forwarded
            | Known::Host
            | Known::Http2Settings
            | Known::IfMatch
            | Known::IfModifiedSince
            | Known::IfNoneMatch
            | Known::IfRange
            | Known::IfUnmodifiedSince
            | Known::KeepAlive
            | Known::LastModified
            | Known::Location
            | Known::MaxForwards
            | Known::Origin
            | Known::Pragma
            | Known::ProxyAuthenticate
            | Known::ProxyAuthorization
            | Known::ProxyConnection
            | Known::Range
            | Known::Referer
            | Known::RetryAfter
            | Known::SetCookie
            | Known::Te
            | Known::Trailer
            | Known::TransferEncoding
            | Known::Upgrade
            | Known::UserAgent
            | Known::Vary
            | Known::WwwAuthenticate
            | Known::XForwardedFor
            | Known::XForwardedHost
            | Known::XForwardedPort
            | Known::XForwardedProto
            | Known::XRealIp => true,
        }
    }
}

/// Whether `text` is `name`, which is in lower case, without regard to case. By words and without
/// a loop where that is possible: this runs for every field of every message.
#[inline]
pub(crate) fn is_name(text: &[u8], name: &[u8]) -> bool {
    if text.len() != name.len() {
        return false;
    }
    // The last word may overlap the first; that costs less than a loop over the rest.
    if let (Some(text_first), Some(name_first), Some(text_last), Some(name_last)) =
        (text.first_chunk(), name.first_chunk(), text.last_chunk(), name.last_chunk())
    {
        let ends = differ(*text_first, *name_first) | differ(*text_last, *name_last);
        return ends == 0 && (text.len() <= 16 || text.eq_ignore_ascii_case(name));
    }
    let differ = |(text, name): (&u8, &u8)| (text ^ name) & !((name & 0x40) >> 1);
    text.iter().zip(name).map(differ).fold(0, |sum, one| sum | one) == 0
}

/// The bits in which eight characters differ, but for the case of letters.
fn differ(text: [u8; 8], name: [u8; 8]) -> u64 {
    // A lower-case letter has 0x40 set, and its capital differs in 0x20 alone. Digits and the
    // hyphen have not: for them the mask is empty.
    const LETTER: u64 = 0x4040_4040_4040_4040;
    let (text, name) = (u64::from_le_bytes(text), u64::from_le_bytes(name));
    (text ^ name) & !((name & LETTER) >> 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_name_is_recognised_in_any_case() {
        for known in Known::ALL {
            let name = known.name();
            assert_eq!(Known::of(name.as_bytes()), *known, "{name}");
            assert_eq!(Known::of(name.to_ascii_uppercase().as_bytes()), *known, "{name}");
        }
    }

    #[test]
    fn neighbours_of_known_names_are_others() {
        for known in Known::ALL {
            let name = known.name().as_bytes();
            for (at, bit) in (0..name.len()).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
                let mut other = name.to_vec();
                other[at] ^= 1 << bit;
                let same = other.eq_ignore_ascii_case(name);
                assert_eq!(Known::of(&other) == *known, same, "{}", other.escape_ascii());
            }
            assert_eq!(Known::of(&name[..name.len() - 1]), Known::Other);
        }
        assert_eq!(Known::of(b""), Known::Other);
        // 0x20 apart without being letters: no case folding for them.
        assert_eq!(Known::of(b"x\rreal\rip"), Known::Other);
    }
}
