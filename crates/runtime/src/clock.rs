//! The only place that reads the clock.

use std::sync::OnceLock;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use model::Moment;

static START: OnceLock<Instant> = OnceLock::new();

/// Now, by the monotonic clock, as time since the first reading in this process.
pub fn now() -> Moment {
    Moment::after_start(START.get_or_init(Instant::now).elapsed())
}

/// Milliseconds since the Unix epoch by the wall clock; zero when the clock stands before it.
///
/// For people and logs only: it may jump.
pub fn unix_millis() -> u64 {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    #[test]
    fn time_does_not_run_backwards() {
        let first = super::now();
        assert!(super::now() >= first);
    }
}
