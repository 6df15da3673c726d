//! Answers that we write ourselves: a page for browsers, `application/problem+json` (RFC 9457) for
//! programs. Both say the same and name the request.

use crate::access::write_json_text;
use crate::request::Fields;
use crate::service::Unavailable;

/// An answer of our own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem<'a> {
    /// The status.
    pub status: u16,
    /// What happened, in one clause that a stranger may read.
    pub detail: &'a str,
    /// Names the request; empty when it had none yet.
    pub request_id: &'a str,
    /// Seconds for `Retry-After`.
    pub retry_after: Option<u32>,
    /// The value of `Allow`, with 405.
    pub allow: Option<&'a str>,
}

impl<'a> Problem<'a> {
    /// A problem with nothing but a status and a detail.
    pub fn new(status: u16, detail: &'a str, request_id: &'a str) -> Self {
        Self { status, detail, request_id, retry_after: None, allow: None }
    }

    /// What a request gets when no endpoint is to be had; `retry_after` is in seconds.
    pub fn unavailable(why: Unavailable, request_id: &'a str, retry_after: u32) -> Self {
        match why {
            Unavailable::NoneReady => Self {
                retry_after: Some(retry_after),
                ..Self::new(503, "The service is starting; try again in a moment.", request_id)
            },
            Unavailable::Down => Self::new(502, "The service is not running.", request_id),
        }
    }

    /// The status in words (RFC 9110 §15).
    pub const fn title(&self) -> &'static str {
        match self.status {
            400 => "Bad Request",
            403 => "Forbidden",
            404 => "Not Found",
            405 => "Method Not Allowed",
            408 => "Request Timeout",
            413 => "Content Too Large",
            414 => "URI Too Long",
            417 => "Expectation Failed",
            421 => "Misdirected Request",
            426 => "Upgrade Required",
            429 => "Too Many Requests",
            431 => "Request Header Fields Too Large",
            500 => "Internal Server Error",
            501 => "Not Implemented",
            502 => "Bad Gateway",
            503 => "Service Unavailable",
            504 => "Gateway Timeout",
            505 => "HTTP Version Not Supported",
            _ => "Error",
        }
    }

    /// The value of `Content-Type`.
    pub const fn content_type(html: bool) -> &'static str {
        if html { "text/html; charset=utf-8" } else { "application/problem+json" }
    }

    /// Appends the body.
    pub fn write_body(&self, html: bool, out: &mut Vec<u8>) {
        if html { self.write_html(out) } else { self.write_json(out) }
    }

    fn write_json(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"type\":\"about:blank\",\"title\":");
        write_json_text(self.title().as_bytes(), out);
        out.extend_from_slice(b",\"status\":");
        out.extend_from_slice(itoa::Buffer::new().format(self.status).as_bytes());
        out.extend_from_slice(b",\"detail\":");
        write_json_text(self.detail.as_bytes(), out);
        if !self.request_id.is_empty() {
            out.extend_from_slice(b",\"request_id\":");
            write_json_text(self.request_id.as_bytes(), out);
        }
        out.extend_from_slice(b"}\n");
    }

    fn write_html(&self, out: &mut Vec<u8>) {
        let status = self.status;
        let title = self.title();
        let page = format!(
            "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width\">\n\
             <title>{status} {title}</title>\n<style>\n\
             :root {{ color-scheme: light dark; }}\n\
             body {{ font: 1.1rem/1.5 system-ui, sans-serif; max-width: 32rem; \
             margin: 18vh auto; padding: 0 1.5rem; }}\n\
             h1 {{ font-size: 1.5rem; margin: 0; }}\n\
             b {{ display: block; font-size: 4rem; line-height: 1; opacity: .35; }}\n\
             small {{ opacity: .7; }}\n\
             code {{ font-size: .9em; overflow-wrap: anywhere; }}\n\
             </style>\n<h1><b>{status}</b> {title}</h1>\n<p>"
        );
        out.extend_from_slice(page.as_bytes());
        write_html_text(self.detail, out);
        out.extend_from_slice(b"</p>\n");
        if !self.request_id.is_empty() {
            out.extend_from_slice(b"<p><small>Request <code>");
            write_html_text(self.request_id, out);
            out.extend_from_slice(b"</code></small></p>\n");
        }
        out.extend_from_slice(b"</html>\n");
    }
}

