//! What goes wrong at a user's: programs that crash, hang or are not there, files with errors,
//! ports that are taken, a node that is started twice or dies.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::node::{Node, config};
use crate::place::Place;

/// Bound of every wait; far more than a slow machine needs.
const PATIENCE: Duration = Duration::from_secs(60);

/// Asks again until there is an answer: what others bring about takes its time.
pub(crate) fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "never: {what}");
        // A pause between two looks, not a wait for a moment.
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

/// Sends a signal as a user would.
pub(crate) fn signal(name: &str, pid: u32) {
    let sent = Command::new("kill").arg(format!("-{name}")).arg(pid.to_string()).status().unwrap();
    assert!(sent.success(), "no process {pid}");
}

/// Whether there is such a process, and it is no corpse.
pub(crate) fn is_alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"));
    stat.is_ok_and(|stat| !stat.rsplit(')').next().unwrap().trim_start().starts_with('Z'))
}

/// The whole answer as text.
fn ask(http: &str, path: &str, accept: &str) -> String {
    let mut stream = TcpStream::connect(http).unwrap();
    let head = format!("Host: x\r\nAccept: {accept}\r\nConnection: close");
    write!(stream, "GET {path} HTTP/1.1\r\n{head}\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn field<'a>(answer: &'a str, name: &str) -> Option<&'a str> {
    let head = answer.split("\r\n\r\n").next().unwrap();
    head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

/// Waits for this status, and checks what programs and people are told with it.
fn expect_problem(http: &str, path: &str, status: u16) {
    let begins = format!("HTTP/1.1 {status} ");
    let with = |accept: &str| {
        eventually(&format!("{path} is {status}"), || {
            let answer = ask(http, path, accept);
            answer.starts_with(&begins).then_some(answer)
        })
    };
    let answer = with("*/*");
    assert_eq!(field(&answer, "Content-Type"), Some("application/problem+json"), "{answer}");
    let problem: Value = serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap();
    assert_eq!(problem["status"], status);
    assert_eq!(problem["request_id"].as_str(), field(&answer, "X-Request-Id"), "{answer}");
    assert_eq!(field(&answer, "Retry-After").is_some(), status == 503, "{answer}");

    let page = with("text/html,*/*;q=0.8");
    assert_eq!(field(&page, "Content-Type"), Some("text/html; charset=utf-8"), "{page}");
    let id = field(&page, "X-Request-Id").unwrap();
    assert!(page.contains("<html") && page.matches(id).count() == 2, "{page}");
}

fn service<'a>(status: &'a Value, name: &str) -> &'a Value {
    let services = status["services"].as_array().unwrap();
    services.iter().find(|one| one["name"] == name).unwrap()
}

const TROUBLES: &str = r#"response-timeout = "300ms"

[service.missing]
run = "no-such-program-anywhere --flag"

[service.crash]
run = { shell = "echo first; echo it broke >&2; exit 3" }

[service.lazy]
run = "sleep 3600"
health = "/"

[[route]]
path = "/missing"
to = "missing"

[[route]]
path = "/crash"
to = "crash"

[[route]]
path = "/lazy"
to = "lazy"
"#;

#[test]
fn each_trouble_of_a_program_has_its_answer_and_its_words() {
    let place = Place::new(&config("well", 1, TROUBLES));
    let node = Node::up(&place, &["up"]);
    assert_eq!(node.get("/"), "well");
    expect_problem(&node.http, "/slow", 504);
    expect_problem(&node.http, "/lazy", 503);
    expect_problem(&node.http, "/missing", 502);
    expect_problem(&node.http, "/crash", 502);
    let status = eventually("both are in a crash loop", || {
        let status = node.status();
        let looping = |name| service(&status, name)["state"] == "crash-loop";
        (looping("crash") && looping("missing")).then_some(status)
    });
    let exit = &service(&status, "crash")["replicas"][0]["last_exit"];
    assert_eq!(exit["code"], 3);
    assert_eq!(exit["last_lines"], serde_json::json!(["first", "it broke"]));
    let said = place.run(&["status"]).out;
    for words in ["it broke", "no program \"no-such-program-anywhere\"", "looked in"] {
        assert!(said.contains(words), "{words:?} is not in:\n{said}");
    }
    assert!(!said.contains("-0%"), "{said}");

    assert_eq!(place.run(&["stop", "web"]).code, 0);
    expect_problem(&node.http, "/", 502);
    assert_eq!(place.run(&["start", "web"]).code, 0);
    assert_eq!(node.get("/"), "well");
}

