//! After a real 101: bytes both ways, unread, until both sides are done.

use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use runtime::deadline::Deadline;
use runtime::net::TcpStream;

use crate::buffer::Buffer;
use crate::workspace::Workspaces;

/// One side's bytes to the other. The buffer is held only while it has something in it.
struct Flow {
    buffer: Option<Buffer>,
    state: State,
    bytes: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// The sender has closed; what is left is passed on first.
    Ending,
    Done,
}

/// Bytes that a tunnel carried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Carried {
    /// From the client.
    pub(crate) up: u64,
    /// To the client.
    pub(crate) down: u64,
}

/// Copies until both sides have closed, one failed, or nothing moved for `idle` (zero: no limit).
///
/// `early_up` and `early_down` are bytes that were read together with the heads.
pub(crate) async fn run(
    client: &TcpStream,
    upstream: &TcpStream,
    early: (&[u8], &[u8]),
    deadline: &Deadline,
    idle: Duration,
    workspaces: &Workspaces,
) -> Carried {
    let mut up = Flow::new(early.0, workspaces);
    let mut down = Flow::new(early.1, workspaces);
    let touch = || if idle.is_zero() { deadline.clear() } else { deadline.set(idle) };
    touch();
    poll_fn(|cx| {
        let before = up.bytes + down.bytes;
        let ups = up.poll(cx, client, upstream, workspaces);
        let downs = down.poll(cx, upstream, client, workspaces);
        if matches!(ups, Poll::Ready(Err(_))) || matches!(downs, Poll::Ready(Err(_))) {
            return Poll::Ready(());
        }
        if ups.is_ready() && downs.is_ready() {
            return Poll::Ready(());
        }
        if up.bytes + down.bytes != before {
            touch();
        }
        deadline.poll_expired(cx)
    })
    .await;
    let carried = Carried { up: up.bytes, down: down.bytes };
    for buffer in [up.buffer, down.buffer].into_iter().flatten() {
        workspaces.give_stream(buffer);
    }
    carried
}

impl Flow {
    fn new(early: &[u8], workspaces: &Workspaces) -> Self {
        let buffer = (!early.is_empty()).then(|| {
            let mut buffer = workspaces.take_stream();
            buffer.append(early);
            buffer
        });
        Self { buffer, state: State::Open, bytes: 0 }
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        from: &TcpStream,
        to: &TcpStream,
        workspaces: &Workspaces,
    ) -> Poll<io::Result<()>> {
        loop {
            if self.state == State::Done {
                return Poll::Ready(Ok(()));
            }
            if let Some(buffer) = &mut self.buffer {
                while !buffer.is_empty() {
                    let bytes = ready!(to.poll_write(cx, buffer.filled()))?;
                    buffer.consume(bytes);
                    self.bytes += bytes as u64;
                }
            }
            if self.state == State::Ending {
                // A side that is gone already cannot be told; its other direction says so.
                let _ = to.shutdown_write();
                self.state = State::Done;
                continue;
            }
            if from.poll_readable(cx)?.is_pending() {
                if let Some(buffer) = self.buffer.take() {
                    workspaces.give_stream(buffer);
                }
                return Poll::Pending;
            }
            let buffer = self.buffer.get_or_insert_with(|| workspaces.take_stream());
            let bytes = ready!(from.poll_read(cx, buffer.spare()))?;
            buffer.fill(bytes);
            if bytes == 0 {
                self.state = State::Ending;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use runtime::control::block_on;
    use runtime::deadline::Deadlines;
    use runtime::net::Listener;
    use runtime::task::spawn_local;

    use super::*;

    async fn pair() -> (TcpStream, TcpStream) {
        let listener = Listener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        (near, listener.accept().await.unwrap().0)
    }

    async fn read_all(stream: &TcpStream) -> Vec<u8> {
        let (mut all, mut buffer) = (Vec::new(), [0; 1024]);
        loop {
            let bytes = stream.read(&mut buffer).await.unwrap();
            if bytes == 0 {
                return all;
            }
            all.extend_from_slice(&buffer[..bytes]);
        }
    }

    #[test]
    fn a_half_closed_side_still_gets_the_rest() {
        block_on(async {
            let ((client, proxy_client), (proxy_upstream, server)) = (pair().await, pair().await);
            let tunnel = spawn_local(async move {
                let deadline = Deadlines::new().enter();
                let early = (&b"early "[..], &b""[..]);
                let spaces = Workspaces::default();
                let idle = Duration::ZERO;
                run(&proxy_client, &proxy_upstream, early, &deadline, idle, &spaces).await
            });
            client.write_all(b"up").await.unwrap();
            client.shutdown_write().unwrap();
            assert_eq!(read_all(&server).await, b"early up");
            server.write_all(b"down").await.unwrap();
            drop(server);
            assert_eq!(read_all(&client).await, b"down");
            assert_eq!(tunnel.await, Some(Carried { up: 8, down: 4 }));
        })
        .unwrap();
    }
}
