//! Changes under load, and the end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use gateway::EndpointState;

use crate::harness::{Backend, Client, Proxy, eventually, name, public};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// Clients that ask without pause, and count what is not 200.
struct Load {
    stop: Arc<AtomicBool>,
    answers: Arc<AtomicU64>,
    failures: Arc<AtomicU64>,
    threads: Vec<thread::JoinHandle<()>>,
}

impl Load {
    fn start(proxy: &Proxy) -> Self {
        let (stop, answers, failures) = (
            Arc::<AtomicBool>::default(),
            Arc::<AtomicU64>::default(),
            Arc::<AtomicU64>::default(),
        );
        let threads = (0..6).map(|number| {
            let (stop, answers, failures) =
                (Arc::clone(&stop), Arc::clone(&answers), Arc::clone(&failures));
            let mut client = proxy.client();
            thread::spawn(move || {
                while !stop.load(Ordering::SeqCst) {
                    if number % 2 == 0 {
                        client.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
                    } else {
                        client.say("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi");
                    }
                    if client.answer().status != 200 {
                        failures.fetch_add(1, Ordering::SeqCst);
                    }
                    answers.fetch_add(1, Ordering::SeqCst);
                }
            })
        });
        let threads = threads.collect();
        Self { stop, answers, failures, threads }
    }

    /// Waits until `count` more answers have come.
    fn pass(&self, count: u64) {
        let target = self.answers.load(Ordering::SeqCst) + count;
        eventually("answers under load", || self.answers.load(Ordering::SeqCst) >= target);
    }

    fn finish(self) -> u64 {
        self.stop.store(true, Ordering::SeqCst);
        for thread in self.threads {
            thread.join().unwrap();
        }
        self.failures.load(Ordering::SeqCst)
    }
}

#[test]
fn a_drained_endpoint_loses_no_request_and_gets_none() {
    let stays = Backend::answering(OK);
    let proxy = Proxy::new(&[&stays]);
    let load = Load::start(&proxy);
    for turn in 0..10 {
        // A new replica comes, works, is drained, and may then refuse everything.
        let is_dead = Arc::new(AtomicBool::new(false));
        let dead = Arc::clone(&is_dead);
        let after_death = Arc::new(AtomicU64::new(0));
        let late = Arc::clone(&after_death);
        let replica = Backend::start(move |mut served| {
            while served.request().is_some() {
                if dead.load(Ordering::SeqCst) {
                    late.fetch_add(1, Ordering::SeqCst);
                    return;
                }
                served.say(OK);
            }
        });
        let label = format!("replica.{turn}");
        let change = |state| {
            let mut directory = proxy.directory.lock().unwrap();
            directory.upsert_endpoint(&name("backend"), &label, replica.address, state);
            drop(directory);
            proxy.publish();
        };
        change(EndpointState::Ready);
        load.pass(100);
        change(EndpointState::Draining);
        let in_flight = || proxy.directory.lock().unwrap().in_flight(&name("backend"), &label);
        eventually("drained", || in_flight() == 0);
        is_dead.store(true, Ordering::SeqCst);
        load.pass(100);
        assert!(!replica.seen().is_empty(), "it worked before");
        assert_eq!(after_death.load(Ordering::SeqCst), 0, "nothing came after the drain");
        proxy.directory.lock().unwrap().remove_endpoint(&name("backend"), &label);
        proxy.publish();
    }
    assert_eq!(load.finish(), 0);
}

