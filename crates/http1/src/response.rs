//! Response heads (RFC 9112 §4, §5, §6.3, §9).

use std::mem::MaybeUninit;

use crate::framing::Facts;
use crate::scan::{self, FirstLine, Line, Scan};
use crate::{BodyLength, FIELD_COUNT_CEILING, Field, Known, Limits, Malformed, Method, Progress};
use crate::{Span, Version};

/// The head of a response, as spans into the buffer that was parsed.
#[derive(Clone, Debug, Default)]
pub struct ResponseHead {
    /// 100 to 999, as sent.
    pub status: u16,
    /// The reason phrase; often empty.
    pub reason: Span,
    /// The version.
    pub version: Version,
    /// All fields in order.
    pub fields: Vec<Field>,
    /// Where the body ends, with the request's method taken into account.
    pub body: BodyLength,
    /// Whether the connection can carry another request afterwards.
    pub keep_alive: bool,
    /// The connection leaves HTTP: status 101.
    pub upgraded: bool,
    /// Length of the head in the buffer.
    pub bytes: u32,
    scan: Scan,
}

impl ResponseHead {
    /// An empty head. Keep it for the life of a connection: its storage is used again.
    pub fn new() -> Self {
        Self::default()
    }

    /// Forgets a head that was begun. Not needed after `Complete` or an error.
    pub fn reset(&mut self) {
        self.scan = Scan::default();
    }

    /// A 1xx that another head follows; 101 is not one of them.
    pub fn is_interim(&self) -> bool {
        (100..200).contains(&self.status) && self.status != 101
    }

    /// Reads a head from the front of `buffer`: the answer to a request of `request_method`.
    ///
    /// After `Partial`, call again with the same bytes and more behind them. After `Complete`,
    /// what follows begins at `self.bytes`: the body, or after `is_interim` the next head.
    ///
    /// # Errors
    /// When the bytes are no acceptable head; the status is 502. The connection must be closed.
    pub fn parse(
        &mut self,
        buffer: &[u8],
        request_method: Method,
        limits: &Limits,
    ) -> Result<Progress, Malformed> {
        self.parse_inner(buffer, request_method, limits).map_err(Malformed::by_upstream)
    }

    /// The first field of that name.
    pub fn field(&self, known: Known) -> Option<&Field> {
        self.fields.iter().find(|field| field.known == known)
    }

    fn parse_inner(
        &mut self,
        buffer: &[u8],
        request_method: Method,
        limits: &Limits,
    ) -> Result<Progress, Malformed> {
        let mut facts = Facts::default();
        if !self.scan.is_resuming(buffer) {
            self.reset();
            if self.read_at_once(buffer, limits, &mut facts) {
                return self.conclude(buffer, request_method, facts);
            }
            self.fields.clear();
        }
        let outcome = self.read_lines(buffer, limits);
        if outcome != Ok(Progress::Partial) {
            self.reset();
        }
        if outcome? == Progress::Partial {
            return Ok(Progress::Partial);
        }
        let mut facts = Facts::default();
        for field in &self.fields {
            facts.admit(field, field.value.of(buffer))?;
        }
        self.conclude(buffer, request_method, facts)
    }

    /// One pass over a head that is all here and right. `false`: look closer, line by line.
    fn read_at_once(&mut self, buffer: &[u8], limits: &Limits, facts: &mut Facts) -> bool {
        if matches!(buffer.first(), None | Some(b'\r' | b'\n')) {
            return false;
        }
        let window = buffer.get(..limits.head_bytes_max as usize).unwrap_or(buffer);
        let mut slots = [const { MaybeUninit::uninit() }; FIELD_COUNT_CEILING as usize];
        let slots = slots.get_mut(..limits.field_count()).unwrap_or_default();
        let mut response = httparse::Response::new(&mut []);
        let parsed = httparse::ParserConfig::default().parse_response_with_uninit_headers(
            &mut response,
            window,
            slots,
        );
        let Ok(httparse::Status::Complete(bytes)) = parsed else { return false };
        let Some(head) = window.get(..bytes) else { return false };
        let Some(first_line_end) = self.take_first_line(&response, window) else { return false };
        if !scan::lines_end_in_crlf(head, first_line_end as usize, response.headers) {
            return false;
        }
        self.bytes = bytes as u32;
        self.fields.clear();
        for header in response.headers.iter() {
            let field = Field::locate(header.name, header.value, window);
            if facts.admit(&field, header.value).is_err() {
                return false;
            }
            self.fields.push(field);
        }
        true
    }

