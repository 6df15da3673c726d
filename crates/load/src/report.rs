//! What came of a run: for people (`Display`) and for programs (`Serialize`).

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use crate::tally::Tally;
use crate::{Options, Pace};

/// Percentiles that every report holds.
const PERCENTILES: [f64; 7] = [50.0, 75.0, 90.0, 95.0, 99.0, 99.9, 99.99];

/// The state of a run, once a second.
#[derive(Clone, Debug, Serialize)]
pub struct Progress {
    /// Since the start.
    pub elapsed_s: f64,
    /// Answers so far.
    pub answers: u64,
    /// Requests without an answer, and answers of status 5xx, so far.
    pub failed: u64,
    /// Answers a second, lately.
    pub rate: f64,
    /// Median latency, lately.
    pub p50_us: f64,
    /// 99th percentile, lately.
    pub p99_us: f64,
    /// Requests under way.
    pub outstanding: u32,
}

/// All that was found out.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// What was loaded.
    pub url: String,
    /// How.
    pub method: String,
    /// Connections in all.
    pub connections: u32,
    /// Threads.
    pub threads: usize,
    /// Until the last answer.
    pub elapsed_s: f64,
    /// Requests begun.
    pub requests: u64,
    /// Answers received whole, of any status.
    pub answers: u64,
    /// Answers a second, while requests were being begun.
    pub rate: f64,
    /// Requests without an answer, and answers of status 5xx.
    pub failed: u64,
    /// `failed` as a share of the requests, 0 to 1.
    pub failed_share: f64,
    /// Of answers. In an open loop from the intended start, in a closed one from the real start.
    pub latency: Latency,
    /// Answers by class.
    pub status: StatusCounts,
    /// Requests without an answer, by kind.
    pub errors: ErrorCounts,
    /// Heads and bodies received.
    pub bytes_read: u64,
    /// Heads and bodies sent.
    pub bytes_written: u64,
    /// Connections that were opened.
    pub connections_opened: u64,
    /// In an open loop only.
    pub open_loop: Option<OpenLoop>,
    /// One for each threshold, in order.
    pub verdicts: Vec<Verdict>,
    /// Whether all thresholds hold.
    pub passed: bool,
}

/// Latencies in microseconds; all 0 without an answer.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Latency {
    /// The shortest.
    pub min_us: f64,
    /// The arithmetic mean.
    pub mean_us: f64,
    /// The standard deviation.
    pub stdev_us: f64,
    /// The longest.
    pub max_us: f64,
    /// Pairs of percent and latency, the percents of [`PERCENTILES`].
    pub percentiles: Vec<(f64, f64)>,
    /// To look up other percentiles.
    #[serde(skip)]
    histogram: Option<hdrhistogram::Histogram<u64>>,
}

/// How well an open loop kept its promise.
#[derive(Clone, Debug, Serialize)]
pub struct OpenLoop {
    /// The rate that was asked for.
    pub rate_intended: f64,
    /// Requests that were due but never begun, because all connections were under way.
    pub not_begun: u64,
    /// How much later than intended requests were begun, on average. It is part of the latencies.
    pub lag_mean_us: f64,
    /// The same, at worst.
    pub lag_max_us: f64,
}

/// Answers by the class of their status.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct StatusCounts {
    /// 101, as other 1xx are no answers.
    #[serde(rename = "1xx")]
    pub informational: u64,
    /// 2xx.
    #[serde(rename = "2xx")]
    pub success: u64,
    /// 3xx.
    #[serde(rename = "3xx")]
    pub redirection: u64,
    /// 4xx.
    #[serde(rename = "4xx")]
    pub client_error: u64,
    /// 5xx and above.
    #[serde(rename = "5xx")]
    pub server_error: u64,
}

/// Requests without an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ErrorCounts {
    /// The connection could not be opened.
    pub connect: u64,
    /// The connection broke or was closed before the answer was whole.
    pub closed: u64,
    /// The time ran out.
    pub timeout: u64,
    /// What came was not HTTP.
    pub malformed: u64,
}

/// Whether a threshold holds.
#[derive(Clone, Debug, Serialize)]
pub struct Verdict {
    /// As it was written.
    pub threshold: String,
    /// What was found, in microseconds, a second, percent or a count; `None` without an answer.
    pub value: Option<f64>,
    /// The verdict.
    pub holds: bool,
}

