//! Requests at a constant rate, whatever becomes of those before (an open loop), each with its own
//! connection, none ever repeated, every one on record.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::demo::client::{self, Ending};
use crate::demo::visitors;

/// Requests a second.
const RATE: u32 = 60;
/// Requests on their way at once. Beyond, one counts as not sent, which no step excuses.
const IN_FLIGHT_MAX: usize = 1024;
/// How often somebody who waits for requests to end looks again.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A card that is always paid.
const GOOD_CARD: &str = "4242424242424242";

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Page,
    Products,
    Search,
    /// Looks at an order that was paid before.
    Look,
    /// Places an order: the one thing here that must never be done twice.
    Order,
}

/// One request in every round, in this order.
const ROUND: [Kind; 6] =
    [Kind::Order, Kind::Page, Kind::Products, Kind::Order, Kind::Look, Kind::Search];

/// One request and what became of it.
#[derive(Clone, Debug)]
pub(super) struct Record {
    pub(super) kind: Kind,
    /// Of the order that it places.
    pub(super) reference: Option<String>,
    /// When it should have begun, by the rate.
    pub(super) begun: Instant,
    pub(super) ended: Instant,
    pub(super) ending: Ending,
}

/// Requests that go on until this is dropped.
pub(super) struct Load {
    shared: Arc<Shared>,
    clock: Option<thread::JoinHandle<()>>,
}

struct Shared {
    address: SocketAddr,
    stop: AtomicBool,
    books: Mutex<Books>,
}

#[derive(Default)]
struct Books {
    records: Vec<Record>,
    in_flight: BTreeSet<u64>,
    next: u64,
    /// The newest order that was answered as paid.
    paid: Option<String>,
}

impl Record {
    /// Whether it was on its way at some moment from `from` to `to`.
    pub(super) fn overlaps(&self, from: Instant, to: Instant) -> bool {
        self.begun <= to && self.ended >= from
    }

    /// Whether it was answered as it should be where nothing is broken.
    pub(super) fn is_good(&self) -> bool {
        let wanted = if self.kind == Kind::Order { 201 } else { 200 };
        self.ending.status() == Some(wanted)
    }
}

impl Load {
    pub(super) fn start(address: SocketAddr) -> Load {
        let stop = AtomicBool::new(false);
        let shared = Arc::new(Shared { address, stop, books: Mutex::new(Books::default()) });
        let clock = thread::spawn({
            let shared = Arc::clone(&shared);
            move || shared.tick_until_stop()
        });
        Load { shared, clock: Some(clock) }
    }

    /// All requests that began from `from` to `to`, once each of them has ended.
    pub(super) fn records(&self, from: Instant, to: Instant) -> Vec<Record> {
        let began_before = self.shared.books().next;
        // Every request ends by the client's time-out at the latest.
        while self.shared.books().in_flight.first().is_some_and(|oldest| *oldest < began_before) {
            thread::sleep(LOOK_EVERY);
        }
        let books = self.shared.books();
        books.records.iter().filter(|r| r.begun >= from && r.begun < to).cloned().collect()
    }

    /// Begins no further request.
    pub(super) fn stop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(clock) = self.clock.take() {
            // A panic there is a missing clock: then steps without requests complain.
            let _ = clock.join();
        }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Shared {
    fn books(&self) -> std::sync::MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tick_until_stop(self: &Arc<Self>) {
        let start = Instant::now();
        for count in 0_u32.. {
            if self.stop.load(Ordering::Relaxed) {
                return;
            }
            let begun = start + Duration::from_secs(1) * count / RATE;
            thread::sleep(begun.saturating_duration_since(Instant::now()));
            let place = count as usize % ROUND.len();
            self.begin(ROUND.get(place).copied().unwrap_or(Kind::Page), begun);
        }
    }

    fn begin(self: &Arc<Self>, kind: Kind, begun: Instant) {
        let mut books = self.books();
        let paid = books.paid.clone();
        let number = books.next;
        books.next += 1;
        let crowded = books.in_flight.len() >= IN_FLIGHT_MAX;
        if !crowded {
            books.in_flight.insert(number);
        }
        drop(books);
        let reference = (kind == Kind::Order).then(visitors::reference);
        let shared = Arc::clone(self);
        let send = move || {
            let ending = shared.send(kind, reference.as_deref(), paid.as_deref());
            shared.note(number, kind, reference, begun, ending);
        };
        if crowded || thread::Builder::new().spawn(send).is_err() {
            let ending = Ending::Broken("not sent: too many requests are on their way".to_owned());
            self.note(number, kind, None, begun, ending);
        }
    }

    fn send(&self, kind: Kind, reference: Option<&str>, paid: Option<&str>) -> Ending {
        let get = |path: &str| client::call(self.address, "GET", path, None);
        match (kind, reference, paid) {
            (Kind::Order, Some(reference), _) => {
                let body = order(reference, GOOD_CARD).to_string();
                client::call(self.address, "POST", "/api/orders", Some(&body))
            }
            (Kind::Look, _, Some(paid)) => get(&format!("/api/orders/{paid}")),
            (Kind::Search, _, _) => get("/api/catalogue/search?q=clock"),
            (Kind::Products, _, _) => get("/api/catalogue/products"),
            (Kind::Page | Kind::Look | Kind::Order, _, _) => get("/"),
        }
    }

    fn note(
        &self,
        number: u64,
        kind: Kind,
        reference: Option<String>,
        begun: Instant,
        ending: Ending,
    ) {
        let record = Record { kind, reference, begun, ended: Instant::now(), ending };
        let mut books = self.books();
        if record.is_good() && record.reference.is_some() {
            books.paid.clone_from(&record.reference);
        }
        books.in_flight.remove(&number);
        books.records.push(record);
    }
}

/// An order of an inexpensive thing that never sells out.
pub(super) fn order(reference: &str, card: &str) -> Value {
    json!({
        "reference": reference, "email": "tour@shop.example", "name": "The tour",
        "card": card, "items": [{ "product": "timer", "quantity": 1 }],
    })
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn every_request_is_on_record_at_the_rate() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut head = [0; 4096];
                let _ = stream.read(&mut head);
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
            }
        });
        let from = Instant::now();
        let mut load = Load::start(address);
        while load.shared.books().records.len() < 2 * ROUND.len() {
            thread::sleep(LOOK_EVERY);
        }
        load.stop();
        let records = load.records(from, Instant::now());
        assert_eq!(records.len() as u64, load.shared.books().next);
        let orders: Vec<_> = records.iter().filter(|r| r.kind == Kind::Order).collect();
        assert!(orders.len() >= 4);
        // 200 is not what an order is answered with, and it is what all others are.
        assert!(orders.iter().all(|order| !order.is_good() && order.reference.is_some()));
        assert!(records.iter().all(|r| r.kind == Kind::Order || r.is_good()));
    }
}
