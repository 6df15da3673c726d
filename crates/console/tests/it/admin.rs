//! The admin API: every operation, its refusals, and its streams.

use std::time::Duration;

use runtime::http::Call;
use serde_json::{Value, json};

use crate::Fixture;

/// Every operation of the document with a request that it must answer with 200.
fn good_requests(document: &Value) -> Vec<(String, String, &'static str)> {
    let mut requests = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let body = match operation["operationId"].as_str().unwrap() {
                "Scale" => r#"{"replicas":3}"#,
                "Explain" => r#"{"method":"GET","url":"http://shop.example/a"}"#,
                "SecretSet" => r#"{"value":"s3cret"}"#,
                "Reload" => r#"{"plan":"p1"}"#,
                _ => "{}",
            };
            let path = path.replace("{service}", "catalogue").replace("{name}", "card-network");
            requests.push((method.to_uppercase(), path, body));
        }
    }
    requests
}

#[test]
fn every_operation_answers_as_the_document_says() {
    let fixture = Fixture::new();
    let document = fixture.json("/api/v1/openapi.json");
    let requests = good_requests(&document);
    assert!(requests.len() > 20, "{requests:?}");
    for (method, path, body) in requests {
        let call = fixture.call(&method, &path);
        let call = if method == "GET" { call } else { call.json(body) };
        // Streams have no end, so the head must do.
        let reply = fixture.client.open(&call).unwrap();
        assert_eq!(reply.reply.status, 200, "{method} {path}");
        let media_type = reply.reply.headers.get("content-type").unwrap();
        let wanted =
            if path.ends_with("/stream") { "text/event-stream" } else { "application/json" };
        assert_eq!(media_type, wanted, "{method} {path}");
    }
}

