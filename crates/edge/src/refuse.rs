//! Answers of our own: why a request was not answered by a service.

use std::borrow::Cow;

use gateway::{Problem, Rejection, Unavailable, prefers_html};
use http1::{Malformed, Method, Version, encode};

use crate::plan::Asking;
use crate::record::Record;
use crate::watch::Expired;
use crate::wire::Stop;

/// To a client beyond the limit of connections in all. Without a request there is no request id.
pub(crate) const BUSY: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

/// To a client beyond the limit of connections from its address.
pub(crate) const TOO_MANY: &[u8] =
    b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

/// An answer of our own.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    status: u16,
    detail: Cow<'static, str>,
    allow: Option<String>,
    retry_after: bool,
    closes: bool,
    stop: Option<Stop>,
}

impl Answer {
    fn new(status: u16, detail: impl Into<Cow<'static, str>>) -> Self {
        let detail = detail.into();
        Self { status, detail, allow: None, retry_after: false, closes: false, stop: None }
    }

    /// The bytes were no request; where the next one begins is not known.
    pub(crate) fn malformed(malformed: Malformed) -> Self {
        let detail = format!("The request is malformed: {malformed}.");
        Self { closes: true, ..Self::new(malformed.status, detail) }
    }

    pub(crate) fn slow_head() -> Self {
        Self { closes: true, ..Self::new(408, "The request's head took too long to arrive.") }
    }

    pub(crate) fn rejected(rejection: Rejection) -> Self {
        let detail = format!("The request cannot be served: {rejection}.");
        Self { closes: true, ..Self::new(rejection.status, detail) }
    }

    pub(crate) fn no_route() -> Self {
        Self::new(404, "Route not found: no route matches this host and path.")
    }

    pub(crate) fn no_service() -> Self {
        Self::new(502, "The service is not running.")
    }

    pub(crate) fn method_not_allowed(allow: String) -> Self {
        let answer = Self::new(405, "No route matches this method; see Allow for those that do.");
        Self { allow: Some(allow), ..answer }
    }

    pub(crate) fn too_large() -> Self {
        Self { closes: true, ..Self::new(413, "The request's body is longer than allowed here.") }
    }

    pub(crate) fn unavailable(why: Unavailable) -> Self {
        let problem = Problem::unavailable(why, "", 0);
        let retry_after = problem.retry_after.is_some();
        Self { retry_after, ..Self::new(problem.status, problem.detail.to_owned()) }
    }

    /// What the client is told when an attempt stopped before its answer began.
    pub(crate) fn stopped(stop: Stop) -> Self {
        let answer = match &stop {
            Stop::ClientGone => Self::new(499, "The client closed the connection."),
            Stop::ClientMalformed(malformed) => Self::malformed(*malformed),
            Stop::TooLarge => Self::too_large(),
            Stop::Refused => Self::new(502, "The service cannot be reached."),
            Stop::UpstreamLost => {
                Self::new(502, "The service closed the connection before it answered.")
            }
            Stop::UpstreamMalformed(reason) => {
                Self::new(502, format!("The service's answer is malformed: {reason}."))
            }
            Stop::Expired(expired) => Self::expired(*expired),
        };
        Self { stop: Some(stop), ..answer }
    }

    fn expired(expired: Expired) -> Self {
        match expired {
            Expired::Connect => {
                Self::new(504, "The service did not accept the connection in time.")
            }
            Expired::ResponseHead => Self::new(504, "The service did not answer in time."),
            Expired::Total => Self::new(504, "The request took longer than allowed."),
            Expired::UpstreamStalled => Self::new(504, "The service stopped reading the request."),
            Expired::SlowBody => {
                Self { closes: true, ..Self::new(408, "The request's body arrives too slowly.") }
            }
            Expired::ClientStalled | Expired::ClientGone => {
                Self { closes: true, ..Self::new(408, "The client stopped.") }
            }
        }
    }

    pub(crate) fn status(&self) -> u16 {
        self.status
    }

    /// Whether the connection cannot be used any more.
    pub(crate) fn closes(&self) -> bool {
        self.closes
    }

    /// Whether the client has gone, so that there is nobody to read it.
    pub(crate) fn is_to_nobody(&self) -> bool {
        matches!(self.stop, Some(Stop::ClientGone | Stop::Expired(Expired::ClientGone)))
    }
}

/// Replaces `out` by the whole answer. `keeps`: the connection carries another request afterwards.
pub(crate) fn write(
    out: &mut Vec<u8>,
    answer: &Answer,
    asking: &Asking<'_>,
    record: &mut Record<'_>,
    keeps: bool,
) {
    record.status = answer.status;
    record.error = Some(answer.detail.clone());
    let request_id = record.request_id.as_str();
    let policy = &asking.view.snapshot.policy;
    let problem = Problem {
        retry_after: answer.retry_after.then_some(policy.retry_after_seconds),
        allow: answer.allow.as_deref(),
        ..Problem::new(answer.status, &answer.detail, request_id)
    };
    let html = prefers_html(&asking.fields());
    let mut body = Vec::new();
    problem.write_body(html, &mut body);
    out.clear();
    encode::status_line(out, answer.status, problem.title().as_bytes());
    encode::field(out, b"Content-Type", Problem::content_type(html).as_bytes());
    encode::number_field(out, b"Content-Length", body.len() as u64);
    encode::field(out, b"Cache-Control", b"no-store");
    encode::field(out, b"X-Request-Id", request_id.as_bytes());
    if let Some(seconds) = problem.retry_after {
        encode::number_field(out, b"Retry-After", u64::from(seconds));
    }
    if let Some(allow) = problem.allow {
        encode::field(out, b"Allow", allow.as_bytes());
    }
    if !keeps {
        encode::field(out, b"Connection", b"close");
    } else if asking.request.version == Version::Http10 {
        encode::field(out, b"Connection", b"keep-alive");
    }
    out.extend_from_slice(encode::HEAD_END);
    if asking.request.method != Method::Head {
        out.extend_from_slice(&body);
    }
}
