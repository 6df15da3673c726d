//! Commands about one service: scale, deploy, restart, stop, start.

use std::time::{Duration, Instant};

use clap::Args;
use console::api::{DeployOutcome, DeployReport, ScaleRequest, ServiceReport};
use serde_json::json;

use super::output::{self, Tone};
use super::remote::{Patience, Remote, Target, encode};
use super::{DONE, FAILED, Failure, Outcome, Output};

/// Longest wait for a node to end that was told to.
const STOP_WAIT_MAX: Duration = Duration::from_secs(300);

/// Time between two looks whether it is gone.
const STOP_LOOK_INTERVAL: Duration = Duration::from_millis(50);

#[derive(Args, Clone, Debug)]
pub(super) struct ServiceArgs {
    /// The service
    name: String,
    /// Print JSON for programs
    #[arg(long)]
    json: bool,
}

#[derive(Args, Clone, Debug)]
pub(super) struct StopArgs {
    /// The service; absent: the whole node with its programs
    name: Option<String>,
    /// Print JSON for programs
    #[arg(long)]
    json: bool,
}

#[derive(Args, Clone, Debug)]
pub(super) struct ScaleArgs {
    /// A service and its number of replicas
    #[arg(value_name = "NAME=N", required = true, value_parser = parse_scale)]
    wanted: Vec<(String, u32)>,
    /// Print JSON for programs
    #[arg(long)]
    json: bool,
}

/// `mainspring scale`.
pub(super) fn scale(target: &Target, args: &ScaleArgs, output: Output) -> Outcome {
    let remote = target.connect(Patience::Long)?;
    for (name, replicas) in &args.wanted {
        let path = format!("/services/{}/scale", encode(name));
        let request = ScaleRequest { replicas: *replicas };
        let report: ServiceReport = remote.send("POST", &path, &request)?;
        show(&report, args.json, output);
    }
    Ok(DONE)
}

/// `mainspring deploy`: 1 when it was rolled back.
pub(super) fn deploy(target: &Target, args: &ServiceArgs, output: Output) -> Outcome {
    let remote = target.connect(Patience::Long)?;
    let path = format!("/services/{}/deploy", encode(&args.name));
    let report: DeployReport = remote.send("POST", &path, &json!({}))?;
    let (word, tone, code) = match report.outcome {
        DeployOutcome::Done => ("deployed", Tone::Good, DONE),
        DeployOutcome::RolledBack => ("rolled back", Tone::Bad, FAILED),
    };
    if args.json {
        output.json(&report);
    } else {
        output.line(&format!(
            "{} {} in {}: {}",
            report.service,
            output.paint(tone, word),
            output::span_ms(report.took_ms),
            report.message
        ));
    }
    Ok(code)
}

/// `mainspring restart` and `mainspring start`.
pub(super) fn act(target: &Target, verb: &str, args: &ServiceArgs, output: Output) -> Outcome {
    let remote = target.connect(Patience::Long)?;
    show(&call(&remote, verb, &args.name)?, args.json, output);
    Ok(DONE)
}

/// `mainspring stop`.
pub(super) fn stop(target: &Target, args: &StopArgs, output: Output) -> Outcome {
    let remote = target.connect(Patience::Long)?;
    if let Some(name) = &args.name {
        show(&call(&remote, "stop", name)?, args.json, output);
        return Ok(DONE);
    }
    let report: ServiceReport = remote.send("POST", "/shutdown", &json!({}))?;
    let begun = Instant::now();
    while remote.is_there() {
        if begun.elapsed() > STOP_WAIT_MAX {
            let waited = output::span(STOP_WAIT_MAX);
            return Err(Failure::failed(format!("the node is still there after {waited}")));
        }
        std::thread::sleep(STOP_LOOK_INTERVAL);
    }
    if args.json {
        output.json(&report);
    } else {
        output.line(&format!("stopped in {}", output::span(begun.elapsed())));
    }
    Ok(DONE)
}

fn call(remote: &Remote, verb: &str, name: &str) -> Result<ServiceReport, Failure> {
    remote.send("POST", &format!("/services/{}/{verb}", encode(name)), &json!({}))
}

fn show(report: &ServiceReport, json: bool, output: Output) {
    if json {
        output.json(report);
    } else {
        let took = output.paint(Tone::Faint, &format!("({})", output::span_ms(report.took_ms)));
        output.line(&format!("{}: {} {took}", report.service, report.message));
    }
}

fn parse_scale(text: &str) -> Result<(String, u32), String> {
    const RULE: &str = "write NAME=N, such as orders=3";
    let (name, count) = text.split_once('=').ok_or(RULE)?;
    let count = count.parse().map_err(|_| format!("{count:?} is not a number: {RULE}"))?;
    if name.is_empty() { Err(RULE.to_owned()) } else { Ok((name.to_owned(), count)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales() {
        assert_eq!(parse_scale("orders=3"), Ok(("orders".to_owned(), 3)));
        for bad in ["orders", "orders=", "=3", "orders=-1", "orders=4294967296", "a=1=2"] {
            assert!(parse_scale(bad).is_err(), "{bad}");
        }
    }
}
