//! Request heads (RFC 9112 §3, §5, §6, §9).

use std::mem::MaybeUninit;

use crate::Span;
use crate::framing::Facts;
use crate::scan::{self, FirstLine, Line, Scan};
use crate::target::{self, Form};
use crate::{BodyLength, FIELD_COUNT_CEILING, Field, Known, Limits, METHOD_BYTES_MAX, Malformed};

/// How far a call came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The head goes on: call again with the same bytes and more behind them.
    Partial,
    /// The head is whole.
    Complete,
}

/// The methods that the machine itself treats specially, and the usual ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "each variant is the method's name")]
pub enum Method {
    #[default]
    Get,
    Head,
    Post,
    Put,
    Delete,
    Connect,
    Options,
    Trace,
    Patch,
    /// Any other token; see `RequestHead::method_text`.
    Other,
}

/// The two versions that are spoken. Ordered: 1.0 < 1.1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "each variant is the version's name")]
pub enum Version {
    Http10,
    #[default]
    Http11,
}

/// The head of a request, as spans into the buffer that was parsed.
#[derive(Clone, Debug, Default)]
pub struct RequestHead {
    /// The method.
    pub method: Method,
    /// The method as written.
    pub method_text: Span,
    /// The request target as written, in the form that fits the method.
    pub target: Span,
    /// The version.
    pub version: Version,
    /// All fields in order.
    pub fields: Vec<Field>,
    /// The value of `Host`; on HTTP/1.1 it is always there and valid.
    pub host: Option<Span>,
    /// Where the body ends.
    pub body: BodyLength,
    /// Whether the client wants to go on using the connection (RFC 9112 §9.3).
    pub keep_alive: bool,
    /// Asks to leave HTTP: `Connection: upgrade` with an `Upgrade` field, HTTP/1.1, no body.
    /// Never to `h2c`, which is HTTP again; ignoring the wish is allowed (RFC 9110 §7.8).
    pub upgrade: bool,
    /// Waits for `100 Continue` before it sends the body.
    pub expect_continue: bool,
    /// `TE: trailers`: the client can use trailers of the response.
    pub te_trailers: bool,
    /// Length of the head in the buffer, with any empty lines before it.
    pub bytes: u32,
    scan: Scan,
}

impl Method {
    /// Recognises a method; methods are case-sensitive.
    #[inline]
    pub fn of(text: &[u8]) -> Self {
        match text {
            b"GET" => Self::Get,
            b"HEAD" => Self::Head,
            b"POST" => Self::Post,
            b"PUT" => Self::Put,
            b"DELETE" => Self::Delete,
            b"CONNECT" => Self::Connect,
            b"OPTIONS" => Self::Options,
            b"TRACE" => Self::Trace,
            b"PATCH" => Self::Patch,
            _ => Self::Other,
        }
    }

    /// Sending it twice has the effect of sending it once (RFC 9110 §9.2.2).
    pub const fn is_idempotent(self) -> bool {
        match self {
            Self::Get | Self::Head | Self::Put | Self::Delete | Self::Options | Self::Trace => true,
            Self::Post | Self::Connect | Self::Patch | Self::Other => false,
        }
    }

    /// Asks for no change (RFC 9110 §9.2.1).
    pub const fn is_safe(self) -> bool {
        matches!(self, Self::Get | Self::Head | Self::Options | Self::Trace)
    }
}

impl RequestHead {
    /// An empty head. Keep it for the life of a connection: its storage is used again.
    pub fn new() -> Self {
        Self::default()
    }

    /// Forgets a head that was begun, for example when the buffer now holds another message.
    /// Not needed after `Complete` or an error.
    pub fn reset(&mut self) {
        self.scan = Scan::default();
    }

