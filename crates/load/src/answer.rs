//! Recognises where an answer ends, without keeping it.

use http1::{BodyDecoder, Limits, Malformed, Method, Piece, Progress, ResponseHead};

/// Reads one answer after the other from the bytes of a connection.
pub(crate) struct AnswerReader {
    head: ResponseHead,
    body: Option<BodyDecoder>,
    /// Bytes that cannot be judged yet: an unfinished head or chunk size. Bounded by the limits.
    pending: Vec<u8>,
}

/// What some bytes amounted to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It goes on.
    Partial,
    /// It is whole.
    Whole { status: u16, keep_alive: bool },
}

impl AnswerReader {
    pub(crate) fn new() -> Self {
        Self { head: ResponseHead::new(), body: None, pending: Vec::new() }
    }

    /// Forgets what was begun; the next bytes come from another connection.
    pub(crate) fn reset(&mut self) {
        self.head.reset();
        self.body = None;
        self.pending.clear();
    }

    /// Takes bytes as they came.
    ///
    /// # Errors
    /// When they are not HTTP, or more than the answer.
    #[inline]
    pub(crate) fn feed(
        &mut self,
        bytes: &[u8],
        method: Method,
        limits: &Limits,
    ) -> Result<Answer, Malformed> {
        if self.pending.is_empty() {
            let (answer, used) = self.read(bytes, method, limits)?;
            if answer == Answer::Partial {
                self.pending.extend_from_slice(bytes.get(used..).unwrap_or_default());
            }
            return Ok(answer);
        }
        let mut pending = std::mem::take(&mut self.pending);
        pending.extend_from_slice(bytes);
        let (answer, used) = self.read(&pending, method, limits)?;
        pending.drain(..used);
        self.pending = pending;
        Ok(answer)
    }

    /// The connection ended: whether the answer was meant to end so.
    pub(crate) fn end(&mut self) -> Option<Answer> {
        self.body
            .take_if(|body| body.may_close())
            .map(|_| Answer::Whole { status: self.head.status, keep_alive: false })
    }

    fn read(
        &mut self,
        bytes: &[u8],
        method: Method,
        limits: &Limits,
    ) -> Result<(Answer, usize), Malformed> {
        let mut used = 0;
        loop {
            let rest = bytes.get(used..).unwrap_or_default();
            let Some(body) = &mut self.body else {
                if rest.is_empty() || self.head.parse(rest, method, limits)? == Progress::Partial {
                    return Ok((Answer::Partial, used));
                }
                used += self.head.bytes as usize;
                if !self.head.is_interim() {
                    self.body = Some(BodyDecoder::new(self.head.body, limits));
                }
                continue;
            };
            match body.next(rest)? {
                Piece::More => return Ok((Answer::Partial, used)),
                Piece::Framing { bytes } | Piece::Data { bytes } => used += bytes,
                Piece::Trailer { bytes, .. } => used += bytes,
                Piece::End => {
                    self.body = None;
                    // Nothing was asked that these bytes could answer: the connection is not to
                    // be used again.
                    let keep_alive = self.head.keep_alive && used == bytes.len();
                    let status = self.head.status;
                    return Ok((Answer::Whole { status, keep_alive }, bytes.len()));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(wire: &[u8], piece_bytes: usize) -> Vec<Answer> {
        let mut reader = AnswerReader::new();
        let limits = Limits::default();
        wire.chunks(piece_bytes)
            .map(|piece| reader.feed(piece, Method::Get, &limits).unwrap())
            .filter(|answer| *answer != Answer::Partial)
            .collect()
    }

    #[test]
    fn an_answer_ends_at_its_last_byte_however_it_comes() {
        let wires: [&[u8]; 3] = [
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX: y\r\n\r\n",
            b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        ];
        for wire in wires {
            for piece_bytes in 1..=wire.len() {
                let whole = Answer::Whole { status: 200, keep_alive: true };
                assert_eq!(read(wire, piece_bytes), [whole], "{piece_bytes}");
            }
        }
    }

    #[test]
    fn a_body_until_the_close_ends_with_the_connection() {
        let mut reader = AnswerReader::new();
        let limits = Limits::default();
        let wire = b"HTTP/1.1 200 OK\r\n\r\nhello";
        assert_eq!(reader.feed(wire, Method::Get, &limits), Ok(Answer::Partial));
        assert_eq!(reader.end(), Some(Answer::Whole { status: 200, keep_alive: false }));
        let cut = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello";
        assert_eq!(reader.feed(cut, Method::Get, &limits), Ok(Answer::Partial));
        assert_eq!(reader.end(), None);
    }

    #[test]
    fn bytes_after_an_answer_spoil_the_connection() {
        let wire = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi!";
        assert_eq!(read(wire, 99), [Answer::Whole { status: 200, keep_alive: false }]);
    }
}
