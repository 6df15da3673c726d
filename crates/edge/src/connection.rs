//! A client's connection: one exchange after the other, and waiting in between.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use gateway::Lease;
use runtime::deadline::Deadline;
use runtime::net::TcpStream;

use crate::Door;
use crate::admission::Permit;
use crate::core::Core;
use crate::exchange;
use crate::meters::{ServiceMeters, Traffic};
use crate::tunnel;
use crate::upstream::Upstream;

/// How long, and how much, is read from a client that is being closed while it still sends. A
/// close with unread bytes would be a reset, which can overtake the answer (RFC 9112 §9.6).
const LINGER: Duration = Duration::from_secs(2);
const LINGER_BYTES_MAX: usize = 1024 * 1024;

/// A client, accepted.
pub(crate) struct Connection {
    pub(crate) core: Rc<Core>,
    pub(crate) stream: TcpStream,
    pub(crate) peer: SocketAddr,
    pub(crate) door: Rc<Door>,
    pub(crate) deadline: Deadline,
    pub(crate) _permit: Permit,
}

/// What follows an exchange.
pub(crate) enum Next {
    /// The connection can carry another one.
    Again,
    /// It is over.
    Close,
    /// It is over, but the client may still be sending.
    Linger,
    /// It left HTTP.
    Tunnel(Box<Tunnel>),
}

/// An upgraded connection: everything that the exchange hands over.
pub(crate) struct Tunnel {
    pub(crate) upstream: Upstream,
    /// Keeps the endpoint from being stopped while the tunnel is open.
    pub(crate) lease: Lease,
    /// Bytes behind the request's head.
    pub(crate) early_up: Vec<u8>,
    /// Bytes behind the answer's head.
    pub(crate) early_down: Vec<u8>,
    /// Closed when nothing moved for so long.
    pub(crate) idle: Duration,
    pub(crate) route: Arc<Traffic>,
    pub(crate) service: Arc<ServiceMeters>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.core.meters.connections.open.sub(1);
    }
}

/// Serves `connection` to its end.
pub(crate) async fn run(connection: Connection) {
    let core = &connection.core;
    let mut held = None;
    let mut is_first = true;
    let next = loop {
        if held.is_none() && !connection.wait(is_first).await {
            break Next::Close;
        }
        is_first = false;
        let workspace = held.get_or_insert_with(|| core.workspaces.take());
        match exchange::run(&connection, workspace).await {
            Next::Again => {}
            next => break next,
        }
        if workspace.client.is_empty()
            && let Some(workspace) = held.take()
        {
            core.workspaces.give(workspace);
        }
    };
    if let Some(workspace) = held.take() {
        core.workspaces.give(workspace);
    }
    match next {
        Next::Again | Next::Close => {}
        Next::Linger => connection.linger().await,
        Next::Tunnel(tunnel) => connection.carry(*tunnel).await,
    }
}

impl Connection {
    /// Waits, without holding a buffer, until there is something to read; false: it is over.
    async fn wait(&self, is_first: bool) -> bool {
        let view = self.core.view();
        let limits = &view.snapshot.policy.limits;
        self.deadline.set(if is_first { limits.head_timeout } else { limits.keep_alive_timeout });
        drop(view);
        poll_fn(|cx| {
            // Looked at before the drain: a request that is here already is answered.
            if self.stream.poll_readable(cx).is_ready() {
                return Poll::Ready(true);
            }
            if self.core.is_draining.get() {
                return Poll::Ready(false);
            }
            self.deadline.poll_expired(cx).map(|()| false)
        })
        .await
    }

    /// Carries an upgraded connection to its end.
    async fn carry(&self, tunnel: Tunnel) {
        let core = &self.core;
        core.meters.connections.upgraded.add(1);
        let early = (tunnel.early_up.as_slice(), tunnel.early_down.as_slice());
        let carried = tunnel::run(
            &self.stream,
            &tunnel.upstream.stream,
            early,
            &self.deadline,
            tunnel.idle,
            &core.workspaces,
        )
        .await;
        for traffic in [&*tunnel.route, &tunnel.service.traffic] {
            traffic.bytes_in.add(carried.up);
            traffic.bytes_out.add(carried.down);
        }
        core.meters.connections.upgraded.sub(1);
        drop(tunnel.lease);
    }

    /// Says that we are done, and reads on for a moment so that the client can hear it.
    async fn linger(&self) {
        if self.stream.shutdown_write().is_err() {
            return;
        }
        self.deadline.set(LINGER);
        let mut buffer = self.core.workspaces.take_stream();
        let mut left = LINGER_BYTES_MAX;
        loop {
            let bytes = poll_fn(|cx| match self.stream.poll_read(cx, buffer.spare()) {
                Poll::Ready(read) => Poll::Ready(read.unwrap_or(0)),
                Poll::Pending => self.deadline.poll_expired(cx).map(|()| 0),
            });
            let bytes = bytes.await;
            if bytes == 0 || bytes > left {
                break;
            }
            left -= bytes;
        }
        self.core.workspaces.give_stream(buffer);
    }
}
