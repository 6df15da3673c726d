//! How hyper reads a connection: its server or client over a pipe in memory.

use std::cell::RefCell;
use std::convert::Infallible;
use std::rc::Rc;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::header::HeaderMap;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, Uri, Version};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::{Builder, Runtime};

use crate::{Message, sorted};

/// Holds whatever hyper answers in one go.
const PIPE_BYTES: usize = 1 << 20;

/// A reader with a reactor of its own.
pub struct Hyper(Runtime);

impl Default for Hyper {
    fn default() -> Self {
        Self::new()
    }
}

impl Hyper {
    /// A fresh reactor on this thread.
    ///
    /// # Panics
    /// When the system refuses it.
    pub fn new() -> Self {
        Self(Builder::new_current_thread().build().expect("a reactor"))
    }

    /// The requests that hyper's server gives to its service with a whole body; then the end.
    pub fn requests(&self, wire: &[u8]) -> Vec<Message> {
        let seen = Rc::new(RefCell::new(Vec::new()));
        let service = service_fn(|request: Request<Incoming>| {
            let seen = Rc::clone(&seen);
            async move {
                let (head, body) = request.into_parts();
                // What follows a CONNECT or an upgrade is not HTTP any more.
                let leaves = head.method == Method::CONNECT;
                let content = if leaves { Some(Default::default()) } else { whole(body).await };
                if let Some((body, trailers)) = content {
                    seen.borrow_mut().push(Message {
                        start: head.method.to_string(),
                        target: target(&head.uri),
                        version: version(head.version),
                        fields: fields(&head.headers),
                        body,
                        trailers,
                    });
                }
                Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
            }
        });
        self.0.block_on(async {
            let (mut near, far) = tokio::io::duplex(PIPE_BYTES);
            near.write_all(wire).await.expect("the pipe is larger");
            near.shutdown().await.expect("a pipe");
            let mut builder = hyper::server::conn::http1::Builder::new();
            // All of the input is followed by its end at once; the service is to run all the same.
            builder.half_close(true);
            // How it ends does not matter: what it accepted before is what we compare.
            let _ = builder.serve_connection(TokioIo::new(far), service).await;
        });
        seen.take()
    }

    /// The answer that hyper's client makes of `wire`, when it is whole.
    pub fn response(&self, wire: &[u8]) -> Vec<Message> {
        self.0.block_on(async {
            let (mut near, far) = tokio::io::duplex(PIPE_BYTES);
            let handshake = hyper::client::conn::http1::handshake(TokioIo::new(far)).await;
            let (mut sender, connection) = handshake.expect("a handshake sends nothing");
            let request = Request::get("/").header("host", "a").body(Empty::<Bytes>::new());
            let exchange = async move {
                let answer = sender.send_request(request.expect("a request")).await.ok()?;
                let (head, body) = answer.into_parts();
                // An upgraded connection has no body that would end.
                let (body, trailers) = match head.status.as_u16() {
                    101 => Default::default(),
                    _ => whole(body).await?,
                };
                Some(Message {
                    start: head.status.as_str().to_owned(),
                    target: String::new(),
                    version: version(head.version),
                    fields: fields(&head.headers),
                    body,
                    trailers,
                })
            };
            let peer = async move {
                // hyper takes bytes that come before its request for nobody's.
                let mut request = [0; 1024];
                let _ = near.read(&mut request).await;
                let _ = near.write_all(wire).await;
                let _ = near.shutdown().await;
                near
            };
            let (message, _, _) = tokio::join!(exchange, connection, peer);
            message.into_iter().collect()
        })
    }
}

type Content = (Vec<u8>, Vec<(String, Vec<u8>)>);

async fn whole(body: Incoming) -> Option<Content> {
    let collected = body.collect().await.ok()?;
    let trailers = collected.trailers().map(fields).unwrap_or_default();
    Some((collected.to_bytes().to_vec(), trailers))
}

fn fields(map: &HeaderMap) -> Vec<(String, Vec<u8>)> {
    let pair = |(name, value): (&hyper::header::HeaderName, &hyper::header::HeaderValue)| {
        (name.as_str().to_owned(), value.as_bytes().to_vec())
    };
    sorted(map.iter().map(pair).collect())
}

fn version(version: Version) -> String {
    format!("{version:?}")
}

fn target(uri: &Uri) -> String {
    let path = uri.path_and_query().map_or("", |path| path.as_str());
    match (uri.scheme_str(), uri.authority()) {
        (Some(scheme), Some(authority)) => {
            let slash = if path.starts_with('/') { "" } else { "/" };
            let authority = authority.as_str().to_ascii_lowercase();
            format!("{}://{authority}{slash}{path}", scheme.to_ascii_lowercase())
        }
        (None, Some(authority)) => authority.to_string(),
        _ => path.to_owned(),
    }
}
