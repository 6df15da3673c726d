//! Where a body's bytes are among the bytes of the connection (RFC 9112 §6, §7).

use crate::{BodyLength, Known, Limits, Malformed, Span, scan};

/// Longest chunk size, in hexadecimal digits. 16 digits fill a `u64`.
const CHUNK_SIZE_DIGITS_MAX: usize = 16;

/// Says of each stretch of input what it is; holds no bytes itself.
#[derive(Clone, Debug)]
pub struct BodyDecoder {
    state: State,
    extension_bytes_max: u32,
    trailer_bytes_left: u32,
    trailer_count_left: u16,
    /// Bytes of an unfinished line that hold no LF; looked at once, however they trickle in.
    searched: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Length(u64),
    ChunkSize,
    ChunkData(u64),
    ChunkEnd,
    Trailers,
    UntilClose,
    Done,
}

/// What the first bytes of the input are. The caller takes them off and asks again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Nothing to take yet: call again with the same bytes and more behind them.
    More,
    /// Chunk sizes and line ends: skip so many bytes.
    Framing {
        /// How many; never 0.
        bytes: usize,
    },
    /// Content: pass on so many bytes.
    Data {
        /// How many; never 0.
        bytes: usize,
    },
    /// One trailer field, spans into the input: pass it on or not, then skip so many bytes.
    Trailer {
        /// The whole line.
        bytes: usize,
        /// As written.
        name: Span,
        /// Without the white space around it.
        value: Span,
    },
    /// The body is over; what follows belongs to the next message.
    End,
}

impl BodyDecoder {
    /// A decoder for one body.
    pub fn new(length: BodyLength, limits: &Limits) -> Self {
        let state = match length {
            BodyLength::None | BodyLength::Length(0) => State::Done,
            BodyLength::Length(length) => State::Length(length),
            BodyLength::Chunked => State::ChunkSize,
            BodyLength::UntilClose => State::UntilClose,
        };
        Self {
            state,
            extension_bytes_max: limits.chunk_extension_bytes_max,
            trailer_bytes_left: limits.trailer_bytes_max,
            trailer_count_left: limits.field_count_max,
            searched: 0,
        }
    }

    /// Whether the body is over.
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Whether the body is complete if the connection closes now.
    pub fn may_close(&self) -> bool {
        matches!(self.state, State::Done | State::UntilClose)
    }

    /// Content bytes that are certain to follow: the rest of a counted body or of this chunk.
    pub fn certain_bytes(&self) -> u64 {
        match self.state {
            State::Length(left) | State::ChunkData(left) => left,
            State::ChunkSize
            | State::ChunkEnd
            | State::Trailers
            | State::UntilClose
            | State::Done => 0,
        }
    }

    /// What the first bytes of `input` are, and counts them as taken.
    ///
    /// `input` begins where the last piece ended. It may be longer than this message.
    ///
    /// # Errors
    /// When the framing is broken or beyond its limits. The connection must be closed.
    pub fn next(&mut self, input: &[u8]) -> Result<Piece, Malformed> {
        match self.state {
            State::Done => Ok(Piece::End),
            _ if input.is_empty() => Ok(Piece::More),
            State::UntilClose => Ok(Piece::Data { bytes: input.len() }),
            State::Length(left) => {
                let (bytes, left) = take(left, input);
                self.state = if left == 0 { State::Done } else { State::Length(left) };
                Ok(Piece::Data { bytes })
            }
            State::ChunkData(left) => {
                let (bytes, left) = take(left, input);
                self.state = if left == 0 { State::ChunkEnd } else { State::ChunkData(left) };
                Ok(Piece::Data { bytes })
            }
            State::ChunkEnd => self.chunk_end(input),
            State::ChunkSize => self.chunk_size(input, 0),
            State::Trailers => self.trailer(input),
        }
    }

    fn chunk_end(&mut self, input: &[u8]) -> Result<Piece, Malformed> {
        match input {
            [b'\r'] => Ok(Piece::More),
            [b'\r', b'\n', rest @ ..] => {
                self.state = State::ChunkSize;
                // The next size mostly came along: one piece for both.
                match self.chunk_size(rest, 2) {
                    Ok(Piece::More) => {
                        // What was seen of it is counted from its own start.
                        Ok(Piece::Framing { bytes: 2 })
                    }
                    other => other,
                }
            }
            _ => Err(Malformed::bad("a chunk is longer than its size", 0)),
        }
    }

