//! HTTP/1.1 as a strict machine without sockets, for both roles.
//!
//! Bytes come in, heads and pieces of bodies come out; the caller owns the buffer, and heads are
//! [`Span`]s into it, so nothing is copied and, after warm-up, nothing is allocated per message.
//! The grammar is RFC 9112 (messages) and RFC 9110 (semantics).
//!
//! Where the RFCs let a recipient choose between repairing and refusing, this crate refuses: two
//! parsers that repair differently are a request-smuggling hole, and a proxy always stands before
//! a second parser. What is refused, and with which status, is in `testdata/`.
//!
//! Not here: sockets, time-outs, routing, and what to forward; `edge` and `load` drive this crate.

#![forbid(unsafe_code)]

mod body;
pub mod encode;
mod field;
mod framing;
mod limits;
mod malformed;
mod request;
mod response;
mod scan;
mod span;
mod target;

pub use body::{BodyDecoder, Piece};
pub use field::{Field, Known};
pub use framing::BodyLength;
pub use limits::{
    CONNECTION_OPTION_COUNT_MAX, EMPTY_LINE_COUNT_MAX, FIELD_COUNT_CEILING, Limits,
    METHOD_BYTES_MAX,
};
pub use malformed::Malformed;
pub use request::{Method, Progress, RequestHead, Version};
pub use response::ResponseHead;
pub use span::Span;
