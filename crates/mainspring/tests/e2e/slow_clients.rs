//! Clients that send a head byte by byte, for ever (slowloris), are cut; others notice nothing.

use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::node::{Node, eventually};
use crate::outside::{curl, program, say};

const ATTACKERS: usize = 100;
/// Between two bytes: far below any time-out that looks at bytes alone.
const TRICKLE: Duration = Duration::from_millis(50);
/// An attacker that is not cut by then counts as one that never is.
const CUT_WITHIN: Duration = Duration::from_secs(60);

#[test]
fn trickling_heads_are_cut_while_others_are_served() {
    let app = program("app.py");
    let node = Node::start(
        "slow",
        &format!(
            "[limits]\nheader-timeout = \"1s\"\n\
             [service.app]\nrun = \"python3 {app}\"\nhealth = \"/health\"\n\
             [[route]]\npath = \"/**\"\nto = \"app\"\n"
        ),
    );
    eventually("app answers", || (curl(&[&node.at("/")]).status == 200).then_some(()));
    let address = node.url.trim_start_matches("http://");
    let (cut, stop) = (AtomicU32::new(0), AtomicBool::new(false));
    let mut served = 0;
    std::thread::scope(|scope| {
        for _ in 0..ATTACKERS {
            scope.spawn(|| {
                if trickle(address, &stop).unwrap() {
                    cut.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let began = Instant::now();
        while (cut.load(Ordering::Relaxed) as usize) < ATTACKERS && began.elapsed() < CUT_WITHIN {
            served += u32::from(curl(&[&node.at("/")]).status == 200);
        }
        stop.store(true, Ordering::Relaxed);
    });
    let cut = cut.into_inner();
    say(&format!("slowloris: {cut} of {ATTACKERS} cut, {served} requests of others answered"));
    assert_eq!(cut as usize, ATTACKERS);
    assert!(served > 0);
    assert_eq!(curl(&[&node.at("/")]).status, 200);
}

/// Sends a head that never ends; whether the other side put an end to it.
fn trickle(address: &str, stop: &AtomicBool) -> io::Result<bool> {
    let mut connection = TcpStream::connect(address)?;
    connection.set_read_timeout(Some(TRICKLE))?;
    connection.write_all(b"GET / HTTP/1.1\r\nHost: slow\r\nX-Slow: ")?;
    let mut answer = [0; 1024];
    while !stop.load(Ordering::Relaxed) {
        if connection.write_all(b"a").is_err() {
            return Ok(true);
        }
        match connection.read(&mut answer) {
            // First an answer (408), then the end.
            Ok(0) => return Ok(true),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => return Ok(true),
        }
    }
    Ok(false)
}
