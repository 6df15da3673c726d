//! Bodies on their way: read with one framing, written with another.
//!
//! Nothing of the sender's framing is passed on. Chunks are cut anew and extensions dropped, so
//! whoever is behind us reads what we read, and not what was meant to look different to them.

use http1::{BodyDecoder, BodyLength, Limits, Malformed, Piece, encode};

/// How a body is delimited on the outgoing side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// By a length that the head gave, or by the connection's end.
    Raw,
    /// In chunks.
    Chunked,
}

/// One body from its decoder to its new framing.
pub(crate) struct Reframer {
    decoder: BodyDecoder,
    framing: Framing,
    /// Whether the receiver wants trailers; otherwise they are dropped (RFC 9110 §6.5.1).
    with_trailers: bool,
    /// The last chunk's size line was written.
    chunks_ended: bool,
    is_over: bool,
    content_bytes: u64,
}

impl Reframer {
    pub(crate) fn new(
        length: BodyLength,
        limits: &Limits,
        framing: Framing,
        with_trailers: bool,
    ) -> Self {
        let decoder = BodyDecoder::new(length, limits);
        let is_over = decoder.is_done();
        Self { decoder, framing, with_trailers, chunks_ended: false, is_over, content_bytes: 0 }
    }

    /// The body is complete, and written.
    pub(crate) fn is_over(&self) -> bool {
        self.is_over
    }

    /// Content bytes so far.
    pub(crate) fn content_bytes(&self) -> u64 {
        self.content_bytes
    }

    /// Content bytes that will surely follow.
    pub(crate) fn certain_bytes(&self) -> u64 {
        self.decoder.certain_bytes()
    }

