//! A log-linear histogram: each power of two in 32 equal steps, so that a bucket's middle is at
//! most 1.6 % from any value in it.

use super::Counter;

/// Steps per power of two.
const STEPS: u64 = 32;
const STEP_BITS: u32 = STEPS.trailing_zeros();

/// Powers of two above the linear part. The last bucket ends at 2³² µs, 71 minutes; longer values
/// count as that.
const OCTAVES: u64 = 27;
const VALUE_MAX: u64 = (STEPS << OCTAVES) - 1;
const BUCKETS: usize = ((OCTAVES + 1) * STEPS) as usize;

/// Counts of microseconds by size, written by one thread and read by any.
pub(crate) struct Histogram {
    counts: Box<[Counter]>,
    sum_us: Counter,
}

/// A reading of a histogram, or the sum of several.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HistogramSnapshot {
    /// Ascending by bound; buckets without a count are left out.
    pub buckets: Vec<Bucket>,
    /// Sum of all values, in microseconds.
    pub sum_us: u64,
}

/// Values up to `upper_us` and above the bucket before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// Largest value in it, in microseconds.
    pub upper_us: u64,
    /// How many.
    pub count: u64,
}

/// Adds readings of several cores.
pub(crate) struct HistogramSum {
    counts: Vec<u64>,
    sum_us: u64,
}

impl Histogram {
    pub(crate) fn new() -> Self {
        Self {
            counts: (0..BUCKETS).map(|_| Counter::default()).collect(),
            sum_us: Counter::default(),
        }
    }

    pub(crate) fn record(&self, value_us: u64) {
        if let Some(count) = self.counts.get(bucket_of(value_us)) {
            count.add(1);
        }
        self.sum_us.add(value_us);
    }
}

impl HistogramSum {
    pub(crate) fn new() -> Self {
        Self { counts: vec![0; BUCKETS], sum_us: 0 }
    }

    pub(crate) fn add(&mut self, histogram: &Histogram) {
        for (sum, count) in self.counts.iter_mut().zip(&histogram.counts) {
            *sum += count.get();
        }
        self.sum_us += histogram.sum_us.get();
    }

    pub(crate) fn finish(&self) -> HistogramSnapshot {
        let filled = self.counts.iter().enumerate().filter(|(_, count)| **count > 0);
        let buckets = filled
            .map(|(index, count)| Bucket { upper_us: upper_of(index), count: *count })
            .collect();
        HistogramSnapshot { buckets, sum_us: self.sum_us }
    }
}

fn bucket_of(value: u64) -> usize {
    let value = value.min(VALUE_MAX);
    if value < STEPS {
        return value as usize;
    }
    let shift = value.ilog2() - STEP_BITS;
    (u64::from(shift) * STEPS + (value >> shift)) as usize
}

fn upper_of(index: usize) -> u64 {
    let index = index as u64;
    if index < STEPS {
        return index;
    }
    let shift = index / STEPS - 1;
    ((index - shift * STEPS + 1) << shift) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_is_within_its_bucket_and_the_bucket_is_narrow() {
        let mut value = 0_u64;
        while value <= VALUE_MAX {
            let index = bucket_of(value);
            let upper = upper_of(index);
            let lower = if index == 0 { 0 } else { upper_of(index - 1) + 1 };
            assert!((lower..=upper).contains(&value), "{value} in {lower}..={upper}");
            assert!((upper - lower) as f64 <= lower as f64 / 32.0, "{lower}..={upper}");
            value += 1 + value / 97;
        }
        assert_eq!(bucket_of(VALUE_MAX), BUCKETS - 1);
        assert_eq!(bucket_of(VALUE_MAX + 1), BUCKETS - 1);
    }

    #[test]
    fn cores_are_summed_and_empty_buckets_left_out() {
        let (one, two) = (Histogram::new(), Histogram::new());
        one.record(5);
        two.record(5);
        two.record(1000);
        let mut sum = HistogramSum::new();
        sum.add(&one);
        sum.add(&two);
        let snapshot = sum.finish();
        assert_eq!(snapshot.sum_us, 1010);
        assert_eq!(snapshot.buckets[0], Bucket { upper_us: 5, count: 2 });
        assert_eq!(snapshot.buckets[1], Bucket { upper_us: 1007, count: 1 });
        assert_eq!(snapshot.buckets.len(), 2);
    }
}
