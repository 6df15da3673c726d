//! What every program does alike: pages, health, versions, mistakes at the start.

use serde_json::json;

use super::client;
use super::{Folder, Running, shop};

#[test]
fn the_whole_shop_runs_in_one_process() {
    let folder = Folder::new("all");
    let mut command = shop("all", &folder.0);
    command.env("SHOP_VERSION", "v7");
    let all = Running::start(command);
    let get = |path: &str| client::get(&format!("{}{path}", all.url));
    assert_eq!(get("/health").status, 200);
    assert_eq!(get("/health").field("shop-version"), Some("v7"));
    for page in ["/", "/product/field", "/order/anything"] {
        let answer = get(page);
        assert_eq!((answer.status, answer.field("content-type")), (200, Some(HTML)), "{page}");
    }
    for path in ["/assets/shop.js", "/assets/shop.css", "/api/catalogue/pictures/gear.svg"] {
        assert_eq!(get(path).status, 200, "{path}");
    }
    for path in ["/api/nothing", "/favicon.ico", "/assets/none.js"] {
        assert_eq!(get(path).status, 404, "{path}");
    }
    let found = get("/api/catalogue/search?q=pend%20clock").body;
    assert_eq!(found["products"][0]["id"], "regulator");
    assert_eq!(get("/api/catalogue/search?q=NEAR(%22xyzzy").body["total"], 0);
}

const HTML: &str = "text/html; charset=utf-8";

#[test]
fn the_card_network_has_moods() {
    let folder = Folder::new("moods");
    let payments = Running::start(shop("payments", &folder.0));
    let network = format!("{}/api/payments/network", payments.url);
    assert_eq!(client::get(&network).body, json!({ "mood": "normal" }));
    let declining = json!({ "mood": "declining" });
    assert_eq!(client::send("PUT", &network, &declining).status, 200);
    assert_eq!(client::send("PUT", &network, &json!({ "mood": "happy" })).status, 422);
    let charge = json!({ "reference": "r", "amount_cents": 1, "card": "4242424242424242" });
    let url = format!("{}/internal/payments", payments.url);
    assert_eq!(client::send("POST", &url, &charge).status, 402);
    // A settled reference that nobody charged stays closed.
    let settled = client::send("POST", &format!("{url}/late/settle"), &json!({}));
    assert_eq!(settled.body["status"], "void");
    let late = json!({ "reference": "late", "amount_cents": 1, "card": "4242424242424242" });
    assert_eq!(client::send("POST", &url, &late).status, 409);
}

#[test]
fn a_body_over_the_limit_is_refused() {
    let folder = Folder::new("body");
    let payments = Running::start(shop("payments", &folder.0));
    let url = format!("{}/internal/payments", payments.url);
    let around = json!({ "reference": "" }).to_string().len();
    for (bytes, want) in [(64 * 1024, 422), (64 * 1024 + 1, 413)] {
        let body = json!({ "reference": "x".repeat(bytes - around) });
        assert_eq!(client::send("POST", &url, &body).status, want, "{bytes}");
    }
}

#[test]
fn what_is_no_json_of_the_right_shape_is_answered_with_a_problem() {
    let folder = Folder::new("no-json");
    let all = Running::start(shop("all", &folder.0));
    for (method, path) in [
        ("POST", "/internal/payments"),
        ("PUT", "/api/payments/network"),
        ("POST", "/api/orders"),
        ("POST", "/api/users"),
        ("PUT", "/api/cart/0123456789abcdef/items/regulator"),
    ] {
        let url = format!("{}{path}", all.url);
        // Nothing at all is broken JSON; a list is JSON of another shape.
        for (body, want) in [(None, 400), (Some(json!([])), 422)] {
            let answer = client::call(method, &url, body.as_ref(), "").unwrap();
            assert_eq!(answer.status, want, "{method} {path}: {}", answer.body);
            let kind = answer.field("content-type");
            assert_eq!(kind, Some("application/problem+json"), "{method} {path}");
            assert_eq!(answer.body["status"], want, "{method} {path}");
        }
    }
}

#[test]
fn builds_can_be_broken_on_purpose() {
    let folder = Folder::new("broken");
    let mut command = shop("orders", &folder.0);
    let orders = Running::start({
        command.env("SHOP_BROKEN", "health");
        command
    });
    assert_eq!(client::get(&format!("{}/health", orders.url)).status, 503);
    let output = shop("orders", &folder.0).env("SHOP_BROKEN", "start").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn mistakes_at_the_start_are_explained() {
    let folder = Folder::new("mistakes");
    let users = Running::start(shop("users", &folder.0));
    let port = users.url.rsplit(':').next().unwrap();
    let taken = shop("cart", &folder.0).args(["--port", port]).output().unwrap();
    assert_eq!(taken.status.code(), Some(1));
    let said = String::from_utf8(taken.stderr).unwrap();
    assert!(said.contains(&format!("cannot listen on 127.0.0.1:{port}")), "{said}");
    let unknown = shop("cart", &folder.0).arg("--prot").output().unwrap();
    assert_eq!(unknown.status.code(), Some(2));
}
