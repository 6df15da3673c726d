//! A range of bytes in a buffer that somebody else owns.

/// Where something stands in the buffer that was parsed.
///
/// It has no lifetime, so a head can be kept in a long-lived struct beside its buffer. It means
/// something only together with that buffer, and only until the buffer's front is consumed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Span {
    /// The bytes of `buffer` that the span covers; empty when the buffer is too short for it.
    #[inline]
    pub fn of(self, buffer: &[u8]) -> &[u8] {
        buffer.get(self.start as usize..self.end as usize).unwrap_or_default()
    }

    /// Length in bytes.
    #[inline]
    pub fn bytes(self) -> u32 {
        self.end.saturating_sub(self.start)
    }

    /// Covers nothing.
    #[inline]
    pub fn is_empty(self) -> bool {
        self.bytes() == 0
    }

    /// The span of `part`, which is a slice of `buffer`.
    ///
    /// Buffers are far below 4 GiB: `Limits::head_bytes_max` is a `u32` and callers pass no more
    /// than that to the scanner.
    #[inline]
    pub(crate) fn locate(part: &[u8], buffer: &[u8]) -> Self {
        let start = (part.as_ptr() as usize).wrapping_sub(buffer.as_ptr() as usize);
        debug_assert!(start + part.len() <= buffer.len(), "part of another buffer");
        Self { start: start as u32, end: (start + part.len()) as u32 }
    }

    /// The same range in a buffer that has `by` more bytes in front.
    #[inline]
    pub(crate) fn shifted(self, by: u32) -> Self {
        Self { start: self.start + by, end: self.end + by }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_beyond_the_buffer_is_empty() {
        assert_eq!(Span { start: 1, end: 3 }.of(b"abc"), b"bc");
        assert_eq!(Span { start: 1, end: 4 }.of(b"abc"), b"");
        assert_eq!(Span { start: 3, end: 1 }.of(b"abc"), b"");
        assert!(Span { start: 3, end: 1 }.is_empty());
    }

    #[test]
    fn a_part_is_located_by_its_address() {
        let buffer = b"GET / HTTP/1.1";
        assert_eq!(Span::locate(&buffer[4..5], buffer), Span { start: 4, end: 5 });
        assert_eq!(Span::locate(&buffer[14..], buffer), Span { start: 14, end: 14 });
    }
}
