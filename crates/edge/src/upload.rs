//! The rest of a request's body, from the client to the endpoint.

use std::cell::Cell;

use http1::{BodyLength, Limits, Malformed, RequestHead};
use runtime::net::TcpStream;

use crate::buffer::Buffer;
use crate::reframe::{Framing, Reframer};
use crate::wire::{Stop, Wire};

/// A request's body, partly sent.
pub(crate) struct Upload {
    pub(crate) body: Reframer,
    /// Content beyond this is refused.
    pub(crate) content_bytes_max: u64,
}

/// What the two directions of an exchange tell each other.
#[derive(Default)]
pub(crate) struct Signs {
    /// The request is sent completely.
    pub(crate) is_sent: Cell<bool>,
    /// The head of the final answer is here.
    pub(crate) is_answered: Cell<bool>,
    /// The client waits for `100 Continue` before it sends anything.
    pub(crate) awaits_continue: Cell<bool>,
}

impl Signs {
    /// Whether it is up to the client alone that its body comes. It is not while it waits for a
    /// 100; and once the answer runs, the two may be talking at their own pace.
    pub(crate) fn is_clients_turn(&self) -> bool {
        !self.awaits_continue.get() && !self.is_answered.get()
    }
}

impl Upload {
    /// The body of `request`, none of it sent.
    pub(crate) fn new(request: &RequestHead, limits: &Limits, content_bytes_max: u64) -> Self {
        let framing = match request.body {
            BodyLength::Chunked => Framing::Chunked,
            BodyLength::None | BodyLength::Length(_) | BodyLength::UntilClose => Framing::Raw,
        };
        Self { body: Reframer::new(request.body, limits, framing, true), content_bytes_max }
    }

    /// Takes what of the body lies in `input`, appends what is to be sent to `out`; returns the
    /// bytes taken.
    pub(crate) fn step(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<usize, Stop> {
        let taken = self.body.step(input, out).map_err(Stop::ClientMalformed)?;
        self.check()?;
        Ok(taken)
    }

    /// Streams the rest. `buffer` holds what was read and not sent; what it holds at the end
    /// belongs to the next request.
    pub(crate) async fn run(
        &mut self,
        wire: &Wire<'_>,
        upstream: &TcpStream,
        buffer: &mut Buffer,
        signs: &Signs,
    ) -> Result<(), Stop> {
        let mut out = Vec::new();
        let mut written = 0;
        loop {
            match self.body.pass(buffer.filled()).map_err(Stop::ClientMalformed)? {
                Some(bytes) => {
                    self.check()?;
                    let content = buffer.filled().get(..bytes).unwrap_or_default();
                    wire.watch.body_paused();
                    wire.write_upstream(upstream, content, &mut written).await?;
                    buffer.consume(bytes);
                }
                None => {
                    let taken = self.step(buffer.filled(), &mut out)?;
                    buffer.consume(taken);
                    if !out.is_empty() {
                        wire.watch.body_paused();
                        wire.write_upstream(upstream, &out, &mut written).await?;
                        out.clear();
                    }
                }
            }
            if self.body.is_over() {
                break;
            }
            if !buffer.make_room(buffer.capacity()) {
                // A size line or trailer longer than the buffer; the decoder's limits are lower.
                return Err(Stop::ClientMalformed(TOO_LONG));
            }
            if signs.is_clients_turn() {
                wire.watch.reading_body();
            }
            let bytes = wire.read_client(buffer).await?;
            wire.watch.body_came(bytes);
        }
        signs.is_sent.set(true);
        wire.watch_client();
        if signs.is_answered.get() {
            wire.watch.streaming()
        } else {
            wire.watch.awaiting_head()
        }
        Ok(())
    }

    fn check(&self) -> Result<(), Stop> {
        if self.body.content_bytes() > self.content_bytes_max {
            Err(Stop::TooLarge)
        } else {
            Ok(())
        }
    }
}

const TOO_LONG: Malformed =
    Malformed { status: 400, reason: "a line in the body's framing is too long", at: 0 };
