//! Trying again: which failures allow it, and how much of it a service can bear.

use std::sync::atomic::{AtomicU64, Ordering};

use model::Moment;

/// Seconds that the budget looks back over.
const WINDOW_SECONDS: u64 = 10;

/// How an attempt failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// No connection, or not one byte of the request was written: the endpoint saw nothing.
    NothingSent,
    /// The connection was lost after the request was sent, before a byte of the answer.
    LostBeforeAnswer,
    /// No answer in time. The endpoint may still be working on it.
    TimedOut,
    /// The answer had begun.
    AnswerBegun,
}

/// Whether an attempt that ended in `failure` may be made again.
///
/// `replayable` means that we still hold the whole request: it has no body, or none of it was
/// consumed. RFC 9110 §9.2.2: only idempotent methods may be repeated by a proxy once the server
/// could have seen them.
pub fn may_retry(failure: Failure, method: &str, replayable: bool) -> bool {
    replayable
        && match failure {
            Failure::NothingSent => true,
            Failure::LostBeforeAnswer => is_idempotent(method),
            Failure::TimedOut | Failure::AnswerBegun => false,
        }
}

/// RFC 9110 §9.2.2. Methods are case-sensitive; one that we do not know is not idempotent.
pub fn is_idempotent(method: &str) -> bool {
    matches!(method, "GET" | "HEAD" | "OPTIONS" | "TRACE" | "PUT" | "DELETE")
}

/// How many retries a service can bear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Retries in proportion to first attempts, in percent.
    pub percent: u32,
    /// Retries a second that are allowed besides, so that quiet services retry at all.
    pub floor_per_second: u32,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { percent: 20, floor_per_second: 10 }
    }
}

/// Counts attempts over the last ten seconds, for all cores; without it, retries multiply the load
/// on a service just when it is failing.
#[derive(Debug, Default)]
pub struct RetryBudget {
    requests: Window,
    retries: Window,
}

impl RetryBudget {
    /// Counts a first attempt.
    pub fn deposit(&self, now: Moment) {
        self.requests.add(second(now));
    }

    /// Takes one retry from the budget if it has one.
    ///
    /// Cores that ask in the same instant may together overdraw by one each.
    pub fn withdraw(&self, policy: RetryPolicy, now: Moment) -> bool {
        let second = second(now);
        let requests = self.requests.sum(second);
        let floor = u64::from(policy.floor_per_second) * WINDOW_SECONDS;
        let allowed = floor + requests * u64::from(policy.percent) / 100;
        if self.retries.sum(second) >= allowed {
            return false;
        }
        self.retries.add(second);
        true
    }

    /// Retries taken in the last ten seconds.
    pub fn recent_retries(&self, now: Moment) -> u64 {
        self.retries.sum(second(now))
    }
}

/// Counts per second: each slot holds the second in its upper half and the count in its lower.
#[derive(Debug, Default)]
struct Window {
    slots: [AtomicU64; WINDOW_SECONDS as usize],
}

impl Window {
    fn add(&self, second: u32) {
        let place = u64::from(second) % WINDOW_SECONDS;
        let Some(slot) = self.slots.get(usize::try_from(place).unwrap_or(0)) else { return };
        let step = |packed: u64| {
            let (stamp, count) = unpack(packed);
            // A core whose clock is a tick behind counts into the newer second.
            let count = if stamp >= second { count.saturating_add(1) } else { 1 };
            Some(pack(stamp.max(second), count))
        };
        // Cannot fail: `step` always returns a value.
        let _ = slot.fetch_update(Ordering::Relaxed, Ordering::Relaxed, step);
    }

    fn sum(&self, second: u32) -> u64 {
        let recent = |packed: u64| {
            let (stamp, count) = unpack(packed);
            let is_recent = u64::from(second.saturating_sub(stamp)) < WINDOW_SECONDS;
            if is_recent { u64::from(count) } else { 0 }
        };
        self.slots.iter().map(|slot| recent(slot.load(Ordering::Relaxed))).sum()
    }
}

/// Counted from 1, so that a slot never written differs from the first second.
fn second(now: Moment) -> u32 {
    u32::try_from(now.since_start().as_secs()).unwrap_or(u32::MAX - 1) + 1
}

fn pack(stamp: u32, count: u32) -> u64 {
    u64::from(stamp) << 32 | u64::from(count)
}

fn unpack(packed: u64) -> (u32, u32) {
    ((packed >> 32) as u32, packed as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_cannot_happen_twice_is_tried_again() {
        assert!(may_retry(Failure::NothingSent, "POST", true));
        assert!(!may_retry(Failure::NothingSent, "POST", false));
        assert!(may_retry(Failure::LostBeforeAnswer, "GET", true));
        assert!(!may_retry(Failure::LostBeforeAnswer, "POST", true));
        assert!(!may_retry(Failure::LostBeforeAnswer, "get", true), "methods are case-sensitive");
        assert!(!may_retry(Failure::TimedOut, "GET", true));
        assert!(!may_retry(Failure::AnswerBegun, "GET", true));
    }

    #[test]
    fn a_quiet_service_has_the_floor_and_no_more() {
        let budget = RetryBudget::default();
        let policy = RetryPolicy::default();
        let now = Moment::from_millis(5);
        for _ in 0..100 {
            assert!(budget.withdraw(policy, now));
        }
        assert!(!budget.withdraw(policy, now));
        assert!(!budget.withdraw(policy, Moment::from_millis(9_999)));
        assert!(budget.withdraw(policy, Moment::from_millis(10_005)), "the window has passed");
    }

    #[test]
    fn a_busy_service_has_a_fifth() {
        let budget = RetryBudget::default();
        let policy = RetryPolicy { percent: 20, floor_per_second: 0 };
        let now = Moment::from_millis(42_000);
        assert!(!budget.withdraw(policy, now));
        for _ in 0..50 {
            budget.deposit(now);
        }
        let taken = (0..50).filter(|_| budget.withdraw(policy, now)).count();
        assert_eq!(taken, 10);
        assert_eq!(budget.recent_retries(now), 10);
    }
}
