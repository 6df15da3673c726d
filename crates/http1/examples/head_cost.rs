//! What it costs to read a head, in nanoseconds. Run by hand:
//! `cargo run --release -p http1 --example head_cost`.

#![expect(clippy::print_stdout, reason = "it prints its findings")]
#![expect(clippy::disallowed_methods, reason = "a stopwatch needs the clock")]

use std::hint::black_box;
use std::time::Instant;

use http1::{Limits, Method, Progress, RequestHead, ResponseHead};

const REQUEST: &[u8] = b"GET /orders/4711?expand=items HTTP/1.1\r\n\
    Host: shop.example:8080\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n\
    Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n\
    Accept-Language: en-GB,en;q=0.5\r\n\
    Accept-Encoding: gzip, deflate, br, zstd\r\n\
    Referer: http://shop.example:8080/orders\r\n\
    Cookie: session=0123456789abcdef0123456789abcdef; theme=dark\r\n\
    Connection: keep-alive\r\n\r\n";

const RESPONSE: &[u8] = b"HTTP/1.1 200 OK\r\n\
    Server: nginx/1.26.3\r\n\
    Date: Sun, 22 Nov 2026 10:00:00 GMT\r\n\
    Content-Type: application/json\r\n\
    Content-Length: 1024\r\n\
    Connection: keep-alive\r\n\
    Etag: \"65f0c0de-400\"\r\n\r\n";

/// Readings per sample, and samples; short ones, so that some fall between disturbances.
const READING_COUNT: u32 = 500;
const SAMPLE_COUNT: u32 = 5_000;

fn best(mut read: impl FnMut()) -> f64 {
    let mut best = f64::INFINITY;
    for _ in 0..SAMPLE_COUNT {
        let start = Instant::now();
        for _ in 0..READING_COUNT {
            read();
        }
        best = best.min(start.elapsed().as_secs_f64() * 1e9 / f64::from(READING_COUNT));
    }
    best
}

fn main() {
    let limits = Limits::default();
    let (mut request, mut response) = (RequestHead::new(), ResponseHead::new());
    let request_ns = best(|| {
        let progress = request.parse(black_box(REQUEST), &limits);
        assert_eq!(black_box(progress), Ok(Progress::Complete));
    });
    let response_ns = best(|| {
        let progress = response.parse(black_box(RESPONSE), Method::Get, &limits);
        assert_eq!(black_box(progress), Ok(Progress::Complete));
    });
    let mut slots = [httparse::EMPTY_HEADER; 100];
    let httparse_ns = best(|| {
        let mut parsed = httparse::Request::new(&mut slots);
        let outcome = parsed.parse(black_box(REQUEST)).is_ok_and(|status| status.is_complete());
        assert!(black_box(outcome));
    });
    println!("request head of 8 fields, {} bytes: {request_ns:.0} ns", REQUEST.len());
    println!("  of which httparse alone: {httparse_ns:.0} ns");
    println!("response head of 6 fields, {} bytes: {response_ns:.0} ns", RESPONSE.len());
}
