//! Commands against a running node: the real binary on both sides.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Stdio};

use serde_json::Value;

use crate::place::Place;

/// A service of one line of Python: it answers every request, and says what it is told to say.
const SERVICE: &str = "
import http.server, os, time
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == '/slow':
            time.sleep(3600)
        body = os.environ.get('WORD', 'hello').encode()
        self.send_response(200)
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *rest):
        print('asked', self.path, flush=True)
http.server.ThreadingHTTPServer(('127.0.0.1', int(os.environ['PORT'])), Handler).serve_forever()
";

pub(crate) fn config(word: &str, replicas: u32, more: &str) -> String {
    format!(
        "[listen]\nhttp = \"127.0.0.1:0\"\nconsole = \"127.0.0.1:0\"\n\n\
         [service.web]\nrun = \"python3 service.py\"\nreplicas = {replicas}\nhealth = \"/\"\n\
         env = {{ WORD = \"{word}\" }}\n\n[[route]]\npath = \"/**\"\nto = \"web\"\n{more}"
    )
}

/// `mainspring up` in a place; told to stop when dropped.
pub(crate) struct Node<'p> {
    place: &'p Place,
    pub(crate) child: Child,
    /// Where clients come in: address and port.
    pub(crate) http: String,
}

impl<'p> Node<'p> {
    pub(crate) fn up(place: &'p Place, arguments: &[&str]) -> Self {
        std::fs::write(place.path().join("service.py"), SERVICE).unwrap();
        let mut command = place.command(arguments);
        command.stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let first = lines.next().expect("a line that says where clients come in").unwrap();
        let http = first.rsplit("http://").next().unwrap().to_owned();
        Self { place, child, http }
    }

    pub(crate) fn status(&self) -> Value {
        let said = self.place.run(&["status", "--json"]);
        assert_eq!(said.code, 0, "{}", said.err);
        serde_json::from_str(&said.out).unwrap()
    }

    /// The body of an answer, asked for until it is 200: replicas take their time.
    pub(crate) fn get(&self, path: &str) -> String {
        for _ in 0..600 {
            let mut stream = TcpStream::connect(&self.http).unwrap();
            write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            if answer.starts_with("HTTP/1.1 200") {
                return answer.split_once("\r\n\r\n").unwrap().1.to_owned();
            }
            // Not a wait for a moment but a pause between two looks, as a browser would reload.
            std::thread::park_timeout(std::time::Duration::from_millis(50));
        }
        panic!("{path} is not answered");
    }
}

impl Drop for Node<'_> {
    fn drop(&mut self) {
        let _ = self.place.run(&["stop"]);
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_day_in_the_life_of_a_node() {
    let place = Place::new(&config("one", 1, ""));
    assert_eq!(place.run(&["status"]).code, 1, "none runs yet");
    let node = Node::up(&place, &["up"]);
    assert_eq!(node.get("/"), "one");
    assert_eq!(node.status()["services"][0]["state"], "ready");

    // The same file is no change; another is, and the plan's id guards the reload.
    assert_eq!(place.run(&["plan"]).code, 0);
    place.write(&config("two", 2, ""));
    let plan = place.run(&["plan", "--json"]);
    assert_eq!(plan.code, 3, "{}", plan.err);
    let plan: Value = serde_json::from_str(&plan.out).unwrap();
    let id = plan["id"].as_str().unwrap();
    assert_eq!(plan["changes"][0]["action"], "changed");
    let stale = place.run(&["reload", "--plan", "0123456789abcdef"]);
    assert_eq!(stale.code, 1);
    assert!(stale.err.contains("mainspring plan"), "{}", stale.err);
    let done = place.run(&["reload", "--plan", id]);
    assert_eq!(done.code, 0, "{}", done.err);
    assert_eq!(node.get("/"), "two");

    // An invalid file changes nothing.
    place.write("[service.web]\nrum = 1\n");
    assert_eq!(place.run(&["reload"]).code, 2);
    assert_eq!(place.run(&["plan"]).code, 2);
    assert_eq!(node.get("/"), "two");
    assert_eq!(node.status()["node"]["config_generation"], 2);
    place.write(&config("two", 2, ""));

    assert_eq!(place.run(&["scale", "web=1"]).code, 0);
    assert_eq!(node.status()["services"][0]["desired"], 1);
    assert_eq!(place.run(&["deploy", "web"]).code, 0);
    assert_eq!(place.run(&["restart", "web"]).code, 0);
    let logs = place.run(&["logs", "web", "--contains", "asked"]);
    assert!(logs.out.contains("asked /"), "{}", logs.out);
    for unknown in [["deploy", "nope"], ["stop", "nope"], ["scale", "nope=1"]] {
        let said = place.run(&unknown);
        assert_eq!(said.code, 1, "{unknown:?}");
        assert!(said.err.contains("nope"), "{}", said.err);
    }
    assert_eq!(place.run(&["stop", "web"]).code, 0);
    assert_eq!(node.status()["services"][0]["state"], "stopped");
    assert_eq!(place.run(&["start", "web"]).code, 0);
    assert_eq!(node.get("/"), "two");
    let stopped = place.run(&["stop"]);
    assert_eq!(stopped.code, 0, "{}", stopped.err);
    assert_eq!(place.run(&["status"]).code, 1);
}

#[test]
fn the_last_good_configuration_starts_when_asked_for() {
    let place = Place::new(&config("good", 1, ""));
    assert_eq!(place.run(&["up", "--last-good"]).code, 2, "there is none yet");
    drop(Node::up(&place, &["up"]));
    place.write(&config("good", 1, "nonsense = 1\n"));
    assert_eq!(place.run(&["up"]).code, 2);
    let node = Node::up(&place, &["up", "--last-good"]);
    assert_eq!(node.get("/"), "good");
}

#[test]
fn secrets_are_kept_before_the_first_start_and_never_shown() {
    let text = config("x", 1, "").replace("WORD = \"x\"", "WORD = { secret = \"word\" }");
    let place = Place::new(&text);
    let set = |value: &str| {
        let mut command = place.command(&["secret", "set", "word"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(value.as_bytes()).unwrap();
        let said = place.said(child.wait_with_output().unwrap());
        let word = value.trim();
        let shown = said.out.contains(word) || said.err.contains(word);
        assert!(word.is_empty() || !shown, "{said:?}");
        said.code
    };
    assert_eq!(set("\n"), 2, "empty");
    assert_eq!(set("hunter2\n"), 0);
    let node = Node::up(&place, &["up"]);
    assert_eq!(node.get("/"), "hunter2", "without the line end");
    assert_eq!(set("hunter3\n"), 0);
    assert_eq!(place.run(&["deploy", "web"]).code, 0);
    assert_eq!(node.get("/"), "hunter3");
    let listed = place.run(&["secret", "list"]);
    assert!(listed.out.contains("word") && !listed.out.contains("hunter"), "{}", listed.out);
    for said in [place.run(&["status", "--json"]), place.run(&["plan", "--json"])] {
        assert!(!said.out.contains("hunter"));
    }
}
