//! What one thread counts, and how the counts of several add up.

use std::time::Duration;

use hdrhistogram::Histogram;

use crate::{ErrorCounts, StatusCounts};

/// Longest latency that is told apart from longer ones.
const LATENCY_MAX: Duration = Duration::from_secs(3600);

/// Decimal digits that are kept of a latency.
const DIGIT_COUNT: u8 = 3;

/// Counts of a stretch of time. Its size does not depend on what is counted.
#[derive(Clone, Debug)]
pub(crate) struct Tally {
    /// Nanoseconds.
    pub(crate) latencies: Histogram<u64>,
    pub(crate) statuses: StatusCounts,
    pub(crate) errors: ErrorCounts,
    pub(crate) bytes_read: u64,
    pub(crate) bytes_written: u64,
    /// Answers that came while requests were still being begun.
    pub(crate) answers_in_time: u64,
    pub(crate) connections_opened: u64,
    /// How much later than intended requests were begun.
    pub(crate) lag_max: Duration,
    pub(crate) lag_sum: Duration,
    pub(crate) begun: u64,
}

impl Tally {
    pub(crate) fn new() -> Self {
        let latencies = Histogram::new_with_bounds(1, LATENCY_MAX.as_nanos() as u64, DIGIT_COUNT);
        Self {
            #[expect(clippy::expect_used, reason = "the bounds are constants that a test uses")]
            latencies: latencies.expect("1 < 3600 s and 3 <= 5 digits"),
            statuses: StatusCounts::default(),
            errors: ErrorCounts::default(),
            bytes_read: 0,
            bytes_written: 0,
            answers_in_time: 0,
            connections_opened: 0,
            lag_max: Duration::ZERO,
            lag_sum: Duration::ZERO,
            begun: 0,
        }
    }

    pub(crate) fn began(&mut self, lag: Duration) {
        self.begun += 1;
        self.lag_sum += lag;
        self.lag_max = self.lag_max.max(lag);
    }

    #[inline]
    pub(crate) fn answered(&mut self, status: u16, latency: Duration, in_time: bool) {
        self.latencies.saturating_record(latency.as_nanos() as u64);
        self.statuses.count(status);
        self.answers_in_time += u64::from(in_time);
    }

    pub(crate) fn answer_count(&self) -> u64 {
        self.latencies.len()
    }

    /// No answer, or one that says that the service failed.
    pub(crate) fn failed_count(&self) -> u64 {
        self.errors.sum() + self.statuses.server_error
    }

    pub(crate) fn add(&mut self, other: &Self) {
        // Fails only when the bounds differ, and there is one pair of bounds.
        let added = self.latencies.add(&other.latencies);
        debug_assert!(added.is_ok());
        self.statuses.add(&other.statuses);
        self.errors.add(&other.errors);
        self.bytes_read += other.bytes_read;
        self.bytes_written += other.bytes_written;
        self.answers_in_time += other.answers_in_time;
        self.connections_opened += other.connections_opened;
        self.lag_max = self.lag_max.max(other.lag_max);
        self.lag_sum += other.lag_sum;
        self.begun += other.begun;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latencies_beyond_the_longest_are_kept_as_the_longest() {
        let mut tally = Tally::new();
        tally.answered(200, LATENCY_MAX * 3, true);
        assert_eq!(tally.answer_count(), 1);
        assert!(tally.latencies.max() >= LATENCY_MAX.as_nanos() as u64);
    }

    #[test]
    fn tallies_add_up() {
        let (mut a, mut b) = (Tally::new(), Tally::new());
        a.answered(200, Duration::from_millis(1), true);
        b.answered(503, Duration::from_millis(3), false);
        b.errors.timeout = 2;
        a.add(&b);
        assert_eq!((a.answer_count(), a.answers_in_time, a.failed_count()), (2, 1, 3));
    }
}
