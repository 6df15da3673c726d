//! Finds the lines of a head that arrives in pieces, looking at each byte once.
//!
//! A head mostly arrives whole, and then `request` and `response` let `httparse` read it in one
//! pass. When it does not, or when anything is wrong with it, the head is read again here line by
//! line: slower by a constant, but linear however the bytes trickle in, and exact about the place
//! of a fault. Verdicts therefore never depend on how the bytes were cut.

use crate::framing::is_token_byte;
use crate::{EMPTY_LINE_COUNT_MAX, Limits, Malformed, Span};

/// Where the search for lines stands.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Scan {
    line_start: u32,
    searched: u32,
    empty_lines: u8,
    in_fields: bool,
    resuming: bool,
}

/// What the next line is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Line {
    /// Not all of it is here.
    Partial,
    /// The request or status line, with its CRLF.
    First(Span),
    /// A field.
    Field { name: Span, value: Span },
    /// The empty line that ends a head of this many bytes.
    End(u32),
}

/// The parts in which the two roles differ.
#[derive(Clone, Copy)]
pub(crate) struct FirstLine {
    /// Longest first line with its CRLF.
    pub bytes_max: u32,
    /// Refusal of a longer one.
    pub too_long: Malformed,
    /// Empty lines that may precede it.
    pub empty_lines_max: u8,
}

impl FirstLine {
    pub(crate) fn of_request(limits: &Limits) -> Self {
        Self {
            bytes_max: limits.request_line_bytes_max(),
            too_long: Malformed::new(414, "the request target is too long", 0),
            empty_lines_max: EMPTY_LINE_COUNT_MAX,
        }
    }

    pub(crate) fn of_response(limits: &Limits) -> Self {
        Self {
            bytes_max: limits.head_bytes_max,
            too_long: Malformed::new(431, "the status line is too long", 0),
            // An upstream that sends anything between two answers has lost count of them.
            empty_lines_max: 0,
        }
    }
}

impl Scan {
    /// Whether an earlier call saw the beginning of this very head.
    pub(crate) fn is_resuming(&self, buffer: &[u8]) -> bool {
        self.resuming && buffer.len() >= self.searched as usize
    }

    /// The next line of `buffer`, which begins where it began in the calls before.
    pub(crate) fn line(
        &mut self,
        buffer: &[u8],
        limits: &Limits,
        first: FirstLine,
    ) -> Result<Line, Malformed> {
        self.resuming = true;
        loop {
            let Some(line) = self.next_crlf(buffer, limits, first)? else {
                return Ok(Line::Partial);
            };
            let text = line.of(buffer);
            if self.in_fields {
                return if text == b"\r\n" { Ok(Line::End(line.end)) } else { field(text, line) };
            }
            if text == b"\r\n" {
                if self.empty_lines >= first.empty_lines_max {
                    return Err(Malformed::bad("empty lines before the first line", line.start));
                }
                self.empty_lines += 1;
                continue;
            }
            self.in_fields = true;
            return Ok(Line::First(line));
        }
    }

    fn next_crlf(
        &mut self,
        buffer: &[u8],
        limits: &Limits,
        first: FirstLine,
    ) -> Result<Option<Span>, Malformed> {
        let start = self.line_start;
        // A client that speaks TLS to this door sends no line end for long: tell it at once.
        let first_byte = buffer.get(start as usize).copied().unwrap_or(b'\r');
        if !self.in_fields && !is_token_byte(first_byte) && !matches!(first_byte, b'\r' | b'\n') {
            return Err(Malformed::bad("this is not HTTP", start));
        }
        let fresh = buffer.get(self.searched as usize..).unwrap_or_default();
        let found = memchr::memchr(b'\n', fresh).map(|at| self.searched + at as u32 + 1);
        // Without a line end, at least one more byte must come.
        let end = found.unwrap_or_else(|| (buffer.len() as u32).saturating_add(1));
        if !self.in_fields && end - start > first.bytes_max {
            return Err(first.too_long.shifted(start));
        }
        if end > limits.head_bytes_max {
            return Err(Malformed::new(431, "the head is too long", limits.head_bytes_max));
        }
        let Some(end) = found else {
            self.searched = buffer.len() as u32;
            return Ok(None);
        };
        self.searched = end;
        self.line_start = end;
        let line = Span { start, end };
        if !line.of(buffer).ends_with(b"\r\n") {
            return Err(Malformed::bad("a line ends in a bare LF", end - 1));
        }
        Ok(Some(line))
    }
}

/// Splits one complete field line.
fn field(text: &[u8], line: Span) -> Result<Line, Malformed> {
    let bad = |reason| Err(Malformed::bad(reason, line.start));
    if matches!(text.first(), Some(b' ' | b'\t')) {
        return bad("a field line begins with white space (obsolete folding)");
    }
    let mut slot = [httparse::EMPTY_HEADER; 1];
    match httparse::parse_headers(text, &mut slot) {
        // Partial: it waits for the next line. Complete is only said of an empty line.
        Ok(httparse::Status::Partial) => {
            let [header] = slot;
            Ok(Line::Field {
                name: Span::locate(header.name.as_bytes(), text).shifted(line.start),
                value: Span::locate(header.value, text).shifted(line.start),
            })
        }
        Ok(httparse::Status::Complete(_)) => bad("an invalid field line"),
        Err(httparse::Error::HeaderName) => bad("an invalid field name"),
        Err(_) => bad("an invalid character in a field value"),
    }
}

/// Splits one complete trailer line; the same rules as for a field of the head.
pub(crate) fn trailer(text: &[u8]) -> Result<(Span, Span), Malformed> {
    match field(text, Span { start: 0, end: text.len() as u32 })? {
        Line::Field { name, value } => Ok((name, value)),
        Line::Partial | Line::First(_) | Line::End(_) => {
            Err(Malformed::bad("an invalid trailer line", 0))
        }
    }
}

/// Whether every line that `httparse` read ends in CRLF, which it does not insist on: each name
/// must follow a CRLF, and the head must end in two.
pub(crate) fn lines_end_in_crlf(head: &[u8], first_end: usize, names: &[httparse::Header]) -> bool {
    let base = head.as_ptr() as usize;
    let crlf_before = |at: usize| {
        at.checked_sub(2).and_then(|from| head.get(from..at)).is_some_and(|end| end == b"\r\n")
    };
    head.get(first_end..first_end + 2).is_some_and(|end| end == b"\r\n")
        && names.iter().all(|header| crlf_before((header.name.as_ptr() as usize) - base))
        && head.ends_with(b"\r\n\r\n")
}