/// Whether the client would rather see a page: its `Accept` names `text/html`, and prefers it to
/// JSON at least as much (RFC 9110 §12.5.1). `*/*` alone is a program.
pub fn prefers_html(fields: &dyn Fields) -> bool {
    let mut html = 0;
    let mut json = 0;
    fields.each("accept", &mut |value| {
        for range in value.split(|&byte| byte == b',') {
            let mut parts = range.split(|&byte| byte == b';');
            let kind = parts.next().unwrap_or_default().trim_ascii();
            let quality = parts.find_map(quality).unwrap_or(1000);
            if kind.eq_ignore_ascii_case(b"text/html")
                || kind.eq_ignore_ascii_case(b"application/xhtml+xml")
            {
                html = html.max(quality);
            }
            if kind.eq_ignore_ascii_case(b"application/json")
                || kind.eq_ignore_ascii_case(b"application/problem+json")
            {
                json = json.max(quality);
            }
        }
    });
    html > 0 && html >= json
}

/// `q=0.8` in thousandths.
fn quality(parameter: &[u8]) -> Option<u32> {
    let [b'q' | b'Q', b'=', digits @ ..] = parameter.trim_ascii() else { return None };
    let text = std::str::from_utf8(digits).ok()?;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let thousandths = fraction.bytes().chain(*b"000").take(3);
    let fraction = thousandths.fold(0, |sum, digit| sum * 10 + u32::from(digit.wrapping_sub(b'0')));
    Some(if whole == "1" { 1000 } else { fraction.min(1000) })
}

fn write_html_text(text: &str, out: &mut Vec<u8>) {
    for byte in text.bytes() {
        match byte {
            b'&' => out.extend_from_slice(b"&amp;"),
            b'<' => out.extend_from_slice(b"&lt;"),
            b'>' => out.extend_from_slice(b"&gt;"),
            b'"' => out.extend_from_slice(b"&quot;"),
            _ => out.push(byte),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::FieldList;

    fn html(accept: &str) -> bool {
        prefers_html(&FieldList(vec![("Accept".to_owned(), accept.to_owned())]))
    }

    #[test]
    fn browsers_get_pages_and_programs_json() {
        assert!(html("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"));
        assert!(html("application/json;q=0.5, text/html;q=0.6"));
        assert!(!html("application/json, text/html;q=0.9"));
        assert!(!html("*/*"));
        assert!(!html(""));
        assert!(!html("text/html;q=0"));
        assert!(!html("text/html;q=0.000, */*"));
        assert!(!prefers_html(&FieldList::default()));
    }

    #[test]
    fn hostile_text_stays_text() {
        let problem = Problem::new(400, "<script>\"&\n", "a\"b");
        let body = |html| {
            let mut out = Vec::new();
            problem.write_body(html, &mut out);
            String::from_utf8(out).unwrap()
        };
        let page = body(true);
        assert!(page.contains("&lt;script&gt;&quot;&amp;"), "{page}");
        assert!(!page.contains("<script>"));
        assert_eq!(
            body(false),
            "{\"type\":\"about:blank\",\"title\":\"Bad Request\",\"status\":400,\
             \"detail\":\"<script>\\\"&\\n\",\"request_id\":\"a\\\"b\"}\n"
        );
    }

    #[test]
    fn starting_is_worth_a_wait_and_down_is_not() {
        let starting = Problem::unavailable(Unavailable::NoneReady, "", 3);
        assert_eq!((starting.status, starting.retry_after), (503, Some(3)));
        let down = Problem::unavailable(Unavailable::Down, "", 3);
        assert_eq!((down.status, down.retry_after), (502, None));
    }
}
