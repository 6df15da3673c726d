//! Two GiB in either direction pass through in little memory.

use std::io::{self, BufRead as _, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::node::Node;
use crate::outside::{say, spawn};

const BODY_BYTES: u64 = 2 << 30;
/// What the node may need more than before while a body passes.
const GROWTH_BYTES_MAX: u64 = 64 << 20;
/// No divisor of any buffer's size, so that a piece lost, doubled or swapped shows.
const PATTERN_BYTES: usize = 262_139;

#[test]
fn two_gib_pass_in_flat_memory_both_ways() {
    let backend = serve().unwrap();
    let node = Node::start(
        "big",
        &format!("[service.raw]\nat = [\"{backend}\"]\n[[route]]\npath = \"/**\"\nto = \"raw\"\n"),
    );
    let before = node.resident_bytes();
    let peak = Arc::new(AtomicU64::new(0));
    let over = Arc::new(AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                peak.fetch_max(node.resident_bytes(), Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            measure("down", || download(&node.at("/down")));
            measure("up", || upload(&node.at("/up")));
        }));
        over.store(true, Ordering::Relaxed);
        if let Err(panic) = done {
            std::panic::resume_unwind(panic);
        }
    });
    let peak = peak.load(Ordering::Relaxed);
    let mib = |bytes: u64| bytes >> 20;
    say(&format!("2 GiB bodies: {} MiB before, {} MiB at most", mib(before), mib(peak)));
    assert!(peak > 0, "memory was never read");
    assert!(peak.saturating_sub(before) <= GROWTH_BYTES_MAX, "{} MiB", mib(peak));
}

fn measure(direction: &str, work: impl FnOnce() -> u64) {
    let began = Instant::now();
    let bytes = work();
    assert_eq!(bytes, BODY_BYTES, "{direction}");
    say(&format!("2 GiB {direction} with curl: {:.1} s", began.elapsed().as_secs_f64()));
}

/// curl downloads; we check every byte.
fn download(url: &str) -> u64 {
    let mut command = Command::new("curl");
    command.args(["--silent", "--show-error", "--fail", "--no-buffer", url]);
    let mut child = spawn(command.stdout(Stdio::piped()), "curl");
    let bytes = check_pattern(child.stdout.take().unwrap()).unwrap();
    assert!(child.wait().unwrap().success());
    bytes
}

/// curl uploads what we feed it, chunked, since it cannot know the length; the backend checks.
fn upload(url: &str) -> u64 {
    let mut command = Command::new("curl");
    command.args(["--silent", "--show-error", "--fail", "--upload-file", "-", url]);
    let mut child = spawn(command.stdin(Stdio::piped()).stdout(Stdio::piped()), "curl");
    let mut input = child.stdin.take().unwrap();
    let feeder = std::thread::spawn(move || write_pattern(&mut input));
    let output = child.wait_with_output().unwrap();
    feeder.join().unwrap().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().trim().parse().unwrap()
}

/// A backend that knows two requests: `GET /down` sends the body, `PUT /up` counts one.
fn serve() -> io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    std::thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            // Health checks connect and go away again: not an error.
            std::thread::spawn(move || answer(&connection));
        }
    });
    Ok(address)
}

fn answer(connection: &TcpStream) -> io::Result<()> {
    let mut reader = BufReader::with_capacity(PATTERN_BYTES, connection);
    let mut writer = connection;
    let (mut line, mut is_upload, mut chunked) = (String::new(), false, false);
    loop {
        line.clear();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        is_upload |= line.starts_with("PUT /up ");
        chunked |= line.to_ascii_lowercase().starts_with("transfer-encoding: chunked");
        if line == "\r\n" {
            break;
        }
    }
    if is_upload {
        assert!(chunked, "curl was to upload in chunks");
        let text = count_chunks(&mut reader)?.to_string();
        write!(writer, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{text}", text.len())
    } else {
        write!(writer, "HTTP/1.1 200 OK\r\nContent-Length: {BODY_BYTES}\r\n\r\n")?;
        write_pattern(&mut writer)
    }
}

/// Reads a chunked body and checks it; its bytes.
fn count_chunks(reader: &mut impl io::BufRead) -> io::Result<u64> {
    let pattern = pattern();
    let (mut bytes, mut line, mut buffer) = (0, String::new(), vec![0; PATTERN_BYTES]);
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        let mut left = usize::from_str_radix(line.trim(), 16).map_err(io::Error::other)?;
        while left > 0 {
            let piece = &mut buffer[..left.min(PATTERN_BYTES)];
            reader.read_exact(piece)?;
            assert!(fits(&pattern, bytes, piece), "a byte near {bytes} is wrong");
            bytes += piece.len() as u64;
            left -= piece.len();
        }
        let end = line.trim() == "0";
        line.clear();
        reader.read_line(&mut line)?;
        if end {
            return Ok(bytes);
        }
    }
}

/// One round of the pattern, twice, so that a piece may begin anywhere in the first.
fn pattern() -> Vec<u8> {
    let round = (0..PATTERN_BYTES as u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8);
    round.clone().chain(round).collect()
}

fn fits(pattern: &[u8], at: u64, piece: &[u8]) -> bool {
    let start = (at % PATTERN_BYTES as u64) as usize;
    pattern[start..start + piece.len()] == *piece
}

fn write_pattern(to: &mut impl Write) -> io::Result<()> {
    let pattern = pattern();
    let mut left = BODY_BYTES;
    while left > 0 {
        let bytes = left.min(PATTERN_BYTES as u64);
        to.write_all(&pattern[..bytes as usize])?;
        left -= bytes;
    }
    Ok(())
}

fn check_pattern(mut from: impl Read) -> io::Result<u64> {
    let pattern = pattern();
    let (mut bytes, mut buffer) = (0, vec![0; PATTERN_BYTES]);
    loop {
        let count = from.read(&mut buffer)?;
        if count == 0 {
            return Ok(bytes);
        }
        assert!(fits(&pattern, bytes, &buffer[..count]), "a byte near {bytes} is wrong");
        bytes += count as u64;
    }
}

#[test]
fn a_wrong_byte_would_show() {
    let pattern = pattern();
    let mut piece = pattern[100..1100].to_vec();
    assert!(fits(&pattern, 100 + PATTERN_BYTES as u64, &piece));
    piece[500] ^= 1;
    assert!(!fits(&pattern, 100, &piece));
    assert!(!fits(&pattern, 101, &pattern[100..1100]));
}
