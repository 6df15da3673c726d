//! Writes heads and chunk framing at the end of a buffer.
//!
//! Callers pass names and values that were parsed or checked: line ends inside them would be a
//! second message. Debug builds assert it; [`is_field_name`] and [`is_field_value`] are the
//! checks for text that comes from configuration or a user.

use crate::framing::is_token_byte;
use crate::{Field, Span, Version};

/// After the data of every chunk.
pub const CHUNK_SUFFIX: &[u8] = b"\r\n";

/// Ends a chunked body that has no trailers.
pub const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// Ends the chunks of a body; trailers, if any, and then [`HEAD_END`] follow.
pub const LAST_CHUNK_SIZE: &[u8] = b"0\r\n";

/// The empty line after the fields.
pub const HEAD_END: &[u8] = b"\r\n";

/// `GET /path HTTP/1.1`
pub fn request_line(out: &mut Vec<u8>, method: &[u8], target: &[u8], version: Version) {
    debug_assert!(!method.is_empty() && method.iter().all(|byte| is_token_byte(*byte)));
    debug_assert!(!target.is_empty() && target.iter().all(u8::is_ascii_graphic));
    out.extend_from_slice(method);
    out.push(b' ');
    out.extend_from_slice(target);
    out.extend_from_slice(match version {
        Version::Http10 => b" HTTP/1.0\r\n",
        Version::Http11 => b" HTTP/1.1\r\n",
    });
}

/// `HTTP/1.1 200 OK`; we speak 1.1 whatever the client speaks (RFC 9110 §2.5).
pub fn status_line(out: &mut Vec<u8>, status: u16, reason: &[u8]) {
    debug_assert!((100..=999).contains(&status) && is_field_value(reason));
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(itoa::Buffer::new().format(status).as_bytes());
    out.push(b' ');
    out.extend_from_slice(reason);
    out.extend_from_slice(b"\r\n");
}

/// `name: value`
#[inline]
pub fn field(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    debug_assert!(is_field_name(name) && is_field_value(value));
    out.reserve(name.len() + value.len() + 4);
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// The fields of `fields` for which `passes` holds, as [`field`] would write each. `buffer` is what
/// they were parsed from.
///
/// Neighbours that stand there in exactly that form are copied together; most heads then take one
/// or two copies. A field in another form (white space around its value) is written anew, so what
/// comes out never depends on how the sender spaced it.
pub fn fields(
    out: &mut Vec<u8>,
    buffer: &[u8],
    fields: &[Field],
    mut passes: impl FnMut(&Field) -> bool,
) {
    let mut run = Span::default();
    for one in fields.iter().filter(|one| passes(one)) {
        let line = Span { start: one.name.start, end: one.value.end.saturating_add(2) };
        let separator = Span { start: one.name.end, end: one.value.start };
        let line_end = Span { start: one.value.end, end: line.end };
        let is_plain = separator.of(buffer) == b": " && line_end.of(buffer) == b"\r\n";
        if is_plain && run.end == line.start {
            run.end = line.end;
            continue;
        }
        out.extend_from_slice(run.of(buffer));
        if is_plain {
            run = line;
        } else {
            run = Span::default();
            field(out, one.name.of(buffer), one.value.of(buffer));
        }
    }
    out.extend_from_slice(run.of(buffer));
}

/// `name: 123`
pub fn number_field(out: &mut Vec<u8>, name: &[u8], value: u64) {
    field(out, name, itoa::Buffer::new().format(value).as_bytes());
}

/// The size line of a chunk of `bytes` bytes, which must not be 0: that would end the body.
pub fn chunk_prefix(out: &mut Vec<u8>, bytes: u64) {
    assert!(bytes > 0, "a chunk of no bytes ends the body");
    let digit_count = (u64::BITS - bytes.leading_zeros()).div_ceil(4);
    for place in (0..digit_count).rev() {
        let digit = (bytes >> (place * 4)) as u8 & 0xF;
        out.push(if digit < 10 { b'0' + digit } else { b'a' + digit - 10 });
    }
    out.extend_from_slice(b"\r\n");
}

/// Whether `name` can name a field (RFC 9110 §5.1).
pub fn is_field_name(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().all(|byte| is_token_byte(*byte))
}

/// Whether `value` can be a field's value (RFC 9110 §5.5): no line ends, no control characters.
pub fn is_field_value(value: &[u8]) -> bool {
    value.iter().all(|byte| matches!(byte, b'\t' | 0x20..=0x7E | 0x80..))
}

/// The usual reason phrase of a status; empty when there is none.
pub const fn reason(status: u16) -> &'static str {
    match status {
        100 => "Continue",
        101 => "Switching Protocols",
        103 => "Early Hints",
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        203 => "Non-Authoritative Information",
        204 => "No Content",
        205 => "Reset Content",
        206 => "Partial Content",
        300 => "Multiple Choices",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        402 => "Payment Required",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        411 => "Length Required",
        412 => "Precondition Failed",
        413 => "Content Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        416 => "Range Not Satisfiable",
        417 => "Expectation Failed",
        421 => "Misdirected Request",
        422 => "Unprocessable Content",
        425 => "Too Early",
        426 => "Upgrade Required",
        428 => "Precondition Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        451 => "Unavailable For Legal Reasons",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        507 => "Insufficient Storage",
        511 => "Network Authentication Required",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Limits, Progress, RequestHead};

    /// Copied together or written one by one, the bytes are the same.
    fn check(text: &str, passes: impl Fn(&Field) -> bool) {
        let mut head = RequestHead::new();
        let parsed = head.parse(text.as_bytes(), &Limits::default());
        assert_eq!(parsed, Ok(Progress::Complete), "{text:?}");
        let (mut together, mut apart) = (b"before".to_vec(), b"before".to_vec());
        fields(&mut together, text.as_bytes(), &head.fields, &passes);
        for one in head.fields.iter().filter(|one| passes(one)) {
            field(&mut apart, one.name.of(text.as_bytes()), one.value.of(text.as_bytes()));
        }
        assert_eq!(String::from_utf8(together), String::from_utf8(apart));
    }

    #[test]
    fn neighbours_are_copied_as_they_would_be_written() {
        for text in [
            "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nA: 1\r\nB: 2\r\nC: 3\r\nD: 4\r\n\r\n",
            "GET / HTTP/1.1\r\nHost:a\r\nA: 1\r\nB:\t2\r\nC:  3\r\nD: 4 \r\nE: 5\r\nF:\r\nG: \r\n\r\n",
        ] {
            check(text, |_| true);
            check(text, |_| false);
            check(text, |field| !field.value.is_empty());
            check(text, |field| field.known != crate::Known::Host);
            check(text, |field| field.name.start % 2 == 0);
        }
    }
}
