//! Client against server, over real sockets.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use super::blocking::BlockingClient;
use super::*;
use crate::control::Control;

/// Answers by path.
struct Echo;

struct Numbers(u32);

impl ChunkSource for Numbers {
    fn next(&mut self) -> BoxFuture<'_, Option<Bytes>> {
        self.0 += 1;
        let number = self.0;
        Box::pin(async move { (number <= 3).then(|| Bytes::from(format!("{number}\n"))) })
    }
}

/// Gives one piece and then waits for ever.
struct Stuck(bool);

impl ChunkSource for Stuck {
    fn next(&mut self) -> BoxFuture<'_, Option<Bytes>> {
        let first = !std::mem::replace(&mut self.0, true);
        Box::pin(async move {
            if first {
                return Some(Bytes::from_static(b"first\n"));
            }
            std::future::pending().await
        })
    }
}

/// Gives pieces as long as somebody takes them.
struct Flood;

impl ChunkSource for Flood {
    fn next(&mut self) -> BoxFuture<'_, Option<Bytes>> {
        Box::pin(async { Some(Bytes::from(vec![b'x'; 64 * 1024])) })
    }
}

impl Handler for Echo {
    fn handle(&self, request: Request) -> BoxFuture<'_, Response> {
        Box::pin(async move {
            match request.path.as_str() {
                "/numbers" => Response::stream(200, "text/plain", Box::new(Numbers(0))),
                "/stuck" => Response::stream(200, "text/plain", Box::new(Stuck(false))),
                "/flood" => Response::stream(200, "text/plain", Box::new(Flood)),
                "/slow" => std::future::pending().await,
                "/bad-field" => Response::new(200, "text/plain", "x").with("x-bad", "a\r\nb: c"),
                _ => {
                    let query = request.query.unwrap_or_default();
                    let host = request.headers.get("host").unwrap_or_default().to_owned();
                    let text = format!("{} {} {query} {}", request.method, request.path, host);
                    let body = [text.as_bytes(), b"\n", &request.body].concat();
                    Response::new(201, "text/plain", body)
                }
            }
        })
    }
}

fn start(limits: ServerLimits) -> (Control, Option<Server>, SocketAddr) {
    let control = Control::start("http-test").unwrap();
    let server = control
        .block_on(Server::bind("127.0.0.1:0".parse().unwrap(), limits, Arc::new(Echo)))
        .unwrap()
        .unwrap();
    let address = server.address();
    (control, Some(server), address)
}

fn client() -> BlockingClient {
    BlockingClient::new(ClientLimits::default()).unwrap()
}

