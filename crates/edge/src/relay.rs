//! The answer, from the endpoint to the client: heads, interim heads, body.

use http1::{BodyLength, Known, Limits, Method, Progress, ResponseHead, Version, encode};
use runtime::net::TcpStream;

use crate::buffer::{BUFFER_BYTES, Buffer};
use crate::core::Core;
use crate::reframe::{Framing, Reframer};
use crate::upload::Signs;
use crate::wire::{Stop, Wire};
use crate::workspace::Reply;

/// Longest head of an answer; endpoints may send more than clients (cookies, policies).
pub(crate) const RESPONSE_HEAD_BYTES_MAX: u32 = 64 * 1024;

/// Interim answers (1xx) before the final one; more is a broken endpoint.
const INTERIM_COUNT_MAX: u32 = 16;

/// Bodies up to this size are copied behind their head and written in one plain call, which costs
/// less than a gathering one.
const COPY_BYTES_MAX: usize = 4 * 1024;

/// What of the request decides the form of its answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    pub(crate) method: Method,
    pub(crate) version: Version,
    /// The client wants to go on.
    pub(crate) keep_alive: bool,
    pub(crate) te_trailers: bool,
    pub(crate) expect_continue: bool,
    pub(crate) upgrade: bool,
}

/// How far an answer came.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Relayed {
    /// A byte of the answer has come from the endpoint.
    pub(crate) has_begun: bool,
    /// Of the final answer; 0: its head was not complete.
    pub(crate) status: u16,
    /// The client was sent (some of) the final head: no other answer is possible any more.
    pub(crate) is_committed: bool,
    /// Content bytes passed on.
    pub(crate) content_bytes: u64,
    /// The endpoint's connection can carry another request.
    pub(crate) upstream_reusable: bool,
    /// The client was told that its connection stays open.
    pub(crate) client_reusable: bool,
    /// The body can only be told to be incomplete by resetting the connection.
    pub(crate) ends_with_close: bool,
    /// It was a real 101: both sides leave HTTP.
    pub(crate) is_upgraded: bool,
}

/// An answer on its way.
pub(crate) struct Relay<'a> {
    pub(crate) wire: &'a Wire<'a>,
    pub(crate) upstream: &'a TcpStream,
    pub(crate) asked: Asked,
    pub(crate) signs: &'a Signs,
    pub(crate) core: &'a Core,
    pub(crate) relayed: Relayed,
    /// After an upgrade: bytes that came behind its head.
    pub(crate) early: Vec<u8>,
}

