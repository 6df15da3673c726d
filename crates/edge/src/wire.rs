//! The two sockets of one exchange, read and written under its time limits.

use std::cell::Cell;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::task::{Context, Poll};

use http1::Malformed;
use runtime::net::TcpStream;

use crate::buffer::Buffer;
use crate::watch::{Expired, Watch};

/// Why an exchange cannot go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The client closed or reset its connection.
    ClientGone,
    /// The client broke the protocol within its body.
    ClientMalformed(Malformed),
    /// The client's body is longer than its route allows.
    TooLarge,
    /// A time limit was hit.
    Expired(Expired),
    /// The endpoint could not be connected to.
    Refused,
    /// The endpoint closed or reset its connection.
    UpstreamLost,
    /// The endpoint broke the protocol.
    UpstreamMalformed(&'static str),
}

/// An exchange's client, its limits, and the reading and writing under them.
pub(crate) struct Wire<'a> {
    pub(crate) client: &'a TcpStream,
    pub(crate) watch: &'a Watch<'a>,
    /// Nobody reads from the client now, so its leaving is looked for while waiting for others.
    watches_client: Cell<bool>,
}

impl<'a> Wire<'a> {
    pub(crate) fn new(client: &'a TcpStream, watch: &'a Watch<'a>) -> Self {
        Self { client, watch, watches_client: Cell::new(false) }
    }

    /// The request is complete: from now on a closed client means that nobody waits.
    pub(crate) fn watch_client(&self) {
        self.watches_client.set(true);
    }

    /// Writes all of `bytes` to the client.
    pub(crate) async fn write_client(&self, mut bytes: &[u8]) -> Result<(), Stop> {
        while !bytes.is_empty() {
            let written = poll_fn(|cx| {
                let polled = self.client.poll_write(cx, bytes);
                self.settle_client(cx, polled)
            });
            bytes = bytes.get(written.await?..).unwrap_or_default();
        }
        Ok(())
    }

    /// Writes `head` and then `body` to the client, in one call when both fit.
    pub(crate) async fn write_client_both(&self, head: &[u8], body: &[u8]) -> Result<(), Stop> {
        let written = poll_fn(|cx| {
            let slices = [IoSlice::new(head), IoSlice::new(body)];
            let polled = self.client.poll_write_vectored(cx, &slices);
            self.settle_client(cx, polled)
        })
        .await?;
        let rest = head.get(written..).unwrap_or_default();
        self.write_client(rest).await?;
        let of_body = written.saturating_sub(head.len());
        self.write_client(body.get(of_body..).unwrap_or_default()).await
    }

    /// Writes all of `bytes` to the endpoint. `written` counts what it took.
    pub(crate) async fn write_upstream(
        &self,
        upstream: &TcpStream,
        mut bytes: &[u8],
        written: &mut usize,
    ) -> Result<(), Stop> {
        while !bytes.is_empty() {
            let taken = poll_fn(|cx| {
                let polled = upstream.poll_write(cx, bytes);
                self.settle_upstream(cx, polled)
            });
            let taken = taken.await?;
            *written += taken;
            bytes = bytes.get(taken..).unwrap_or_default();
        }
        Ok(())
    }

    /// Waits, without a buffer, until the endpoint has something to say.
    pub(crate) async fn wait_upstream(&self, upstream: &TcpStream) -> Result<(), Stop> {
        let ready = poll_fn(|cx| {
            let polled = upstream.poll_readable(cx).map_ok(|()| 1);
            self.settle_upstream(cx, polled)
        });
        ready.await.map(|_| ())
    }

    /// Reads from the endpoint into the spare room of `buffer`; 0 is its end.
    pub(crate) async fn read_upstream(
        &self,
        upstream: &TcpStream,
        buffer: &mut Buffer,
    ) -> Result<usize, Stop> {
        let bytes = poll_fn(|cx| {
            let polled = upstream.poll_read(cx, buffer.spare());
            self.settle_upstream(cx, polled)
        });
        let bytes = bytes.await?;
        buffer.fill(bytes);
        Ok(bytes)
    }

    /// Reads more of the client's body into the spare room of `buffer`.
    pub(crate) async fn read_client(&self, buffer: &mut Buffer) -> Result<usize, Stop> {
        let bytes = poll_fn(|cx| match self.client.poll_read(cx, buffer.spare()) {
            Poll::Ready(Ok(bytes)) if bytes > 0 => Poll::Ready(Ok(bytes)),
            Poll::Ready(_) => Poll::Ready(Err(Stop::ClientGone)),
            Poll::Pending => self.watch.poll(cx).map(|expired| Err(Stop::Expired(expired))),
        });
        let bytes = bytes.await?;
        buffer.fill(bytes);
        Ok(bytes)
    }

    fn settle_client(
        &self,
        cx: &mut Context<'_>,
        polled: Poll<io::Result<usize>>,
    ) -> Poll<Result<usize, Stop>> {
        match polled {
            Poll::Ready(Ok(bytes)) => {
                self.watch.client_blocked(false);
                Poll::Ready(Ok(bytes))
            }
            Poll::Ready(Err(_)) => Poll::Ready(Err(Stop::ClientGone)),
            Poll::Pending => {
                self.watch.client_blocked(true);
                self.watch.poll(cx).map(|expired| Err(Stop::Expired(expired)))
            }
        }
    }

    fn settle_upstream(
        &self,
        cx: &mut Context<'_>,
        polled: Poll<io::Result<usize>>,
    ) -> Poll<Result<usize, Stop>> {
        match polled {
            Poll::Ready(Ok(bytes)) => {
                self.watch.upstream_blocked(false);
                Poll::Ready(Ok(bytes))
            }
            Poll::Ready(Err(_)) => Poll::Ready(Err(Stop::UpstreamLost)),
            Poll::Pending => {
                self.watch.upstream_blocked(true);
                if self.poll_client_left(cx) {
                    return Poll::Ready(Err(Stop::ClientGone));
                }
                self.watch.poll(cx).map(|expired| Err(Stop::Expired(expired)))
            }
        }
    }

    /// Whether the client is gone for sure. A client that only closed its sending side may still
    /// wait for the answer, and gets a moment for it.
    pub(crate) fn poll_client_left(&self, cx: &mut Context<'_>) -> bool {
        if !self.watches_client.get() || self.client.poll_readable(cx).is_pending() {
            return false;
        }
        match self.client.poll_peek(cx, &mut [0]) {
            Poll::Pending => false,
            // The next request is here already; it will be read in its turn.
            Poll::Ready(Ok(1..)) => {
                self.watches_client.set(false);
                false
            }
            Poll::Ready(Ok(0)) => {
                self.watches_client.set(false);
                self.watch.client_half_closed();
                false
            }
            Poll::Ready(Err(_)) => true,
        }
    }
}