    /// Reads a head from the front of `buffer`.
    ///
    /// After `Partial`, call again with the same bytes and more behind them; every byte is looked
    /// at a constant number of times however small the pieces are. After `Complete`, the body
    /// begins at `self.bytes`, and the next call begins a new head.
    ///
    /// # Errors
    /// When the bytes are no acceptable head. Answer with the status and close.
    pub fn parse(&mut self, buffer: &[u8], limits: &Limits) -> Result<Progress, Malformed> {
        let mut facts = Facts::default();
        if !self.scan.is_resuming(buffer) {
            self.reset();
            if self.read_at_once(buffer, limits, &mut facts) {
                return self.conclude(buffer, facts);
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
        self.conclude(buffer, facts)
    }

    /// The first field of that name.
    pub fn field(&self, known: Known) -> Option<&Field> {
        self.fields.iter().find(|field| field.known == known)
    }

    /// One pass over a head that is all here and right. `false`: look closer, line by line.
    fn read_at_once(&mut self, buffer: &[u8], limits: &Limits, facts: &mut Facts) -> bool {
        // httparse would skip any number of empty lines, and bare LFs with them.
        if matches!(buffer.first(), None | Some(b'\r' | b'\n')) {
            return false;
        }
        let window = buffer.get(..limits.head_bytes_max as usize).unwrap_or(buffer);
        let mut slots = [const { MaybeUninit::uninit() }; FIELD_COUNT_CEILING as usize];
        let slots = slots.get_mut(..limits.field_count()).unwrap_or_default();
        let mut request = httparse::Request::new(&mut []);
        let parsed = request.parse_with_uninit_headers(window, slots);
        let Ok(httparse::Status::Complete(bytes)) = parsed else { return false };
        let Some(head) = window.get(..bytes) else { return false };
        if !self.take_first_line(&request, window, limits) {
            return false;
        }
        let first_line_end = self.target.end as usize + " HTTP/1.1".len();
        if !scan::lines_end_in_crlf(head, first_line_end, request.headers) {
            return false;
        }
        self.bytes = bytes as u32;
        self.fields.clear();
        for header in request.headers.iter() {
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
            match self.scan.line(buffer, limits, FirstLine::of_request(limits))? {
                Line::Partial => return Ok(Progress::Partial),
                Line::First(line) => {
                    self.fields.clear();
                    self.read_first_line(line, buffer, limits)?;
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

    fn read_first_line(
        &mut self,
        line: Span,
        buffer: &[u8],
        limits: &Limits,
    ) -> Result<(), Malformed> {
        let text = line.of(buffer);
        let mut request = httparse::Request::new(&mut []);
        if request.parse(text).is_err() {
            return Err(refuse_first_line(text).shifted(line.start));
        }
        if self.take_first_line(&request, text, limits) {
            self.method_text = self.method_text.shifted(line.start);
            self.target = self.target.shifted(line.start);
            return Ok(());
        }
        if self.target.bytes() > limits.target_bytes_max {
            Err(Malformed::new(414, "the request target is too long", line.start))
        } else {
            Err(Malformed::new(501, "the method is too long", line.start))
        }
    }

    /// `false` when a part is missing or too long.
    fn take_first_line(&mut self, of: &httparse::Request, buffer: &[u8], limits: &Limits) -> bool {
        let (Some(method), Some(path), Some(version)) = (of.method, of.path, of.version) else {
            return false;
        };
        self.method = Method::of(method.as_bytes());
        self.method_text = Span::locate(method.as_bytes(), buffer);
        self.target = Span::locate(path.as_bytes(), buffer);
        self.version = if version == 0 { Version::Http10 } else { Version::Http11 };
        self.method_text.bytes() <= METHOD_BYTES_MAX
            && self.target.bytes() <= limits.target_bytes_max
    }

    /// What the head means as a whole.
    fn conclude(&mut self, buffer: &[u8], mut facts: Facts) -> Result<Progress, Malformed> {
        self.host = facts.host;
        self.check_target_and_host(buffer)?;
        facts.read_options(&mut self.fields, buffer)?;
        let is_11 = self.version == Version::Http11;
        self.body = match (facts.chunked, facts.content_length) {
            (true, Some(_)) => {
                let reason = "both Content-Length and Transfer-Encoding";
                return Err(Malformed::bad(reason, facts.coding_at));
            }
            (true, None) if !is_11 => {
                let reason = "Transfer-Encoding in an HTTP/1.0 request";
                return Err(Malformed::bad(reason, facts.coding_at));
            }
            (true, None) => BodyLength::Chunked,
            (false, Some(length)) => BodyLength::Length(length),
            (false, None) => BodyLength::None,
        };
        self.keep_alive = !facts.close && (is_11 || facts.keep_alive);
        // Not to HTTP/2: requests in such a tunnel would pass all that is decided about requests.
        let offered = facts.upgrade_option && facts.upgrade_field && !facts.upgrade_h2c;
        self.upgrade = is_11 && offered && self.body.is_empty();
        self.te_trailers = is_11 && facts.te_trailers;
        self.expect_continue = false;
        // A recipient of HTTP/1.0 must ignore it (RFC 9110 §10.1.1).
        if let Some(expect) = facts.expect.filter(|_| is_11) {
            if !expect.of(buffer).eq_ignore_ascii_case(b"100-continue") {
                return Err(Malformed::new(417, "an unknown expectation", expect.start));
            }
            self.expect_continue = !self.body.is_empty();
        }
        Ok(Progress::Complete)
    }

    fn check_target_and_host(&self, buffer: &[u8]) -> Result<(), Malformed> {
        let host = self.host.map(|host| host.of(buffer));
        match (host, self.host) {
            (Some(text), Some(span)) if target::split_authority(text).is_none() => {
                return Err(Malformed::bad("an invalid Host", span.start));
            }
            (None, _) if self.version == Version::Http11 => {
                return Err(Malformed::bad("no Host field", self.target.end));
            }
            _ => {}
        }
        let form = target::check(self.method, self.target.of(buffer))
            .map_err(|reason| Malformed::bad(reason, self.target.start))?;
        match (form, host) {
            // RFC 9112 §3.2.2 lets the target win. But no honest client sends two hosts, and the
            // program behind us may believe the other one.
            (Form::Absolute { authority, default_port }, Some(host))
                if !target::same_host(authority, host, default_port) =>
            {
                Err(Malformed::bad("Host and the request target differ", self.target.start))
            }
            (Form::Absolute { .. } | Form::Origin | Form::Authority | Form::Asterisk, _) => Ok(()),
        }
    }
}

impl Field {
    pub(crate) fn new(name: Span, value: Span, text: &[u8]) -> Self {
        let known = Known::of(text);
        Self { name, value, known, hop_by_hop: known.is_hop_by_hop() }
    }

    #[inline]
    pub(crate) fn locate(name: &str, value: &[u8], buffer: &[u8]) -> Self {
        let text = name.as_bytes();
        Self::new(Span::locate(text, buffer), Span::locate(value, buffer), text)
    }
}

/// Says what is wrong with a request line that `httparse` does not accept.
fn refuse_first_line(line: &[u8]) -> Malformed {
    let text = line.strip_suffix(b"\r\n").unwrap_or(line);
    let version = text.rsplit(|byte| *byte == b' ').next().unwrap_or_default();
    match version {
        b"HTTP/1.0" | b"HTTP/1.1" => {}
        [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
            if major.is_ascii_digit() && minor.is_ascii_digit() =>
        {
            return Malformed::new(505, "only HTTP/1.0 and HTTP/1.1 are spoken here", 0);
        }
        _ => {}
    }
    Malformed::bad("an invalid request line", 0)
}
