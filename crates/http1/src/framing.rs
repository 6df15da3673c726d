//! What the fields say about the connection and about where the message ends.

use crate::field::is_name;
use crate::{CONNECTION_OPTION_COUNT_MAX, Field, Known, Malformed, Span};

/// How a message's body is delimited (RFC 9112 §6.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BodyLength {
    /// There is none.
    #[default]
    None,
    /// Exactly so many bytes. A message with `Content-Length: 0` has `Length(0)`.
    Length(u64),
    /// Chunks, then perhaps trailers.
    Chunked,
    /// Everything until the connection closes; responses only.
    UntilClose,
}

impl BodyLength {
    /// Whether no byte of body follows the head.
    pub const fn is_empty(self) -> bool {
        matches!(self, Self::None | Self::Length(0))
    }
}

/// Longest accepted `Content-Length` text; 19 digits hold every `i64`, and a length that a
/// signed parser behind us would read as negative is nobody's honest length.
const CONTENT_LENGTH_DIGITS_MAX: usize = 19;

/// What was gathered from the fields of one head.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Facts {
    pub(crate) host: Option<Span>,
    pub(crate) content_length: Option<u64>,
    pub(crate) chunked: bool,
    pub(crate) coding_at: u32,
    pub(crate) close: bool,
    pub(crate) keep_alive: bool,
    pub(crate) upgrade_option: bool,
    pub(crate) upgrade_field: bool,
    /// An `Upgrade` field names HTTP/2 in the clear.
    pub(crate) upgrade_h2c: bool,
    pub(crate) te_trailers: bool,
    pub(crate) expect: Option<Span>,
    has_connection: bool,
}

impl Facts {
    /// Takes note of one field, in order of arrival.
    #[inline]
    pub(crate) fn admit(&mut self, field: &Field, value: &[u8]) -> Result<(), Malformed> {
        match field.known {
            Known::Host => {
                let is_first = self.host.replace(field.value).is_none();
                require(is_first, "more than one Host field", field.name.start)?;
            }
            Known::ContentLength => {
                let length = content_length(value)
                    .ok_or(Malformed::bad("an invalid Content-Length", field.value.start))?;
                let is_first = self.content_length.replace(length).is_none();
                require(is_first, "more than one Content-Length field", field.name.start)?;
            }
            Known::TransferEncoding => {
                let reason = "more than one Transfer-Encoding field";
                require(!self.chunked, reason, field.name.start)?;
                transfer_encoding(value, field.value.start)?;
                self.chunked = true;
                self.coding_at = field.name.start;
            }
            Known::Connection => self.has_connection = true,
            Known::Upgrade => {
                self.upgrade_field = true;
                self.upgrade_h2c |= items(value).any(|protocol| is_name(protocol, b"h2c"));
            }
            Known::Te => {
                self.te_trailers |= items(value).any(|item| {
                    item.get(..8).is_some_and(|start| start.eq_ignore_ascii_case(b"trailers"))
                        && item.get(8).is_none_or(|next| matches!(next, b';' | b' ' | b'\t'))
                });
            }
            Known::Expect => self.expect = Some(field.value),
            _ => {}
        }
        Ok(())
    }

    /// Reads the `Connection` fields and marks the fields that they name.
    pub(crate) fn read_options(
        &mut self,
        fields: &mut [Field],
        buffer: &[u8],
    ) -> Result<(), Malformed> {
        if !self.has_connection {
            return Ok(());
        }
        let mut option_count = 0;
        // By index: an option marks fields while we stand in the list of them.
        for index in 0..fields.len() {
            let Some(field) = fields.get(index).filter(|f| f.known == Known::Connection) else {
                continue;
            };
            let (value, at) = (field.value.of(buffer), field.value.start);
            // What nearly everybody says, without taking it apart.
            if is_name(value, b"keep-alive") {
                self.keep_alive = true;
                continue;
            }
            for option in items(value).filter(|option| !option.is_empty()) {
                option_count += 1;
                if option_count > CONNECTION_OPTION_COUNT_MAX {
                    return Err(Malformed::bad("too many Connection options", at));
                }
                self.read_option(option, at, fields, buffer)?;
            }
        }
        Ok(())
    }

