//! Visitors of the shop: gentle traffic, so that the picture lives.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::json;

use super::Voice;
use super::client::{self, Ending};

/// A new visitor comes this often.
const VISITOR_EVERY: Duration = Duration::from_millis(900);
/// Visitors in the shop at once. Beyond: the next one stays outside.
const VISITORS_MAX: u32 = 40;
/// How often a waiting visitor looks whether the shop closes.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Failed requests that are told one by one. Further ones are only counted.
const FAILURES_TOLD_MAX: u64 = 20;
/// Cards and how many of a hundred visitors pay with each.
const CARDS: &[(&str, u32)] =
    &[("4242424242424242", 88), ("4000000000000002", 7), ("4000000000000044", 5)];
const GOODS: &[&str] = &[
    "alarm",
    "cuckoo",
    "diver",
    "drivers",
    "field",
    "hourglass",
    "kitchen",
    "loupe",
    "metronome",
    "movement",
    "pocket",
    "regulator",
    "station",
    "sundial",
    "timer",
];
const WORDS: &[&str] = &["clock", "watch", "hand%20wound", "bronze", "steel", "pend", "egg"];

/// What the visitors have done so far.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) requests: AtomicU64,
    /// No answer, or a status of 500 and above.
    pub(super) failures: AtomicU64,
    pub(super) orders: AtomicU64,
}

/// Sends visitors until `stop`, then waits for those inside.
pub(super) fn run(address: SocketAddr, tally: &Tally, stop: &AtomicBool, voice: Voice<'_>) {
    let inside = AtomicU32::new(0);
    thread::scope(|scope| {
        while !stop.load(Ordering::Relaxed) {
            if inside.load(Ordering::Relaxed) < VISITORS_MAX {
                inside.fetch_add(1, Ordering::Relaxed);
                let inside = &inside;
                scope.spawn(move || {
                    visit(&mut Visitor { address, tally, stop, voice });
                    inside.fetch_sub(1, Ordering::Relaxed);
                });
            }
            pause(VISITOR_EVERY, stop);
        }
    });
}

struct Visitor<'a> {
    address: SocketAddr,
    tally: &'a Tally,
    stop: &'a AtomicBool,
    voice: Voice<'a>,
}

impl Visitor<'_> {
    /// One request and a moment to look at the answer. `None`: the shop closes, or failed us.
    fn ask(&mut self, method: &str, path: &str, body: Option<&str>) -> Option<u16> {
        if self.stop.load(Ordering::Relaxed) {
            return None;
        }
        let ending = client::call(self.address, method, path, body);
        self.tally.requests.fetch_add(1, Ordering::Relaxed);
        let status = match &ending {
            Ending::Answered(answer) if answer.status < 500 => Some(answer.status),
            Ending::Answered(_) | Ending::NotConnected | Ending::Broken(_) | Ending::TimedOut => {
                // Failures while the shop closes say nothing about it.
                if !self.stop.load(Ordering::Relaxed)
                    && self.tally.failures.fetch_add(1, Ordering::Relaxed) < FAILURES_TOLD_MAX
                {
                    let ending = ending.describe();
                    (self.voice.note)(&format!("a visitor's {method} {path} failed: {ending}"));
                }
                None
            }
        };
        pause(Duration::from_millis(fastrand::u64(60..500)), self.stop);
        status
    }
}

/// Looks around, perhaps buys something, perhaps sends it back.
fn visit(visitor: &mut Visitor<'_>) -> Option<()> {
    visitor.ask("GET", "/", None)?;
    visitor.ask("GET", "/api/catalogue/products", None)?;
    for _ in 0..fastrand::u32(1..4) {
        if fastrand::u32(..3) == 0 {
            let words = fastrand::choice(WORDS)?;
            visitor.ask("GET", &format!("/api/catalogue/search?q={words}"), None)?;
        }
        let goods = fastrand::choice(GOODS)?;
        visitor.ask("GET", &format!("/api/catalogue/products/{goods}"), None)?;
        visitor.ask("GET", &format!("/api/reviews/{goods}"), None)?;
    }
    if fastrand::u32(..3) == 0 {
        return Some(());
    }
    let reference = reference();
    let goods = fastrand::choice(GOODS)?;
    let quantity = json!({ "quantity": fastrand::u32(1..4) }).to_string();
    visitor.ask("PUT", &format!("/api/cart/{reference}/items/{goods}"), Some(&quantity))?;
    visitor.ask("GET", &format!("/api/cart/{reference}"), None)?;
    let order = json!({
        "reference": reference, "cart": reference, "card": card(fastrand::u32(..100)),
        "email": "visitor@shop.example", "name": "A visitor",
    });
    let status = visitor.ask("POST", "/api/orders", Some(&order.to_string()))?;
    if status == 201 {
        visitor.tally.orders.fetch_add(1, Ordering::Relaxed);
    }
    visitor.ask("GET", &format!("/api/orders/{reference}"), None)?;
    if status == 201 && fastrand::u32(..20) == 0 {
        visitor.ask("POST", &format!("/api/orders/{reference}/refund"), Some("{}"))?;
    }
    Some(())
}

/// A name for an order or a cart that nobody else has.
pub(super) fn reference() -> String {
    format!("{:016x}{:016x}", fastrand::u64(..), fastrand::u64(..))
}

fn card(mut share: u32) -> &'static str {
    for (card, weight) in CARDS {
        if share < *weight {
            return card;
        }
        share -= weight;
    }
    ""
}

/// Waits, but not longer than the shop is open.
fn pause(time: Duration, stop: &AtomicBool) {
    let mut left = time;
    while !left.is_zero() && !stop.load(Ordering::Relaxed) {
        let piece = left.min(LOOK_EVERY);
        thread::sleep(piece);
        left = left.saturating_sub(piece);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_share_of_a_hundred_has_a_card() {
        assert_eq!(CARDS.iter().map(|(_, weight)| weight).sum::<u32>(), 100);
        assert_eq!((card(0), card(87)), (CARDS[0].0, CARDS[0].0));
        assert_eq!((card(88), card(99)), (CARDS[1].0, CARDS[2].0));
    }

    #[test]
    fn visitors_leave_when_the_shop_closes() {
        let stop = AtomicBool::new(true);
        let tally = Tally::default();
        let silent = |_: &str| {};
        let voice = Voice { line: &silent, note: &silent };
        run(SocketAddr::from(([127, 0, 0, 1], 9)), &tally, &stop, voice);
        assert_eq!(tally.requests.load(Ordering::Relaxed), 0);
    }
}
