//! `mainspring load`: load on a URL, measured.

use std::io::{IsTerminal as _, Write as _};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::Args;
use load::{InvalidOption, Options, Pace, Report, Threshold, Url};
use runtime::control::Control;
use runtime::signal;

use super::{DONE, FAILED, Failure, Outcome, Output};

#[derive(Args, Clone, Debug)]
pub(super) struct LoadArgs {
    /// A plain http:// address
    url: Url,
    /// Requests a second, begun at a constant rate whatever the service does (open loop); latency
    /// counts from when a request was due. Without it each connection waits for its answer
    #[arg(short, long, value_name = "RATE")]
    rate: Option<f64>,
    /// Connections; in an open loop the most requests under way at once
    #[arg(short = 'n', long, value_name = "N", default_value_t = 64)]
    connections: u32,
    /// Threads
    #[arg(short, long, value_name = "N", default_value_t = 1)]
    threads: usize,
    /// How long requests are begun, such as 30s [default: 10s]
    #[arg(short, long, value_name = "TIME", value_parser = load::parse_duration)]
    duration: Option<Duration>,
    /// How many requests are begun
    #[arg(long, value_name = "N")]
    requests: Option<u64>,
    /// The method
    #[arg(short, long, value_name = "METHOD", default_value = "GET")]
    method: String,
    /// A header, as "name: value"; may be repeated
    #[arg(short = 'H', long = "header", value_name = "HEADER", value_parser = load::parse_header)]
    headers: Vec<(String, String)>,
    /// The body, or @FILE for that file's content
    #[arg(short, long, value_name = "BODY")]
    body: Option<String>,
    /// How long an answer may take before it counts as an error
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = load::parse_duration)]
    timeout: Duration,
    /// What must hold, such as "p99<20ms", "errors<0.1%" or "rate>1000"; may be repeated. The exit
    /// code is 1 when one does not
    #[arg(long = "expect", value_name = "RULE")]
    thresholds: Vec<Threshold>,
    /// Print JSON for programs
    #[arg(long)]
    json: bool,
}

/// `mainspring load`: 1 when a threshold does not hold.
pub(super) fn load(args: &LoadArgs, output: Output) -> Outcome {
    let options = options(args)?;
    let live = std::io::stderr().is_terminal() && !args.json;
    let (_signals, interrupted) = listen_for_interrupt();
    let report = load::run(&options, |progress| {
        if live {
            eprint_line(&format!("\r\x1b[K{progress}"));
        }
        // What was measured until then is reported.
        if interrupted.load(Ordering::Relaxed) {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    })
    .map_err(|error| Failure::failed(error.to_string()))?;
    if live {
        eprint_line("\r\x1b[K");
    }
    Ok(tell(&report, args.json, output))
}

/// From now on Ctrl-C sets the flag instead of ending the process, for as long as the control
/// thread lives. Where that cannot be had, Ctrl-C ends the process as ever.
fn listen_for_interrupt() -> (Option<Control>, Arc<AtomicBool>) {
    let interrupted = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&interrupted);
    let control = Control::start("signals").ok();
    if let Some(control) = &control {
        control.spawn(async move {
            if let Ok(mut interrupt) = signal::listen(signal::Kind::Interrupt) {
                interrupt.next().await;
                flag.store(true, Ordering::Relaxed);
            }
        });
    }
    (control, interrupted)
}

fn tell(report: &Report, json: bool, output: Output) -> u8 {
    if json {
        output.json(report);
    } else {
        output.write(&report.to_string());
    }
    if report.passed { DONE } else { FAILED }
}

fn options(args: &LoadArgs) -> Result<Options, Failure> {
    let body = match args.body.as_deref().map(|body| (body, body.strip_prefix('@'))) {
        None => Vec::new(),
        Some((_, Some(file))) => std::fs::read(PathBuf::from(file))
            .map_err(|error| Failure::wrong(format!("cannot read {file}: {error}")))?,
        Some((text, None)) => text.as_bytes().to_vec(),
    };
    let defaults = Options::new(args.url.clone());
    // A number of requests alone means just these, however long they take.
    let duration = match args.requests {
        Some(_) => args.duration,
        None => args.duration.or(defaults.duration),
    };
    let options = Options {
        method: args.method.clone(),
        headers: args.headers.clone(),
        body,
        pace: args.rate.map_or(Pace::Closed, |rate| Pace::Open { rate }),
        connections: args.connections,
        threads: args.threads,
        duration,
        requests: args.requests,
        timeout: args.timeout,
        thresholds: args.thresholds.clone(),
        ..defaults
    };
    options.check().map_err(|error: InvalidOption| Failure::wrong(error.to_string()))?;
    Ok(options)
}

/// Writes over the line that is there: progress is for the terminal, never for a file.
fn eprint_line(text: &str) {
    let mut stderr = std::io::stderr().lock();
    let _ = write!(stderr, "{text}").and_then(|()| stderr.flush());
}
