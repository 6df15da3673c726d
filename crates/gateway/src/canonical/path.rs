//! Paths: one spelling for each, or a refusal.

use std::borrow::Cow;

use super::Rejection;

/// The canonical spelling of `path`, which begins with `/` and consists of visible ASCII.
///
/// Borrowed when it is canonical already; then nothing is allocated either, unless it has one of
/// the few sequences that [`is_plain`] leaves to the long way.
pub(crate) fn canonical_path(path: &str) -> Result<Cow<'_, str>, Rejection> {
    if is_plain(path.as_bytes()) {
        return Ok(Cow::Borrowed(path));
    }
    let spelled = respell(path)?;
    refuse_hidden_dots(&spelled)?;
    let resolved = resolve(&spelled)?;
    Ok(if resolved == path { Cow::Borrowed(path) } else { Cow::Owned(resolved) })
}

/// Length of the path of an origin-form `target` if it consists of unescaped characters only and
/// no segment is empty or begins with a dot: then it is canonical.
pub(super) fn usual_bytes(target: &[u8]) -> Option<usize> {
    let mut previous = 0;
    for (place, &byte) in target.iter().enumerate() {
        match CLASSES.get(usize::from(byte)) {
            Some(Class::Ordinary) => {}
            Some(Class::Separating) if previous == b'/' => return None,
            Some(Class::Separating) => {}
            Some(Class::Question) => return if place == 0 { None } else { Some(place) },
            Some(Class::Special) | None => return None,
        }
        if place == 0 && byte != b'/' {
            return None;
        }
        previous = byte;
    }
    if target.is_empty() { None } else { Some(target.len()) }
}

/// What a byte means to [`usual_bytes`]; a table, because it is looked up for every byte of every
/// request.
#[derive(Clone, Copy)]
enum Class {
    Ordinary,
    /// A slash or a dot: harmless unless it follows a slash.
    Separating,
    Question,
    Special,
}

#[expect(clippy::indexing_slicing, reason = "computed by the compiler, which checks it")]
const CLASSES: [Class; 256] = {
    let mut classes = [Class::Special; 256];
    let mut byte = 0;
    while byte < classes.len() {
        classes[byte] = match byte as u8 {
            b'/' | b'.' => Class::Separating,
            b'?' => Class::Question,
            other if is_raw(other) => Class::Ordinary,
            _ => Class::Special,
        };
        byte += 1;
    }
    classes
};

/// Whether nothing in `path` can need a rewrite or a refusal: the quick answer for nearly all
/// requests, in one pass. `false` promises nothing.
///
/// A dot at the beginning of a segment, an escaped slash or backslash, or the first byte of an
/// overlong sequence sends the path the long way; without those, no dot segment can be hidden.
fn is_plain(path: &[u8]) -> bool {
    let mut rest = path;
    let mut after_slash = false;
    while let Some((&byte, tail)) = rest.split_first() {
        if after_slash && (byte == b'/' || byte == b'.') {
            return false;
        }
        rest = tail;
        if byte == b'%' {
            let [high, low, tail @ ..] = tail else { return false };
            if high.is_ascii_lowercase() || low.is_ascii_lowercase() {
                return false;
            }
            let (Some(high), Some(low)) = (hex(*high), hex(*low)) else { return false };
            let value = high << 4 | low;
            let is_delicate =
                matches!(value, 0..0x20 | 0x7f | b'.' | b'/' | b'\\' | 0xc0 | 0xc1 | 0xe0 | 0xf0);
            if is_delicate || is_unreserved(value) {
                return false;
            }
            rest = tail;
        } else if !is_raw(byte) {
            return false;
        }
        after_slash = byte == b'/';
    }
    true
}

/// Characters that may stand in a path unescaped: RFC 3986's `pchar` and the slash.
const fn is_raw(byte: u8) -> bool {
    is_unreserved(byte)
        || matches!(byte, b'/' | b':' | b'@' | b'!' | b'$' | b'&' | b'\'' | b'(' | b')')
        || matches!(byte, b'*' | b'+' | b',' | b';' | b'=')
}

