//! Weights: services in turn, in exact proportion, whatever core asks.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

/// Largest single weight.
pub const WEIGHT_MAX: u32 = 1_000;
/// Longest schedule, after dividing by the common divisor: the memory that a route may cost.
const SCHEDULE_MAX: u64 = 10_000;

/// A fixed, repeating schedule with a shared counter.
///
/// The schedule is what smooth weighted round robin yields over one period; computing it once
/// leaves a single atomic addition per request, and makes the proportion exact across cores.
#[derive(Debug)]
pub struct WeightedChoice {
    weights: Vec<(u32, u32)>,
    schedule: Box<[u32]>,
    turns: AtomicU64,
}

/// Why weights cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WeightProblem {
    /// All are 0, or there are none.
    Nothing,
    /// One is above [`WEIGHT_MAX`].
    TooLarge,
    /// Together, even after shortening, above 10,000.
    TooMany,
}

impl WeightedChoice {
    /// Builds the schedule for `weights`, pairs of a service's place and its weight.
    ///
    /// # Errors
    /// See [`WeightProblem`].
    pub fn new(weights: Vec<(u32, u32)>) -> Result<Self, WeightProblem> {
        if weights.iter().any(|&(_, weight)| weight > WEIGHT_MAX) {
            return Err(WeightProblem::TooLarge);
        }
        let divisor = weights.iter().fold(0, |divisor, &(_, weight)| common(divisor, weight));
        if divisor == 0 {
            return Err(WeightProblem::Nothing);
        }
        let parts: Vec<i64> =
            weights.iter().map(|&(_, weight)| i64::from(weight / divisor)).collect();
        let total: i64 = parts.iter().sum();
        if total.unsigned_abs() > SCHEDULE_MAX {
            return Err(WeightProblem::TooMany);
        }
        let mut credits = vec![0_i64; parts.len()];
        let mut schedule = Vec::new();
        for _ in 0..total {
            let mut best: Option<(usize, i64)> = None;
            for (index, (credit, part)) in credits.iter_mut().zip(&parts).enumerate() {
                *credit += part;
                if *part > 0 && best.is_none_or(|(_, most)| *credit > most) {
                    best = Some((index, *credit));
                }
            }
            let Some((index, _)) = best else { break };
            if let Some(credit) = credits.get_mut(index) {
                *credit -= total;
            }
            schedule.extend(weights.get(index).map(|&(service, _)| service));
        }
        Ok(Self { weights, schedule: schedule.into(), turns: AtomicU64::new(0) })
    }

    /// The service whose turn it is.
    pub fn next(&self) -> u32 {
        let turn = self.turns.fetch_add(1, Ordering::Relaxed);
        let length = self.schedule.len() as u64;
        // The schedule is never empty: `new` refused that.
        let place = usize::try_from(turn % length.max(1)).unwrap_or(0);
        self.schedule.get(place).copied().unwrap_or(0)
    }

    /// What it was built from.
    pub fn weights(&self) -> &[(u32, u32)] {
        &self.weights
    }
}

impl fmt::Display for WeightProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("give at least one service a weight above 0"),
            Self::TooLarge => write!(f, "use weights from 0 to {WEIGHT_MAX}"),
            Self::TooMany => {
                write!(f, "weights add up to more than {SCHEDULE_MAX}; use smaller numbers")
            }
        }
    }
}

impl std::error::Error for WeightProblem {}

fn common(one: u32, two: u32) -> u32 {
    if two == 0 { one } else { common(two, one % two) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sequence(weights: &[u32], count: usize) -> String {
        let pairs = weights.iter().zip(0..).map(|(&weight, place)| (place, weight)).collect();
        let choice = WeightedChoice::new(pairs).unwrap();
        (0..count).map(|_| choice.next().to_string()).collect()
    }

    #[test]
    fn turns_are_smooth_and_exact() {
        assert_eq!(sequence(&[5, 1, 1], 7), "0010200");
        assert_eq!(sequence(&[90, 10], 10), "0000010000");
        assert_eq!(sequence(&[0, 3], 3), "111");
        assert_eq!(sequence(&[2, 2, 2], 6), "012012");
    }

    #[test]
    fn unusable_weights_are_refused() {
        let build = |weights: &[u32]| {
            let pairs = weights.iter().zip(0..).map(|(&weight, place)| (place, weight)).collect();
            WeightedChoice::new(pairs).map(|_| ())
        };
        assert_eq!(build(&[]), Err(WeightProblem::Nothing));
        assert_eq!(build(&[0, 0]), Err(WeightProblem::Nothing));
        assert_eq!(build(&[WEIGHT_MAX]), Ok(()));
        assert_eq!(build(&[WEIGHT_MAX + 1]), Err(WeightProblem::TooLarge));
        let many: Vec<u32> = (0..10).map(|_| WEIGHT_MAX).chain([1]).collect();
        assert_eq!(build(&many), Err(WeightProblem::TooMany));
        let limit: Vec<u32> = (0..9).map(|_| WEIGHT_MAX).chain([999, 1]).collect();
        assert_eq!(build(&limit), Ok(()));
    }
}
