//! Starts the threads, listens to their counts, and makes the report.

use std::fmt;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::Duration;

use model::Moment;
use runtime::clock;

use crate::schedule::Schedule;
use crate::tally::Tally;
use crate::worker::{Plan, SAMPLE_INTERVAL, Sample, Worker};
use crate::{InvalidOption, Options, Pace, Progress, Report, Url};

/// Samples that may wait for this thread, for each thread of the run.
const SAMPLE_BACKLOG: usize = 4;

/// Time between looks at what the threads sent.
const BEAT: Duration = Duration::from_millis(100);

/// A run could not be made.
#[derive(Debug)]
pub enum Failure {
    /// An option cannot be used.
    Option(InvalidOption),
    /// The host has no address.
    Resolve {
        /// What was looked up.
        host: String,
        /// Why not.
        error: io::Error,
    },
    /// The system refused threads or descriptors.
    System(io::Error),
}

/// Loads the service as `options` say, and blocks until that is done.
///
/// `progress` is called once a second, on the calling thread. When it breaks, the run ends early
/// and the report tells of what there was.
///
/// # Errors
/// When the run could not begin. Failures of the service are counted in the report.
pub fn run(
    options: &Options,
    mut progress: impl FnMut(&Progress) -> ControlFlow<()>,
) -> Result<Report, Failure> {
    options.check().map_err(Failure::Option)?;
    let plan = Arc::new(Plan {
        address: resolve(&options.url)?,
        request: options.request(),
        method: http1::Method::of(options.method.as_bytes()),
        timeout: options.timeout,
        limits: http1::Limits::default(),
        is_open_loop: matches!(options.pace, Pace::Open { .. }),
        stop: AtomicBool::new(false),
    });
    let (sender, samples) = sync_channel(options.threads * SAMPLE_BACKLOG);
    let start = clock::now();
    let mut threads = Vec::with_capacity(options.threads);
    let mut refusal = None;
    for index in 0..options.threads {
        let (of_thread, sender) = (Arc::clone(&plan), sender.clone());
        let connections = share(options.connections, options.threads, index);
        let schedule = Schedule::new(options, index, start);
        let thread = std::thread::Builder::new().name(format!("load-{index}")).spawn(move || {
            // Made here, as it sets the timers of the thread that it is on.
            Worker::new(of_thread, schedule, connections)?.run(&sender)
        });
        match thread {
            Ok(thread) => threads.push(thread),
            Err(error) => {
                plan.stop.store(true, Ordering::Relaxed);
                refusal = Some(error);
                break;
            }
        }
    }
    drop(sender);
    let mut watch = Watch::new(start);
    watch.until_all_are_done(&samples, &plan.stop, &mut progress);
    let elapsed = clock::now() - start;
    for thread in threads {
        let outcome = thread.join();
        let outcome = outcome.unwrap_or_else(|_| Err(io::Error::other("a load thread panicked")));
        refusal = refusal.or(outcome.err());
    }
    match refusal {
        Some(error) => Err(Failure::System(error)),
        None => Ok(Report::new(options, watch.total, elapsed, watch.shortfall)),
    }
}

/// Adds up what the threads send.
struct Watch {
    start: Moment,
    total: Tally,
    shortfall: u64,
    /// Since the progress before.
    recent: Tally,
    recent_since: Moment,
}

impl Watch {
    fn new(start: Moment) -> Self {
        let (total, recent) = (Tally::new(), Tally::new());
        Self { start, total, shortfall: 0, recent, recent_since: start }
    }

    fn until_all_are_done(
        &mut self,
        samples: &Receiver<Sample>,
        stop: &AtomicBool,
        progress: &mut impl FnMut(&Progress) -> ControlFlow<()>,
    ) {
        let mut outstanding = 0;
        loop {
            match samples.recv_timeout(BEAT) {
                Ok(sample) => {
                    outstanding = sample.outstanding;
                    self.shortfall += sample.last.map_or(0, |last| last.shortfall);
                    self.total.add(&sample.tally);
                    self.recent.add(&sample.tally);
                }
                Err(RecvTimeoutError::Timeout) => {}
                // Every thread has sent its last sample and is gone.
                Err(RecvTimeoutError::Disconnected) => return,
            }
            let now = clock::now();
            if now - self.recent_since >= SAMPLE_INTERVAL {
                let shown = Progress::new(
                    now - self.start,
                    &self.total,
                    &self.recent,
                    now - self.recent_since,
                    outstanding,
                );
                self.recent = Tally::new();
                self.recent_since = now;
                if progress(&shown).is_break() {
                    stop.store(true, Ordering::Relaxed);
                }
            }
        }
    }
}

fn resolve(url: &Url) -> Result<SocketAddr, Failure> {
    let failed = |error| Failure::Resolve { host: url.host.clone(), error };
    let mut addresses = (url.host.as_str(), url.port).to_socket_addrs().map_err(failed)?;
    addresses.next().ok_or_else(|| failed(io::ErrorKind::NotFound.into()))
}

fn share(all: u32, threads: usize, index: usize) -> u32 {
    // At most `THREAD_COUNT_MAX` threads.
    let (threads, index) = (threads as u32, index as u32);
    all / threads + u32::from(index < all % threads)
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Option(problem) => problem.fmt(f),
            Self::Resolve { host, error } => write!(f, "{host:?} has no address: {error}"),
            Self::System(error) => write!(f, "the system refused: {error}"),
        }
    }
}

impl std::error::Error for Failure {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_add_up() {
        for (all, threads) in [(64, 1), (64, 3), (2, 2), (5, 4)] {
            let sum: u32 = (0..threads).map(|index| share(all, threads, index)).sum();
            assert_eq!(sum, all);
        }
    }
}
