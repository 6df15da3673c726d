//! Balancing: which endpoint gets the next request, exactly, whichever core asks.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::endpoint::{Endpoint, EndpointId, EndpointState};

/// Most endpoints that one request remembers having tried: the first and ten retries. More retries
/// than that are not made.
pub const TRIED_MAX: usize = 11;
/// How often a core re-reads the counts when others were faster, before it takes what it found.
const RACE_COUNT_MAX: u32 = 64;

/// The ways to take turns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Balance {
    /// Each ready endpoint in turn.
    #[default]
    RoundRobin,
    /// The ready endpoint with the fewest requests in flight; among equals, in turn.
    LeastConnections,
}

/// Chooses among endpoints and claims a place at the chosen one, in one step: a choice that is
/// counted later would be wrong by as many as there are cores.
pub trait Balancer: Send + Sync {
    /// The place in `endpoints` of the chosen one, with [`Endpoint::claim`] done; `None` when no
    /// endpoint is ready and untried. Allocates nothing and takes no lock.
    fn claim(&self, endpoints: &[Arc<Endpoint>], tried: &Tried) -> Option<usize>;
}

/// Endpoints that one request has already been sent to. Small, for every request in flight has one.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tried {
    ids: [u64; TRIED_MAX],
    count: u8,
}

impl Tried {
    /// Nothing tried yet.
    pub const NONE: Self = Self { ids: [0; TRIED_MAX], count: 0 };

    /// Remembers `id`; `false` when there is no room, so that the caller stops trying.
    pub fn insert(&mut self, id: EndpointId) -> bool {
        if self.contains(id) {
            return true;
        }
        let Some(place) = self.ids.get_mut(usize::from(self.count)) else { return false };
        *place = id.0;
        self.count += 1;
        true
    }

    /// Whether `id` was tried.
    pub fn contains(&self, id: EndpointId) -> bool {
        self.ids.iter().take(usize::from(self.count)).any(|&other| other == id.0)
    }

    /// Whether nothing was tried: the request's first attempt.
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }
}

/// Each ready endpoint in turn.
#[derive(Debug, Default)]
pub struct RoundRobin {
    turns: AtomicU64,
    // Second attempts take turns of their own, so that they do not disturb the first ones'.
    retry_turns: AtomicU64,
}

impl Balancer for RoundRobin {
    fn claim(&self, endpoints: &[Arc<Endpoint>], tried: &Tried) -> Option<usize> {
        let eligible = || eligible(endpoints, tried);
        let count = eligible().count() as u64;
        if count == 0 {
            return None;
        }
        let turns = if tried.is_empty() { &self.turns } else { &self.retry_turns };
        let turn = turns.fetch_add(1, Ordering::Relaxed) % count;
        // The set may have shrunk between counting and walking; then the first one will do.
        let skip = usize::try_from(turn).unwrap_or(0);
        let (place, endpoint) = eligible().nth(skip).or_else(|| eligible().next())?;
        endpoint.claim();
        Some(place)
    }
}

/// The ready endpoint with the fewest requests in flight.
#[derive(Debug, Default)]
pub struct LeastConnections {
    turns: AtomicU64,
}

impl Balancer for LeastConnections {
    fn claim(&self, endpoints: &[Arc<Endpoint>], tried: &Tried) -> Option<usize> {
        let turn = self.turns.fetch_add(1, Ordering::Relaxed);
        let first = usize::try_from(turn % (endpoints.len().max(1) as u64)).unwrap_or(0);
        for _ in 0..RACE_COUNT_MAX {
            let (place, endpoint, least) = least(endpoints, tried, first)?;
            // Claimed only if its count is still the one that made it the least: so two cores
            // cannot both choose it for the same reason.
            if endpoint.claim_if(least) {
                return Some(place);
            }
        }
        let (place, endpoint, _) = least(endpoints, tried, first)?;
        endpoint.claim();
        Some(place)
    }
}

/// The eligible endpoint with the fewest in flight; among equals the first from `first` on.
fn least<'e>(
    endpoints: &'e [Arc<Endpoint>],
    tried: &Tried,
    first: usize,
) -> Option<(usize, &'e Arc<Endpoint>, u32)> {
    let mut best: Option<(usize, &Arc<Endpoint>, u32)> = None;
    // Two halves instead of one pass, so that equals take turns.
    let after = eligible(endpoints, tried).filter(|&(place, _)| place >= first);
    let before = eligible(endpoints, tried).filter(|&(place, _)| place < first);
    for (place, endpoint) in after.chain(before) {
        let in_flight = endpoint.in_flight();
        if best.is_none_or(|(_, _, least)| in_flight < least) {
            best = Some((place, endpoint, in_flight));
        }
    }
    best
}

fn eligible<'e>(
    endpoints: &'e [Arc<Endpoint>],
    tried: &Tried,
) -> impl Iterator<Item = (usize, &'e Arc<Endpoint>)> {
    endpoints.iter().enumerate().filter(|(_, endpoint)| {
        endpoint.state() == EndpointState::Ready && !tried.contains(endpoint.id)
    })
}
