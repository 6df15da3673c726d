//! Load generation over HTTP/1.1: how fast a service answers, told honestly.
//!
//! Two ways. *Closed loop*: each connection sends its next request when the last one is answered;
//! this finds the most that a service can do, but while the service stalls nobody asks, so its
//! latencies flatter. *Open loop*: requests are due at a constant rate whatever the service does,
//! and latency counts from the moment when a request was due, not from when it could be sent.
//!
//! Each thread is one event loop over its share of the connections; nothing is shared while it
//! runs. Memory does not grow with time: latencies go into histograms of a fixed size.
//!
//! Start at [`run`]; `docs/load.md` is the user's page.

mod answer;
mod connection;
mod options;
mod report;
mod run;
mod schedule;
mod tally;
mod threshold;
mod worker;

pub use options::{
    BODY_BYTES_MAX, CONNECTION_COUNT_MAX, InvalidOption, Options, Pace, THREAD_COUNT_MAX, Url,
    parse_duration, parse_header,
};
pub use report::{ErrorCounts, Latency, OpenLoop, Progress, Report, StatusCounts, Verdict};
pub use run::{Failure, run};
pub use threshold::Threshold;
