//! The console's port from outside, over a made-up node.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

#[path = "../fake/mod.rs"]
mod fake;

mod admin;
mod pages;

use std::sync::Arc;

use console::{Console, ConsoleConfig};
use runtime::control::Control;
use runtime::http::blocking::BlockingClient;
use runtime::http::{Call, ClientLimits, Reply};
use serde_json::Value;

/// A console on a free port.
struct Fixture {
    client: BlockingClient,
    url: String,
    console: Option<Console>,
    control: Control,
}

impl Fixture {
    fn new() -> Self {
        let control = Control::start("console-test").unwrap();
        let config = ConsoleConfig::new("127.0.0.1:0".parse().unwrap());
        let node = Arc::new(fake::FakeNode::new());
        let console = control.block_on(Console::start(config, node)).unwrap().unwrap();
        let url = format!("http://{}", console.address());
        let client = BlockingClient::new(ClientLimits::default()).unwrap();
        Self { client, url, console: Some(console), control }
    }

    fn call(&self, method: &str, path: &str) -> Call {
        Call::new(method, format!("{}{path}", self.url))
    }

    fn get(&self, path: &str) -> Reply {
        self.client.send(&self.call("GET", path)).unwrap()
    }

    fn json(&self, path: &str) -> Value {
        let reply = self.get(path);
        assert_eq!(reply.status, 200, "{path}: {:?}", reply.body);
        serde_json::from_slice(&reply.body).unwrap()
    }

    fn post(&self, path: &str, body: &str) -> (u16, Value) {
        let reply = self.client.send(&self.call("POST", path).json(body.to_owned())).unwrap();
        (reply.status, serde_json::from_slice(&reply.body).unwrap())
    }
}
