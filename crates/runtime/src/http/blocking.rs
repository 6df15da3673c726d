//! The client for code without a runtime, such as a command of the command line.

use std::io;

use bytes::Bytes;

use super::client::{Call, Client, ClientError, ClientLimits, Reply, ReplyStream};

/// A client that brings the runtime it needs and waits on the calling thread.
pub struct BlockingClient {
    client: Client,
    runtime: tokio::runtime::Runtime,
}

/// An answer whose body is still coming.
pub struct BlockingStream<'a> {
    /// Its status and fields.
    pub reply: ReplyStream,
    runtime: &'a tokio::runtime::Runtime,
}

impl BlockingClient {
    /// A client with these limits.
    ///
    /// # Errors
    /// When the system gives no file descriptors for it.
    pub fn new(limits: ClientLimits) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(Self { client: Client::new(limits), runtime })
    }

    /// [`Client::send`].
    ///
    /// # Errors
    /// As there.
    pub fn send(&self, call: &Call) -> Result<Reply, ClientError> {
        self.runtime.block_on(self.client.send(call))
    }

    /// [`Client::open`].
    ///
    /// # Errors
    /// As there.
    pub fn open(&self, call: &Call) -> Result<BlockingStream<'_>, ClientError> {
        let reply = self.runtime.block_on(self.client.open(call))?;
        Ok(BlockingStream { reply, runtime: &self.runtime })
    }
}

impl BlockingStream<'_> {
    /// [`ReplyStream::chunk`].
    ///
    /// # Errors
    /// As there.
    pub fn chunk(&mut self) -> Result<Option<Bytes>, ClientError> {
        self.runtime.block_on(self.reply.chunk())
    }
}
