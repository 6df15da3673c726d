//! The client half: one connection for each call, because calls are few and freshness matters.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use super::message::Headers;
use super::server::decode_headers;

/// What a client waits for and takes at most.
#[derive(Clone, Copy, Debug)]
pub struct ClientLimits {
    /// Time for the name to resolve and the connection to stand. Default 5 s.
    pub connect_timeout: Duration,
    /// Time from sending to the end of the answer ([`Client::send`]) or of its head
    /// ([`Client::open`]); `None`: no end. Default 30 s.
    pub answer_timeout: Option<Duration>,
    /// Bytes of the answer's body in [`Client::send`]. Default 16 MiB.
    pub body_bytes_max: usize,
}

/// Calls servers.
#[derive(Clone, Copy, Debug, Default)]
pub struct Client {
    limits: ClientLimits,
}

/// A request to send.
#[derive(Clone, Debug)]
pub struct Call {
    /// `GET`, …
    pub method: String,
    /// `http://host:port/path?query`; there is no `https` here yet.
    pub url: String,
    /// Further fields; `host` replaces the one made from the URL.
    pub headers: Headers,
    /// The body; empty: none.
    pub body: Bytes,
}

/// An answer that has been read.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// Its fields.
    pub headers: Headers,
    /// Its body.
    pub body: Bytes,
}

/// An answer whose body is still coming. Dropping it closes the connection.
pub struct ReplyStream {
    /// The status.
    pub status: u16,
    /// Its fields.
    pub headers: Headers,
    body: Incoming,
    _connection: Connection,
}

/// Why a call has no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientError {
    /// The URL, the method or a field cannot be sent.
    Invalid(String),
    /// There is no connection.
    Connect(String),
    /// It took longer than allowed.
    TimedOut(Duration),
    /// The connection broke, or the answer is not HTTP.
    Broken(String),
    /// The body is longer than allowed, in bytes.
    TooLong(usize),
}

impl Default for ClientLimits {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            answer_timeout: Some(Duration::from_secs(30)),
            body_bytes_max: 16 * 1024 * 1024,
        }
    }
}

impl Call {
    /// A call without fields and body.
    pub fn new(method: &str, url: impl Into<String>) -> Self {
        let (method, url) = (method.to_owned(), url.into());
        Self { method, url, headers: Headers::default(), body: Bytes::new() }
    }

    /// The same with one more field; `name` is lower case.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.add(name, value);
        self
    }

    /// The same with a JSON body.
    #[must_use]
    pub fn json(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self.header("content-type", "application/json")
    }
}

impl Client {
    /// A client with these limits.
    pub fn new(limits: ClientLimits) -> Self {
        Self { limits }
    }

    /// Sends, and reads the whole answer.
    ///
    /// # Errors
    /// When there is no whole answer within the limits. Any status is an answer.
    pub async fn send(&self, call: &Call) -> Result<Reply, ClientError> {
        within(self.limits.answer_timeout, async {
            let mut stream = self.begin(call).await?;
            let mut body = Vec::new();
            while let Some(chunk) = stream.chunk().await? {
                if body.len().saturating_add(chunk.len()) > self.limits.body_bytes_max {
                    return Err(ClientError::TooLong(self.limits.body_bytes_max));
                }
                body.extend_from_slice(&chunk);
            }
            Ok(Reply { status: stream.status, headers: stream.headers, body: body.into() })
        })
        .await
    }

    /// Sends, and reads the answer's head.
    ///
    /// # Errors
    /// When there is no head within the limits.
    pub async fn open(&self, call: &Call) -> Result<ReplyStream, ClientError> {
        within(self.limits.answer_timeout, self.begin(call)).await
    }

    async fn begin(&self, call: &Call) -> Result<ReplyStream, ClientError> {
        let (address, request) = encode(call)?;
        let connect = async {
            let stream = TcpStream::connect(&address).await;
            let stream =
                stream.map_err(|error| ClientError::Connect(format!("{address}: {error}")))?;
            http1::handshake(TokioIo::new(stream)).await.map_err(broken)
        };
        let (mut sender, connection) = within(Some(self.limits.connect_timeout), connect).await?;
        let connection = Connection(tokio::spawn(async move {
            // What went wrong is said by the sender or by the body.
            let _ = connection.await;
        }));
        let response = sender.send_request(request).await.map_err(broken)?;
        let (head, body) = response.into_parts();
        Ok(ReplyStream {
            status: head.status.as_u16(),
            headers: decode_headers(&head.headers),
            body,
            _connection: connection,
        })
    }
}

impl ReplyStream {
    /// The next piece of the body, as it arrives; `None` at the end.
    ///
    /// # Errors
    /// When the connection breaks.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, ClientError> {
        while let Some(frame) = self.body.frame().await {
            // Trailers are of no use here.
            if let Ok(data) = frame.map_err(broken)?.into_data() {
                return Ok(Some(data));
            }
        }
        Ok(None)
    }
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(what) => write!(f, "cannot be sent: {what}"),
            Self::Connect(what) => write!(f, "no connection to {what}"),
            Self::TimedOut(limit) => write!(f, "no answer within {limit:?}"),
            Self::Broken(what) => write!(f, "the connection broke: {what}"),
            Self::TooLong(limit) => write!(f, "the answer is longer than {limit} bytes"),
        }
    }
}

impl std::error::Error for ClientError {}

/// The task that moves a connection's bytes, for as long as somebody wants them.
struct Connection(JoinHandle<()>);

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn within<T>(
    limit: Option<Duration>,
    work: impl Future<Output = Result<T, ClientError>>,
) -> Result<T, ClientError> {
    let Some(limit) = limit else { return work.await };
    tokio::time::timeout(limit, work).await.map_err(|_| ClientError::TimedOut(limit))?
}

fn encode(call: &Call) -> Result<(String, hyper::Request<Full<Bytes>>), ClientError> {
    let invalid = |what: &str| ClientError::Invalid(format!("{what} in {:?}", call.url));
    let uri: http::Uri = call.url.parse().map_err(|_| invalid("no URL"))?;
    if uri.scheme_str() != Some("http") {
        return Err(invalid("only http:// is known"));
    }
    let authority = uri.authority().ok_or_else(|| invalid("no host"))?;
    let address = format!("{}:{}", authority.host(), authority.port_u16().unwrap_or(80));
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let mut builder = hyper::Request::builder().method(call.method.as_str()).uri(path);
    if call.headers.get("host").is_none() {
        builder = builder.header("host", authority.as_str());
    }
    for (name, value) in call.headers.iter() {
        builder = builder.header(name, value);
    }
    let request = builder.body(Full::new(call.body.clone()));
    Ok((address, request.map_err(|error| ClientError::Invalid(error.to_string()))?))
}

fn broken(error: hyper::Error) -> ClientError {
    ClientError::Broken(error.to_string())
}
