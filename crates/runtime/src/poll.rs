//! A bare event loop for programs that are all event loop, such as the load generator.
//!
//! Everything else uses the reactor behind [`crate::net`]. It was not taken here for two reasons:
//! its timers count milliseconds, which would blur latencies measured from an intended start; and
//! a tool that is compared with the leanest loops there are should not pay for tasks and wakers.

use std::io;
use std::net::SocketAddr;
use std::num::NonZeroU64;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::event::{Timespec, epoll};
use rustix::io::Errno;
use rustix::net::{self, AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};

/// Events taken from the kernel at once.
const EVENT_COUNT_MAX: usize = 256;

/// How late the kernel may wake a thread that polls with a time-out; its own default is 50 µs.
const TIMER_SLACK_NS: u64 = 1_000;

/// Waits for many sockets. Edge-triggered: a socket is reported when something new happens.
pub struct Poller {
    epoll: OwnedFd,
    events: Vec<epoll::Event>,
}

/// What happened on a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ready {
    /// The number that it was added with.
    pub token: u64,
    /// There may be bytes, an end or an error to read.
    pub readable: bool,
    /// The kernel may take more bytes; a connection that was being opened is now open or failed.
    pub writable: bool,
}

/// A TCP socket that never blocks. Dropping it closes the connection and leaves its poller.
pub struct Socket(OwnedFd);

impl Poller {
    /// A poller for this thread, whose timers it makes more exact.
    ///
    /// # Errors
    /// When the process has no descriptor left.
    pub fn new() -> io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        // Best effort: without it, waits are some 50 µs longer.
        let _ = rustix::thread::set_current_timer_slack(NonZeroU64::new(TIMER_SLACK_NS));
        Ok(Self { epoll, events: Vec::with_capacity(EVENT_COUNT_MAX) })
    }

    /// Reports events of `socket` under `token` from now on.
    ///
    /// # Errors
    /// When the kernel's limit of watched descriptors is reached.
    pub fn add(&self, socket: &Socket, token: u64) -> io::Result<()> {
        use epoll::EventFlags as Flags;
        let flags = Flags::IN | Flags::OUT | Flags::RDHUP | Flags::ET;
        Ok(epoll::add(&self.epoll, &socket.0, epoll::EventData::new_u64(token), flags)?)
    }

    /// Waits for events, at most `patience`; none when the time ran out.
    ///
    /// # Errors
    /// Those of `epoll_pwait2(2)`; an interrupting signal is not one.
    pub fn wait(&mut self, patience: Duration) -> io::Result<impl Iterator<Item = Ready> + '_> {
        self.events.clear();
        let timeout = Timespec {
            tv_sec: i64::try_from(patience.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: patience.subsec_nanos().into(),
        };
        let buffer = rustix::buffer::spare_capacity(&mut self.events);
        match epoll::wait(&self.epoll, buffer, Some(&timeout)) {
            Ok(_) | Err(Errno::INTR) => {}
            // Before Linux 5.11 there are only whole milliseconds.
            Err(Errno::NOSYS) => {
                let millis = patience.as_millis().min(1_000) as i64;
                let timeout = Timespec { tv_sec: 0, tv_nsec: millis * 1_000_000 };
                let buffer = rustix::buffer::spare_capacity(&mut self.events);
                epoll::wait(&self.epoll, buffer, Some(&timeout))?;
            }
            Err(error) => return Err(error.into()),
        }
        Ok(self.events.iter().map(|event| {
            use epoll::EventFlags as Flags;
            let flags = event.flags;
            let broken = flags.intersects(Flags::ERR | Flags::HUP);
            Ready {
                token: event.data.u64(),
                readable: broken || flags.intersects(Flags::IN | Flags::RDHUP),
                writable: broken || flags.contains(Flags::OUT),
            }
        }))
    }
}

