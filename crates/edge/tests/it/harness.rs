//! A proxy with its backends, and a client that says exactly what it is told.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use edge::{Door, Edge, EdgeConfig, Listener};
use gateway::{
    Directory, EdgePolicy, EndpointState, HostMatch, PathMatch, RetryPolicy, RoutePolicy,
    RouteSpec, ServiceSpec,
};
use model::ServiceName;

/// Nothing here takes long; a test that waits so long has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A program behind the proxy: each connection runs `serve` on a thread of its own.
pub(crate) struct Backend {
    pub(crate) address: SocketAddr,
    pub(crate) connections: Arc<AtomicUsize>,
    /// Heads of all requests that it read by [`read_request`].
    pub(crate) seen: Arc<Mutex<Vec<String>>>,
}

/// What a backend's thread works with.
pub(crate) struct Served {
    pub(crate) stream: TcpStream,
    seen: Arc<Mutex<Vec<String>>>,
    held: Vec<u8>,
}

impl Backend {
    pub(crate) fn start(serve: impl Fn(Served) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let seen: Arc<Mutex<Vec<String>>> = Arc::default();
        let (count, heads) = (Arc::clone(&connections), Arc::clone(&seen));
        let serve = Arc::new(serve);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(stream) = stream else { return };
                count.fetch_add(1, Ordering::SeqCst);
                stream.set_read_timeout(Some(PATIENCE)).unwrap();
                stream.set_write_timeout(Some(PATIENCE)).unwrap();
                let served = Served { stream, seen: Arc::clone(&heads), held: Vec::new() };
                let serve = Arc::clone(&serve);
                thread::spawn(move || serve(served));
            }
        });
        Self { address, connections, seen }
    }

    /// Answers every request on every connection with `answer`.
    pub(crate) fn answering(answer: &'static str) -> Self {
        Self::start(move |mut served| {
            while served.request().is_some() {
                if served.stream.write_all(answer.as_bytes()).is_err() {
                    return;
                }
            }
        })
    }

    /// Answers with the request's head as its body.
    pub(crate) fn mirror() -> Self {
        Self::start(|mut served| {
            while let Some((head, _)) = served.request() {
                let length = head.len();
                let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{head}");
                if served.stream.write_all(answer.as_bytes()).is_err() {
                    return;
                }
            }
        })
    }

    pub(crate) fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

impl Served {
    /// The next request's head and (by Content-Length) its body; `None` at the end.
    pub(crate) fn request(&mut self) -> Option<(String, Vec<u8>)> {
        let head = self.head()?;
        let length = length_of(&head);
        while self.held.len() < length {
            if !self.more() {
                return None;
            }
        }
        Some((head, self.held.drain(..length).collect()))
    }

    /// The next request's head alone.
    pub(crate) fn head(&mut self) -> Option<String> {
        loop {
            if let Some(end) = find(&self.held, b"\r\n\r\n") {
                let head: Vec<u8> = self.held.drain(..end + 4).collect();
                let head = String::from_utf8(head).unwrap();
                self.seen.lock().unwrap().push(head.clone());
                return Some(head);
            }
            if !self.more() {
                return None;
            }
        }
    }

    /// Reads exactly `length` more bytes.
    pub(crate) fn bytes(&mut self, length: usize) -> Vec<u8> {
        while self.held.len() < length {
            assert!(self.more(), "the proxy closed early");
        }
        self.held.drain(..length).collect()
    }

    pub(crate) fn say(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).unwrap();
    }

    fn more(&mut self) -> bool {
        let mut buffer = [0; 16 * 1024];
        match self.stream.read(&mut buffer) {
            Ok(bytes) => {
                self.held.extend_from_slice(&buffer[..bytes]);
                bytes > 0
            }
            Err(_) => false,
        }
    }
}

/// A proxy, and the directory that it follows.
pub(crate) struct Proxy {
    pub(crate) edge: Edge,
    pub(crate) directory: Mutex<Directory>,
    pub(crate) address: SocketAddr,
}

/// How a test's proxy differs from the default.
#[derive(Default)]
pub(crate) struct Settings {
    pub(crate) edge: EdgePolicy,
    pub(crate) route: RoutePolicy,
    pub(crate) cores: usize,
    pub(crate) access_log: Option<edge::AccessLog>,
}

impl Proxy {
    pub(crate) fn new(backends: &[&Backend]) -> Self {
        Self::with(backends, |_| {})
    }

    /// One route for everything, to one service with these endpoints.
    pub(crate) fn with(backends: &[&Backend], change: impl FnOnce(&mut Settings)) -> Self {
        let addresses: Vec<_> = backends.iter().map(|backend| backend.address).collect();
        Self::to(&addresses, change)
    }

    pub(crate) fn to(addresses: &[SocketAddr], change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Settings { cores: 2, ..Settings::default() };
        change(&mut settings);
        let mut directory = Directory::new(settings.edge.clone());
        let route = route("all", "/**", "backend", settings.route);
        directory.configure(vec![service("backend")], vec![route], settings.edge).unwrap();
        for (number, address) in addresses.iter().enumerate() {
            let label = format!("backend.{number}");
            directory.upsert_endpoint(&name("backend"), &label, *address, EndpointState::Ready);
        }
        let config = EdgeConfig {
            listeners: vec![public("127.0.0.1:0".parse().unwrap())],
            cores: settings.cores,
            access_log: settings.access_log,
        };
        let edge = Edge::start(config, directory.snapshot()).unwrap();
        let address = edge.addresses()[0].1;
        Self { edge, directory: Mutex::new(directory), address }
    }

