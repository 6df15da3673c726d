//! Traces across services (W3C Trace Context, level 1), and request ids.

use std::fmt;

use crate::request::Fields;

/// Longest request id that is taken over from a trusted proxy.
const REQUEST_ID_BYTES_MAX: usize = 64;
/// `00-` 32 digits `-` 16 digits `-` 2 digits.
const TRACEPARENT_BYTES: usize = 55;

/// The trace that a request belongs to; never all zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceId(pub [u8; 16]);

/// What the upstream is told: the trace, our own span in it, and whether it is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceContext {
    /// The trace.
    pub trace: TraceId,
    /// Our span: the parent of what the upstream does; never all zero.
    pub span: [u8; 8],
    /// Whether the caller records it.
    pub sampled: bool,
    /// Whether the caller began it; then its `tracestate` is forwarded, else dropped.
    pub continued: bool,
}

/// Names one request in logs, answers and upstream requests.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RequestId {
    text: [u8; REQUEST_ID_BYTES_MAX],
    length: u8,
}

impl TraceContext {
    /// Continues the trace that the request's `traceparent` names; without a valid one, starts a
    /// trace. `chance` is random.
    ///
    /// Two `traceparent` fields are as good as none: there is no telling which is meant.
    pub fn continue_or_start(fields: &dyn Fields, chance: [u8; 24]) -> Self {
        let [id @ .., s0, s1, s2, s3, s4, s5, s6, s7] = chance;
        let span = nonzero([s0, s1, s2, s3, s4, s5, s6, s7]);
        let mut count = 0_u32;
        let mut caller = None;
        fields.each("traceparent", &mut |value| {
            count += 1;
            caller = Self::parse(value);
        });
        match caller {
            Some(caller) if count == 1 => Self { span, continued: true, ..caller },
            Some(_) | None => {
                Self { trace: TraceId(nonzero(id)), span, sampled: false, continued: false }
            }
        }
    }

    /// Reads a `traceparent` value (§3.2); versions above 00 are read as far as 00 goes (§4).
    pub fn parse(value: &[u8]) -> Option<Self> {
        let [v0, v1, b'-', rest @ ..] = value.trim_ascii() else { return None };
        let version: [u8; 1] = unhex(&[*v0, *v1])?;
        let (id, rest) = rest.split_at_checked(32)?;
        let [b'-', rest @ ..] = rest else { return None };
        let (span, rest) = rest.split_at_checked(16)?;
        let [b'-', f0, f1, more @ ..] = rest else { return None };
        let more_is_fine = match version {
            [0] => more.is_empty(),
            [0xff] => false,
            _ => more.is_empty() || more.starts_with(b"-"),
        };
        let (trace, span, [flags]) = (unhex(id)?, unhex(span)?, unhex(&[*f0, *f1])?);
        let valid = more_is_fine && trace != [0; 16] && span != [0; 8];
        let context =
            Self { trace: TraceId(trace), span, sampled: flags & 1 == 1, continued: true };
        valid.then_some(context)
    }

