//! A TCP stream that is read and written through a shared reference, one system call each.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::task::{Context, Poll, ready};

use rustix::net::{RecvFlags, SendFlags};
use tokio::io::Interest;

/// A connected TCP stream on this thread's reactor.
///
/// Reading and writing take `&self`, so that one task can do both at once without a lock or a
/// split. After a short read the stream is known to be empty and the reactor is waited for,
/// instead of asking the kernel again: with edge-triggered readiness that second call would
/// answer "not yet" every time.
pub struct TcpStream(tokio::net::TcpStream);

impl TcpStream {
    pub(super) fn from_tokio(stream: tokio::net::TcpStream) -> Self {
        Self(stream)
    }

    /// Connects to `address`, with Nagle's delay off.
    ///
    /// # Errors
    /// Those of `connect(2)`.
    pub async fn connect(address: SocketAddr) -> io::Result<Self> {
        let stream = tokio::net::TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self(stream))
    }

    /// The other side's address.
    ///
    /// # Errors
    /// When the connection is gone.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.0.peer_addr()
    }

    /// Our side's address.
    ///
    /// # Errors
    /// When the connection is gone.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }

    /// Reads into `buffer`; 0 is the end of what the peer sends (or an empty buffer).
    ///
    /// Only the last caller is woken, so one task at a time may read.
    pub fn poll_read(&self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let wanted = buffer.len();
        if wanted == 0 {
            return Poll::Ready(Ok(0));
        }
        loop {
            let mut short = None;
            let mut was_tried = false;
            let outcome = self.0.try_io(Interest::READABLE, || {
                was_tried = true;
                let (bytes, _) = rustix::net::recv(&self.0, &mut *buffer, RecvFlags::empty())?;
                if bytes > 0 && bytes < wanted {
                    // Tells the reactor to forget the readiness that we know to be spent. It
                    // keeps "closed" in mind, so an end that came along is not lost.
                    short = Some(bytes);
                    return Err(io::ErrorKind::WouldBlock.into());
                }
                Ok(bytes)
            });
            if let Some(bytes) = short {
                return Poll::Ready(Ok(bytes));
            }
            match outcome {
                Err(error) if again(&error) => {}
                outcome => return Poll::Ready(outcome),
            }
            // Only now: asking the reactor costs as much as the rest of this function, and mostly
            // we were woken because there is something to read. Writing asks first every time,
            // and takes tokio's turn-taking into account, so no pair of busy peers holds a core.
            if !was_tried {
                ready!(self.0.poll_read_ready(cx))?;
            }
        }
    }

    /// Whether a read would find something: bytes, the end, or an error. No system call.
    pub fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_read_ready(cx)
    }

    /// Looks at what could be read without taking it; 0 is the end.
    pub fn poll_peek(&self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.0.poll_read_ready(cx))?;
            let outcome = self.0.try_io(Interest::READABLE, || {
                Ok(rustix::net::recv(&self.0, &mut *buffer, RecvFlags::PEEK)?.0)
            });
            match outcome {
                Err(error) if again(&error) => {}
                outcome => return Poll::Ready(outcome),
            }
        }
    }

    /// Writes what the kernel takes of `buffer`.
    pub fn poll_write(&self, cx: &mut Context<'_>, buffer: &[u8]) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.0.poll_write_ready(cx))?;
            let outcome = self.0.try_io(Interest::WRITABLE, || {
                Ok(rustix::net::send(&self.0, buffer, SendFlags::NOSIGNAL)?)
            });
            match outcome {
                Err(error) if again(&error) => {}
                outcome => return Poll::Ready(outcome),
            }
        }
    }

    /// Writes what the kernel takes of several buffers, in one call.
    pub fn poll_write_vectored(
        &self,
        cx: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.0.poll_write_ready(cx))?;
            let outcome =
                self.0.try_io(Interest::WRITABLE, || Ok(rustix::io::writev(&self.0, buffers)?));
            match outcome {
                Err(error) if again(&error) => {}
                outcome => return Poll::Ready(outcome),
            }
        }
    }

    /// Reads into `buffer`; see [`Self::poll_read`].
    ///
    /// # Errors
    /// Those of `recv(2)`.
    pub async fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        poll_fn(|cx| self.poll_read(cx, buffer)).await
    }

    /// Writes all of `buffer`.
    ///
    /// # Errors
    /// Those of `send(2)`; how much was written by then is not known.
    pub async fn write_all(&self, mut buffer: &[u8]) -> io::Result<()> {
        while !buffer.is_empty() {
            let bytes = poll_fn(|cx| self.poll_write(cx, buffer)).await?;
            buffer = buffer.get(bytes..).unwrap_or_default();
        }
        Ok(())
    }

    /// Whether this idle stream can still be used: open, and nothing unread waits in it.
    ///
    /// Asks the reactor, which knows what the last turn of the loop brought; one system call only
    /// when it has seen something.
    pub fn is_quiet(&self) -> bool {
        // Without readiness the closure is not called.
        let outcome = self.0.try_io(Interest::READABLE, || {
            if self.is_quiet_now() { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(()) }
        });
        matches!(outcome, Err(error) if again(&error))
    }

    /// As [`Self::is_quiet`], but asks the kernel always: one system call.
    pub fn is_quiet_now(&self) -> bool {
        let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
        // By hand and not through the reactor, whose knowledge may be a turn of the loop old.
        match rustix::net::recv(&self.0, &mut [0_u8; 1][..], flags) {
            Ok(_) => false,
            Err(error) => error == rustix::io::Errno::AGAIN,
        }
    }

    /// Tells the peer that we shall send no more; reading goes on.
    ///
    /// # Errors
    /// When the connection is gone.
    pub fn shutdown_write(&self) -> io::Result<()> {
        Ok(rustix::net::shutdown(&self.0, rustix::net::Shutdown::Write)?)
    }

    /// Makes closing this stream a reset: the peer sees an error instead of an end.
    pub fn reset_on_close(&self) {
        // Best effort: without it the peer sees an early end, which HTTP notices too.
        let _ = socket2::SockRef::from(&self.0).set_linger(Some(std::time::Duration::ZERO));
    }
}