impl StatusCounts {
    pub(crate) fn count(&mut self, status: u16) {
        *match status {
            0..200 => &mut self.informational,
            200..300 => &mut self.success,
            300..400 => &mut self.redirection,
            400..500 => &mut self.client_error,
            500.. => &mut self.server_error,
        } += 1;
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.informational += other.informational;
        self.success += other.success;
        self.redirection += other.redirection;
        self.client_error += other.client_error;
        self.server_error += other.server_error;
    }
}

impl ErrorCounts {
    /// All of them.
    pub fn sum(&self) -> u64 {
        self.connect + self.closed + self.timeout + self.malformed
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.connect += other.connect;
        self.closed += other.closed;
        self.timeout += other.timeout;
        self.malformed += other.malformed;
    }
}

impl Latency {
    fn new(nanos: hdrhistogram::Histogram<u64>) -> Self {
        if nanos.is_empty() {
            return Self::default();
        }
        let percentiles =
            PERCENTILES.iter().map(|percent| (*percent, at_percent(&nanos, *percent))).collect();
        Self {
            min_us: nanos.min() as f64 / 1e3,
            mean_us: nanos.mean() / 1e3,
            stdev_us: nanos.stdev() / 1e3,
            max_us: nanos.max() as f64 / 1e3,
            percentiles,
            histogram: Some(nanos),
        }
    }

    /// The latency that `percent` of the answers did not exceed; `None` without an answer.
    pub fn percentile_us(&self, percent: f64) -> Option<f64> {
        self.histogram.as_ref().map(|histogram| at_percent(histogram, percent))
    }
}

fn at_percent(nanos: &hdrhistogram::Histogram<u64>, percent: f64) -> f64 {
    nanos.value_at_quantile(percent / 100.0) as f64 / 1e3
}

impl Progress {
    pub(crate) fn new(
        elapsed: Duration,
        total: &Tally,
        recent: &Tally,
        recent_time: Duration,
        outstanding: u32,
    ) -> Self {
        Self {
            elapsed_s: elapsed.as_secs_f64(),
            answers: total.answer_count(),
            failed: total.failed_count(),
            rate: recent.answer_count() as f64 / recent_time.as_secs_f64(),
            p50_us: at_percent(&recent.latencies, 50.0),
            p99_us: at_percent(&recent.latencies, 99.0),
            outstanding,
        }
    }
}

