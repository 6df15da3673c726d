//! What is not the admin API: probes, metrics and the files of the browser console.

use crate::Fixture;

#[test]
fn probes_answer_by_any_name() {
    let fixture = Fixture::new();
    for path in ["/healthz", "/readyz"] {
        let call = fixture.call("GET", path).header("host", "probe.example");
        assert_eq!(fixture.client.send(&call).unwrap().status, 200, "{path}");
    }
}

#[test]
fn metrics_are_guarded_like_the_api() {
    let fixture = Fixture::new();
    let reply = fixture.get("/metrics");
    let media_type = reply.headers.get("content-type");
    assert_eq!(media_type, Some("text/plain; version=0.0.4; charset=utf-8"));
    let text = std::str::from_utf8(&reply.body).unwrap();
    assert!(text.contains("mainspring_replicas_desired{service=\"catalogue\"} 3\n"), "{text}");
    assert!(text.contains("process_resident_memory_bytes "), "{text}");
    let call = fixture.call("GET", "/metrics").header("host", "evil.example");
    assert_eq!(fixture.client.send(&call).unwrap().status, 403);
}

#[test]
fn the_console_is_served_with_its_protection_and_tags() {
    let fixture = Fixture::new();
    let reply = fixture.get("/");
    assert_eq!(reply.status, 200);
    let policy = reply.headers.get("content-security-policy").unwrap();
    assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    assert_eq!(reply.headers.get("x-content-type-options"), Some("nosniff"));
    let tag = reply.headers.get("etag").unwrap().to_owned();
    let again = fixture.call("GET", "/").header("if-none-match", tag);
    let again = fixture.client.send(&again).unwrap();
    assert_eq!((again.status, again.body.len()), (304, 0));
    let head = fixture.client.send(&fixture.call("HEAD", "/assets/main.js")).unwrap();
    assert_eq!((head.status, head.body.len()), (200, 0));
}
