//! `p99<20ms`, `errors<0.1%`, `rate>1000`: what must hold for a run to pass.

use std::fmt;
use std::str::FromStr;

use crate::options::{InvalidOption, parse_duration};
use crate::{Report, Verdict};

/// A condition on the report.
#[derive(Clone, Debug, PartialEq)]
pub struct Threshold {
    text: String,
    measure: Measure,
    comparison: Comparison,
    bound: f64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Measure {
    /// Microseconds.
    Percentile(f64),
    Minimum,
    Mean,
    Maximum,
    /// Answers a second.
    Rate,
    ErrorCount,
    ErrorShare,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Comparison {
    Below,
    AtMost,
    Above,
    AtLeast,
}

impl Threshold {
    /// Whether the report meets it.
    pub fn judge(&self, report: &Report) -> Verdict {
        let latency = &report.latency;
        let value = match self.measure {
            Measure::Percentile(percent) => latency.percentile_us(percent),
            Measure::Minimum => Some(latency.min_us),
            Measure::Mean => Some(latency.mean_us),
            Measure::Maximum => Some(latency.max_us),
            Measure::Rate => Some(report.rate),
            Measure::ErrorCount => Some(report.failed as f64),
            Measure::ErrorShare => Some(report.failed_share * 100.0),
        };
        let is_latency = match self.measure {
            Measure::Percentile(_) | Measure::Minimum | Measure::Mean | Measure::Maximum => true,
            Measure::Rate | Measure::ErrorCount | Measure::ErrorShare => false,
        };
        // Without a single answer there is no latency, and nothing to be content with.
        let value = value.filter(|_| report.answers > 0 || !is_latency);
        let holds = value.is_some_and(|value| match self.comparison {
            Comparison::Below => value < self.bound,
            Comparison::AtMost => value <= self.bound,
            Comparison::Above => value > self.bound,
            Comparison::AtLeast => value >= self.bound,
        });
        Verdict { threshold: self.text.clone(), value, holds }
    }
}

impl FromStr for Threshold {
    type Err = InvalidOption;

    fn from_str(text: &str) -> Result<Self, InvalidOption> {
        let refuse = || {
            InvalidOption(format!(
                "{text:?} is no threshold: write for example p99<20ms, max<=1s, errors<0.1% or \
                 rate>1000"
            ))
        };
        let at = text.find(['<', '>']).ok_or_else(refuse)?;
        let (name, rest) = text.split_at(at);
        let (comparison, bound) = if let Some(bound) = rest.strip_prefix("<=") {
            (Comparison::AtMost, bound)
        } else if let Some(bound) = rest.strip_prefix(">=") {
            (Comparison::AtLeast, bound)
        } else if let Some(bound) = rest.strip_prefix('<') {
            (Comparison::Below, bound)
        } else {
            (Comparison::Above, rest.strip_prefix('>').unwrap_or_default())
        };
        let (name, bound) = (name.trim(), bound.trim());
        let number = |text: &str| text.parse::<f64>().ok().filter(|n| *n >= 0.0).ok_or_else(refuse);
        let micros = |text: &str| parse_duration(text).map(|d| d.as_secs_f64() * 1e6);
        let (measure, bound) = match name {
            "rate" => (Measure::Rate, number(bound.strip_suffix("/s").unwrap_or(bound))?),
            "errors" => match bound.strip_suffix('%') {
                Some(share) => (Measure::ErrorShare, number(share)?),
                None => (Measure::ErrorCount, number(bound)?),
            },
            "min" => (Measure::Minimum, micros(bound)?),
            "mean" => (Measure::Mean, micros(bound)?),
            "max" => (Measure::Maximum, micros(bound)?),
            _ => {
                let percent = number(name.strip_prefix('p').ok_or_else(refuse)?)?;
                if percent > 100.0 {
                    return Err(refuse());
                }
                (Measure::Percentile(percent), micros(bound)?)
            }
        };
        Ok(Self { text: text.to_owned(), measure, comparison, bound })
    }
}

impl fmt::Display for Threshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tally::Tally;

    fn holds(threshold: &str, latencies_ms: &[u64], error_count: u64) -> bool {
        let mut tally = Tally::new();
        for ms in latencies_ms {
            tally.answered(200, std::time::Duration::from_millis(*ms), true);
        }
        tally.errors.timeout = error_count;
        let options = crate::Options::new("http://a/".parse().unwrap());
        let report = Report::new(&options, tally, std::time::Duration::from_secs(1), 0);
        threshold.parse::<Threshold>().unwrap().judge(&report).holds
    }

    #[test]
    fn thresholds_compare_what_they_name() {
        let ms = [1, 2, 3, 4, 100];
        assert!(holds("p50<4ms", &ms, 0) && !holds("p50<3ms", &ms, 0));
        assert!(holds("max<=101ms", &ms, 0) && !holds("max<100ms", &ms, 0));
        assert!(holds("rate>=5", &ms, 0) && !holds("rate > 5/s", &ms, 0));
        assert!(holds("errors<1", &ms, 0) && !holds("errors<1", &ms, 1));
        assert!(holds("errors<20%", &ms, 1) && !holds("errors<10%", &ms, 1));
    }

    #[test]
    fn without_an_answer_no_latency_is_good_enough() {
        assert!(!holds("p99<1h", &[], 0));
        assert!(!holds("errors<100%", &[], 3));
    }

    #[test]
    fn other_texts_are_refused_with_an_example() {
        for bad in ["p99", "p99<", "p99<20", "p101<1s", "errors<x", "q<1", "rate>-1", "p99=1s"] {
            let error = bad.parse::<Threshold>().unwrap_err().to_string();
            assert!(error.contains("p99<20ms") || error.contains("no duration"), "{error}");
        }
    }
}