impl Report {
    /// `elapsed` is the time until the last answer; `shortfall` the requests that were not begun.
    pub(crate) fn new(options: &Options, tally: Tally, elapsed: Duration, shortfall: u64) -> Self {
        let period = options.duration.map_or(elapsed, |duration| duration.min(elapsed));
        let requests = tally.answer_count() + tally.errors.sum();
        let failed = tally.failed_count();
        let open_loop = match options.pace {
            Pace::Closed => None,
            Pace::Open { rate } => Some(OpenLoop {
                rate_intended: rate,
                not_begun: shortfall,
                lag_mean_us: tally.lag_sum.as_secs_f64() * 1e6 / tally.begun.max(1) as f64,
                lag_max_us: tally.lag_max.as_secs_f64() * 1e6,
            }),
        };
        let mut report = Self {
            url: options.url.to_string(),
            method: options.method.clone(),
            connections: options.connections,
            threads: options.threads,
            elapsed_s: elapsed.as_secs_f64(),
            requests,
            answers: tally.answer_count(),
            rate: tally.answers_in_time as f64 / period.as_secs_f64().max(f64::MIN_POSITIVE),
            failed,
            failed_share: failed as f64 / requests.max(1) as f64,
            status: tally.statuses,
            errors: tally.errors,
            bytes_read: tally.bytes_read,
            bytes_written: tally.bytes_written,
            connections_opened: tally.connections_opened,
            latency: Latency::new(tally.latencies),
            open_loop,
            verdicts: Vec::new(),
            passed: true,
        };
        report.verdicts = options.thresholds.iter().map(|t| t.judge(&report)).collect();
        report.passed = report.verdicts.iter().all(|verdict| verdict.holds);
        report
    }
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:>4.0} s  {:>9.0}/s  p50 {:>9}  p99 {:>9}  {} under way  {} answers  {} failed",
            self.elapsed_s,
            self.rate,
            micros(self.p50_us),
            micros(self.p99_us),
            self.outstanding,
            self.answers,
            self.failed,
        )
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { latency, status, errors, .. } = self;
        writeln!(f, "{} {}", self.method, self.url)?;
        let way = match &self.open_loop {
            Some(open) => format!("open loop at {}/s", open.rate_intended),
            None => "closed loop".to_owned(),
        };
        let (connections, threads) = (self.connections, self.threads);
        writeln!(f, "  {way}, connections: {connections}, threads: {threads}")?;
        let (requests, seconds) = (self.requests, self.elapsed_s);
        writeln!(f, "  {requests} requests in {seconds:.2} s, {:.1} answers/s", self.rate)?;
        let megabytes = |bytes: u64| bytes as f64 / 1e6;
        let (read, written) = (megabytes(self.bytes_read), megabytes(self.bytes_written));
        writeln!(f, "  {read:.1} MB received, {written:.1} MB sent")?;
        writeln!(f, "latency")?;
        for (percent, us) in &latency.percentiles {
            writeln!(f, "  {:<7} {:>10}", format!("p{percent}"), micros(*us))?;
        }
        let rest = [
            ("min", latency.min_us),
            ("mean", latency.mean_us),
            ("stdev", latency.stdev_us),
            ("max", latency.max_us),
        ];
        for (name, us) in rest {
            writeln!(f, "  {name:<7} {:>10}", micros(us))?;
        }
        write!(f, "answers  2xx {}  3xx {}", status.success, status.redirection)?;
        writeln!(f, "  4xx {}  5xx {}", status.client_error, status.server_error)?;
        write!(f, "errors   connect {}  closed {}", errors.connect, errors.closed)?;
        writeln!(f, "  time-out {}  malformed {}", errors.timeout, errors.malformed)?;
        if let Some(open) = &self.open_loop {
            let (mean, max) = (micros(open.lag_mean_us), micros(open.lag_max_us));
            writeln!(f, "begun later than intended by {mean} on average, {max} at most")?;
            if open.not_begun > 0 {
                writeln!(
                    f,
                    "{} requests were due but never begun: all connections were under way",
                    open.not_begun
                )?;
            }
        }
        for verdict in &self.verdicts {
            let mark = if verdict.holds { '✓' } else { '✗' };
            writeln!(f, "{mark} {}", verdict.threshold)?;
        }
        Ok(())
    }
}

/// Microseconds in the unit that reads best.
fn micros(us: f64) -> String {
    if us < 1_000.0 {
        format!("{us:.1} µs")
    } else if us < 1_000_000.0 {
        format!("{:.2} ms", us / 1e3)
    } else {
        format!("{:.2} s", us / 1e6)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(pace: Pace) -> Report {
        let mut options = Options::new("http://a:81/x".parse().unwrap());
        options.pace = pace;
        options.thresholds =
            ["p50<3ms", "errors<1%"].iter().map(|text| text.parse().unwrap()).collect();
        let mut tally = Tally::new();
        (1..=100).for_each(|ms| tally.answered(200, Duration::from_millis(ms), true));
        tally.answered(503, Duration::from_millis(1), true);
        tally.errors.closed = 3;
        Report::new(&options, tally, Duration::from_secs(2), 7)
    }

    #[test]
    fn shares_and_percentiles_are_of_what_was_counted() {
        let report = report(Pace::Open { rate: 50.0 });
        assert_eq!((report.requests, report.answers, report.failed), (104, 101, 4));
        assert!((report.rate - 50.5).abs() < 1e-9);
        let p99 = report.latency.percentile_us(99.0).unwrap();
        assert!((p99 - 99_000.0).abs() < 200.0, "{p99}");
        assert_eq!(report.verdicts.iter().map(|v| v.holds).collect::<Vec<_>>(), [false, false]);
        assert!(!report.passed);
        assert_eq!(report.open_loop.unwrap().not_begun, 7);
    }

    #[test]
    fn people_and_programs_read_the_same() {
        let report = report(Pace::Closed);
        let text = report.to_string();
        assert!(text.contains("p99.99") && text.contains("5xx 1") && text.contains("✗ p50<3ms"));
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!(json["status"]["5xx"], 1);
        assert_eq!(json["errors"]["closed"], 3);
        assert_eq!(json["latency"]["percentiles"][0][0], 50.0);
    }
}
