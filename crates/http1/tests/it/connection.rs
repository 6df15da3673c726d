//! A peer that writes down what the machine tells it: how `edge` and `load` use the crate.

use http1::{
    BodyDecoder, BodyLength, Field, Limits, Method, Piece, Progress, RequestHead, ResponseHead,
    Version,
};

/// Which side of the connection we are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Role {
    Server,
    Client,
}

/// Feeds `pieces` one after the other and says what was read, a line each.
pub(crate) fn read<'a>(role: Role, pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<String> {
    let mut connection = Connection::new(role);
    for piece in pieces {
        connection.buffer.extend_from_slice(piece);
        connection.go_on();
    }
    connection.close()
}

struct Connection {
    role: Role,
    limits: Limits,
    request: RequestHead,
    response: ResponseHead,
    body: Option<BodyDecoder>,
    buffer: Vec<u8>,
    content: Vec<u8>,
    lines: Vec<String>,
    over: bool,
}

impl Connection {
    fn new(role: Role) -> Self {
        Self {
            role,
            limits: Limits::default(),
            request: RequestHead::new(),
            response: ResponseHead::new(),
            body: None,
            buffer: Vec::new(),
            content: Vec::new(),
            lines: Vec::new(),
            over: false,
        }
    }

    fn go_on(&mut self) {
        while !self.over && self.step() {}
    }

    /// Takes one head or one piece; `false` when more bytes are needed.
    fn step(&mut self) -> bool {
        match self.body.take() {
            Some(body) => self.body_step(body),
            None if self.buffer.is_empty() => false,
            None if self.role == Role::Server => self.request_step(),
            None => self.response_step(),
        }
    }

    fn request_step(&mut self) -> bool {
        match self.request.parse(&self.buffer, &self.limits) {
            Ok(Progress::Partial) => return false,
            Ok(Progress::Complete) => {}
            Err(malformed) => {
                self.refuse(format!("refused {}: {malformed}", malformed.status));
                return false;
            }
        }
        let head = &self.request;
        let mut line = format!(
            "{} {} {}",
            text(head.method_text.of(&self.buffer)),
            text(head.target.of(&self.buffer)),
            version(head.version)
        );
        if let Some(host) = head.host {
            line += &format!(", host {}", text(host.of(&self.buffer)));
        }
        line += &format!(", {}", length(head.body));
        for (flag, name) in [
            (head.keep_alive, "keep-alive"),
            (head.upgrade, "upgrade"),
            (head.expect_continue, "expects 100"),
            (head.te_trailers, "takes trailers"),
        ] {
            if flag {
                line += &format!(", {name}");
            }
        }
        self.over = head.upgrade;
        let (fields, bytes, body) = (head.fields.clone(), head.bytes, head.body);
        self.lines.push(line);
        self.take_head(&fields, bytes, body);
        true
    }

    fn response_step(&mut self) -> bool {
        match self.response.parse(&self.buffer, Method::Get, &self.limits) {
            Ok(Progress::Partial) => return false,
            Ok(Progress::Complete) => {}
            Err(malformed) => {
                self.refuse(format!("refused {}: {malformed}", malformed.status));
                return false;
            }
        }
        let head = &self.response;
        let mut line = format!(
            "{} {} {}, {}",
            version(head.version),
            head.status,
            text(head.reason.of(&self.buffer)),
            length(head.body)
        );
        for (flag, name) in [
            (head.keep_alive, "keep-alive"),
            (head.upgraded, "upgraded"),
            (head.is_interim(), "interim"),
        ] {
            if flag {
                line += &format!(", {name}");
            }
        }
        self.over = head.upgraded;
        let (fields, bytes, body) = (head.fields.clone(), head.bytes, head.body);
        self.lines.push(line);
        self.take_head(&fields, bytes, body);
        true
    }

    fn take_head(&mut self, fields: &[Field], bytes: u32, body: BodyLength) {
        let own: Vec<_> = fields.iter().filter(|field| field.hop_by_hop).collect();
        if !own.is_empty() {
            let names: Vec<_> = own.iter().map(|field| text(field.name.of(&self.buffer))).collect();
            self.lines.push(format!("stays here: {}", names.join(", ")));
        }
        self.lines.push(format!("{} fields in {bytes} bytes", fields.len()));
        self.buffer.drain(..bytes as usize);
        if body != BodyLength::None {
            self.body = Some(BodyDecoder::new(body, &self.limits));
        }
    }

    fn body_step(&mut self, mut body: BodyDecoder) -> bool {
        let bytes = match body.next(&self.buffer) {
            Ok(Piece::More) => {
                self.body = Some(body);
                return false;
            }
            Ok(Piece::Framing { bytes }) => bytes,
            Ok(Piece::Data { bytes }) => {
                self.content.extend_from_slice(&self.buffer[..bytes]);
                bytes
            }
            Ok(Piece::Trailer { bytes, name, value }) => {
                let (name, value) = (name.of(&self.buffer), value.of(&self.buffer));
                self.lines.push(format!("trailer {}: {}", text(name), text(value)));
                bytes
            }
            Ok(Piece::End) => {
                self.flush("body");
                return true;
            }
            Err(malformed) => {
                self.flush("part of a body");
                self.refuse(format!("refused {}: {}", malformed.status, malformed.reason));
                return false;
            }
        };
        assert!(bytes > 0, "a piece of nothing would be asked for again for ever");
        self.buffer.drain(..bytes);
        self.body = Some(body);
        true
    }

    fn flush(&mut self, what: &str) {
        let content = std::mem::take(&mut self.content);
        self.lines.push(format!("{what} {:?}", text(&content)));
    }

    fn refuse(&mut self, line: String) {
        self.lines.push(line);
        self.over = true;
    }

    fn close(mut self) -> Vec<String> {
        match self.body.take() {
            Some(body) if body.may_close() => self.flush("body until the close"),
            Some(_) => self.flush("waits for the rest of the body"),
            None if !self.over && !self.buffer.is_empty() => {
                self.lines.push("waits for the rest of the head".to_owned());
            }
            None => {}
        }
        self.lines
    }
}

fn version(version: Version) -> &'static str {
    match version {
        Version::Http10 => "HTTP/1.0",
        Version::Http11 => "HTTP/1.1",
    }
}

fn length(body: BodyLength) -> String {
    match body {
        BodyLength::None => "no body".to_owned(),
        BodyLength::Length(bytes) => format!("{bytes} bytes of body"),
        BodyLength::Chunked => "chunked".to_owned(),
        BodyLength::UntilClose => "body until the close".to_owned(),
    }
}

/// Short and printable.
fn text(bytes: &[u8]) -> String {
    const SHOWN_MAX: usize = 60;
    let shown: String = bytes.iter().take(SHOWN_MAX).map(|b| char::from(*b)).collect();
    let shown = shown.escape_debug().to_string();
    if bytes.len() > SHOWN_MAX { format!("{shown}… ({} bytes)", bytes.len()) } else { shown }
}
