//! Answers in JSON, problems in the words of RFC 9457, and the fields that every answer has.

use runtime::http::Response;
use serde::Serialize;

use crate::api::Problem;
use crate::node::Refusal;

/// Scripts, styles and connections of our own origin alone; nothing inline, nothing framed.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
     img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; \
     frame-ancestors 'none'";

/// 200 with `body`, or the refusal.
pub(crate) fn result<T: Serialize>(result: Result<T, Refusal>) -> Response {
    match result {
        Ok(body) => json(200, &body),
        Err(refusal) => refused(refusal),
    }
}

/// `body` as JSON.
pub(crate) fn json<T: Serialize>(status: u16, body: &T) -> Response {
    encode(status, "application/json", body)
}

/// A refusal as a problem.
pub(crate) fn refused(refusal: Refusal) -> Response {
    let status = refusal.kind.status();
    let Refusal { detail, lines, .. } = refusal;
    let problem = Problem {
        kind: "about:blank".to_owned(),
        title: title(status).to_owned(),
        status,
        detail,
        lines,
    };
    encode(status, "application/problem+json", &problem)
}

/// A problem without further lines.
pub(crate) fn problem(status: u16, detail: impl Into<String>) -> Response {
    let problem = Problem {
        kind: "about:blank".to_owned(),
        title: title(status).to_owned(),
        status,
        detail: detail.into(),
        lines: Vec::new(),
    };
    let response = encode(status, "application/problem+json", &problem);
    if status == 401 { response.with("www-authenticate", "Bearer") } else { response }
}

/// The fields that protect a browser, on every answer.
pub(crate) fn protect(response: Response) -> Response {
    response
        .with("content-security-policy", CONTENT_SECURITY_POLICY)
        .with("cross-origin-opener-policy", "same-origin")
        .with("cross-origin-resource-policy", "same-origin")
        .with("referrer-policy", "no-referrer")
        .with("x-content-type-options", "nosniff")
}

fn encode<T: Serialize>(status: u16, media_type: &str, body: &T) -> Response {
    match serde_json::to_vec(body) {
        Ok(bytes) => Response::new(status, media_type, bytes).with("cache-control", "no-store"),
        // Our types have no map with keys that are not text, the one thing that JSON refuses.
        Err(error) => Response::new(500, "text/plain", error.to_string()),
    }
}

fn title(status: u16) -> &'static str {
    match status {
        400 => "Bad request",
        401 => "Token needed",
        403 => "Forbidden",
        404 => "Not found",
        405 => "Method not allowed",
        409 => "Conflict",
        415 => "Media type not supported",
        422 => "Invalid",
        503 => "Not now",
        _ => "Failed",
    }
}