    /// Reads a size line at the front of `input`, which stands `before` bytes after the caller's.
    fn chunk_size(&mut self, input: &[u8], before: usize) -> Result<Piece, Malformed> {
        let line_bytes_max = CHUNK_SIZE_DIGITS_MAX + self.extension_bytes_max as usize + 2;
        let Some(end) = self.line_end(input) else {
            // The line is at least one byte longer than what is here.
            return if input.len() >= line_bytes_max {
                Err(Malformed::bad("a chunk extension is too long", before as u32))
            } else {
                Ok(Piece::More)
            };
        };
        let line = input.get(..end).unwrap_or_default();
        let size = chunk_size(line, self.extension_bytes_max as usize)
            .map_err(|reason| Malformed::bad(reason, before as u32))?;
        self.state = if size == 0 { State::Trailers } else { State::ChunkData(size) };
        Ok(Piece::Framing { bytes: before + end })
    }

    fn trailer(&mut self, input: &[u8]) -> Result<Piece, Malformed> {
        let too_long = Malformed::new(431, "the trailers are too long", 0);
        let Some(end) = self.line_end(input) else {
            return if input.len() >= self.trailer_bytes_left.max(2) as usize {
                Err(too_long)
            } else {
                Ok(Piece::More)
            };
        };
        let line = input.get(..end).unwrap_or_default();
        if line == b"\r\n" {
            self.state = State::Done;
            return Ok(Piece::Framing { bytes: end });
        }
        self.trailer_bytes_left =
            self.trailer_bytes_left.checked_sub(end as u32).ok_or(too_long)?;
        self.trailer_count_left = self.trailer_count_left.checked_sub(1).ok_or(Malformed::new(
            431,
            "too many trailers",
            0,
        ))?;
        if !line.ends_with(b"\r\n") {
            return Err(Malformed::bad("a trailer ends in a bare LF", end as u32 - 1));
        }
        let (name, value) = scan::trailer(line)?;
        if Known::of(name.of(line)).is_forbidden_in_trailers() {
            return Err(Malformed::bad("a field that must not be a trailer", 0));
        }
        Ok(Piece::Trailer { bytes: end, name, value })
    }

    /// One past the LF of the line at the front of `input`.
    fn line_end(&mut self, input: &[u8]) -> Option<usize> {
        let fresh = input.get(self.searched..).unwrap_or_default();
        match memchr::memchr(b'\n', fresh) {
            Some(at) => {
                let end = self.searched + at + 1;
                self.searched = 0;
                Some(end)
            }
            None => {
                self.searched = input.len();
                None
            }
        }
    }
}

fn take(left: u64, input: &[u8]) -> (usize, u64) {
    let here = input.len() as u64;
    if left <= here { (left as usize, 0) } else { (input.len(), left - here) }
}

/// Reads `size [;extensions] CRLF` strictly (RFC 9112 §7.1), without the white space that some
/// parsers allow before the extension.
fn chunk_size(line: &[u8], extension_bytes_max: usize) -> Result<u64, &'static str> {
    let Some(text) = line.strip_suffix(b"\r\n") else {
        return Err("a chunk size ends in a bare LF");
    };
    let digit_count = text.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    if digit_count == 0 || digit_count > CHUNK_SIZE_DIGITS_MAX {
        return Err("an invalid chunk size");
    }
    let (digits, extension) = text.split_at_checked(digit_count).unwrap_or_default();
    match extension {
        [] => {}
        [b';', ..] if extension.len() > extension_bytes_max => {
            return Err("a chunk extension is too long");
        }
        [b';', rest @ ..] if rest.iter().all(|b| matches!(b, b'\t' | 0x20..=0x7E | 0x80..)) => {}
        [b';', ..] => return Err("an invalid character in a chunk extension"),
        _ => return Err("an invalid chunk size"),
    }
    let value = |byte: &u8| match byte {
        b'0'..=b'9' => byte - b'0',
        _ => (byte | 0x20) - b'a' + 10,
    };
    let size = digits.iter().fold(0_u64, |sum, byte| sum << 4 | u64::from(value(byte)));
    // As for Content-Length: nothing that a signed parser would read as negative.
    if size > i64::MAX as u64 { Err("an invalid chunk size") } else { Ok(size) }
}
