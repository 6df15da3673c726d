//! The server half: accepts, reads a whole request, asks the handler, writes its answer.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Body as HyperBody, Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};

use super::message::{Body, BoxFuture, ChunkSource, Headers, Request, Response};

/// Answers requests. One value answers all connections.
pub trait Handler: Send + Sync + 'static {
    /// The answer. Dropped half-way when the client goes away.
    fn handle(&self, request: Request) -> BoxFuture<'_, Response>;
}

/// What a server takes at most.
#[derive(Clone, Copy, Debug)]
pub struct ServerLimits {
    /// Open connections; further ones wait in the kernel's queue. Default 256.
    pub connection_count_max: usize,
    /// Bytes of a request's head; beyond: 431. Default 32 KiB.
    pub head_bytes_max: usize,
    /// Fields of a request; beyond: 431. Default 100.
    pub field_count_max: usize,
    /// Bytes of a request's body; beyond: 413. Default 1 MiB.
    pub body_bytes_max: usize,
    /// Time for a head, also the time between requests of a connection. Default 30 s.
    pub head_timeout: Duration,
    /// Time for a body; beyond: 408. Default 30 s.
    pub body_timeout: Duration,
    /// Time for sent bytes to be acknowledged; beyond, the connection is closed. Default 30 s.
    pub write_timeout: Duration,
}

/// A listening server. Dropping it closes its listener and connections.
pub struct Server {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    limits: ServerLimits,
    connections: Arc<Semaphore>,
    acceptor: tokio::task::JoinHandle<()>,
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self {
            connection_count_max: 256,
            head_bytes_max: 32 * 1024,
            field_count_max: 100,
            body_bytes_max: 1024 * 1024,
            head_timeout: Duration::from_secs(30),
            body_timeout: Duration::from_secs(30),
            write_timeout: Duration::from_secs(30),
        }
    }
}

impl Server {
    /// Listens on `address` (port 0: any free one) and serves on the current runtime.
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub async fn bind(
        address: SocketAddr,
        limits: ServerLimits,
        handler: Arc<dyn Handler>,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let connections = Arc::new(Semaphore::new(limits.connection_count_max));
        let (stop, stopped) = watch::channel(false);
        let acceptor =
            tokio::spawn(accept(listener, limits, handler, Arc::clone(&connections), stopped));
        Ok(Self { address, stop, limits, connections, acceptor })
    }

    /// The address really bound.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Accepts no more, ends streams, lets requests end for at most `grace`, then closes what is
    /// left.
    pub async fn stop(self, grace: Duration) {
        self.stop.send_replace(true);
        let all = u32::try_from(self.limits.connection_count_max).unwrap_or(u32::MAX);
        // An error would mean a closed semaphore, which nobody does; time running out is fine.
        let _ = tokio::time::timeout(grace, self.connections.acquire_many(all)).await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The connections' tasks watch `stop`, whose sender goes with us.
        self.acceptor.abort();
    }
}

async fn accept(
    listener: TcpListener,
    limits: ServerLimits,
    handler: Arc<dyn Handler>,
    connections: Arc<Semaphore>,
    mut stopped: watch::Receiver<bool>,
) {
    loop {
        let Ok(permit) = Arc::clone(&connections).acquire_owned().await else { return };
        let accepted = tokio::select! {
            _ = stopped.wait_for(|stop| *stop) => return,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, peer)) = accepted else {
            // Out of file descriptors or the like: a pause lets others give some back.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let connection = serve(stream, peer, limits, Arc::clone(&handler), stopped.clone());
        tokio::spawn(async move {
            connection.await;
            drop(permit);
        });
    }
}

