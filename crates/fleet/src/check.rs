//! One health check: ask, and judge the answer.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use orchestrator::{CommandLine, HealthCheck, Probe, StatusRange, Verdict};
use runtime::http::{Call, Client, ClientError, ClientLimits};
use runtime::net::TcpStream;
use runtime::process::{Ended, Group, Launch, ResourceLimits};
use runtime::time::timeout;

/// What an `exec` check runs in.
pub(crate) struct Surroundings {
    pub(crate) dir: PathBuf,
    pub(crate) env: Vec<(String, String)>,
    pub(crate) group: Group,
}

/// Does the check once. Takes at most the check's time-out, and a moment.
pub(crate) async fn check(
    health: &HealthCheck,
    address: SocketAddr,
    surroundings: Option<Surroundings>,
) -> Verdict {
    let started = Instant::now();
    let limit = health.timeout;
    let verdict = match &health.probe {
        Probe::Http { path, host, expect } => {
            timeout(limit, http(path, host.as_deref(), *expect, address, started, limit)).await
        }
        Probe::Tcp => timeout(limit, tcp(address, started)).await,
        Probe::Exec(command) => match surroundings {
            Some(surroundings) => Ok(exec(command, &surroundings, started, limit).await),
            None => {
                let detail = "a command cannot check what runs elsewhere".to_owned();
                Ok(Verdict::Unwell { detail })
            }
        },
    };
    verdict.unwrap_or_else(|_| Verdict::NoAnswer { detail: format!("no answer within {limit:?}") })
}

/// What checks a replica, in words.
pub(crate) fn describe(health: &HealthCheck) -> String {
    match &health.probe {
        Probe::Http { path, .. } => format!("GET {path}"),
        Probe::Tcp => "tcp connect".to_owned(),
        Probe::Exec(command) => format!("exec {}", command.text()),
    }
}

async fn http(
    path: &str,
    host: Option<&str>,
    expect: StatusRange,
    address: SocketAddr,
    started: Instant,
    limit: Duration,
) -> Verdict {
    let limits = ClientLimits {
        connect_timeout: limit,
        answer_timeout: Some(limit),
        ..ClientLimits::default()
    };
    let mut call = Call::new("GET", format!("http://{address}{path}"))
        .header("user-agent", "mainspring-health")
        .header("connection", "close");
    if let Some(host) = host {
        call = call.header("host", host);
    }
    match Client::new(limits).open(&call).await {
        Ok(reply) => {
            let (status, took) = (reply.status, took(started));
            if expect.contains(status) {
                Verdict::Passed { detail: format!("status {status} in {took}") }
            } else {
                let StatusRange { first, last } = expect;
                let detail = format!("status {status} in {took}, not {first} to {last}");
                Verdict::Unwell { detail }
            }
        }
        Err(ClientError::Invalid(detail)) => Verdict::Unwell { detail },
        Err(error) => Verdict::NoAnswer { detail: error.to_string() },
    }
}

async fn tcp(address: SocketAddr, started: Instant) -> Verdict {
    match TcpStream::connect(address).await {
        Ok(_) => Verdict::Passed { detail: format!("connected in {}", took(started)) },
        Err(error) => Verdict::NoAnswer { detail: format!("{address}: {error}") },
    }
}

async fn exec(
    command: &CommandLine,
    surroundings: &Surroundings,
    started: Instant,
    limit: Duration,
) -> Verdict {
    let verdict = run(command, surroundings, started, limit).await;
    surroundings.group.kill();
    surroundings.group.remove();
    verdict.unwrap_or_else(|detail| Verdict::Unwell { detail })
}

async fn run(
    command: &CommandLine,
    surroundings: &Surroundings,
    started: Instant,
    limit: Duration,
) -> Result<Verdict, String> {
    let env = &surroundings.env;
    let lookup = |name: &str| {
        env.iter().find(|(variable, _)| variable == name).map(|(_, value)| value.clone())
    };
    let words = command.expand(lookup).map_err(|problem| problem.to_string())?;
    let null = || {
        let file = std::fs::OpenOptions::new().write(true).open("/dev/null");
        file.map_err(|error| format!("/dev/null: {error}"))
    };
    let launch = Launch {
        words: &words,
        dir: &surroundings.dir,
        env,
        stdout: null()?,
        stderr: null()?,
        limits: ResourceLimits::default(),
        dies_with_us: true,
    };
    let process = launch.start(&surroundings.group).map_err(|error| error.to_string())?;
    let verdict = match timeout(limit, process.ended()).await {
        Ok(Ok(Ended::Status(0))) => {
            Verdict::Passed { detail: format!("exit status 0 in {}", took(started)) }
        }
        Ok(Ok(Ended::Status(status))) => {
            Verdict::Unwell { detail: format!("exit status {status} in {}", took(started)) }
        }
        Ok(Ok(Ended::Signal(signal))) => {
            Verdict::Unwell { detail: format!("killed by signal {signal}") }
        }
        Ok(Ok(Ended::Unknown)) => Verdict::Unwell { detail: "ended, nobody knows how".to_owned() },
        Ok(Err(error)) => Verdict::Unwell { detail: error.to_string() },
        Err(_) => {
            // Killed and waited for, or its number would stay taken.
            process.kill();
            let _ = process.ended().await;
            Verdict::NoAnswer { detail: format!("the command did not end within {limit:?}") }
        }
    };
    Ok(verdict)
}

fn took(started: Instant) -> String {
    let ms = started.elapsed().as_secs_f64() * 1_000.0;
    if ms < 10.0 { format!("{ms:.1} ms") } else { format!("{ms:.0} ms") }
}