fn again(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::block_on;
    use crate::net::Listener;

    async fn pair() -> (TcpStream, TcpStream) {
        let listener = Listener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.local_addr().unwrap();
        let (near, far) = tokio::join!(TcpStream::connect(address), listener.accept());
        (near.unwrap(), far.unwrap().0)
    }

    #[test]
    fn an_end_that_comes_with_the_last_bytes_is_not_lost() {
        block_on(async {
            let (near, far) = pair().await;
            far.write_all(b"bye").await.unwrap();
            drop(far);
            let mut buffer = [0; 16];
            let first = near.read(&mut buffer).await.unwrap();
            assert_eq!(&buffer[..first], b"bye");
            assert_eq!(near.read(&mut buffer).await.unwrap(), 0);
        })
        .unwrap();
    }

    #[test]
    fn a_full_buffer_is_followed_by_the_rest() {
        block_on(async {
            let (near, far) = pair().await;
            far.write_all(b"abcdef").await.unwrap();
            let mut buffer = [0; 4];
            let mut got = Vec::new();
            while got.len() < 6 {
                let bytes = near.read(&mut buffer).await.unwrap();
                got.extend_from_slice(&buffer[..bytes]);
            }
            assert_eq!(got, b"abcdef");
        })
        .unwrap();
    }

    #[test]
    fn a_stream_is_quiet_until_bytes_or_the_end_arrive() {
        block_on(async {
            let (near, far) = pair().await;
            assert!(near.is_quiet() && near.is_quiet_now());
            far.write_all(b"?").await.unwrap();
            poll_fn(|cx| near.poll_readable(cx)).await.unwrap();
            assert!(!near.is_quiet() && !near.is_quiet_now());
            let (near, far) = pair().await;
            drop(far);
            poll_fn(|cx| near.poll_readable(cx)).await.unwrap();
            assert!(!near.is_quiet());
        })
        .unwrap();
    }
}