async fn serve(
    stream: TcpStream,
    peer: SocketAddr,
    limits: ServerLimits,
    handler: Arc<dyn Handler>,
    mut stopped: watch::Receiver<bool>,
) {
    let Ok(local) = stream.local_addr() else { return };
    let socket = socket2::SockRef::from(&stream);
    // Without these a client that vanished, or reads nothing, would hold its place for hours.
    let _ = socket.set_tcp_user_timeout(Some(limits.write_timeout));
    let _ = socket.set_tcp_nodelay(true);
    let stopping = stopped.clone();
    let service = service_fn(|request| async {
        let response = match read(request, peer, local, limits).await {
            Ok(request) => handler.handle(request).await,
            Err(refusal) => refusal,
        };
        Ok::<_, Infallible>(encode(response, &stopping))
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head_timeout)
        .max_headers(limits.field_count_max)
        .max_header_size(limits.head_bytes_max)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    tokio::select! {
        // Protocol errors were answered by hyper; there is nobody to tell.
        _ = connection.as_mut() => return,
        stop = stopped.wait_for(|stop| *stop) => if stop.is_err() { return },
    }
    connection.as_mut().graceful_shutdown();
    tokio::select! {
        _ = connection => {}
        // The sender is dropped at the end of the grace.
        () = gone(stopped) => {}
    }
}

async fn gone(mut stopped: watch::Receiver<bool>) {
    while stopped.changed().await.is_ok() {}
}

async fn read(
    request: hyper::Request<Incoming>,
    peer: SocketAddr,
    local: SocketAddr,
    limits: ServerLimits,
) -> Result<Request, Response> {
    let (head, body) = request.into_parts();
    let body = Limited::new(body, limits.body_bytes_max).collect();
    let body = match tokio::time::timeout(limits.body_timeout, body).await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            let detail = format!("the body is longer than {} bytes", limits.body_bytes_max);
            return Err(refuse(413, "Content too large", &detail));
        }
        Ok(Err(_)) => return Err(refuse(400, "Bad request", "the body ended early or is broken")),
        Err(_) => return Err(refuse(408, "Request time-out", "the body took too long")),
    };
    Ok(Request {
        method: head.method.as_str().to_owned(),
        path: head.uri.path().to_owned(),
        query: head.uri.query().map(str::to_owned),
        headers: decode_headers(&head.headers),
        body,
        peer,
        local,
    })
}

/// A problem in the words of RFC 9457; `detail` must need no escapes in JSON.
fn refuse(status: u16, title: &str, detail: &str) -> Response {
    let body = format!(
        "{{\"type\":\"about:blank\",\"title\":\"{title}\",\"status\":{status},\
         \"detail\":\"{detail}\"}}"
    );
    Response::new(status, "application/problem+json", body).with("connection", "close")
}

/// Values that are not text are left out: no header that we look at may have one.
pub(super) fn decode_headers(headers: &http::HeaderMap) -> Headers {
    let text = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
        Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))
    };
    Headers::from_pairs(headers.iter().filter_map(text).collect())
}

fn encode(response: Response, stopped: &watch::Receiver<bool>) -> hyper::Response<Outgoing> {
    let mut builder = hyper::Response::builder().status(response.status);
    for (name, value) in response.headers.iter() {
        builder = builder.header(name, value);
    }
    let body = match response.body {
        Body::Full(bytes) => Outgoing::Full(Full::new(bytes)),
        Body::Stream(source) => Outgoing::Idle(Stream { source, stopped: stopped.clone() }),
    };
    builder.body(body).unwrap_or_else(|_| {
        // A handler put a line break or the like into a field.
        let mut failed = hyper::Response::new(Outgoing::Full(Full::new(Bytes::new())));
        *failed.status_mut() = http::StatusCode::INTERNAL_SERVER_ERROR;
        failed
    })
}

/// A body that ends with its source or with the server.
struct Stream {
    source: Box<dyn ChunkSource>,
    stopped: watch::Receiver<bool>,
}

impl Stream {
    async fn step(mut self) -> (Self, Option<Bytes>) {
        let chunk = tokio::select! {
            biased;
            _ = self.stopped.wait_for(|stop| *stop) => None,
            chunk = self.source.next() => chunk,
        };
        (self, chunk)
    }
}

type Step = BoxFuture<'static, (Stream, Option<Bytes>)>;

/// A response's body in hyper's terms.
enum Outgoing {
    Full(Full<Bytes>),
    Idle(Stream),
    Waiting(Step),
    Over,
}

impl HyperBody for Outgoing {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        loop {
            match std::mem::replace(&mut *self, Self::Over) {
                Self::Full(mut body) => {
                    let frame = Pin::new(&mut body).poll_frame(cx);
                    *self = Self::Full(body);
                    return frame;
                }
                Self::Idle(stream) => *self = Self::Waiting(Box::pin(stream.step())),
                Self::Waiting(mut step) => {
                    let polled = step.as_mut().poll(cx);
                    if polled.is_pending() {
                        *self = Self::Waiting(step);
                    }
                    let (stream, chunk) = ready!(polled);
                    let Some(chunk) = chunk else { return Poll::Ready(None) };
                    *self = Self::Idle(stream);
                    return Poll::Ready(Some(Ok(Frame::data(chunk))));
                }
                Self::Over => return Poll::Ready(None),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Full(body) => body.is_end_stream(),
            Self::Idle(_) | Self::Waiting(_) => false,
            Self::Over => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Full(body) => body.size_hint(),
            Self::Idle(_) | Self::Waiting(_) => SizeHint::default(),
            Self::Over => SizeHint::with_exact(0),
        }
    }
}
