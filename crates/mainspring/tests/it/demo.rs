//! The demo as a person meets it, with a stand-in for the shop that is there in no time.

use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};

use crate::mishaps::{eventually, is_alive, signal};
use crate::place::Place;

/// `shop PROGRAM`, where every program answers everything.
const SHOP: &str = r#"#!/usr/bin/env python3
import http.server, os
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header('Content-Length', '0')
        self.end_headers()
    def log_message(self, *rest):
        pass
http.server.ThreadingHTTPServer(('127.0.0.1', int(os.environ['PORT'])), Handler).serve_forever()
"#;

/// A closed terminal sends SIGHUP. Nobody is there any more to press Ctrl-C.
#[test]
fn a_closed_terminal_ends_the_demo_and_all_its_programs() {
    let place = Place::new("");
    let own = place.path().join("mainspring");
    let shop = place.path().join("shop");
    std::fs::copy(env!("CARGO_BIN_EXE_mainspring"), &own).unwrap();
    std::fs::write(&shop, SHOP).unwrap();
    std::fs::set_permissions(&shop, std::fs::Permissions::from_mode(0o755)).unwrap();

    let mut demo = Command::new(&own);
    // Without a cargo it takes the shop from beside itself.
    demo.args(["demo", "--quiet", "--dir", "here"]).env("CARGO", "/nonexistent");
    demo.current_dir(place.path()).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut demo = demo.spawn().unwrap();
    let mut lines = BufReader::new(demo.stdout.take().unwrap()).lines().map_while(Result::ok);
    let open = lines.find(|line| line.starts_with("The shop is open:"));
    assert!(open.is_some(), "the demo ended before the shop was open");
    let said = place.run(&["status", "--json", "-c", "here/mainspring.toml"]);
    let status: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    let services = status["services"].as_array().unwrap().iter();
    let replicas = services.flat_map(|service| service["replicas"].as_array().unwrap());
    let pids: Vec<u32> =
        replicas.map(|one| u32::try_from(one["pid"].as_u64().unwrap()).unwrap()).collect();
    assert!(pids.len() > 3 && pids.iter().all(|pid| is_alive(*pid)), "{pids:?}");

    signal("HUP", demo.id());
    // Nobody reads what it says at its end, as after the terminal is gone.
    drop(lines);
    let ended = eventually("the demo ends", || demo.try_wait().unwrap());
    assert_eq!(ended.code(), Some(0));
    let left: Vec<_> = pids.iter().filter(|pid| is_alive(**pid)).collect();
    assert!(left.is_empty(), "{left:?} run on");
}
