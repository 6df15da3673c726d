//! What a connection needs while it works, lent by its core and given back while it idles.
//!
//! Ten thousand idle connections then cost ten thousand small tasks, not ten thousand buffers.

use std::cell::RefCell;

use http1::{RequestHead, ResponseHead};

use crate::buffer::{BUFFER_BYTES, Buffer};

/// Buffers for long bodies: fewer system calls per byte, still within a core's second-level cache.
pub(crate) const STREAM_BUFFER_BYTES: usize = 64 * 1024;

/// Workspaces and stream buffers that a core keeps for reuse.
const SPARE_MAX: usize = 128;

/// The request's half of an exchange, held from its first byte to the answer's last.
pub(crate) struct Workspace {
    /// What the client sent: the head stays in front as long as the exchange lasts.
    pub(crate) client: Buffer,
    pub(crate) request: RequestHead,
    /// Bytes on their way to the endpoint: head and what of the body is at hand.
    pub(crate) to_upstream: Vec<u8>,
}

/// The answer's half, held only from its first byte on. Most answers come whole, so one or two of
/// these serve a core's many waiting connections, and stay in its cache.
pub(crate) struct Reply {
    /// What the endpoint sent.
    pub(crate) upstream: Buffer,
    pub(crate) response: ResponseHead,
    /// Bytes on their way to the client.
    pub(crate) to_client: Vec<u8>,
}

/// A core's spare storage.
#[derive(Default)]
pub(crate) struct Workspaces {
    #[expect(clippy::vec_box, reason = "a workspace moves between here and tasks, by its pointer")]
    spare: RefCell<Vec<Box<Workspace>>>,
    #[expect(clippy::vec_box, reason = "as above")]
    replies: RefCell<Vec<Box<Reply>>>,
    streams: RefCell<Vec<Buffer>>,
}

impl Workspaces {
    pub(crate) fn take(&self) -> Box<Workspace> {
        self.spare.borrow_mut().pop().unwrap_or_else(|| {
            Box::new(Workspace {
                client: Buffer::new(BUFFER_BYTES),
                request: RequestHead::new(),
                to_upstream: Vec::with_capacity(2048),
            })
        })
    }

    /// Takes a workspace back; what it holds is forgotten.
    pub(crate) fn give(&self, mut workspace: Box<Workspace>) {
        let mut spare = self.spare.borrow_mut();
        // One that a large message has grown is not kept: it would never shrink again.
        let is_small = workspace.client.capacity() <= BUFFER_BYTES
            && workspace.to_upstream.capacity() <= 2 * BUFFER_BYTES;
        if is_small && spare.len() < SPARE_MAX {
            workspace.client.clear();
            workspace.request.reset();
            workspace.to_upstream.clear();
            spare.push(workspace);
        }
    }

    pub(crate) fn take_reply(&self) -> Box<Reply> {
        self.replies.borrow_mut().pop().unwrap_or_else(|| {
            Box::new(Reply {
                upstream: Buffer::new(BUFFER_BYTES),
                response: ResponseHead::new(),
                to_client: Vec::with_capacity(4096),
            })
        })
    }

    /// As [`Self::give`].
    pub(crate) fn give_reply(&self, mut reply: Box<Reply>) {
        let mut replies = self.replies.borrow_mut();
        let is_small = reply.upstream.capacity() <= BUFFER_BYTES
            && reply.to_client.capacity() <= 2 * BUFFER_BYTES;
        if is_small && replies.len() < SPARE_MAX {
            reply.upstream.clear();
            reply.response.reset();
            reply.to_client.clear();
            replies.push(reply);
        }
    }

    /// A buffer for a long body.
    pub(crate) fn take_stream(&self) -> Buffer {
        self.streams.borrow_mut().pop().unwrap_or_else(|| Buffer::new(STREAM_BUFFER_BYTES))
    }

    pub(crate) fn give_stream(&self, mut buffer: Buffer) {
        let mut streams = self.streams.borrow_mut();
        if buffer.capacity() == STREAM_BUFFER_BYTES && streams.len() < SPARE_MAX {
            buffer.clear();
            streams.push(buffer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grown_workspace_is_not_kept_and_a_small_one_comes_back_empty() {
        let workspaces = Workspaces::default();
        let mut small = workspaces.take();
        small.client.append(b"secret of another client");
        workspaces.give(small);
        assert!(workspaces.take().client.is_empty());
        let mut grown = workspaces.take();
        grown.client.append(&vec![0; BUFFER_BYTES + 1]);
        workspaces.give(grown);
        assert!(workspaces.spare.borrow().is_empty());
    }
}
