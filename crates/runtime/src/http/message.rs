//! Requests and responses as handlers see them.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;

use bytes::Bytes;

/// A future on the heap, for traits that are used as objects.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Fields of a message in order; names are lower case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers(Vec<(String, String)>);

/// A request whose body has been read.
#[derive(Clone, Debug)]
pub struct Request {
    /// `GET`, …
    pub method: String,
    /// The path as sent, still percent-encoded.
    pub path: String,
    /// What follows `?`, still percent-encoded.
    pub query: Option<String>,
    /// Its fields.
    pub headers: Headers,
    /// Its body, at most [`super::ServerLimits::body_bytes_max`].
    pub body: Bytes,
    /// Who sent it.
    pub peer: SocketAddr,
    /// The address of ours that it was sent to.
    pub local: SocketAddr,
}

/// What to answer.
pub struct Response {
    /// The status, 200 to 599.
    pub status: u16,
    /// Its fields; `content-length`, `date` and framing are added.
    pub headers: Headers,
    /// Its body.
    pub body: Body,
}

/// The body of a response.
pub enum Body {
    /// All of it.
    Full(Bytes),
    /// Piece by piece, until the source ends or the client goes away.
    Stream(Box<dyn ChunkSource>),
}

/// Makes a body piece by piece. It is dropped when the client goes away.
pub trait ChunkSource: Send {
    /// The next piece; `None` at the end. Asked only when the one before has been taken.
    fn next(&mut self) -> BoxFuture<'_, Option<Bytes>>;
}

impl Headers {
    /// Fields out of pairs whose names are lower case.
    pub fn from_pairs(pairs: Vec<(String, String)>) -> Self {
        Self(pairs)
    }

    /// The first value of a field; `name` is lower case.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// All values of a field; `name` is lower case.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Adds a field; `name` is lower case.
    pub fn add(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.0.push((name.into(), value.into()));
    }

    /// Every field in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

impl Response {
    /// A response with a body of the given media type.
    pub fn new(status: u16, media_type: &str, body: impl Into<Bytes>) -> Self {
        let mut headers = Headers::default();
        headers.add("content-type", media_type);
        Self { status, headers, body: Body::Full(body.into()) }
    }

    /// A response whose body comes piece by piece.
    pub fn stream(status: u16, media_type: &str, source: Box<dyn ChunkSource>) -> Self {
        let mut headers = Headers::default();
        headers.add("content-type", media_type);
        Self { status, headers, body: Body::Stream(source) }
    }

    /// The same with one more field.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.add(name, value);
        self
    }
}