impl Socket {
    /// Begins to connect, with Nagle's delay off. The first `writable` tells that it is over;
    /// [`Socket::connected`] then says how it went.
    ///
    /// # Errors
    /// Those of `socket(2)` and `connect(2)` that are known at once.
    pub fn connect(address: SocketAddr) -> io::Result<Self> {
        let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let socket = net::socket_with(family, SocketType::STREAM, flags, None)?;
        net::sockopt::set_tcp_nodelay(&socket, true)?;
        match net::connect(&socket, &address) {
            Ok(()) | Err(Errno::INPROGRESS) => Ok(Self(socket)),
            Err(error) => Err(error.into()),
        }
    }

    /// How connecting ended.
    ///
    /// # Errors
    /// Those of `connect(2)`.
    pub fn connected(&self) -> io::Result<()> {
        Ok(net::sockopt::socket_error(&self.0)??)
    }

    /// Reads what is there; 0 is the end. Fewer bytes than `buffer` holds: there was no more, and
    /// the next event tells when there is.
    ///
    /// # Errors
    /// `WouldBlock` when there is nothing, and those of `recv(2)`.
    #[inline]
    pub fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match net::recv(&self.0, &mut *buffer, RecvFlags::empty()) {
                Ok((bytes, _)) => return Ok(bytes),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Writes what the kernel takes.
    ///
    /// # Errors
    /// `WouldBlock` when it takes nothing, and those of `send(2)`.
    #[inline]
    pub fn write(&self, buffer: &[u8]) -> io::Result<usize> {
        loop {
            match net::send(&self.0, buffer, SendFlags::NOSIGNAL) {
                Ok(bytes) => return Ok(bytes),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;

    use super::*;

    /// Longer than any healthy machine needs; a bound for failing, not a measure.
    const PATIENCE: Duration = Duration::from_secs(10);

    fn wait_for(poller: &mut Poller, wanted: impl Fn(&Ready) -> bool) {
        let start = crate::clock::now();
        while crate::clock::now() - start < PATIENCE {
            if poller.wait(Duration::from_millis(100)).unwrap().any(|ready| wanted(&ready)) {
                return;
            }
        }
        panic!("no such event");
    }

    #[test]
    fn a_socket_connects_writes_reads_and_sees_the_end() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let socket = Socket::connect(listener.local_addr().unwrap()).unwrap();
        let mut poller = Poller::new().unwrap();
        poller.add(&socket, 7).unwrap();
        wait_for(&mut poller, |ready| ready.token == 7 && ready.writable);
        socket.connected().unwrap();
        assert_eq!(socket.write(b"ping").unwrap(), 4);
        let (mut peer, _) = listener.accept().unwrap();
        let mut four = [0; 4];
        peer.read_exact(&mut four).unwrap();
        peer.write_all(b"pong!").unwrap();
        drop(peer);
        let mut buffer = [0; 16];
        let mut got = Vec::new();
        while got.len() < 5 {
            wait_for(&mut poller, |ready| ready.readable);
            let bytes = socket.read(&mut buffer).unwrap();
            got.extend_from_slice(&buffer[..bytes]);
        }
        assert_eq!(got, b"pong!");
        if let Err(error) = socket.read(&mut buffer).map(|bytes| assert_eq!(bytes, 0)) {
            assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
            wait_for(&mut poller, |ready| ready.readable);
            assert_eq!(socket.read(&mut buffer).unwrap(), 0);
        }
    }

    #[test]
    fn a_refused_connection_says_so() {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let outcome = Socket::connect(address).and_then(|socket| {
            let mut poller = Poller::new()?;
            poller.add(&socket, 1)?;
            wait_for(&mut poller, |ready| ready.writable);
            socket.connected()
        });
        assert_eq!(outcome.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
    }

    #[test]
    fn a_wait_without_events_ends() {
        let mut poller = Poller::new().unwrap();
        assert_eq!(poller.wait(Duration::from_micros(300)).unwrap().count(), 0);
    }
}
