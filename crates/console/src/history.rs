//! The last hour, kept in memory: a fixed number of points for a bounded number of series.

use std::collections::{BTreeMap, VecDeque};

use crate::api::{History, HistoryPoint, HistorySeries, LiveSample, ServiceStatus, TrafficRates};

/// Time between two points.
pub(crate) const STEP_MS: u64 = 5_000;
/// Points of a series: an hour of them.
pub(crate) const POINTS_MAX: usize = 720;
/// Series kept; more routes and services than this have no history. At 24 bytes a point the whole
/// is below 5 MiB.
pub(crate) const SERIES_MAX: usize = 256;

/// What a series is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Subject {
    Total,
    Route(String),
    Service(String),
}

/// The points of the last hour.
#[derive(Default)]
pub(crate) struct Record {
    end_unix_ms: u64,
    series: BTreeMap<Subject, VecDeque<Point>>,
}

/// A point in few bytes.
#[derive(Clone, Copy)]
struct Point {
    requests_per_s: f32,
    errors_per_s: f32,
    /// [`NONE`]: no requests.
    p50_us: u32,
    p99_us: u32,
    /// Not a number: unknown.
    cpu_cores: f32,
    /// [`NONE`]: unknown.
    resident_kib: u32,
}

const NONE: u32 = u32::MAX;

impl Record {
    /// Notes the step that ended with `sample`.
    pub(crate) fn push(&mut self, sample: &LiveSample, services: &[ServiceStatus]) {
        self.end_unix_ms = sample.time_unix_ms;
        let mut step = BTreeMap::new();
        step.insert(Subject::Total, Point::new(&sample.total, None));
        for (name, rates) in &sample.routes {
            step.insert(Subject::Route(name.clone()), Point::new(rates, None));
        }
        let quiet = TrafficRates::default();
        for service in services {
            let rates = sample.services.iter().find(|(name, _)| *name == service.name);
            let rates = rates.map_or(&quiet, |(_, rates)| rates);
            let point = Point::new(rates, Some(usage(service)));
            step.insert(Subject::Service(service.name.clone()), point);
        }
        // What is gone keeps its place in time, until an hour has passed over it.
        for (subject, points) in &mut self.series {
            push(points, step.remove(subject).unwrap_or(Point::UNKNOWN));
        }
        self.series.retain(|_, points| points.iter().any(Point::is_known));
        for (subject, point) in step {
            if self.series.len() < SERIES_MAX {
                self.series.insert(subject, VecDeque::from([point]));
            }
        }
    }

    /// The newest `point_count` points of `subject`; fewer if it is younger.
    pub(crate) fn read(&self, subject: &Subject, point_count: usize) -> Option<History> {
        let points = self.series.get(subject)?;
        let skip = points.len().saturating_sub(point_count);
        let (kind, name) = match subject {
            Subject::Total => ("total", ""),
            Subject::Route(name) => ("route", name.as_str()),
            Subject::Service(name) => ("service", name.as_str()),
        };
        let series = HistorySeries {
            subject: kind.to_owned(),
            name: name.to_owned(),
            points: points.iter().skip(skip).map(Point::expand).collect(),
        };
        let end_unix_ms = self.end_unix_ms;
        Some(History { step_ms: STEP_MS, end_unix_ms, series: vec![series] })
    }
}

fn push(points: &mut VecDeque<Point>, point: Point) {
    if points.len() == POINTS_MAX {
        points.pop_front();
    }
    points.push_back(point);
}

/// CPU cores and bytes of all replicas of a service, as far as known.
fn usage(service: &ServiceStatus) -> (Option<f64>, Option<u64>) {
    let sum = |values: &mut dyn Iterator<Item = f64>| values.reduce(|a, b| a + b);
    let cpu = sum(&mut service.replicas.iter().filter_map(|replica| replica.cpu_cores));
    let bytes = service.replicas.iter().filter_map(|replica| replica.resident_bytes);
    (cpu, bytes.reduce(|a, b| a + b))
}

impl Point {
    const UNKNOWN: Self = Self {
        requests_per_s: f32::NAN,
        errors_per_s: f32::NAN,
        p50_us: NONE,
        p99_us: NONE,
        cpu_cores: f32::NAN,
        resident_kib: NONE,
    };