#[test]
fn doors_open_and_close_without_touching_others() {
    let backend = Backend::answering(OK);
    let proxy = Proxy::new(&[&backend]);
    let mut first = proxy.client();
    assert_eq!(first.get("/").status, 200);
    let original = public("127.0.0.1:0".parse().unwrap());
    let extra = public("127.0.0.2:0".parse().unwrap());
    proxy.edge.set_listeners(&[original.clone(), extra]).unwrap();
    let address = proxy.edge.addresses()[1].1;
    assert_eq!(proxy.edge.addresses()[0].1, proxy.address);
    let mut second = Client::connect(address);
    assert_eq!(second.get("/").status, 200);
    let taken = proxy.edge.set_listeners(&[original.clone(), public(backend.address)]);
    let message = taken.unwrap_err().to_string();
    assert!(message.contains("in use") && message.contains(&backend.address.to_string()));
    assert_eq!(Client::connect(address).get("/").status, 200, "a failed change changes nothing");
    proxy.edge.set_listeners(&[original]).unwrap();
    eventually("closed", || std::net::TcpStream::connect(address).is_err());
    assert_eq!(first.get("/").status, 200);
    assert_eq!(second.get("/").status, 200, "connections outlive their door");
}

#[test]
fn a_drain_lets_requests_finish_and_closes_idle_connections() {
    let (ask, go) = std::sync::mpsc::channel::<()>();
    let go = std::sync::Mutex::new(go);
    let backend = Backend::start(move |mut served| {
        while let Some((head, _)) = served.request() {
            if head.contains("/slow") {
                go.lock().unwrap().recv_timeout(crate::harness::PATIENCE).unwrap();
            }
            served.say(OK);
        }
    });
    let proxy = Proxy::new(&[&backend]);
    let (mut idle, mut busy) = (proxy.client(), proxy.client());
    assert_eq!(idle.get("/").status, 200);
    busy.say("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n");
    eventually("in flight", || backend.seen().len() == 2);
    let edge = proxy.edge.clone();
    let draining = thread::spawn(move || {
        runtime::control::block_on(edge.drain(crate::harness::PATIENCE)).unwrap()
    });
    idle.expect_closed();
    ask.send(()).unwrap();
    let answer = busy.answer();
    assert_eq!(answer.status, 200);
    assert_eq!(answer.field("connection").as_deref(), Some("close"));
    busy.expect_closed();
    assert_eq!(draining.join().unwrap(), 0, "nothing had to be cut");
    assert!(std::net::TcpStream::connect(proxy.address).is_err());
}

#[test]
fn a_drain_ends_after_its_grace() {
    let backend = Backend::start(|mut served| {
        served.request();
        served.request();
    });
    let proxy = Proxy::new(&[&backend]);
    let mut busy = proxy.client();
    busy.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    eventually("in flight", || backend.seen().len() == 1);
    let grace = Duration::from_millis(100);
    assert_eq!(runtime::control::block_on(proxy.edge.drain(grace)).unwrap(), 1);
    busy.expect_closed();
}

#[test]
fn round_robin_is_exact_over_cores() {
    let backends: Vec<_> = (0..3).map(|_| Backend::answering(OK)).collect();
    let proxy = Proxy::with(&backends.iter().collect::<Vec<_>>(), |settings| settings.cores = 4);
    let mut clients: Vec<_> = (0..10).map(|_| proxy.client()).collect();
    for turn in 0..90 {
        assert_eq!(clients[turn % 10].get("/").status, 200);
    }
    for backend in &backends {
        assert_eq!(backend.seen().len(), 30);
    }
}

#[test]
fn the_access_log_has_a_line_for_each_request() {
    let backend = Backend::answering(OK);
    let path = std::env::temp_dir().join(format!("edge-access-{}", std::process::id()));
    let proxy = Proxy::with(&[&backend], |settings| {
        settings.access_log = Some(edge::AccessLog::File(path.clone()));
        settings.edge.access_log_millionths = 1_000_000;
    });
    let mut client = proxy.client();
    for number in 0..3 {
        client.get(&format!("/page/{number}?secret=1"));
    }
    proxy.ask("BROKEN\r\n\r\n");
    let lines = || {
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        text.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    eventually("four lines", || lines().len() == 4);
    let lines = lines();
    std::fs::remove_file(&path).unwrap();
    assert!(lines.iter().any(|line| line.contains("\"path\":\"/page/2\"")
        && line.contains("\"status\":200")
        && line.contains("\"endpoint\":\"backend.0\"")));
    assert!(lines.iter().any(|line| line.contains("\"status\":400")));
    assert!(!lines.iter().any(|line| line.contains("secret")));
}
