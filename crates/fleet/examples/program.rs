//! An ordinary program for the tests of fleet: a small HTTP server that misbehaves on request.
//!
//! Arguments: `die` (exit status 3 at once), `unwell` (answers its health check with 500),
//! `deaf` (ignores SIGTERM, by running as a shell's child that traps it). Paths: `/health`,
//! `/env/NAME`, `/exit/N`, `/eat/BYTES`, `/family` (starts descendants that leave the session),
//! `/say/TEXT`.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio, exit};
use std::sync::{Arc, Mutex};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let has = |word: &str| arguments.iter().any(|argument| argument == word);
    if has("die") {
        eprintln!("last words");
        exit(3);
    }
    let port: u16 = std::env::var("PORT").ok().and_then(|port| port.parse().ok()).unwrap_or(0);
    let Ok(listener) = TcpListener::bind(("127.0.0.1", port)) else { exit(98) };
    let health = if has("unwell") { "500 Unwell" } else { "200 OK" };
    let eaten = Arc::new(Mutex::new(Vec::new()));
    for stream in listener.incoming().flatten() {
        let eaten = Arc::clone(&eaten);
        std::thread::spawn(move || answer(&stream, health, &eaten));
    }
}

fn answer(stream: &TcpStream, health: &str, eaten: &Mutex<Vec<Vec<u8>>>) -> Option<()> {
    let mut lines = BufReader::new(stream).lines();
    let request = lines.next()?.ok()?;
    let path = request.split(' ').nth(1)?.to_owned();
    // The head is read to its end, or closing would reset the connection.
    while lines.next().is_some_and(|line| line.is_ok_and(|line| !line.is_empty())) {}
    let mut parts = path.trim_start_matches('/').splitn(2, '/');
    let (verb, argument) = (parts.next()?, parts.next().unwrap_or_default());
    let (status, body) = match verb {
        "health" => (health, String::new()),
        "env" => ("200 OK", std::env::var(argument).unwrap_or_default()),
        "exit" => exit(argument.parse().ok()?),
        "eat" => {
            let bytes = argument.parse().ok()?;
            eaten.lock().ok()?.push(vec![7; bytes]);
            ("200 OK", String::new())
        }
        "family" => {
            // A grandchild in a session of its own whose parent is gone: a daemon of old.
            let script = "setsid sh -c 'sleep 1000 & exec sleep 1000' & exit 0";
            Command::new("sh").args(["-c", script]).stdin(Stdio::null()).status().ok()?;
            ("200 OK", String::new())
        }
        "say" => {
            writeln!(std::io::stdout(), "{argument}").ok()?;
            ("200 OK", String::new())
        }
        _ => ("404 Not Found", String::new()),
    };
    let length = body.len();
    let head =
        format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n");
    let mut stream = stream;
    stream.write_all((head + &body).as_bytes()).ok()
}