    fn new(rates: &TrafficRates, usage: Option<(Option<f64>, Option<u64>)>) -> Self {
        let small = |value: u64| u32::try_from(value).unwrap_or(NONE - 1);
        let (cpu, bytes) = usage.unwrap_or_default();
        Self {
            requests_per_s: rates.requests_per_s as f32,
            errors_per_s: rates.errors_per_s as f32,
            p50_us: rates.p50_us.map_or(NONE, small),
            p99_us: rates.p99_us.map_or(NONE, small),
            cpu_cores: cpu.map_or(f32::NAN, |cpu| cpu as f32),
            resident_kib: bytes.map_or(NONE, |bytes| small(bytes / 1024)),
        }
    }

    fn is_known(&self) -> bool {
        !self.requests_per_s.is_nan()
    }

    fn expand(&self) -> Option<HistoryPoint> {
        if !self.is_known() {
            return None;
        }
        let known = |value: u32| (value != NONE).then_some(u64::from(value));
        let round = |value: f32| (f64::from(value) * 1000.0).round() / 1000.0;
        Some(HistoryPoint {
            traffic: TrafficRates {
                requests_per_s: round(self.requests_per_s),
                errors_per_s: round(self.errors_per_s),
                p50_us: known(self.p50_us),
                p99_us: known(self.p99_us),
            },
            cpu_cores: (!self.cpu_cores.is_nan()).then(|| round(self.cpu_cores)),
            resident_bytes: known(self.resident_kib).map(|kib| kib * 1024),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::ReplicaStatus;

    fn service(name: &str, cpu: f64) -> ServiceStatus {
        let replica = || ReplicaStatus {
            cpu_cores: Some(cpu),
            resident_bytes: Some(4096),
            ..ReplicaStatus::default()
        };
        let replicas = vec![replica(), replica()];
        ServiceStatus { name: name.to_owned(), replicas, ..ServiceStatus::default() }
    }

    fn sample(time: u64, rate: f64) -> LiveSample {
        let total = TrafficRates { requests_per_s: rate, p99_us: Some(9), ..Default::default() };
        LiveSample { time_unix_ms: time, total, ..LiveSample::default() }
    }

    fn rates(record: &Record, subject: &Subject, count: usize) -> Vec<Option<f64>> {
        let history = record.read(subject, count).unwrap();
        let points = &history.series[0].points;
        points.iter().map(|point| point.map(|point| point.traffic.requests_per_s)).collect()
    }

    #[test]
    fn the_newest_hour_is_kept_and_no_more() {
        let mut record = Record::default();
        for step in 0..POINTS_MAX + 1 {
            record.push(&sample(step as u64, step as f64), &[]);
        }
        let all = rates(&record, &Subject::Total, usize::MAX);
        assert_eq!((all.len(), all[0], all[POINTS_MAX - 1]), (720, Some(1.0), Some(720.0)));
        assert_eq!(rates(&record, &Subject::Total, 2), [Some(719.0), Some(720.0)]);
        assert_eq!(record.read(&Subject::Total, 1).unwrap().end_unix_ms, 720);
        assert_eq!(record.read(&Subject::Route("x".to_owned()), 1), None);
    }

    #[test]
    fn a_service_has_the_usage_of_its_replicas_and_gaps_when_it_is_gone() {
        let mut record = Record::default();
        let subject = Subject::Service("a".to_owned());
        record.push(&sample(1, 1.0), &[service("a", 0.25)]);
        record.push(&sample(2, 1.0), &[]);
        record.push(&sample(3, 1.0), &[service("a", 0.25)]);
        assert_eq!(rates(&record, &subject, 9), [Some(0.0), None, Some(0.0)]);
        let history = record.read(&subject, 1).unwrap();
        let point = history.series[0].points[0].unwrap();
        assert_eq!((point.cpu_cores, point.resident_bytes), (Some(0.5), Some(8192)));
        for step in 0..POINTS_MAX as u64 {
            record.push(&sample(step, 1.0), &[]);
        }
        assert_eq!(record.read(&subject, 1), None, "an hour later it is forgotten");
    }

    #[test]
    fn series_are_bounded() {
        let mut record = Record::default();
        // One place is taken by the total.
        let services = |count: usize| {
            (0..count).map(|n| service(&format!("s{n:04}"), 0.0)).collect::<Vec<_>>()
        };
        record.push(&sample(1, 1.0), &services(SERIES_MAX - 1));
        let last = Subject::Service(format!("s{:04}", SERIES_MAX - 2));
        assert!(record.read(&last, 1).is_some());
        record.push(&sample(2, 1.0), &services(SERIES_MAX));
        let beyond = Subject::Service(format!("s{:04}", SERIES_MAX - 1));
        assert!(record.read(&beyond, 1).is_none());
        assert_eq!(record.series.len(), SERIES_MAX);
    }
}
