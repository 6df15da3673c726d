//! Listening sockets. Every core has its own on the same address (`SO_REUSEPORT`), so that the
//! kernel deals connections out and no accept is shared.

use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::task::{Context, Poll, ready};

use socket2::{Domain, Protocol, Socket, Type};

use super::TcpStream;

/// Connections that the kernel queues before a core accepts them.
const BACKLOG: i32 = 4096;

/// One core's share of a listening address.
pub struct Listener(tokio::net::TcpListener);

/// Opens `count` sockets on `address`, one per core; port 0 is chosen once for all of them.
///
/// The sockets are plain: each core makes its own a [`Listener`] on its own thread.
///
/// # Errors
/// `AddrInUse` when anybody listens there already, even a process that shares the port as we do:
/// two programs that silently share a port would each get half of the requests.
pub fn door(address: SocketAddr, count: usize) -> io::Result<(SocketAddr, Vec<StdListener>)> {
    let address = probe(address)?;
    let sockets = (0..count).map(|_| shared(address)).collect::<io::Result<Vec<_>>>()?;
    Ok((address, sockets))
}

impl Listener {
    /// Registers `socket` with the reactor of this thread.
    ///
    /// # Errors
    /// When the reactor's epoll refuses it.
    ///
    /// # Panics
    /// When called outside a reactor.
    pub fn new(socket: StdListener) -> io::Result<Self> {
        tokio::net::TcpListener::from_std(socket).map(Self)
    }

    /// Binds one socket of its own, not shared with other cores.
    ///
    /// # Errors
    /// When the address is in use or not ours.
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        socket.set_reuse_address(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        Self::new(socket.into())
    }

    /// The real address, its port known.
    ///
    /// # Errors
    /// When the system cannot tell.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }

    /// The next connection, with Nagle's delay off.
    pub fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
        let (stream, peer) = ready!(self.0.poll_accept(cx))?;
        // Best effort: a connection that is already dead says so at its first read.
        let _ = stream.set_nodelay(true);
        Poll::Ready(Ok((TcpStream::from_tokio(stream), peer)))
    }

    /// The next connection, with Nagle's delay off.
    ///
    /// # Errors
    /// Those of `accept(2)`: the connection died in the queue, or descriptors ran out.
    pub async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        std::future::poll_fn(|cx| self.poll_accept(cx)).await
    }
}

/// Binds without sharing, to learn whether the port is free and which one port 0 becomes.
fn probe(address: SocketAddr) -> io::Result<SocketAddr> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.bind(&address.into())?;
    // Two sockets may both be bound with SO_REUSEADDR; only one of them can listen.
    socket.listen(1)?;
    socket.local_addr()?.as_socket().ok_or_else(|| io::Error::other("not an IP socket"))
}

fn shared(address: SocketAddr) -> io::Result<StdListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_cores_share_one_port_and_nobody_else_gets_it() {
        let (address, sockets) = door("127.0.0.1:0".parse().unwrap(), 3).unwrap();
        assert_ne!(address.port(), 0);
        assert!(sockets.iter().all(|socket| socket.local_addr().unwrap() == address));
        let refused = door(address, 1).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::AddrInUse);
        drop(sockets);
        assert!(door(address, 1).is_ok());
    }
}