    fn read_lines(&mut self, buffer: &[u8], limits: &Limits) -> Result<Progress, Malformed> {
        loop {
            match self.scan.line(buffer, limits, FirstLine::of_response(limits))? {
                Line::Partial => return Ok(Progress::Partial),
                Line::First(line) => {
                    self.fields.clear();
                    let text = line.of(buffer);
                    let mut response = httparse::Response::new(&mut []);
                    let parsed = response.parse(text);
                    if parsed.is_err() || self.take_first_line(&response, text).is_none() {
                        return Err(Malformed::bad("an invalid status line", line.start));
                    }
                    self.reason = self.reason.shifted(line.start);
                }
                Line::Field { name, value } => {
                    if self.fields.len() >= limits.field_count() {
                        return Err(Malformed::new(431, "too many fields", name.start));
                    }
                    self.fields.push(Field::new(name, value, name.of(buffer)));
                }
                Line::End(bytes) => {
                    self.bytes = bytes;
                    return Ok(Progress::Complete);
                }
            }
        }
    }

    /// Where the CRLF of the status line is.
    fn take_first_line(&mut self, of: &httparse::Response, buffer: &[u8]) -> Option<u32> {
        const STATUS_END: u32 = "HTTP/1.1 200".len() as u32;
        self.version = if of.version? == 0 { Version::Http10 } else { Version::Http11 };
        self.status = of.code.filter(|code| *code >= 100)?;
        let line = buffer.get(STATUS_END as usize..)?;
        // httparse gives no reason when it holds bytes above 0x7F, which are legal, so the phrase
        // is measured here. Its bytes were checked there.
        let length = memchr::memchr(b'\r', line)? as u32;
        let end = STATUS_END + length;
        self.reason = Span { start: end.min(STATUS_END + 1), end };
        Some(end)
    }

    fn conclude(
        &mut self,
        buffer: &[u8],
        request_method: Method,
        mut facts: Facts,
    ) -> Result<Progress, Malformed> {
        facts.read_options(&mut self.fields, buffer)?;
        let is_11 = self.version == Version::Http11;
        if facts.chunked && (facts.content_length.is_some() || !is_11) {
            let reason = if is_11 {
                "both Content-Length and Transfer-Encoding"
            } else {
                "Transfer-Encoding in an HTTP/1.0 response"
            };
            return Err(Malformed::bad(reason, facts.coding_at));
        }
        if self.status == 101 && !(is_11 && facts.upgrade_field) {
            return Err(Malformed::bad("101 without an Upgrade field", 0));
        }
        let is_interim_or_empty = matches!(self.status, 100..=199 | 204);
        let is_tunnel = request_method == Method::Connect && (200..300).contains(&self.status);
        self.body = match (facts.chunked, facts.content_length) {
            _ if is_interim_or_empty || is_tunnel => BodyLength::None,
            _ if request_method == Method::Head || self.status == 304 => BodyLength::None,
            (true, _) => BodyLength::Chunked,
            (false, Some(length)) => BodyLength::Length(length),
            (false, None) => BodyLength::UntilClose,
        };
        if is_interim_or_empty || is_tunnel {
            // It must not be there (RFC 9110 §8.6) and means nothing; passed on, it would confuse.
            let lengths = self.fields.iter_mut().filter(|f| f.known == Known::ContentLength);
            lengths.for_each(|field| field.hop_by_hop = true);
        }
        self.upgraded = self.status == 101;
        self.keep_alive = !facts.close
            && (is_11 || facts.keep_alive)
            && self.body != BodyLength::UntilClose
            && !self.upgraded
            && !is_tunnel;
        Ok(Progress::Complete)
    }
}