    pub(crate) fn client(&self) -> Client {
        Client::connect(self.address)
    }

    /// Sends `request` on a fresh connection, reads one answer.
    pub(crate) fn ask(&self, request: &str) -> Answer {
        let mut client = self.client();
        client.say(request);
        client.answer()
    }

    pub(crate) fn publish(&self) {
        self.edge.publish(self.directory.lock().unwrap().snapshot());
    }
}

pub(crate) fn name(text: &str) -> ServiceName {
    ServiceName::new(text).unwrap()
}

pub(crate) fn service(text: &str) -> ServiceSpec {
    ServiceSpec { name: name(text), retry: RetryPolicy::default() }
}

pub(crate) fn public(address: SocketAddr) -> Listener {
    Listener { address, door: Door::Public }
}

pub(crate) fn route(route: &str, path: &str, to: &str, policy: RoutePolicy) -> RouteSpec {
    RouteSpec {
        name: route.to_owned(),
        host: HostMatch::Any,
        path: PathMatch::parse(path).unwrap(),
        methods: Vec::new(),
        headers: Vec::new(),
        to: vec![(name(to), 1)],
        policy,
    }
}

/// A client's connection.
pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    held: Vec<u8>,
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Self { stream, held: Vec::new() }
    }

    pub(crate) fn say(&mut self, text: &str) {
        self.send(text.as_bytes());
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    pub(crate) fn get(&mut self, path: &str) -> Answer {
        self.say(&format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n"));
        self.answer()
    }

    /// The next answer, with its body by Content-Length, chunks, or the connection's end.
    pub(crate) fn answer(&mut self) -> Answer {
        let head = self.head();
        let status = head.get(9..12).unwrap().parse().unwrap();
        let lower = head.to_ascii_lowercase();
        let body = if lower.contains("transfer-encoding: chunked") {
            self.chunks()
        } else if lower.contains("content-length:") {
            let length = length_of(&head);
            self.bytes(length)
        } else if matches!(status, 100..=199 | 204 | 304) {
            Vec::new()
        } else {
            self.rest()
        };
        Answer { status, head, body }
    }

    pub(crate) fn head(&mut self) -> String {
        loop {
            if let Some(end) = find(&self.held, b"\r\n\r\n") {
                let head: Vec<u8> = self.held.drain(..end + 4).collect();
                return String::from_utf8(head).unwrap();
            }
            assert!(self.more(), "closed before an answer: {:?}", text(&self.held));
        }
    }

    pub(crate) fn bytes(&mut self, length: usize) -> Vec<u8> {
        while self.held.len() < length {
            assert!(self.more(), "closed within a body");
        }
        self.held.drain(..length).collect()
    }

    /// Everything up to the connection's end.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        while self.more() {}
        std::mem::take(&mut self.held)
    }

    /// Waits for the proxy to close; anything but an end is a failure.
    pub(crate) fn expect_closed(&mut self) {
        let rest = self.rest();
        assert!(rest.is_empty(), "unexpected: {:?}", text(&rest));
    }

    /// The whole chunked body as it stands on the wire, trailers included.
    fn chunks(&mut self) -> Vec<u8> {
        let mut raw = Vec::new();
        loop {
            let line = self.line();
            let size = usize::from_str_radix(line.trim_end(), 16).unwrap();
            raw.extend_from_slice(line.as_bytes());
            if size == 0 {
                break;
            }
            raw.extend(self.bytes(size + 2));
        }
        loop {
            let line = self.line();
            raw.extend_from_slice(line.as_bytes());
            if line == "\r\n" {
                return raw;
            }
        }
    }

    fn line(&mut self) -> String {
        loop {
            if let Some(end) = find(&self.held, b"\r\n") {
                let line: Vec<u8> = self.held.drain(..end + 2).collect();
                return String::from_utf8(line).unwrap();
            }
            assert!(self.more(), "closed within a line");
        }
    }

    fn more(&mut self) -> bool {
        let mut buffer = [0; 16 * 1024];
        match self.stream.read(&mut buffer) {
            Ok(bytes) => {
                self.held.extend_from_slice(&buffer[..bytes]);
                bytes > 0
            }
            Err(error) if error.kind() == ErrorKind::ConnectionReset => false,
            Err(error) => panic!("{error} after {:?}", text(&self.held)),
        }
    }
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        text(&self.body)
    }

    /// The value of a field, by its name in lower case.
    pub(crate) fn field(&self, name: &str) -> Option<String> {
        field(&self.head, name)
    }
}

pub(crate) fn field(head: &str, name: &str) -> Option<String> {
    head.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
    })
}

fn length_of(head: &str) -> usize {
    field(head, "content-length").map_or(0, |length| length.parse().unwrap())
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Waits until `holds`, which others bring about.
pub(crate) fn eventually(what: &str, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "never: {what}");
        thread::yield_now();
    }
}