#[test]
fn a_second_node_and_a_taken_port_are_refused_by_name() {
    let place = Place::new(&config("first", 1, ""));
    let node = Node::up(&place, &["up"]);
    let second = place.run(&["up"]);
    assert_eq!(second.code, 1);
    assert!(second.err.contains("another Mainspring uses the data folder"), "{}", second.err);
    assert!(second.err.contains("mainspring stop"), "{}", second.err);

    let taken = config("x", 1, "").replacen("127.0.0.1:0", &node.http, 1);
    let elsewhere = Place::new(&taken).run(&["up"]);
    assert_eq!(elsewhere.code, 1);
    let want = format!("[listen] http: cannot listen on {}: the address is in use", node.http);
    assert!(elsewhere.err.contains(&want), "{}", elsewhere.err);

    let file = std::fs::read_to_string(place.path().join("data/node.json")).unwrap();
    let file: Value = serde_json::from_str(&file).unwrap();
    let console = file["console"].as_str().unwrap();
    let at = "console = \"127.0.0.1:0\"";
    let taken = config("x", 1, "").replacen(at, &format!("console = \"{console}\""), 1);
    let elsewhere = Place::new(&taken).run(&["up"]);
    assert_eq!(elsewhere.code, 1);
    let want = format!("[listen] console: {console} is in use");
    assert!(elsewhere.err.contains(&want), "{}", elsewhere.err);
    assert_eq!(node.get("/"), "first");
}

#[test]
fn a_hangup_reads_the_file_again_and_takes_no_wrong_one() {
    let place = Place::new(&config("one", 1, ""));
    let node = Node::up(&place, &["up"]);
    assert_eq!(node.get("/"), "one");
    place.write(&config("two", 1, ""));
    signal("HUP", node.child.id());
    eventually("the new version answers", || (node.get("/") == "two").then_some(()));
    place.write(&config("three", 1, "nonsense = 1\n"));
    signal("HUP", node.child.id());
    let why = eventually("the refusal stands in the status", || {
        node.status()["node"]["config_error"].as_str().map(str::to_owned)
    });
    assert!(why.contains("is not in force"), "{why}");
    assert_eq!(node.get("/"), "two");
}

#[test]
fn logs_are_followed_and_load_has_exit_codes() {
    let place = Place::new(&config("x", 1, ""));
    let node = Node::up(&place, &["up"]);
    assert_eq!(node.get("/"), "x");
    let mut follow = place.command(&["logs", "-f", "web", "--contains", "mark"]);
    let mut follow = follow.stdout(Stdio::piped()).spawn().unwrap();
    assert_eq!(node.get("/mark-before"), "x");
    let mut lines = BufReader::new(follow.stdout.take().unwrap()).lines();
    assert!(lines.next().unwrap().unwrap().ends_with("web.1 asked /mark-before"));
    assert_eq!(node.get("/mark-after"), "x");
    assert!(lines.next().unwrap().unwrap().ends_with("web.1 asked /mark-after"));
    follow.kill().unwrap();
    follow.wait().unwrap();

    let url = format!("http://{}/", node.http);
    let load = |more: &[&str]| {
        place.run(&[&["load", url.as_str(), "--requests", "20", "-n", "2"], more].concat()).code
    };
    assert_eq!(load(&[]), 0);
    assert_eq!(load(&["--expect", "p99<60s", "--expect", "errors<1%"]), 0);
    assert_eq!(load(&["--expect", "p99<60s", "--expect", "rate>100000000"]), 1);
    assert_eq!(load(&["--expect", "p99 is fine"]), 2);
}

/// The processes of all replicas.
fn pids(status: &Value) -> Vec<u32> {
    let services = status["services"].as_array().unwrap().iter();
    let replicas = services.flat_map(|service| service["replicas"].as_array().unwrap());
    replicas.filter_map(|replica| u32::try_from(replica["pid"].as_u64()?).ok()).collect()
}

#[test]
fn a_node_that_dies_leaves_its_programs_or_takes_them_along() {
    for (on_crash, stays) in [("keep", true), ("stop", false)] {
        let more = format!("[node]\non-crash = \"{on_crash}\"\n\n");
        let place = Place::new(&(more + &config("x", 1, "")));
        let mut node = Node::up(&place, &["up"]);
        assert_eq!(node.get("/"), "x");
        let before = pids(&node.status());
        assert_eq!(before.len(), 1);
        node.child.kill().unwrap();
        node.child.wait().unwrap();
        if stays {
            let said = place.run(&["status"]);
            assert_eq!(said.code, 1);
            assert!(said.err.contains("`mainspring up` takes them over"), "{}", said.err);
        } else {
            eventually("the program is gone", || (!is_alive(before[0])).then_some(()));
        }
        drop(node);
        let again = Node::up(&place, &["up"]);
        assert_eq!(again.get("/"), "x");
        assert_eq!(pids(&again.status()) == before, stays, "{on_crash}");
    }
}
