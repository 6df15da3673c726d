//! What a connection needs while it works, lent by its core and given back while it idles.
//!
//! Ten thousand idle connections then cost ten thousand small tasks, not ten thousand buffers.

use std::cell::{Cell, RefCell};

use http1::{RequestHead, ResponseHead};

use crate::buffer::{BUFFER_BYTES, Buffer};

/// Buffers for long bodies: fewer system calls per byte, still within a core's second-level cache.
pub(crate) const STREAM_BUFFER_BYTES: usize = 64 * 1024;

/// Spares of a kind that a core keeps. One that is not kept must be zeroed again for the next
/// request, so the bound is above what a busy core has under way at once; what a quieter one does
/// not need is let go of by [`Workspaces::trim`].
const SPARE_MAX: usize = 1024;

/// What part of the spares that nobody needed goes at each trimming.
const TRIM_DIVISOR: usize = 16;

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
    workspaces: Spares<Box<Workspace>>,
    replies: Spares<Box<Reply>>,
    streams: Spares<Buffer>,
}

/// Spares of one kind; the one used last is the next to be used.
struct Spares<T> {
    items: RefCell<Vec<T>>,
    /// The fewest that there were since the last trimming: so many nobody needed.
    unneeded: Cell<usize>,
}

impl Workspaces {
    pub(crate) fn take(&self) -> Box<Workspace> {
        self.workspaces.take().unwrap_or_else(|| {
            Box::new(Workspace {
                client: Buffer::new(BUFFER_BYTES),
                request: RequestHead::new(),
                to_upstream: Vec::with_capacity(2048),
            })
        })
    }

    /// Takes a workspace back; what it holds is forgotten.
    pub(crate) fn give(&self, mut workspace: Box<Workspace>) {
        // One that a large message has grown is not kept: it would never shrink again.
        let is_small = workspace.client.capacity() <= BUFFER_BYTES
            && workspace.to_upstream.capacity() <= 2 * BUFFER_BYTES;
        if is_small {
            workspace.client.clear();
            workspace.request.reset();
            workspace.to_upstream.clear();
            self.workspaces.give(workspace);
        }
    }

    pub(crate) fn take_reply(&self) -> Box<Reply> {
        self.replies.take().unwrap_or_else(|| {
            Box::new(Reply {
                upstream: Buffer::new(BUFFER_BYTES),
                response: ResponseHead::new(),
                to_client: Vec::with_capacity(4096),
            })
        })
    }

    /// As [`Self::give`].
    pub(crate) fn give_reply(&self, mut reply: Box<Reply>) {
        let is_small = reply.upstream.capacity() <= BUFFER_BYTES
            && reply.to_client.capacity() <= 2 * BUFFER_BYTES;
        if is_small {
            reply.upstream.clear();
            reply.response.reset();
            reply.to_client.clear();
            self.replies.give(reply);
        }
    }

    /// A buffer for a long body.
    pub(crate) fn take_stream(&self) -> Buffer {
        self.streams.take().unwrap_or_else(|| Buffer::new(STREAM_BUFFER_BYTES))
    }

    pub(crate) fn give_stream(&self, mut buffer: Buffer) {
        if buffer.capacity() == STREAM_BUFFER_BYTES {
            buffer.clear();
            self.streams.give(buffer);
        }
    }

    /// Frees a part of what nobody has needed since the last call. Called on every beat.
    pub(crate) fn trim(&self) {
        self.workspaces.trim();
        self.replies.trim();
        self.streams.trim();
    }
}

impl<T> Spares<T> {
    fn take(&self) -> Option<T> {
        let mut items = self.items.borrow_mut();
        let item = items.pop();
        self.unneeded.set(self.unneeded.get().min(items.len()));
        item
    }

    fn give(&self, item: T) {
        let mut items = self.items.borrow_mut();
        if items.len() < SPARE_MAX {
            items.push(item);
        }
    }

    fn trim(&self) {
        let mut items = self.items.borrow_mut();
        // A part only, so that a pause of one beat does not cost everything; rounded up, so that
        // after a while of rest nothing is left.
        let surplus = self.unneeded.get().div_ceil(TRIM_DIVISOR);
        let kept = items.len().saturating_sub(surplus);
        items.truncate(kept);
        self.unneeded.set(kept);
    }
}

impl<T> Default for Spares<T> {
    fn default() -> Self {
        Self { items: RefCell::default(), unneeded: Cell::new(0) }
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
        assert!(workspaces.workspaces.items.borrow().is_empty());
    }

    #[test]
    fn what_is_needed_stays_and_the_rest_goes_in_time() {
        let spares = Spares::default();
        (0..=SPARE_MAX).for_each(|item| spares.give(item));
        assert_eq!(spares.items.borrow().len(), SPARE_MAX, "the limit holds, limit + 1 does not");
        spares.trim();
        // Two are in use at a time.
        for _ in 0..1000 {
            let used = [spares.take(), spares.take()];
            used.into_iter().flatten().for_each(|item| spares.give(item));
            spares.trim();
        }
        assert_eq!(spares.items.borrow().len(), 2);
        spares.trim();
        spares.trim();
        spares.trim();
        assert!(spares.items.borrow().is_empty());
    }
}