/// RFC 3986 §2.3: an escape of these means the same as the character itself.
const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// One spelling for every character: unreserved ones raw, all others that need it escaped in
/// upper case.
fn respell(path: &str) -> Result<String, Rejection> {
    let mut out = String::with_capacity(path.len() + 16);
    let mut rest = path.as_bytes();
    let mut run = Overlong::default();
    while let Some((&byte, tail)) = rest.split_first() {
        if byte == b'%' {
            let [high, low, tail @ ..] = tail else {
                return Err(Rejection::bad("the path has a % without two hex digits"));
            };
            let (Some(high), Some(low)) = (hex(*high), hex(*low)) else {
                return Err(Rejection::bad("the path has a % without two hex digits"));
            };
            let value = high << 4 | low;
            if value < 0x20 || value == 0x7f {
                return Err(Rejection::bad("the path has an escaped control character"));
            }
            run.next(value)?;
            if is_unreserved(value) {
                out.push(char::from(value))
            } else {
                escape(value, &mut out)
            }
            rest = tail;
            continue;
        }
        run = Overlong::default();
        match byte {
            b'\\' => return Err(Rejection::bad("the path has a backslash")),
            _ if is_raw(byte) => out.push(char::from(byte)),
            // Browsers send these raw; escaped, they have one spelling.
            _ => escape(byte, &mut out),
        }
        rest = tail;
    }
    Ok(out)
}

/// Watches consecutive escapes for overlong UTF-8 (RFC 3629 §3): `%C0%AE` is a dot to a sloppy
/// decoder, and no correct encoder ever makes one.
#[derive(Default)]
struct Overlong {
    previous: u8,
}

impl Overlong {
    fn next(&mut self, byte: u8) -> Result<(), Rejection> {
        let overlong = match self.previous {
            0xc0 | 0xc1 => matches!(byte, 0x80..=0xbf),
            0xe0 => matches!(byte, 0x80..=0x9f),
            0xf0 => matches!(byte, 0x80..=0x8f),
            _ => false,
        };
        self.previous = byte;
        if overlong { Err(Rejection::bad("the path has overlong UTF-8")) } else { Ok(()) }
    }
}

/// Refuses dot segments that only some readers would see: behind an escaped slash or backslash,
/// or before a path parameter (`..;x`).
fn refuse_hidden_dots(path: &str) -> Result<(), Rejection> {
    for segment in path.split('/') {
        if segment == "." || segment == ".." {
            continue;
        }
        let mut rest = segment;
        while !rest.is_empty() {
            let end = ["%2F", "%5C"].iter().filter_map(|mark| rest.find(mark)).min();
            let piece = end.and_then(|end| rest.get(..end)).unwrap_or(rest);
            let cut = [";", "%3B"].iter().filter_map(|mark| piece.find(mark)).min();
            let name = cut.and_then(|cut| piece.get(..cut)).unwrap_or(piece);
            if name == "." || name == ".." {
                return Err(Rejection::bad("the path hides a dot segment"));
            }
            rest = end.and_then(|end| rest.get(end + 3..)).unwrap_or("");
        }
    }
    Ok(())
}

/// Merges empty segments, then removes dot segments (RFC 3986 §5.2.4).
fn resolve(path: &str) -> Result<String, Rejection> {
    let mut out = String::with_capacity(path.len());
    let mut is_folder = true;
    for segment in path.split('/').skip(1) {
        match segment {
            "" | "." => is_folder = true,
            ".." => {
                let parent = out.rfind('/').ok_or(Rejection::bad("the path leaves the root"))?;
                out.truncate(parent);
                is_folder = true;
            }
            _ => {
                out.push('/');
                out.push_str(segment);
                is_folder = false;
            }
        }
    }
    if is_folder {
        out.push('/');
    }
    Ok(out)
}

const fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

fn escape(byte: u8, out: &mut String) {
    const DIGITS: [char; 16] =
        ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F'];
    out.push('%');
    for nibble in [byte >> 4, byte & 0x0f] {
        out.extend(DIGITS.get(usize::from(nibble)));
    }
}
