//! Bytes that are often right, often nearly right, and sometimes anything.
//!
//! A fuzzer's input is taken as a list of choices, and when it is used up every further choice is
//! the first, harmless one. So small inputs are plain messages, and shrinking leads to them.

/// Deals out the choices.
pub struct Choices<'a>(&'a [u8]);

impl<'a> Choices<'a> {
    /// Takes `input` as the choices.
    pub fn new(input: &'a [u8]) -> Self {
        Self(input)
    }

    /// A number below `count`.
    pub fn below(&mut self, count: usize) -> usize {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        usize::from(*first) % count
    }

    fn of<T: ?Sized>(&mut self, table: &[&'a T]) -> &'a T {
        table[self.below(table.len())]
    }

    /// The first entry most of the time.
    fn mostly_first<T: ?Sized>(&mut self, table: &[&'a T]) -> &'a T {
        if self.below(4) < 3 { table[0] } else { self.of(table) }
    }
}

const METHODS: &[&str] = &["GET", "POST", "HEAD", "PUT", "OPTIONS", "DELETE", "CONNECT", "M-X"];

const TARGETS: &[&str] = &[
    "/",
    "/a/b?c=d",
    "/?",
    "*",
    "http://a/",
    "http://a",
    "http://a?x",
    "a:80",
    "/%zz",
    "/[]|^{}",
    "/a?`'\\",
    "http://a:80/x",
    "//a",
    "/#f",
    "/\"",
    "HTTP://A/",
    "/~!$&()*+,;=:@",
    "https://a/",
];

const VERSIONS: &[&str] =
    &["HTTP/1.1", "HTTP/1.0", "HTTP/1.2", "HTTP/2.0", "http/1.1", "HTTP/1.1 "];

const HOSTS: &[&str] = &[
    "Host: a\r\n",
    "",
    "Host: a\r\nHost: a\r\n",
    "Host: a:80\r\n",
    "Host: [::1]\r\n",
    "host:a\r\n",
    "Host:\r\n",
    "Host: b\r\n",
    "Host : a\r\n",
    "Host: a, b\r\n",
    "Host: u@a\r\n",
];

const FRAMINGS: &[&str] = &[
    "",
    "Content-Length: 5\r\n",
    "Transfer-Encoding: chunked\r\n",
    "Content-Length: 0\r\n",
    "Content-Length: 05\r\n",
    "Content-Length: 5\r\nContent-Length: 5\r\n",
    "Content-Length: +5\r\n",
    "Content-Length: 5, 5\r\n",
    "Transfer-Encoding: gzip, chunked\r\n",
    "Transfer-Encoding: chunked, chunked\r\n",
    "Transfer-Encoding:\tChunked \r\n",
    "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
    "Transfer-Encoding: identity\r\n",
    "Content-Length: 18446744073709551616\r\n",
    "Transfer-Encoding: \r\n",
    "Content-Length: \r\n",
    "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
    "Content-Length: 3 \r\n",
];

const FIELDS: &[&str] = &[
    "X: y\r\n",
    "X-Long-Name: a, b; c=\"d\"\r\n",
    "Connection: close\r\n",
    "X:\r\n",
    "X: \t \r\n",
    "Connection: keep-alive\r\n",
    "Connection: x, Keep-Alive,\r\n",
    "Expect: 100-continue\r\n",
    "Connection: upgrade\r\nUpgrade: websocket\r\n",
    "Upgrade: h2c\r\n",
    "X: \u{e9}\r\n",
    "TE: trailers\r\n",
    "Trailer: X\r\n",
    "X: 1\r\n 2\r\n",
    "X: a\nY: b\r\n",
    "X: a\rY: b\r\n",
    "X : y\r\n",
    "X\r\n",
    ": y\r\n",
    "X: \0\r\n",
    "X: \x0b\r\n",
    "Connection: host\r\n",
    "!#$%&'*+-.^_`|~: y\r\n",
    "Cookie: a=b\r\nCookie: c=d\r\n",
    "Date: now\r\n",
    "X:y:z\r\n",
];

const BODIES: &[&str] = &[
    "",
    "hello",
    "5\r\nhello\r\n0\r\n\r\n",
    "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
    "1;x=y\r\na\r\n0\r\nX: y\r\n\r\n",
    "0\r\n\r\n",
    "00a\r\n0123456789\r\n0\r\n\r\n",
    "hel",
    "5 \r\nhello\r\n0\r\n\r\n",
    "+5\r\nhello\r\n0\r\n\r\n",
    "0x5\r\nhello\r\n0\r\n\r\n",
    "5\nhello\n0\n\n",
    "4\r\nhello\r\n0\r\n\r\n",
    "6\r\nhello\r\n0\r\n\r\n",
    "\r\n",
    "5\r\nhello\r\n0\r\nX: y\n\r\n",
    "5\r\nhello\r\n0\r\nContent-Length: 1\r\n\r\n",
    "ffffffffffffffff\r\na",
    "10000000000000005\r\nhello\r\n0\r\n\r\n",
    "5;\nhello\r\n0\r\n\r\n",
    "5\r\nhello\r\n0\r\nX: 1\r\nY: 2\r\nx: 3\r\n\r\n",
    "5;a\rb\r\nhello\r\n0\r\n\r\n",
];

const STATUS_LINES: &[&str] = &[
    "HTTP/1.1 200 OK\r\n",
    "HTTP/1.0 200 OK\r\n",
    "HTTP/1.1 204 No Content\r\n",
    "HTTP/1.1 304 Not Modified\r\n",
    "HTTP/1.1 404\r\n",
    "HTTP/1.1 500 \r\n",
    "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n",
    "HTTP/1.1 103 Hints\r\nLink: x\r\n\r\n",
    "HTTP/1.1 200 \u{e9}\r\n",
    "HTTP/1.1 099 x\r\n",
    "HTTP/1.1 999 x\r\n",
    "HTTP/1.2 200 OK\r\n",
    "HTTP/1.1 200 OK\n",
    "HTTP/1.1  200 OK\r\n",
    "ICY 200 OK\r\n",
    "HTTP/1.1 20 OK\r\n",
    "HTTP/1.1 205 Reset\r\n",
];

const ODD_BYTES: &[u8] = b"\r\n\0 \t:;,/?#@[]0aA+-\x0b\x7f\x80\xff\"<>";

/// One to three requests on one connection.
pub fn requests(choices: &mut Choices) -> Vec<u8> {
    let mut wire = Vec::new();
    for _ in 0..=choices.below(3) {
        let line = [
            choices.mostly_first(METHODS),
            " ",
            choices.mostly_first(TARGETS),
            " ",
            choices.mostly_first(VERSIONS),
            "\r\n",
            choices.mostly_first(HOSTS),
        ];
        line.iter().for_each(|part| wire.extend_from_slice(part.as_bytes()));
        rest_of_message(choices, &mut wire);
    }
    mutate(choices, &mut wire);
    wire
}

/// One answer, with what may come before it.
pub fn response(choices: &mut Choices) -> Vec<u8> {
    let mut wire = Vec::new();
    wire.extend_from_slice(choices.mostly_first(STATUS_LINES).as_bytes());
    rest_of_message(choices, &mut wire);
    mutate(choices, &mut wire);
    wire
}

/// A body, mostly chunked.
pub fn body(choices: &mut Choices) -> Vec<u8> {
    let mut wire = choices.of(BODIES).as_bytes().to_vec();
    wire.extend_from_slice(choices.of(BODIES).as_bytes());
    mutate(choices, &mut wire);
    wire
}

fn rest_of_message(choices: &mut Choices, wire: &mut Vec<u8>) {
    let framing = choices.below(FRAMINGS.len());
    wire.extend_from_slice(FRAMINGS[framing].as_bytes());
    for _ in 0..choices.below(4) {
        wire.extend_from_slice(choices.of(FIELDS).as_bytes());
    }
    wire.extend_from_slice(b"\r\n");
    // The body that fits, mostly.
    let fitting = if FRAMINGS[framing].to_ascii_lowercase().contains("chunked") {
        2 + choices.below(5)
    } else {
        framing.min(1)
    };
    let body = if choices.below(4) < 3 { BODIES[fitting] } else { choices.of(BODIES) };
    wire.extend_from_slice(body.as_bytes());
}

/// Changes a byte or two, in half of the cases.
fn mutate(choices: &mut Choices, wire: &mut Vec<u8>) {
    for _ in 0..choices.below(4).saturating_sub(1) {
        let at = (choices.below(256) * 256 + choices.below(256)) % (wire.len() + 1);
        let byte = ODD_BYTES[choices.below(ODD_BYTES.len())];
        match choices.below(3) {
            0 if at < wire.len() => wire[at] = byte,
            1 if at < wire.len() => drop(wire.remove(at)),
            _ => wire.insert(at, byte),
        }
    }
}
