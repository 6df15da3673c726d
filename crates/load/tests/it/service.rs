//! A service of a few lines: a thread per connection, the same answer to every request.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http1::{BodyDecoder, Limits, Piece, Progress, RequestHead};

/// Lives as long as the test's process; its port is its own.
pub(crate) struct Service {
    address: SocketAddr,
    state: Arc<State>,
}

struct State {
    answer: Vec<u8>,
    stall: Option<(u64, Duration)>,
    request_count: AtomicU64,
    last_request: Mutex<Vec<u8>>,
}

impl Service {
    /// Answers so, and closes the connection unless the answer ends in `hi`.
    pub(crate) fn answering(answer: &[u8]) -> Self {
        Self::start(answer, None)
    }

    /// Takes `stall` longer for request number `at`.
    pub(crate) fn stalling_once(answer: &[u8], at: u64, stall: Duration) -> Self {
        Self::start(answer, Some((at, stall)))
    }

    /// Accepts connections, by the kernel's queue, and never says anything.
    pub(crate) fn silent() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let service = Self::of(&listener, b"", None);
        // Kept open until the process ends.
        std::mem::forget(listener);
        service
    }

    /// Nobody listens there.
    pub(crate) fn dead() -> Self {
        Self::of(&TcpListener::bind("127.0.0.1:0").unwrap(), b"", None)
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/path?query", self.address)
    }

    pub(crate) fn request_count(&self) -> u64 {
        self.state.request_count.load(Ordering::SeqCst)
    }

    pub(crate) fn last_request(&self) -> String {
        String::from_utf8(self.state.last_request.lock().unwrap().clone()).unwrap()
    }

    fn of(listener: &TcpListener, answer: &[u8], stall: Option<(u64, Duration)>) -> Self {
        let state = State {
            answer: answer.to_vec(),
            stall,
            request_count: AtomicU64::new(0),
            last_request: Mutex::default(),
        };
        Self { address: listener.local_addr().unwrap(), state: Arc::new(state) }
    }

    fn start(answer: &[u8], stall: Option<(u64, Duration)>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let service = Self::of(&listener, answer, stall);
        let state = Arc::clone(&service.state);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let state = Arc::clone(&state);
                std::thread::spawn(move || state.serve(&mut stream.unwrap()));
            }
        });
        service
    }
}

impl State {
    fn serve(&self, stream: &mut TcpStream) -> Option<()> {
        let closes = !self.answer.ends_with(b"hi");
        loop {
            let request = read_request(stream)?;
            *self.last_request.lock().unwrap() = request;
            let number = self.request_count.fetch_add(1, Ordering::SeqCst);
            if let Some((at, stall)) = self.stall
                && number == at
            {
                // The stall is what is being measured, not a way to wait for something.
                std::thread::sleep(stall);
            }
            stream.write_all(&self.answer).ok()?;
            if closes {
                return None;
            }
        }
    }
}

/// One whole request; `None` at the end of the connection.
fn read_request(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let (mut head, limits) = (RequestHead::new(), Limits::default());
    let mut buffer = Vec::new();
    while buffer.is_empty() || head.parse(&buffer, &limits).unwrap() == Progress::Partial {
        read_more(stream, &mut buffer)?;
    }
    let mut body = BodyDecoder::new(head.body, &limits);
    let mut at = head.bytes as usize;
    loop {
        match body.next(&buffer[at..]).unwrap() {
            Piece::More => read_more(stream, &mut buffer)?,
            Piece::Data { bytes } | Piece::Framing { bytes } => at += bytes,
            Piece::Trailer { bytes, .. } => at += bytes,
            Piece::End => return Some(buffer),
        }
    }
}

fn read_more(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<()> {
    let mut piece = [0; 65536];
    let bytes = stream.read(&mut piece).ok().filter(|bytes| *bytes > 0)?;
    buffer.extend_from_slice(&piece[..bytes]);
    Some(())
}