    /// Appends the value of the upstream's `traceparent`.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.reserve(TRACEPARENT_BYTES);
        out.extend_from_slice(b"00-");
        out.extend_from_slice(&hex::<16, 32>(self.trace.0));
        out.push(b'-');
        out.extend_from_slice(&hex::<8, 16>(self.span));
        out.extend_from_slice(if self.sampled { b"-01" } else { b"-00" });
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl RequestId {
    /// An id from random bits.
    pub fn from_random(chance: [u8; 16]) -> Self {
        let mut text = [0; REQUEST_ID_BYTES_MAX];
        if let Some(place) = text.first_chunk_mut() {
            *place = hex::<16, 32>(chance);
        }
        Self { text, length: 32 }
    }

    /// An id that a trusted proxy gave; `None` when it is empty, too long, or has a character
    /// other than letters, digits, `-`, `_`, `.`.
    pub fn accept(value: &[u8]) -> Option<Self> {
        let harmless = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
        if value.is_empty() || !value.iter().all(harmless) {
            return None;
        }
        let mut text = [0; REQUEST_ID_BYTES_MAX];
        text.get_mut(..value.len())?.copy_from_slice(value);
        Some(Self { text, length: u8::try_from(value.len()).ok()? })
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        let bytes = self.text.get(..usize::from(self.length)).unwrap_or_default();
        // Only ASCII is ever written into it.
        std::str::from_utf8(bytes).unwrap_or_default()
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// All zero means "invalid" in the format; chance yields it once in 2^64, and then 1 will do.
fn nonzero<const N: usize>(mut bytes: [u8; N]) -> [u8; N] {
    if bytes.iter().all(|&byte| byte == 0)
        && let Some(last) = bytes.last_mut()
    {
        *last = 1;
    }
    bytes
}

/// Lower case only, as the specification demands.
fn unhex<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    let value = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; N];
    if digits.len() != N * 2 {
        return None;
    }
    for (place, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let [high, low] = pair else { return None };
        *place = value(*high)? << 4 | value(*low)?;
    }
    Some(bytes)
}

/// Lower-case digits; `D` is twice `N`. Into an array and not byte by byte into a vector: every
/// request writes 80 of them.
fn hex<const N: usize, const D: usize>(bytes: [u8; N]) -> [u8; D] {
    const { assert!(D == 2 * N) };
    let digit = |nibble: u8| nibble + if nibble < 10 { b'0' } else { b'a' - 10 };
    let mut digits = [0; D];
    for (pair, byte) in digits.chunks_exact_mut(2).zip(bytes) {
        pair.copy_from_slice(&[digit(byte >> 4), digit(byte & 0x0f)]);
    }
    digits
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::FieldList;

    const VALID: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn fields(values: &[&str]) -> FieldList {
        FieldList(values.iter().map(|v| ("traceparent".to_owned(), (*v).to_owned())).collect())
    }

    fn text(context: &TraceContext) -> String {
        let mut out = Vec::new();
        context.write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_valid_trace_goes_on_with_a_span_of_ours() {
        let context = TraceContext::continue_or_start(&fields(&[VALID]), [7; 24]);
        assert_eq!(text(&context), "00-0af7651916cd43dd8448eb211c80319c-0707070707070707-01");
        assert!(context.continued);
    }

    #[test]
    fn later_versions_are_read_as_far_as_ours_goes() {
        for good in ["cc", "01"] {
            let value = VALID.replacen("00", good, 1);
            assert!(TraceContext::parse(value.as_bytes()).is_some(), "{value}");
            assert!(TraceContext::parse(format!("{value}-what").as_bytes()).is_some());
            assert!(TraceContext::parse(format!("{value}.what").as_bytes()).is_none());
        }
    }

    #[test]
    fn invalid_traces_are_started_anew() {
        let zero_trace = "00-00000000000000000000000000000000-b7ad6b7169203331-01";
        let zero_span = "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01";
        let upper = VALID.to_uppercase();
        let longer = format!("{VALID}-00");
        let forbidden = VALID.replacen("00", "ff", 1);
        let shorter = VALID.get(..54).unwrap();
        for bad in ["", "00", zero_trace, zero_span, &upper, &longer, &forbidden, shorter] {
            let context = TraceContext::continue_or_start(&fields(&[bad]), [0; 24]);
            assert!(!context.continued, "{bad}");
            assert_eq!(text(&context), "00-00000000000000000000000000000001-0000000000000001-00");
        }
        let twice = TraceContext::continue_or_start(&fields(&[VALID, VALID]), [7; 24]);
        assert!(!twice.continued);
    }

    #[test]
    fn request_ids_are_harmless_text() {
        assert_eq!(RequestId::from_random([0xab; 16]).as_str(), "ab".repeat(16));
        let longest = "a".repeat(REQUEST_ID_BYTES_MAX);
        assert_eq!(RequestId::accept(longest.as_bytes()).unwrap().as_str(), longest);
        for bad in ["", "a b", "a\"b", "é", &"a".repeat(REQUEST_ID_BYTES_MAX + 1)] {
            assert!(RequestId::accept(bad.as_bytes()).is_none(), "{bad}");
        }
    }
}