impl Relay<'_> {
    /// Reads the answer and passes it on to its end. Whatever happens, `self.relayed` says how
    /// far it came.
    pub(crate) async fn run(&mut self) -> Result<(), Stop> {
        self.wire.wait_upstream(self.upstream).await?;
        let mut reply = self.core.workspaces.take_reply();
        let outcome = self.pass(&mut reply).await;
        self.core.workspaces.give_reply(reply);
        outcome
    }

    async fn pass(&mut self, reply: &mut Reply) -> Result<(), Stop> {
        let Reply { upstream: buffer, response: head, to_client: out } = reply;
        self.read_head(buffer, head, out).await?;
        self.relayed.status = head.status;
        self.signs.is_answered.set(true);
        self.wire.watch.body_paused();
        if self.signs.is_sent.get() {
            self.wire.watch.streaming();
        }
        let framing = self.write_head(buffer.filled(), head, out);
        buffer.consume(head.bytes as usize);
        if head.upgraded {
            self.relayed.is_committed = true;
            self.relayed.is_upgraded = true;
            self.early.extend_from_slice(buffer.filled());
            return self.wire.write_client(out).await;
        }
        let limits = response_limits();
        let mut body = Reframer::new(head.body, &limits, framing, self.asked.te_trailers);
        let outcome = self.pass_body(&mut body, buffer, out).await;
        self.relayed.content_bytes = body.content_bytes();
        outcome?;
        // Bytes behind the answer belong to nobody: such a connection is not used again.
        self.relayed.upstream_reusable = head.keep_alive && buffer.is_empty();
        Ok(())
    }

    /// Reads up to the final head, passing interim ones on.
    async fn read_head(
        &mut self,
        buffer: &mut Buffer,
        head: &mut ResponseHead,
        out: &mut Vec<u8>,
    ) -> Result<(), Stop> {
        let limits = response_limits();
        let mut interim_count = 0;
        loop {
            let bytes = self.wire.read_upstream(self.upstream, buffer).await?;
            if bytes == 0 {
                return Err(Stop::UpstreamLost);
            }
            self.relayed.has_begun = true;
            loop {
                match head.parse(buffer.filled(), self.asked.method, &limits) {
                    Ok(Progress::Partial) => break,
                    Ok(Progress::Complete) if !head.is_interim() => return self.check(head),
                    Ok(Progress::Complete) => {
                        interim_count += 1;
                        if interim_count > INTERIM_COUNT_MAX {
                            return Err(Stop::UpstreamMalformed("too many interim answers"));
                        }
                        self.pass_interim(buffer.filled(), head, out).await?;
                        buffer.consume(head.bytes as usize);
                    }
                    Err(malformed) => return Err(Stop::UpstreamMalformed(malformed.reason)),
                }
            }
            if !buffer.make_room(RESPONSE_HEAD_BYTES_MAX as usize) {
                return Err(Stop::UpstreamMalformed("the answer's head is too long"));
            }
        }
    }

    fn check(&self, head: &ResponseHead) -> Result<(), Stop> {
        if head.upgraded && !self.asked.upgrade {
            return Err(Stop::UpstreamMalformed("101 to a request that asked for no upgrade"));
        }
        Ok(())
    }

    async fn pass_interim(
        &self,
        buffer: &[u8],
        head: &ResponseHead,
        out: &mut Vec<u8>,
    ) -> Result<(), Stop> {
        // HTTP/1.0 knows no interim answers, and 100 only answers an expectation.
        let is_wanted = self.asked.version == Version::Http11
            && (head.status != 100 || self.asked.expect_continue);
        if !is_wanted {
            return Ok(());
        }
        out.clear();
        encode::status_line(out, head.status, head.reason.of(buffer));
        encode::fields(out, buffer, &head.fields, |field| !field.hop_by_hop);
        out.extend_from_slice(encode::HEAD_END);
        self.wire.write_client(out).await?;
        out.clear();
        if head.status == 100 && self.signs.awaits_continue.replace(false) {
            self.wire.watch.reading_body();
        }
        Ok(())
    }

    /// Appends the head that the client gets to `out`, and decides how its body is framed.
    fn write_head(&mut self, buffer: &[u8], head: &ResponseHead, out: &mut Vec<u8>) -> Framing {
        out.clear();
        let is_11 = self.asked.version == Version::Http11;
        let is_counted = matches!(head.body, BodyLength::None | BodyLength::Length(_));
        let framing = if is_counted || !is_11 { Framing::Raw } else { Framing::Chunked };
        self.relayed.ends_with_close = !is_counted && !is_11;
        // While the request is still being sent, its end may never come.
        self.relayed.client_reusable = self.asked.keep_alive
            && self.signs.is_sent.get()
            && !self.relayed.ends_with_close
            && !self.core.is_draining.get();
        encode::status_line(out, head.status, head.reason.of(buffer));
        encode::fields(out, buffer, &head.fields, |field| {
            !field.hop_by_hop && (field.known != Known::Trailer || self.asked.te_trailers)
        });
        if framing == Framing::Chunked {
            encode::field(out, b"Transfer-Encoding", b"chunked");
        }
        if head.upgraded {
            encode::field(out, b"Connection", b"Upgrade");
            if let Some(upgrade) = head.field(Known::Upgrade) {
                encode::field(out, b"Upgrade", upgrade.value.of(buffer));
            }
        } else if !self.relayed.client_reusable {
            encode::field(out, b"Connection", b"close");
        } else if !is_11 {
            encode::field(out, b"Connection", b"keep-alive");
        }
        out.extend_from_slice(encode::HEAD_END);
        framing
    }

    /// Writes `out` (the head) and the body behind it.
    async fn pass_body(
        &mut self,
        body: &mut Reframer,
        buffer: &mut Buffer,
        out: &mut Vec<u8>,
    ) -> Result<(), Stop> {
        let mut stream: Option<Buffer> = None;
        let outcome = loop {
            let input = stream.as_mut().unwrap_or(&mut *buffer);
            let step = self.pass_once(body, input, out).await;
            if step.is_err() || body.is_over() {
                break step;
            }
            if stream.is_none() && body.certain_bytes() > BUFFER_BYTES as u64 && buffer.is_empty() {
                stream = Some(self.core.workspaces.take_stream());
            }
            let input = stream.as_mut().unwrap_or(&mut *buffer);
            if !input.make_room(input.capacity()) {
                break Err(Stop::UpstreamMalformed("a line in the body's framing is too long"));
            }
            match self.wire.read_upstream(self.upstream, input).await {
                Ok(0) if body.close(out) => break self.wire.write_client(out).await,
                Ok(0) => break Err(Stop::UpstreamLost),
                Ok(_) => {}
                Err(stop) => break Err(stop),
            }
        };
        if let Some(stream) = stream {
            // What is left in it lies behind the answer: put where the caller sees it.
            buffer.append(stream.filled().get(..1).unwrap_or_default());
            self.core.workspaces.give_stream(stream);
        }
        outcome
    }

    /// Writes `out` and what of the body is at hand; leaves `out` empty.
    async fn pass_once(
        &mut self,
        body: &mut Reframer,
        input: &mut Buffer,
        out: &mut Vec<u8>,
    ) -> Result<(), Stop> {
        let broken = |_| Stop::UpstreamMalformed("the answer's body is framed wrongly");
        let is_short = !out.is_empty() && input.len() <= COPY_BYTES_MAX;
        let direct = if is_short { None } else { body.pass(input.filled()).map_err(broken)? };
        match direct {
            Some(bytes) => {
                self.relayed.is_committed = true;
                let content = input.filled().get(..bytes).unwrap_or_default();
                if out.is_empty() {
                    self.wire.write_client(content).await?;
                } else {
                    self.wire.write_client_both(out, content).await?;
                }
                input.consume(bytes);
            }
            None => {
                let taken = body.step(input.filled(), out).map_err(broken)?;
                input.consume(taken);
                self.relayed.is_committed |= !out.is_empty();
                self.wire.write_client(out).await?;
            }
        }
        out.clear();
        Ok(())
    }
}

/// What endpoints may send; they are trusted with larger heads, not with endless ones.
pub(crate) fn response_limits() -> Limits {
    Limits {
        head_bytes_max: RESPONSE_HEAD_BYTES_MAX,
        field_count_max: http1::FIELD_COUNT_CEILING,
        ..Limits::default()
    }
}
