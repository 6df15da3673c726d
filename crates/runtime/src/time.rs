//! Sleeping, and giving up. For what happens per second, not per request: those use
//! [`crate::deadline`], which costs no timer.

use std::future::Future;
use std::time::Duration;

/// The time ran out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Elapsed;

/// Waits for `duration` (millisecond granularity).
pub async fn sleep(duration: Duration) {
    tokio::time::sleep(duration).await;
}

/// Awaits `future` for at most `duration`.
///
/// # Errors
/// [`Elapsed`] when it was not over by then; the future is dropped.
pub async fn timeout<F: Future>(duration: Duration, future: F) -> Result<F::Output, Elapsed> {
    tokio::time::timeout(duration, future).await.map_err(|_| Elapsed)
}

/// A steady beat that skips the beats it was too late for.
pub struct Interval(tokio::time::Interval);

/// A beat every `period`, the first at once.
///
/// # Panics
/// When `period` is zero.
pub fn interval(period: Duration) -> Interval {
    let mut interval = tokio::time::interval(period);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    Interval(interval)
}

impl Interval {
    /// Waits for the next beat.
    pub async fn tick(&mut self) {
        self.0.tick().await;
    }
}
