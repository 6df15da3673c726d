//! Time as an input: a monotonic reading that somebody else took.

use std::ops::{Add, Sub};
use std::time::Duration;

/// Time since the node's own start, by a monotonic clock.
///
/// Pure crates receive it; only `runtime` reads the clock. It means nothing on another node or
/// after a restart, so it is never stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(Duration);

impl Moment {
    /// The node's start.
    pub const START: Self = Self(Duration::ZERO);

    /// A reading of `elapsed` since the node's start.
    pub const fn after_start(elapsed: Duration) -> Self {
        Self(elapsed)
    }

    /// Shorthand for tests and tables.
    pub const fn from_millis(millis: u64) -> Self {
        Self(Duration::from_millis(millis))
    }

    /// Elapsed time since the node's start.
    pub const fn since_start(self) -> Duration {
        self.0
    }
}

impl Add<Duration> for Moment {
    type Output = Self;

    fn add(self, by: Duration) -> Self {
        // Saturating: "never" is spelled as a very late moment.
        Self(self.0.saturating_add(by))
    }
}

impl Sub for Moment {
    type Output = Duration;

    /// Time from `earlier` to `self`; zero when `earlier` is later, as clocks of cores may differ
    /// by a tick.
    fn sub(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_moment_minus_an_earlier_one_is_the_time_between() {
        assert_eq!(Moment::from_millis(30) - Moment::from_millis(10), Duration::from_millis(20));
        assert_eq!(Moment::from_millis(10) - Moment::from_millis(30), Duration::ZERO);
    }

    #[test]
    fn adding_for_ever_saturates() {
        let never = Moment::from_millis(1) + Duration::MAX;
        assert_eq!(never.since_start(), Duration::MAX);
    }
}
