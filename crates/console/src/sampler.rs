//! Reads the node once a second: pictures for whoever watches, points for the history.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use runtime::clock;
use runtime::sync::watch;
use runtime::time::interval;

use crate::api::{Live, LiveSample, Status};
use crate::history::{Record, STEP_MS};
use crate::node::Node;
use crate::process;
use crate::rate;
use crate::stream::Picture;

/// Time between two pictures.
const STEP: Duration = Duration::from_secs(1);
/// Steps that a picture's rates are taken over: with one, a service that gets a request now and
/// then would flicker between none and many.
const WINDOW_STEPS: usize = 5;

/// What the sampler leaves for the handlers to read.
pub(crate) struct Samples {
    record: Mutex<Record>,
    newest: Mutex<LiveSample>,
    /// What Mainspring itself uses: CPU cores, and bytes of memory.
    usage: Mutex<(f64, u64)>,
    pictures: watch::Sender<Picture>,
}

impl Samples {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            record: Mutex::default(),
            newest: Mutex::default(),
            usage: Mutex::default(),
            pictures: watch::Sender::new(None),
        })
    }

    /// Reads the history.
    pub(crate) fn with_record<T>(&self, read: impl FnOnce(&Record) -> T) -> T {
        // A reader that panicked left the record whole: only `push` changes it.
        read(&self.record.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What runs now, with what Mainspring itself uses filled in.
    pub(crate) fn status(&self, node: &dyn Node) -> Status {
        let mut status = node.status();
        let usage = *self.usage.lock().unwrap_or_else(PoisonError::into_inner);
        (status.node.cpu_cores, status.node.resident_bytes) = usage;
        status
    }

    /// What moved of late.
    pub(crate) fn newest(&self) -> LiveSample {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Pictures as they are made.
    pub(crate) fn pictures(&self) -> watch::Receiver<Picture> {
        self.pictures.subscribe()
    }
}

/// Samples for as long as it is polled.
pub(crate) async fn run(node: Arc<dyn Node>, samples: Arc<Samples>) {
    let mut beat = interval(STEP);
    let begun = (node.meters(), clock::now());
    let (mut noted, mut noted_at) = begun.clone();
    let mut window = VecDeque::from([begun]);
    let mut used = (process::usage().cpu_seconds, clock::now());
    loop {
        beat.tick().await;
        let (now, now_at) = (node.meters(), clock::now());
        let time = clock::unix_millis();
        used = note_usage(&samples, used);
        let sample = match window.front() {
            Some((before, before_at)) => rate::sample(before, &now, now_at - *before_at, time),
            None => LiveSample::default(),
        };
        if window.len() == WINDOW_STEPS {
            window.pop_front();
        }
        window.push_back((now.clone(), now_at));
        let step = now_at - noted_at;
        // Half a beat early is on time: beats are not exact.
        let is_due = step + STEP / 2 >= Duration::from_millis(STEP_MS);
        // Nobody watches most of the time, and the status is the expensive part.
        let is_watched = samples.pictures.receiver_count() > 0;
        if is_due || is_watched {
            let status = samples.status(&*node);
            if is_due {
                let long = rate::sample(&noted, &now, step, time);
                let mut record = samples.record.lock().unwrap_or_else(PoisonError::into_inner);
                record.push(&long, &status.services);
                drop(record);
                (noted, noted_at) = (now, now_at);
            }
            if is_watched {
                let live = Live { status, sample: sample.clone() };
                let text = serde_json::to_string(&live).unwrap_or_default();
                samples.pictures.send_replace(Some(text.into()));
            }
        }
        *samples.newest.lock().unwrap_or_else(PoisonError::into_inner) = sample;
    }
}

/// Notes what this process used since `before` (CPU seconds, and when they were read).
fn note_usage(samples: &Samples, before: (f64, model::Moment)) -> (f64, model::Moment) {
    let (reading, at) = (process::usage(), clock::now());
    let (seconds, then) = before;
    let step = (at - then).as_secs_f64();
    if step < STEP.as_secs_f64() / 2.0 {
        // The kernel counts in hundredths of a second: too coarse for so short a time.
        return before;
    }
    let cores = ((reading.cpu_seconds - seconds) / step * 1000.0).round() / 1000.0;
    *samples.usage.lock().unwrap_or_else(PoisonError::into_inner) = (cores, reading.resident_bytes);
    (reading.cpu_seconds, at)
}