#[test]
fn refusals_are_problems_with_the_right_status() {
    let fixture = Fixture::new();
    let invalid_plan = r#"{"text":"nonsense"}"#;
    for (method, path, body, status) in [
        ("GET", "/api/v1", "", 404),
        ("GET", "/api/v1/", "", 404),
        ("GET", "/api/v2/status", "", 404),
        ("GET", "/api/v1/nothing", "", 404),
        ("GET", "/api/v1/services/nothing", "", 404),
        ("GET", "/api/v1/services/%ff", "", 400),
        ("GET", "/api/v1/status?x=1", "", 400),
        ("GET", "/api/v1/logs?tail=10001", "", 400),
        ("GET", "/api/v1/history?service=a&route=b", "", 400),
        ("GET", "/api/v1/history?service=nothing", "", 404),
        ("POST", "/api/v1/status", "{}", 405),
        ("GET", "/api/v1/plan", "", 405),
        ("OPTIONS", "/api/v1/plan", "", 405),
        ("POST", "/api/v1/services/nothing/deploy", "{}", 404),
        ("POST", "/api/v1/services/cart/deploy", r#"{"now":true}"#, 422),
        ("POST", "/api/v1/services/cart/deploy", " []", 422),
        ("POST", "/api/v1/services/cart/scale", "[3]", 422),
        ("POST", "/api/v1/services/cart/scale", "{", 400),
        ("POST", "/api/v1/services/cart/scale", "{}", 422),
        ("POST", "/api/v1/services/cart/scale", r#"{"replicas":-1}"#, 422),
        ("POST", "/api/v1/services/cart/scale", r#"{"replicas":1001}"#, 422),
        ("POST", "/api/v1/plan", invalid_plan, 422),
        ("POST", "/api/v1/reload", r#"{"plan":"old"}"#, 409),
        ("DELETE", "/api/v1/secrets/nothing", "", 404),
        ("POST", "/", "{}", 405),
        ("GET", "/nothing", "", 404),
    ] {
        let call = fixture.call(method, path);
        let call = if body.is_empty() { call } else { call.json(body) };
        let reply = fixture.client.send(&call).unwrap();
        assert_eq!(reply.status, status, "{method} {path} {body}");
        assert_eq!(reply.headers.get("content-type"), Some("application/problem+json"), "{path}");
        let problem: Value = serde_json::from_slice(&reply.body).unwrap();
        assert_eq!(problem["status"], json!(status));
        assert!(!problem["detail"].as_str().unwrap().is_empty());
        assert_eq!(reply.headers.get("allow").is_some(), status == 405, "{method} {path}");
    }
    let (_, problem) = fixture.post("/api/v1/plan", invalid_plan);
    assert_eq!(problem["lines"], json!(["error: no service"]));
}

#[test]
fn scaling_to_the_limit_is_accepted() {
    let fixture = Fixture::new();
    let (status, _) = fixture.post("/api/v1/services/cart/scale", r#"{"replicas":1000}"#);
    assert_eq!(status, 200);
    assert_eq!(fixture.json("/api/v1/services/cart")["desired"], json!(1000));
}

#[test]
fn a_form_of_another_page_changes_nothing() {
    let fixture = Fixture::new();
    let scale = fixture.call("POST", "/api/v1/services/cart/scale");
    let with_body = |mut call: Call| {
        call.body = r#"{"replicas":7}"#.into();
        call
    };
    let json = |call: Call| call.json(r#"{"replicas":7}"#);
    for (call, status) in [
        (with_body(scale.clone()), 415),
        (with_body(scale.clone().header("content-type", "text/plain")), 415),
        (json(scale.clone().header("origin", "http://evil.example")), 403),
        (json(scale.clone().header("sec-fetch-site", "same-site")), 403),
        (json(scale.clone().header("host", "evil.example")), 403),
        (json(scale.clone().header("x-forwarded-for", "1.2.3.4")), 401),
    ] {
        let reply = fixture.client.send(&call).unwrap();
        assert_eq!(reply.status, status, "{call:?}");
        assert_eq!(reply.headers.get("access-control-allow-origin"), None);
        assert_eq!(reply.headers.get("www-authenticate").is_some(), status == 401);
    }
    assert_eq!(fixture.json("/api/v1/services/cart")["desired"], json!(2));
}

#[test]
fn commands_reach_the_node() {
    let fixture = Fixture::new();
    let (status, report) = fixture.post("/api/v1/services/cart/deploy", "");
    assert_eq!((status, &report["outcome"]), (200, &json!("done")));
    assert_eq!(fixture.json("/api/v1/services/cart")["version"], json!(2));
    let (status, report) = fixture.post("/api/v1/services/payments/deploy", "{}");
    assert_eq!((status, &report["outcome"]), (200, &json!("rolled-back")));
    fixture.post("/api/v1/services/cart/stop", "{}");
    assert_eq!(fixture.json("/api/v1/services/cart")["state"], json!("stopped"));
    let events = fixture.json("/api/v1/events?limit=2");
    assert_eq!(events.as_array().unwrap().len(), 2);
    assert!(events[1]["id"].as_u64() > events[0]["id"].as_u64());
}

/// Reads a stream until `wanted` holds of what arrived, for at most ten seconds.
fn read_until(fixture: &Fixture, path: &str, wanted: impl Fn(&str) -> bool) -> String {
    let mut stream = fixture.client.open(&fixture.call("GET", path)).unwrap();
    let begun = std::time::Instant::now();
    let mut text = String::new();
    while !wanted(&text) {
        assert!(begun.elapsed() < Duration::from_secs(10), "{text}");
        let chunk = stream.chunk().unwrap().expect("the stream goes on");
        text.push_str(std::str::from_utf8(&chunk).unwrap());
    }
    text
}

#[test]
fn the_live_stream_has_pictures_and_events() {
    let fixture = Fixture::new();
    let text = read_until(&fixture, "/api/v1/live/stream", |text| {
        text.matches("event: live\n").count() >= 2 && text.contains("event: event\n")
    });
    let picture = text.lines().rev().find(|line| line.starts_with("data: {\"status\"")).unwrap();
    let picture: Value = serde_json::from_str(&picture["data: ".len()..]).unwrap();
    assert_eq!(picture["status"]["services"].as_array().unwrap().len(), 6);
    let last = fixture.json("/api/v1/events?limit=1")[0]["id"].clone();
    let again = read_until(&fixture, &format!("/api/v1/live/stream?after={last}"), |text| {
        text.contains("event: live\n")
    });
    assert!(!again.contains("event: event\n"), "seen events are not sent again");
}

#[test]
fn the_log_stream_begins_with_the_tail_and_filters() {
    let fixture = Fixture::new();
    let text = read_until(&fixture, "/api/v1/logs/stream?service=cart&contains=GET", |text| {
        text.matches("event: line\n").count() >= 3
    });
    for line in text.lines().filter_map(|line| line.strip_prefix("data: ")) {
        let line: Value = serde_json::from_str(line).unwrap();
        assert_eq!(line["service"], json!("cart"));
        assert!(line["text"].as_str().unwrap().contains("GET"));
    }
}

#[test]
fn stopping_ends_streams() {
    let mut fixture = Fixture::new();
    let call = fixture.call("GET", "/api/v1/live/stream");
    let console = fixture.console.take().unwrap();
    let mut stream = fixture.client.open(&call).unwrap();
    assert!(stream.chunk().unwrap().is_some());
    fixture.control.block_on(console.stop(Duration::from_secs(10))).unwrap();
    while let Some(chunk) = stream.chunk().unwrap() {
        assert!(!chunk.is_empty());
    }
}

#[test]
fn history_has_a_point_for_each_step() {
    let fixture = Fixture::new();
    assert_eq!(fixture.json("/api/v1/history")["series"], json!([]));
    // A service that is there and has no point yet is not "not found": a page may be opened then.
    assert_eq!(fixture.json("/api/v1/history?service=catalogue")["step_ms"], json!(0));
    let begun = std::time::Instant::now();
    let history = loop {
        let history = fixture.json("/api/v1/history?minutes=1");
        if history["series"][0]["points"].as_array().is_some() {
            break history;
        }
        assert!(begun.elapsed() < Duration::from_secs(30));
        // The live stream beats once a second: waiting for it is waiting for the sampler.
        read_until(&fixture, "/api/v1/live/stream", |text| text.contains("event: live\n"));
    };
    let point = &history["series"][0]["points"][0];
    assert!(point["requests_per_s"].as_f64().unwrap() > 50.0, "{history}");
    let service = fixture.json("/api/v1/history?service=catalogue");
    assert!(service["series"][0]["points"][0]["cpu_cores"].as_f64().is_some(), "{service}");
}
