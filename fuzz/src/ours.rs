//! How `http1` reads a connection.

use http1::{
    BodyDecoder, BodyLength, Field, Limits, Method, Piece, Progress, RequestHead, ResponseHead,
    Version,
};

use crate::{Message, sorted};

/// How reading ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// Everything was read, or the connection leaves HTTP or closes here.
    Clean,
    /// More was expected.
    Partial,
    /// The rest was refused with this status.
    Refused(u16),
}

/// The requests that are accepted whole, given in pieces of `piece_bytes`.
pub fn requests(wire: &[u8], piece_bytes: usize) -> (Vec<Message>, End) {
    let limits = Limits::default();
    let mut head = RequestHead::new();
    let mut messages = Vec::new();
    let mut at = 0;
    while at < wire.len() {
        let rest = &wire[at..];
        let parsed = piecewise(rest, piece_bytes, |bytes| head.parse(bytes, &limits));
        match parsed {
            Err(malformed) => return (messages, End::Refused(malformed.status)),
            Ok(Progress::Partial) => return (messages, End::Partial),
            Ok(Progress::Complete) => {}
        }
        let mut message = Message {
            start: text(head.method_text.of(rest)),
            target: one_spelling(head.method, &text(head.target.of(rest))),
            version: version(head.version),
            fields: fields(&head.fields, rest),
            ..Message::default()
        };
        at += head.bytes as usize;
        if head.method == Method::Connect || head.upgrade {
            messages.push(message);
            return (messages, End::Clean);
        }
        match body(&wire[at..], head.body, piece_bytes, &mut message) {
            Ok(Some(used)) => at += used,
            Ok(None) => return (messages, End::Partial),
            Err(status) => return (messages, End::Refused(status)),
        }
        messages.push(message);
        if !head.keep_alive {
            break;
        }
    }
    (messages, End::Clean)
}

/// The final answer to a GET, if it is accepted whole; the connection ends after `wire`.
pub fn response(wire: &[u8], piece_bytes: usize) -> (Vec<Message>, End) {
    let limits = Limits::default();
    let mut head = ResponseHead::new();
    let mut at = 0;
    loop {
        let rest = &wire[at..];
        let parsed = piecewise(rest, piece_bytes, |bytes| head.parse(bytes, Method::Get, &limits));
        match parsed {
            Err(malformed) => return (Vec::new(), End::Refused(malformed.status)),
            Ok(Progress::Partial) => return (Vec::new(), End::Partial),
            Ok(Progress::Complete) => {}
        }
        at += head.bytes as usize;
        if head.is_interim() {
            continue;
        }
        let mut message = Message {
            start: head.status.to_string(),
            version: version(head.version),
            fields: fields(&head.fields, rest),
            ..Message::default()
        };
        if head.upgraded {
            return (vec![message], End::Clean);
        }
        return match body(&wire[at..], head.body, piece_bytes, &mut message) {
            Ok(Some(_)) => (vec![message], End::Clean),
            Ok(None) => (Vec::new(), End::Partial),
            Err(status) => (Vec::new(), End::Refused(status)),
        };
    }
}

/// Reads one body; how many bytes of `wire` it took, or `None` when it is not all there.
///
/// # Errors
/// The status of the refusal.
///
/// # Panics
/// When the decoder makes no progress or claims bytes that are not there.
pub fn body(
    wire: &[u8],
    length: BodyLength,
    piece_bytes: usize,
    message: &mut Message,
) -> Result<Option<usize>, u16> {
    let mut decoder = BodyDecoder::new(length, &Limits::default());
    let mut trailers = Vec::new();
    let (mut at, mut end) = (0, 0);
    loop {
        let input = &wire[at..end];
        let bytes = match decoder.next(input).map_err(|malformed| malformed.status)? {
            Piece::End => break,
            Piece::More if end == wire.len() && decoder.may_close() => break,
            Piece::More if end == wire.len() => return Ok(None),
            Piece::More => {
                end = (end + piece_bytes).min(wire.len());
                continue;
            }
            Piece::Framing { bytes } => bytes,
            Piece::Data { bytes } => {
                message.body.extend_from_slice(&input[..bytes]);
                bytes
            }
            Piece::Trailer { bytes, name, value } => {
                let name = text(name.of(input)).to_ascii_lowercase();
                trailers.push((name, value.of(input).to_vec()));
                bytes
            }
        };
        assert!(bytes > 0 && bytes <= input.len());
        at += bytes;
    }
    message.trailers = sorted(trailers);
    Ok(Some(at))
}

/// Shows `parse` more and more of `bytes`, as a connection does.
fn piecewise<E>(
    bytes: &[u8],
    piece_bytes: usize,
    mut parse: impl FnMut(&[u8]) -> Result<Progress, E>,
) -> Result<Progress, E> {
    let mut end = 0;
    while end < bytes.len() {
        end = (end + piece_bytes).min(bytes.len());
        let progress = parse(&bytes[..end])?;
        if progress == Progress::Complete {
            return Ok(progress);
        }
    }
    Ok(Progress::Partial)
}

fn fields(fields: &[Field], buffer: &[u8]) -> Vec<(String, Vec<u8>)> {
    let pair = |field: &Field| {
        (text(field.name.of(buffer)).to_ascii_lowercase(), field.value.of(buffer).to_vec())
    };
    sorted(fields.iter().map(pair).collect())
}

fn version(version: Version) -> String {
    match version {
        Version::Http10 => "HTTP/1.0".to_owned(),
        Version::Http11 => "HTTP/1.1".to_owned(),
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// An absolute target with scheme and host in lower case and at least a slash for its path.
fn one_spelling(method: Method, target: &str) -> String {
    if target.starts_with('/') || target == "*" || method == Method::Connect {
        return target.to_owned();
    }
    let Some((scheme, rest)) = target.split_once("://") else { return target.to_owned() };
    let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let slash = if path.starts_with('/') { "" } else { "/" };
    format!("{}://{}{slash}{path}", scheme.to_ascii_lowercase(), authority.to_ascii_lowercase())
}
