//! The peer broke the protocol.

use std::fmt;

/// Bytes that no honest and correct peer sends. The only right answer is to refuse them and to
/// close: after this, nobody knows where the next message begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// What a server answers: 400, 413, 414, 417, 431, 501 or 505. For bytes from an upstream it
    /// is 502.
    pub status: u16,
    /// What is wrong, as half a sentence.
    pub reason: &'static str,
    /// Where: the offset in the buffer, as exact as is known.
    pub at: u32,
}

impl Malformed {
    pub(crate) const fn new(status: u16, reason: &'static str, at: u32) -> Self {
        Self { status, reason, at }
    }

    pub(crate) const fn bad(reason: &'static str, at: u32) -> Self {
        Self::new(400, reason, at)
    }

    /// The same fault, seen `by` bytes later in a longer buffer.
    pub(crate) const fn shifted(self, by: u32) -> Self {
        Self { at: self.at.saturating_add(by), ..self }
    }

    /// The same fault committed by an upstream: whatever it was, our client sees 502.
    pub(crate) const fn by_upstream(self) -> Self {
        Self { status: 502, ..self }
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (at byte {})", self.reason, self.at)
    }
}

impl std::error::Error for Malformed {}
