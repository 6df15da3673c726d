//! A client of the demo's own: one connection for each request, nothing ever sent twice, and an
//! exact account of how far a failed request came.
//!
//! It shares no code with the proxy, so that what it counts does not depend on what it measures.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// Longest time from the first byte of a connection to the last of the answer.
pub(super) const TIMEOUT: Duration = Duration::from_secs(15);
/// Longest answer. Beyond: broken.
const ANSWER_BYTES_MAX: usize = 4 << 20;

/// What became of one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// A whole answer came.
    Answered(Answer),
    /// There was no connection: nothing was sent.
    NotConnected,
    /// The connection broke before a whole answer: it may or may not have been carried out.
    Broken(String),
    /// No whole answer within [`TIMEOUT`].
    TimedOut,
}

/// A whole answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: u16,
    head: String,
    pub(super) body: Vec<u8>,
}

impl Answer {
    /// The value of the first field with this name, in lower case.
    pub(super) fn field(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().skip(1).filter_map(|line| line.split_once(':'));
        let mut named = lines.filter(|(key, _)| key.eq_ignore_ascii_case(name));
        named.next().map(|(_, value)| value.trim())
    }
}

impl Ending {
    /// The status, if there was an answer.
    pub(super) fn status(&self) -> Option<u16> {
        match self {
            Ending::Answered(answer) => Some(answer.status),
            Ending::NotConnected | Ending::Broken(_) | Ending::TimedOut => None,
        }
    }

    /// In a few words.
    pub(super) fn describe(&self) -> String {
        match self {
            Ending::Answered(answer) => format!("status {}", answer.status),
            Ending::NotConnected => "no connection".to_owned(),
            Ending::Broken(why) => format!("broken: {why}"),
            Ending::TimedOut => "timed out".to_owned(),
        }
    }
}

/// Sends one request, with a JSON body if there is one, and reads the whole answer.
pub(super) fn call(address: SocketAddr, method: &str, path: &str, body: Option<&str>) -> Ending {
    let deadline = Instant::now() + TIMEOUT;
    let Ok(mut stream) = TcpStream::connect_timeout(&address, TIMEOUT) else {
        return Ending::NotConnected;
    };
    let body_text = body.unwrap_or_default();
    let framing = match body {
        Some(body) => {
            format!("content-type: application/json\r\ncontent-length: {}\r\n", body.len())
        }
        None => String::new(),
    };
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: {address}\r\nuser-agent: mainspring-demo\r\n\
         accept: application/json\r\nconnection: close\r\n{framing}\r\n{body_text}"
    );
    match exchange(&mut stream, request.as_bytes(), deadline) {
        Ok(Some(bytes)) => match parse(&bytes) {
            Ok(answer) => Ending::Answered(answer),
            Err(why) => Ending::Broken(why.to_owned()),
        },
        Ok(None) => Ending::TimedOut,
        Err(error) => Ending::Broken(error.to_string()),
    }
}

/// The answer's bytes up to the end of the connection; `None` when time is up.
fn exchange(
    stream: &mut TcpStream,
    request: &[u8],
    deadline: Instant,
) -> io::Result<Option<Vec<u8>>> {
    stream.set_nodelay(true)?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    stream.write_all(request)?;
    let mut bytes = Vec::new();
    let mut piece = [0; 16 << 10];
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(None);
        }
        stream.set_read_timeout(Some(left))?;
        match stream.read(&mut piece) {
            Ok(0) => return Ok(Some(bytes)),
            Ok(count) => bytes.extend_from_slice(piece.get(..count).unwrap_or_default()),
            Err(error) => match error.kind() {
                io::ErrorKind::Interrupted => {}
                io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => return Ok(None),
                _ => return Err(error),
            },
        }
        if bytes.len() > ANSWER_BYTES_MAX {
            return Err(io::Error::other("the answer is too long"));
        }
    }
}

/// A whole answer: a body that is shorter or longer than announced is none.
fn parse(bytes: &[u8]) -> Result<Answer, &'static str> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").ok_or("no whole head")?;
    let (head, rest) = bytes.split_at(end);
    let rest = rest.get(4..).unwrap_or_default();
    let head = String::from_utf8(head.to_vec()).map_err(|_| "the head is not text")?;
    let status = head.split(' ').nth(1).and_then(|word| word.parse().ok());
    let status = status.ok_or("no status")?;
    let mut answer = Answer { status, head, body: Vec::new() };
    answer.body = if let Some(length) = answer.field("content-length") {
        let length: usize = length.parse().map_err(|_| "content-length is no number")?;
        if rest.len() != length {
            return Err("the body is not as long as announced");
        }
        rest.to_vec()
    } else if answer.field("transfer-encoding").is_some_and(|v| v.eq_ignore_ascii_case("chunked")) {
        unchunk(rest)?
    } else {
        rest.to_vec()
    };
    Ok(answer)
}

/// The payload of a chunked body (RFC 9112 §7.1), which must have its end.
fn unchunk(mut rest: &[u8]) -> Result<Vec<u8>, &'static str> {
    const CUT: &str = "the chunked body has no end";
    let mut body = Vec::new();
    loop {
        let line = rest.windows(2).position(|two| two == b"\r\n").ok_or(CUT)?;
        let (size, after) = rest.split_at(line);
        let size = std::str::from_utf8(size).map_err(|_| "a chunk's size is no number")?;
        let size = size.split(';').next().unwrap_or_default().trim();
        let size = usize::from_str_radix(size, 16).map_err(|_| "a chunk's size is no number")?;
        let after = after.get(2..).ok_or(CUT)?;
        if size == 0 {
            return if after.ends_with(b"\r\n") { Ok(body) } else { Err(CUT) };
        }
        body.extend_from_slice(after.get(..size).ok_or(CUT)?);
        rest = after.get(size..).and_then(|after| after.strip_prefix(b"\r\n")).ok_or(CUT)?;
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener};

    use super::*;

    /// What the client makes of a server that reads a request, sends `text` and closes.
    fn check(text: &'static str) -> Ending {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = Vec::new();
            let mut byte = [0];
            while !request.ends_with(b"{}") && stream.read(&mut byte).unwrap() == 1 {
                request.push(byte[0]);
            }
            stream.write_all(text.as_bytes()).unwrap();
            String::from_utf8(request).unwrap()
        });
        let ending = call(address, "POST", "/orders", Some("{}"));
        let request = server.join().unwrap();
        assert!(request.starts_with("POST /orders HTTP/1.1\r\n"), "{request}");
        assert!(request.contains("\r\ncontent-length: 2\r\n"), "{request}");
        ending
    }

    #[test]
    fn whole_answers() {
        let Ending::Answered(answer) =
            check("HTTP/1.1 201 Created\r\nShop-Version: v2\r\nContent-Length: 2\r\n\r\nok")
        else {
            panic!("not answered")
        };
        assert_eq!((answer.status, answer.field("shop-version")), (201, Some("v2")));
        let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n";
        let Ending::Answered(answer) = check(chunked) else { panic!("not answered") };
        assert_eq!(answer.body, b"ok");
    }

    #[test]
    fn half_answers_are_none() {
        for text in [
            "",
            "HTTP/1.1 200 OK\r\ncontent-le",
            "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nok",
            "HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nok",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\no",
        ] {
            assert!(matches!(check(text), Ending::Broken(_)), "{text}");
        }
    }

    #[test]
    fn nobody_there() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        assert_eq!(call(address, "GET", "/", None), Ending::NotConnected);
    }
}