fn raw(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream.write_all(bytes).unwrap();
    let mut answer = Vec::new();
    // A reset after the answer is as good as an end.
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn a_call_reaches_the_handler_and_its_answer_comes_back() {
    let (_control, _server, address) = start(ServerLimits::default());
    let call = Call::new("POST", format!("http://{address}/a%20b?c=d")).json("{}");
    let reply = client().send(&call).unwrap();
    assert_eq!(reply.status, 201);
    assert_eq!(reply.headers.get("content-type"), Some("text/plain"));
    assert_eq!(&reply.body[..], format!("POST /a%20b c=d {address}\n{{}}").as_bytes());
}

#[test]
fn a_stream_arrives_piece_by_piece() {
    let (_control, _server, address) = start(ServerLimits::default());
    let client = client();
    let mut stream = client.open(&Call::new("GET", format!("http://{address}/numbers"))).unwrap();
    let mut text = Vec::new();
    while let Some(chunk) = stream.chunk().unwrap() {
        text.extend_from_slice(&chunk);
    }
    assert_eq!(text, b"1\n2\n3\n");

    // The first piece is here although the body never ends.
    let mut stream = client.open(&Call::new("GET", format!("http://{address}/stuck"))).unwrap();
    assert_eq!(stream.chunk().unwrap().as_deref(), Some(&b"first\n"[..]));
}

#[test]
fn a_body_at_the_limit_is_read_and_one_byte_more_is_413() {
    let limits = ServerLimits { body_bytes_max: 100, ..ServerLimits::default() };
    let (_control, _server, address) = start(limits);
    for (length, status) in [(100, 201), (101, 413)] {
        let call = Call::new("POST", format!("http://{address}/")).json("x".repeat(length));
        assert_eq!(client().send(&call).unwrap().status, status, "{length}");
    }
}

#[test]
fn fields_at_the_limit_are_read_and_one_more_is_431() {
    let limits = ServerLimits { field_count_max: 3, ..ServerLimits::default() };
    let (_control, _server, address) = start(limits);
    for (count, status) in [(3, "201"), (4, "431")] {
        let fields = (1..count).map(|n| format!("x-{n}: 1\r\n")).collect::<String>();
        let request = format!("HEAD / HTTP/1.1\r\nconnection: close\r\n{fields}\r\n");
        assert_eq!(raw(address, request.as_bytes()).split(' ').nth(1), Some(status), "{count}");
    }
}

#[test]
fn a_head_that_never_ends_loses_its_connection() {
    let limits =
        ServerLimits { head_timeout: Duration::from_millis(50), ..ServerLimits::default() };
    let (_control, _server, address) = start(limits);
    // `raw` returns only when the server closed.
    let answer = raw(address, b"GET / HTTP/1.1\r\nx: ");
    assert!(answer.is_empty() || answer.contains(" 408 "), "{answer}");
}

#[test]
fn a_body_that_never_ends_is_408() {
    let limits =
        ServerLimits { body_timeout: Duration::from_millis(50), ..ServerLimits::default() };
    let (_control, _server, address) = start(limits);
    let answer = raw(address, b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\nabc");
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
}

#[test]
fn a_field_with_a_line_break_is_never_sent() {
    let (_control, _server, address) = start(ServerLimits::default());
    let reply = client().send(&Call::new("GET", format!("http://{address}/bad-field"))).unwrap();
    assert_eq!((reply.status, reply.headers.get("b")), (500, None));
}

#[test]
fn a_connection_beyond_the_limit_waits_until_another_ends() {
    let limits = ServerLimits { connection_count_max: 1, ..ServerLimits::default() };
    let (_control, _server, address) = start(limits);
    let holder = client();
    let held = holder.open(&Call::new("GET", format!("http://{address}/stuck"))).unwrap();
    let short =
        ClientLimits { answer_timeout: Some(Duration::from_millis(100)), ..Default::default() };
    let call = Call::new("GET", format!("http://{address}/"));
    let refused = BlockingClient::new(short).unwrap().send(&call);
    assert!(matches!(refused, Err(ClientError::TimedOut(_))), "{refused:?}");
    drop(held);
    drop(holder);
    assert_eq!(client().send(&call).unwrap().status, 201);
}

#[test]
fn stopping_ends_streams_and_closes_what_does_not_end() {
    let (control, server, address) = start(ServerLimits::default());
    let client = client();
    let mut stuck = client.open(&Call::new("GET", format!("http://{address}/stuck"))).unwrap();
    assert!(stuck.chunk().unwrap().is_some());
    let mut slow = TcpStream::connect(address).unwrap();
    slow.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    slow.write_all(b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    let server = server.unwrap();
    control.block_on(server.stop(Duration::from_millis(50))).unwrap();
    // A clean end: an abrupt one would be an error, because the body is chunked.
    assert_eq!(stuck.chunk(), Ok(None));
    assert!(matches!(slow.read(&mut [0; 64]), Ok(0) | Err(_)));
    let refused = client.send(&Call::new("GET", format!("http://{address}/")));
    assert!(matches!(refused, Err(ClientError::Connect(_))), "{refused:?}");
}

#[test]
fn errors_of_the_client_say_what_is_wrong() {
    let client = client();
    for (url, want) in [
        ("https://localhost/", "only http:// is known"),
        ("/path", "only http:// is known"),
        ("http://a b/", "no URL"),
    ] {
        let error = client.send(&Call::new("GET", url)).unwrap_err().to_string();
        assert!(error.contains(want), "{error}");
    }
    let call = Call::new("GET", "http://127.0.0.1:1/").header("x", "a\nb");
    assert!(matches!(client.send(&call), Err(ClientError::Invalid(_))));
}

#[test]
fn an_answer_at_the_limit_is_read_and_one_byte_more_is_an_error() {
    let (_control, _server, address) = start(ServerLimits::default());
    let call = Call::new("GET", format!("http://{address}/numbers"));
    for (limit, fits) in [(6, true), (5, false)] {
        let limits = ClientLimits { body_bytes_max: limit, ..ClientLimits::default() };
        let reply = BlockingClient::new(limits).unwrap().send(&call);
        match reply {
            Ok(reply) => assert!(fits && reply.body.len() == 6),
            Err(error) => assert!(!fits && error == ClientError::TooLong(5), "{error}"),
        }
    }
}

#[test]
fn waiting_ends_at_the_limit() {
    let (_control, _server, address) = start(ServerLimits::default());
    let limit = Duration::from_millis(50);
    let limits = ClientLimits { answer_timeout: Some(limit), ..ClientLimits::default() };
    let call = Call::new("GET", format!("http://{address}/slow"));
    let reply = BlockingClient::new(limits).unwrap().send(&call);
    assert_eq!(reply.map(|reply| reply.status), Err(ClientError::TimedOut(limit)));
}

#[test]
fn a_client_that_reads_nothing_gives_its_place_back() {
    let limits = ServerLimits {
        connection_count_max: 1,
        write_timeout: Duration::from_millis(200),
        ..ServerLimits::default()
    };
    let (_control, _server, address) = start(limits);
    let mut deaf = TcpStream::connect(address).unwrap();
    deaf.write_all(b"GET /flood HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    // Without the time-out this waits for as long as `deaf` lives, and fails by the client's own.
    let call = Call::new("GET", format!("http://{address}/"));
    assert_eq!(client().send(&call).unwrap().status, 201);
    drop(deaf);
}
