//! Reads the node once a second: pictures for whoever watches, points for the history.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use runtime::clock;
use runtime::sync::watch;
use runtime::time::interval;

use crate::api::{Live, LiveSample};
use crate::history::{Record, STEP_MS};
use crate::node::Node;
use crate::rate;
use crate::stream::Picture;

/// Time between two pictures.
const STEP: Duration = Duration::from_secs(1);

/// What the sampler leaves for the handlers to read.
pub(crate) struct Samples {
    record: Mutex<Record>,
    newest: Mutex<LiveSample>,
    pictures: watch::Sender<Picture>,
}

impl Samples {
    pub(crate) fn new() -> Arc<Self> {
        let (record, newest) = (Mutex::default(), Mutex::default());
        Arc::new(Self { record, newest, pictures: watch::Sender::new(None) })
    }

    /// Reads the history.
    pub(crate) fn with_record<T>(&self, read: impl FnOnce(&Record) -> T) -> T {
        // A reader that panicked left the record whole: only `push` changes it.
        read(&self.record.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What moved during the last step.
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
    let (mut before, mut before_at) = (node.meters(), clock::now());
    let (mut noted, mut noted_at) = (before.clone(), before_at);
    loop {
        beat.tick().await;
        let (now, now_at) = (node.meters(), clock::now());
        let time = clock::unix_millis();
        let sample = rate::sample(&before, &now, now_at - before_at, time);
        let step = now_at - noted_at;
        // Half a beat early is on time: beats are not exact.
        let is_due = step + STEP / 2 >= Duration::from_millis(STEP_MS);
        // Nobody watches most of the time, and the status is the expensive part.
        let is_watched = samples.pictures.receiver_count() > 0;
        if is_due || is_watched {
            let status = node.status();
            if is_due {
                let long = rate::sample(&noted, &now, step, time);
                let mut record = samples.record.lock().unwrap_or_else(PoisonError::into_inner);
                record.push(&long, &status.services);
                drop(record);
                (noted, noted_at) = (now.clone(), now_at);
            }
            if is_watched {
                let live = Live { status, sample: sample.clone() };
                let text = serde_json::to_string(&live).unwrap_or_default();
                samples.pictures.send_replace(Some(text.into()));
            }
        }
        *samples.newest.lock().unwrap_or_else(PoisonError::into_inner) = sample;
        (before, before_at) = (now, now_at);
    }
}