    fn read_option(
        &mut self,
        option: &[u8],
        at: u32,
        fields: &mut [Field],
        buffer: &[u8],
    ) -> Result<(), Malformed> {
        if is_name(option, b"close") {
            self.close = true;
            return Ok(());
        }
        let known = Known::of(option);
        match known {
            Known::KeepAlive => self.keep_alive = true,
            Known::Upgrade => self.upgrade_option = true,
            Known::Other => {
                if !option.iter().all(|byte| is_token_byte(*byte)) {
                    return Err(Malformed::bad("an invalid Connection option", at));
                }
                for field in fields.iter_mut().filter(|field| field.known == Known::Other) {
                    field.hop_by_hop |= field.name.of(buffer).eq_ignore_ascii_case(option);
                }
            }
            // Naming Cookie, Host or Content-Length here asks us to take it away from the
            // program behind us (RFC 9110 §7.6.1 forbids it). Nobody honest does.
            known if !known.is_hop_by_hop() || known == Known::TransferEncoding => {
                let reason = "Connection names a field that is not the connection's";
                return Err(Malformed::bad(reason, at));
            }
            _ => {}
        }
        Ok(())
    }
}

/// The elements of a comma-separated list, without white space around them. Empty ones included.
pub(crate) fn items(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii)
}

/// RFC 9110 §5.6.2.
pub(crate) fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn require(holds: bool, reason: &'static str, at: u32) -> Result<(), Malformed> {
    if holds { Ok(()) } else { Err(Malformed::bad(reason, at)) }
}

fn content_length(value: &[u8]) -> Option<u64> {
    if value.is_empty() || value.len() > CONTENT_LENGTH_DIGITS_MAX {
        return None;
    }
    let digit = |byte: &u8| byte.is_ascii_digit().then(|| u64::from(byte - b'0'));
    // 19 digits are below 10^19, which a u64 holds.
    let length = value.iter().try_fold(0_u64, |sum, byte| Some(sum * 10 + digit(byte)?))?;
    (length <= i64::MAX as u64).then_some(length)
}

/// Accepts `chunked` alone. Other codings are legal but nobody sends them, and each intermediary
/// reads their lists differently.
fn transfer_encoding(value: &[u8], at: u32) -> Result<(), Malformed> {
    let is_chunked = |item: &[u8]| item.eq_ignore_ascii_case(b"chunked");
    if is_chunked(value) {
        return Ok(());
    }
    let is_coding = |item: &[u8]| {
        let name = item.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii_end();
        !name.is_empty() && name.iter().all(|byte| is_token_byte(*byte))
    };
    if !items(value).all(is_coding) {
        return Err(Malformed::bad("an invalid Transfer-Encoding", at));
    }
    let chunked_count = items(value)
        .filter(|item| item.get(..7).is_some_and(|start| start.eq_ignore_ascii_case(b"chunked")))
        .count();
    let chunked_is_last = items(value).last().is_some_and(is_chunked);
    match (chunked_count, chunked_is_last) {
        (0, _) | (1, true) => Err(Malformed::new(501, "an unknown transfer coding", at)),
        _ => Err(Malformed::bad("chunked must come once, last and without parameters", at)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_content_length_is_digits_that_fit_a_signed_number() {
        assert_eq!(content_length(b"0"), Some(0));
        assert_eq!(content_length(b"9223372036854775807"), Some(i64::MAX as u64));
        for bad in ["", "+1", "-1", "1 ", "0x1", "1,1", "9223372036854775808"] {
            assert_eq!(content_length(bad.as_bytes()), None, "{bad}");
        }
        assert_eq!(content_length(b"00000000000000000001"), None, "20 digits");
    }
}
