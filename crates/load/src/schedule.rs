//! Which moment the next request was meant for.

use std::time::Duration;

use model::Moment;

use crate::{Options, Pace};

/// One thread's share of the requests to send.
#[derive(Clone, Debug)]
pub(crate) struct Schedule {
    start: Moment,
    end: Option<Moment>,
    left: u64,
    pace: Pace,
    /// This thread's requests are those numbered `thread`, `thread + threads`, …
    next_number: u64,
    step: u64,
    next_at: Moment,
}

impl Schedule {
    /// The share of thread number `thread` in a run that begins at `start`.
    pub(crate) fn new(options: &Options, thread: usize, start: Moment) -> Self {
        let (thread, step) = (thread as u64, options.threads as u64);
        let share = |all: u64| all / step + u64::from(thread < all % step);
        let mut schedule = Self {
            start,
            end: options.duration.map(|duration| start + duration),
            left: options.requests.map_or(u64::MAX, share),
            pace: options.pace,
            next_number: thread,
            step,
            next_at: start,
        };
        schedule.next_at = schedule.moment_of(thread);
        schedule
    }

    /// Takes the next request if it is due; the moment is when it should begin.
    #[inline]
    pub(crate) fn take(&mut self, now: Moment) -> Option<Moment> {
        let intended = match self.pace {
            Pace::Closed => now,
            Pace::Open { .. } => self.next_at,
        };
        if intended > now || self.left == 0 || self.end.is_some_and(|end| intended >= end) {
            return None;
        }
        self.left -= 1;
        if matches!(self.pace, Pace::Open { .. }) {
            self.next_number += self.step;
            self.next_at = self.moment_of(self.next_number);
        }
        Some(intended)
    }

    /// Until the next request is due; `None` when there is none, or no moment for it.
    pub(crate) fn until_next(&self, now: Moment) -> Option<Duration> {
        match self.pace {
            Pace::Open { .. } if !self.is_over(now) => Some(self.next_at - now),
            Pace::Open { .. } | Pace::Closed => None,
        }
    }

    /// Whether no request will be begun any more. An open loop is over when its time is, even if
    /// requests that were due could not be begun: those are the shortfall.
    pub(crate) fn is_over(&self, now: Moment) -> bool {
        self.left == 0
            || self.end.is_some_and(|end| now >= end || (self.is_open() && self.next_at >= end))
    }

    /// Whether `now` is within the time in which answers count towards the rate.
    pub(crate) fn is_in_time(&self, now: Moment) -> bool {
        self.end.is_none_or(|end| now <= end)
    }

    /// Requests that were due by the end (or `now`, when that is earlier) and not taken.
    pub(crate) fn shortfall(&self, now: Moment) -> u64 {
        let Pace::Open { rate } = self.pace else { return 0 };
        let until = self.end.map_or(now, |end| end.min(now));
        if self.next_at >= until {
            return 0;
        }
        let steps = (until - self.next_at).as_secs_f64() * rate / self.step as f64;
        // The end itself is nobody's moment; a whole number may have become a little more.
        ((steps - 1e-6).ceil() as u64).min(self.left)
    }

    fn is_open(&self) -> bool {
        matches!(self.pace, Pace::Open { .. })
    }

    fn moment_of(&self, number: u64) -> Moment {
        match self.pace {
            Pace::Closed => self.start,
            Pace::Open { rate } => {
                self.start
                    + Duration::try_from_secs_f64(number as f64 / rate).unwrap_or(Duration::MAX)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(pace: Pace, duration_ms: u64, requests: Option<u64>, threads: usize) -> Options {
        let mut options = Options::new("http://a/".parse().unwrap());
        options.pace = pace;
        options.duration = Some(Duration::from_millis(duration_ms));
        (options.requests, options.threads) = (requests, threads);
        options
    }

    fn take_all(schedule: &mut Schedule, now_ms: u64) -> Vec<u64> {
        let now = Moment::from_millis(now_ms);
        std::iter::from_fn(|| schedule.take(now))
            .map(|moment| moment.since_start().as_millis() as u64)
            .collect()
    }

    #[test]
    fn an_open_loop_is_due_at_its_rate_whatever_was_taken() {
        let open = options(Pace::Open { rate: 100.0 }, 1000, None, 1);
        let mut schedule = Schedule::new(&open, 0, Moment::from_millis(0));
        assert_eq!(take_all(&mut schedule, 0), [0]);
        assert_eq!(schedule.until_next(Moment::from_millis(3)), Some(Duration::from_millis(7)));
        assert_eq!(take_all(&mut schedule, 9), [] as [u64; 0]);
        // A stall does not shift the ones after it.
        assert_eq!(take_all(&mut schedule, 45), [10, 20, 30, 40]);
        assert_eq!(schedule.shortfall(Moment::from_millis(1000)), 95);
        assert!(!schedule.is_over(Moment::from_millis(999)));
        assert_eq!(take_all(&mut schedule, 999).len(), 95);
        assert_eq!(schedule.shortfall(Moment::from_millis(1000)), 0);
        assert!(schedule.is_over(Moment::from_millis(999)));
    }

    #[test]
    fn threads_share_the_rate_and_the_count() {
        let open = options(Pace::Open { rate: 100.0 }, 1000, Some(11), 3);
        let mut all = Vec::new();
        for thread in 0..3 {
            let mut schedule = Schedule::new(&open, thread, Moment::from_millis(0));
            all.extend(take_all(&mut schedule, 999));
        }
        all.sort_unstable();
        assert_eq!(all, (0..11).map(|number| number * 10).collect::<Vec<_>>());
    }

    #[test]
    fn a_closed_loop_ends_with_its_time_or_its_count() {
        let closed = options(Pace::Closed, 10, Some(2), 1);
        let mut schedule = Schedule::new(&closed, 0, Moment::from_millis(0));
        assert_eq!(schedule.take(Moment::from_millis(4)), Some(Moment::from_millis(4)));
        assert_eq!(schedule.take(Moment::from_millis(10)), None);
        assert_eq!(schedule.take(Moment::from_millis(9)), Some(Moment::from_millis(9)));
        assert_eq!(schedule.take(Moment::from_millis(9)), None);
        assert_eq!(schedule.shortfall(Moment::from_millis(10)), 0);
    }
}
