//! Endpoints: one address that answers for a service, and what all cores count about it.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};

/// Never used twice within a node's life, so a late reference reaches nobody else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EndpointId(pub u64);

/// Whether an endpoint may be given requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndpointState {
    /// Not yet healthy.
    Starting,
    /// Takes requests.
    Ready,
    /// Finishes what it has, gets nothing new.
    Draining,
    /// Dead, stopped or unhealthy.
    Down,
}

/// One address that answers for a service.
///
/// State and counters stand on separate cache lines: every core reads the state of all endpoints
/// for every request, and must not wait for another core's count of one of them.
#[derive(Debug)]
pub struct Endpoint {
    /// Its identity.
    pub id: EndpointId,
    /// Where it listens.
    pub address: SocketAddr,
    /// Name for people: `orders.3`.
    pub label: String,
    state: AtomicU8,
    counts: Counts,
}

#[derive(Debug, Default)]
#[repr(align(64))]
struct Counts {
    in_flight: AtomicU32,
    requests: AtomicU64,
    failures: AtomicU64,
}

impl Endpoint {
    /// A new endpoint that nothing has been sent to.
    pub fn new(id: EndpointId, label: &str, address: SocketAddr, state: EndpointState) -> Self {
        let state = AtomicU8::new(state.code());
        Self { id, address, label: label.to_owned(), state, counts: Counts::default() }
    }

    /// Whether it may be given requests.
    pub fn state(&self) -> EndpointState {
        // SeqCst, here and in `claim`: see `Service::lease` for the argument that drain is exact.
        EndpointState::of(self.state.load(Ordering::SeqCst))
    }

    /// Seen by every core at once.
    pub fn set_state(&self, state: EndpointState) {
        self.state.store(state.code(), Ordering::SeqCst);
    }

    /// Requests and upgraded connections that it has now.
    pub fn in_flight(&self) -> u32 {
        self.counts.in_flight.load(Ordering::SeqCst)
    }

    /// Attempts sent to it.
    pub fn requests(&self) -> u64 {
        self.counts.requests.load(Ordering::Relaxed)
    }

    /// Attempts that failed: no connection, a lost one, a time-out, or a 5xx answer.
    pub fn failures(&self) -> u64 {
        self.counts.failures.load(Ordering::Relaxed)
    }

    /// Counts a failed attempt.
    pub fn record_failure(&self) {
        self.counts.failures.fetch_add(1, Ordering::Relaxed);
    }

    /// Takes a place, whatever the number of others.
    pub fn claim(&self) {
        self.counts.in_flight.fetch_add(1, Ordering::SeqCst);
    }

    /// Takes a place if there are exactly `expected` others.
    pub fn claim_if(&self, expected: u32) -> bool {
        let in_flight = &self.counts.in_flight;
        let next = expected.saturating_add(1);
        in_flight.compare_exchange(expected, next, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }

    /// Gives a claimed place back.
    pub(crate) fn release(&self) {
        self.counts.in_flight.fetch_sub(1, Ordering::SeqCst);
    }

    pub(crate) fn record_request(&self) {
        self.counts.requests.fetch_add(1, Ordering::Relaxed);
    }
}

impl EndpointState {
    const fn code(self) -> u8 {
        match self {
            Self::Starting => 0,
            Self::Ready => 1,
            Self::Draining => 2,
            Self::Down => 3,
        }
    }

    const fn of(code: u8) -> Self {
        match code {
            0 => Self::Starting,
            1 => Self::Ready,
            2 => Self::Draining,
            _ => Self::Down,
        }
    }
}
