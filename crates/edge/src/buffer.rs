//! Bytes that were read and not yet used, in storage that outlives the message.

/// First size of a connection's buffers: most heads and small bodies in one read.
pub(crate) const BUFFER_BYTES: usize = 16 * 1024;

/// Initialised storage with a window of filled bytes. Storage is zeroed once, when it is made.
pub(crate) struct Buffer {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
}

impl Buffer {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { bytes: vec![0; capacity], start: 0, end: 0 }
    }

    /// What was read and not consumed.
    pub(crate) fn filled(&self) -> &[u8] {
        self.bytes.get(self.start..self.end).unwrap_or_default()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.start == self.end
    }

    pub(crate) fn len(&self) -> usize {
        self.end - self.start
    }

    pub(crate) fn capacity(&self) -> usize {
        self.bytes.len()
    }

    /// Room behind the filled bytes.
    pub(crate) fn spare(&mut self) -> &mut [u8] {
        self.bytes.get_mut(self.end..).unwrap_or_default()
    }

    /// `bytes` of the spare room were filled.
    pub(crate) fn fill(&mut self, bytes: usize) {
        self.end = (self.end + bytes).min(self.bytes.len());
    }

    /// The first `bytes` are done with.
    pub(crate) fn consume(&mut self, bytes: usize) {
        self.start = (self.start + bytes).min(self.end);
        if self.start == self.end {
            self.clear();
        }
    }

    pub(crate) fn clear(&mut self) {
        self.start = 0;
        self.end = 0;
    }

    /// Makes room: moves the window to the front, and grows up to `capacity_max`. False when the
    /// buffer is full at that size.
    pub(crate) fn make_room(&mut self, capacity_max: usize) -> bool {
        if self.start > 0 {
            self.bytes.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        if self.end == self.bytes.len() && self.bytes.len() < capacity_max {
            self.bytes.resize((self.bytes.len() * 2).max(BUFFER_BYTES).min(capacity_max), 0);
        }
        self.end < self.bytes.len()
    }

    /// Appends `bytes`, growing as needed; the caller bounds them.
    pub(crate) fn append(&mut self, bytes: &[u8]) {
        let needed = self.len() + bytes.len();
        if self.bytes.len() - self.end < bytes.len() {
            self.make_room(needed.max(self.bytes.len()));
        }
        if let Some(room) = self.bytes.get_mut(self.end..self.end + bytes.len()) {
            room.copy_from_slice(bytes);
            self.end += bytes.len();
        } else {
            let end = self.end;
            self.bytes.truncate(end);
            self.bytes.extend_from_slice(bytes);
            self.end = self.bytes.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_made_by_moving_first_and_by_growing_up_to_the_limit() {
        let mut buffer = Buffer::new(8);
        buffer.append(b"abcdefgh");
        assert!(buffer.spare().is_empty());
        buffer.consume(3);
        assert!(buffer.make_room(8));
        assert_eq!(buffer.filled(), b"defgh");
        assert_eq!(buffer.spare().len(), 3);
        buffer.append(b"ijk");
        assert!(!buffer.make_room(8), "full at its limit");
        assert!(buffer.make_room(20), "limit + 1 and more: it grows");
        assert_eq!(buffer.filled(), b"defghijk");
        assert_eq!(buffer.capacity(), 20);
    }

    #[test]
    fn appending_more_than_fits_keeps_everything() {
        let mut buffer = Buffer::new(4);
        buffer.append(b"ab");
        buffer.consume(1);
        buffer.append(&[b'x'; 50_000]);
        assert_eq!(buffer.len(), 50_001);
        assert_eq!(buffer.filled()[0], b'b');
    }

    #[test]
    fn a_consumed_buffer_starts_again_at_the_front() {
        let mut buffer = Buffer::new(4);
        buffer.append(b"abcd");
        buffer.consume(4);
        assert!(buffer.is_empty());
        assert_eq!(buffer.spare().len(), 4);
    }
}