    /// Reads `input` as far as it goes, appends what is to be sent to `out`, and says how many
    /// bytes of `input` are done with. May be called with an empty `input`.
    ///
    /// # Errors
    /// When the sender's framing is broken; what was appended to `out` by then is sound.
    pub(crate) fn step(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<usize, Malformed> {
        let mut taken = 0;
        while !self.is_over {
            let rest = input.get(taken..).unwrap_or_default();
            match self.decoder.next(rest)? {
                Piece::More => break,
                Piece::Framing { bytes } => taken += bytes,
                Piece::Data { bytes } => {
                    self.write_data(rest.get(..bytes).unwrap_or_default(), out);
                    taken += bytes;
                }
                Piece::Trailer { bytes, name, value } => {
                    if self.framing == Framing::Chunked && self.with_trailers {
                        self.end_chunks(out);
                        encode::field(out, name.of(rest), value.of(rest));
                    }
                    taken += bytes;
                }
                Piece::End => self.end(out),
            }
            // The decoder says so without another piece when a counted body ends.
            if self.decoder.is_done() {
                self.end(out);
            }
        }
        Ok(taken)
    }

    /// When `input` begins with content that goes out as it is: how many bytes. They are counted
    /// as taken; the caller writes them from where they lie.
    ///
    /// # Errors
    /// As [`Self::step`].
    pub(crate) fn pass(&mut self, input: &[u8]) -> Result<Option<usize>, Malformed> {
        if self.framing != Framing::Raw || self.certain_bytes() == 0 || input.is_empty() {
            return Ok(None);
        }
        let Piece::Data { bytes } = self.decoder.next(input)? else { return Ok(None) };
        self.content_bytes += bytes as u64;
        self.is_over = self.decoder.is_done();
        Ok(Some(bytes))
    }

    /// The sender closed: true when that is a proper end of its body.
    pub(crate) fn close(&mut self, out: &mut Vec<u8>) -> bool {
        let is_whole = self.is_over || self.decoder.may_close();
        if is_whole {
            self.end(out);
        }
        is_whole
    }

    fn write_data(&mut self, data: &[u8], out: &mut Vec<u8>) {
        if data.is_empty() {
            return;
        }
        self.content_bytes += data.len() as u64;
        match self.framing {
            Framing::Raw => out.extend_from_slice(data),
            Framing::Chunked => {
                encode::chunk_prefix(out, data.len() as u64);
                out.extend_from_slice(data);
                out.extend_from_slice(encode::CHUNK_SUFFIX);
            }
        }
    }

    fn end_chunks(&mut self, out: &mut Vec<u8>) {
        if !self.chunks_ended {
            self.chunks_ended = true;
            out.extend_from_slice(encode::LAST_CHUNK_SIZE);
        }
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        if !self.is_over && self.framing == Framing::Chunked {
            self.end_chunks(out);
            out.extend_from_slice(encode::HEAD_END);
        }
        self.is_over = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(length: BodyLength, framing: Framing, trailers: bool, input: &str, want: &str) {
        // In one piece, and byte by byte: the content must come out the same.
        for step in [input.len().max(1), 1] {
            let mut reframer = Reframer::new(length, &Limits::default(), framing, trailers);
            let (mut out, mut held) = (Vec::new(), Vec::new());
            for piece in input.as_bytes().chunks(step) {
                held.extend_from_slice(piece);
                let taken = reframer.step(&held, &mut out).unwrap();
                held.drain(..taken);
            }
            assert!(reframer.close(&mut out), "{input:?} is whole");
            if step > 1 || framing == Framing::Raw {
                assert_eq!(String::from_utf8(out).unwrap(), want);
            } else {
                let mut again =
                    Reframer::new(BodyLength::Chunked, &Limits::default(), Framing::Raw, false);
                let mut content = Vec::new();
                again.step(&out, &mut content).unwrap();
                assert!(again.is_over());
            }
        }
    }

    #[test]
    fn chunks_are_cut_anew_without_extensions() {
        let input = "3;secret=1\r\nabc\r\n0002\r\nde\r\n0\r\n\r\n";
        let want = "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
        check(BodyLength::Chunked, Framing::Chunked, true, input, want);
        check(BodyLength::Chunked, Framing::Raw, true, input, "abcde");
    }

    #[test]
    fn trailers_go_on_only_to_those_who_want_them() {
        let input = "1\r\na\r\n0\r\nX-Sum: 9\r\n\r\n";
        let with = "1\r\na\r\n0\r\nX-Sum: 9\r\n\r\n";
        check(BodyLength::Chunked, Framing::Chunked, true, input, with);
        let without = "1\r\na\r\n0\r\n\r\n";
        check(BodyLength::Chunked, Framing::Chunked, false, input, without);
    }

    #[test]
    fn a_body_until_close_becomes_chunks_that_end() {
        check(BodyLength::UntilClose, Framing::Chunked, true, "ab", "2\r\nab\r\n0\r\n\r\n");
        check(BodyLength::UntilClose, Framing::Chunked, true, "", "0\r\n\r\n");
    }

    #[test]
    fn bytes_behind_the_body_are_left_alone() {
        let length = BodyLength::Length(2);
        let mut reframer = Reframer::new(length, &Limits::default(), Framing::Raw, false);
        let mut out = Vec::new();
        assert_eq!(reframer.step(b"abGET", &mut out).unwrap(), 2);
        assert!(reframer.is_over());
        assert_eq!(out, b"ab");
    }

    #[test]
    fn a_body_that_ends_early_is_not_whole() {
        for length in [BodyLength::Length(3), BodyLength::Chunked] {
            let mut reframer = Reframer::new(length, &Limits::default(), Framing::Raw, false);
            let mut out = Vec::new();
            reframer.step(b"2\r", &mut out).unwrap();
            assert!(!reframer.close(&mut out));
        }
    }

    #[test]
    fn counted_content_passes_without_a_copy() {
        let length = BodyLength::Length(3);
        let mut reframer = Reframer::new(length, &Limits::default(), Framing::Raw, false);
        assert_eq!(reframer.pass(b"ab").unwrap(), Some(2));
        assert_eq!(reframer.pass(b"cGET").unwrap(), Some(1));
        assert!(reframer.is_over());
        assert_eq!(reframer.content_bytes(), 3);
    }
}
