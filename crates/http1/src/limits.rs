//! How much of anything a peer may send.

/// Bounds of one message's framing. Body sizes are not bounded here: bodies stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// A whole head: first line, fields, the empty lines before and after. Beyond: 431.
    pub head_bytes_max: u32,
    /// Fields in a head, and again in the trailers. Beyond: 431.
    /// Values above [`FIELD_COUNT_CEILING`] act as that ceiling.
    pub field_count_max: u16,
    /// A request's target. Beyond: 414.
    pub target_bytes_max: u32,
    /// All trailers of one message together. Beyond: 431.
    pub trailer_bytes_max: u32,
    /// The extensions of one chunk. Beyond: 400. They mean nothing to anybody and are dropped.
    pub chunk_extension_bytes_max: u32,
}

/// The most fields whatever the configuration says: they are collected on the stack.
pub const FIELD_COUNT_CEILING: u16 = 256;

/// Longest method; the longest registered one, `UPDATEREDIRECTREF`, has 17. Beyond: 501
/// (RFC 9112 §3).
pub const METHOD_BYTES_MAX: u32 = 32;

/// Empty lines that are skipped before a request line (RFC 9112 §2.2 asks for one). Beyond: 400.
pub const EMPTY_LINE_COUNT_MAX: u8 = 4;

/// Options in all `Connection` fields of a message. Beyond: 400. Each may name a field, so the
/// work is options × fields.
pub const CONNECTION_OPTION_COUNT_MAX: u16 = 32;

impl Default for Limits {
    fn default() -> Self {
        Self {
            head_bytes_max: 32 * 1024,
            field_count_max: 100,
            target_bytes_max: 8 * 1024,
            trailer_bytes_max: 8 * 1024,
            chunk_extension_bytes_max: 256,
        }
    }
}

impl Limits {
    pub(crate) fn field_count(&self) -> usize {
        usize::from(self.field_count_max.min(FIELD_COUNT_CEILING))
    }

    /// The longest first line of a request that can still be within the limits.
    pub(crate) fn request_line_bytes_max(&self) -> u32 {
        const REST: u32 = "  HTTP/1.1\r\n".len() as u32;
        self.target_bytes_max.saturating_add(METHOD_BYTES_MAX + REST).min(self.head_bytes_max)
    }
}
