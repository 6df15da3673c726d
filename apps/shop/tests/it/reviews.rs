//! The Python program, which the shop can live without.

use std::path::Path;
use std::process::Command;

use serde_json::json;

use super::client;
use super::{Folder, Running};

fn reviews(folder: &Path) -> Running {
    let found = Command::new("python3").args(["-c", "import sqlite3, http.server"]).status();
    let found = found.is_ok_and(|status| status.success());
    assert!(found, "this test needs Python with SQLite: apt-get install python3");
    let mut command = Command::new("python3");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("reviews/reviews.py");
    command.arg(script).arg("--data").arg(folder);
    Running::start(command)
}

#[test]
fn reviews_are_kept_and_checked() {
    let folder = Folder::new("reviews");
    let mut running = reviews(&folder.0);
    let url = format!("{}/api/reviews/station", running.url);
    let before = client::get(&url).body["reviews"].as_array().unwrap().len();
    let good = json!({ "name": "Eve", "stars": 5, "text": "Ticks <b>well</b>" });
    assert_eq!(client::send("POST", &url, &good).status, 201);
    for bad in [
        json!({ "name": "Eve", "stars": 6, "text": "x" }),
        json!({ "name": "", "stars": 5, "text": "x" }),
        json!({ "name": "Eve", "stars": true, "text": "x" }),
        json!({ "name": "Eve", "stars": 5, "text": "x".repeat(1001) }),
        json!([]),
    ] {
        assert_eq!(client::send("POST", &url, &bad).status, 422, "{bad}");
    }
    let long = json!({ "name": "Eve", "stars": 5, "text": "x".repeat(16 * 1024) });
    assert_eq!(client::send("POST", &url, &long).status, 413);
    let after = client::get(&url).body;
    assert_eq!(after["reviews"].as_array().unwrap().len(), before + 1);
    assert_eq!(after["reviews"][0]["text"], "Ticks <b>well</b>");
    assert_eq!(client::get(&format!("{}/api/reviews/../x", running.url)).status, 404);
    running.terminate();
    assert!(running.wait().success());
}
