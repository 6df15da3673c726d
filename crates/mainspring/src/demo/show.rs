//! The demo itself: a node in this process, visitors, and what to try, until Ctrl-C.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use console::api::{ServiceState, Status};
use runtime::http::blocking::BlockingClient;
use runtime::http::{Call, ClientLimits};

use super::Voice;
use super::place::Place;
use super::visitors::{self, Tally};
use crate::daemon::{Node, OnHangup, Start, StartError};

/// How long the programs may take until the demo says what it waits for.
const READY_PATIENCE: Duration = Duration::from_secs(20);
/// Between two looks whether all is ready.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Runs the node until somebody ends it; then nothing of it is left.
///
/// # Errors
/// Why the node did not start.
pub(super) fn run(place: &Place, quiet: bool, voice: Voice<'_>) -> Result<(), String> {
    let path = place.config_path();
    let text = place.config();
    let config = crate::config::load_text(&path, &text)
        .map_err(|why| format!("the demo's own configuration is wrong:\n{}", why.render(false)))?;
    let tally = Tally::default();
    let stop = AtomicBool::new(false);
    let outcome = thread::scope(|scope| {
        let (tally, stop) = (&tally, &stop);
        runtime::control::block_on(async {
            let node = Node::start(Start { path, text, config }).await?;
            scope.spawn(move || {
                if wait_until_ready(place, stop, voice) {
                    (voice.line)(&greeting(place));
                    if !quiet {
                        visitors::run(place.http, tally, stop, voice);
                    }
                }
            });
            node.until_told(OnHangup::End).await;
            // Before the doors close: what fails from now on is nobody's failure.
            stop.store(true, Ordering::Relaxed);
            node.end().await;
            Ok::<(), StartError>(())
        })
    });
    let outcome = outcome.map_err(|error| format!("the system refuses: {error}"))?;
    outcome.map_err(|error| error.to_string())?;
    let count = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
    (voice.line)(&format!(
        "stopped: {} requests of visitors, {} orders paid, {} failed; no program is left",
        count(&tally.requests),
        count(&tally.orders),
        count(&tally.failures),
    ));
    Ok(())
}

/// `false`: told to stop before everything was ready.
fn wait_until_ready(place: &Place, stop: &AtomicBool, voice: Voice<'_>) -> bool {
    (voice.note)("starting the shop's programs…");
    let begun = Instant::now();
    let mut told = false;
    while !stop.load(Ordering::Relaxed) {
        let status = status(place);
        let waiting: Vec<String> = match &status {
            Ok(status) => {
                let services = status.services.iter();
                let late = services.filter(|service| service.state != ServiceState::Ready);
                late.map(|service| format!("{} is {}", service.name, service.state)).collect()
            }
            Err(why) => vec![why.clone()],
        };
        if waiting.is_empty() {
            return true;
        }
        if begun.elapsed() > READY_PATIENCE && !told {
            told = true;
            let config = place.config_path();
            (voice.note)(&format!(
                "still waiting: {}; see `mainspring status -c {}`",
                waiting.join(", "),
                config.display()
            ));
        }
        thread::sleep(LOOK_EVERY);
    }
    false
}

/// What the node says about itself.
pub(super) fn status(place: &Place) -> Result<Status, String> {
    let limits = ClientLimits {
        connect_timeout: Duration::from_secs(1),
        answer_timeout: Some(Duration::from_secs(5)),
        ..ClientLimits::default()
    };
    let client = BlockingClient::new(limits).map_err(|error| error.to_string())?;
    let url = format!("http://{}/api/v1/status", place.console);
    let reply = client.send(&Call::new("GET", url)).map_err(|error| error.to_string())?;
    if reply.status != 200 {
        return Err(format!("the console answered {}", reply.status));
    }
    serde_json::from_slice(&reply.body).map_err(|error| error.to_string())
}

fn greeting(place: &Place) -> String {
    let own = std::env::current_exe().unwrap_or_else(|_| "mainspring".into());
    let own = own.display();
    let config = place.config_path();
    let config = config.display();
    let launcher = place.launcher("orders");
    let launcher = launcher.display();
    let (http, console) = (place.http, place.console);
    format!(
        "
The shop is open:   http://{http}
Watch it run:       http://{console}

Try, in another terminal:

  {own} status -c {config}
      every program with its processes
  kill -9 PID
      any of those processes: it comes back, and no page fails
  kill -STOP PID
      a hung program: found by its health check, killed and replaced
  sed -i s/v1/v2/ {launcher}
  {own} deploy orders -c {config}
      a new version without a failed request; orders show which version took them
  sed -i 's/exec/SHOP_BROKEN=health exec/' {launcher}
  {own} deploy orders -c {config}
      a broken version: taken back by itself
  {own} scale orders=4 -c {config}
      more processes
  {own} load http://{http}/api/catalogue/products --rate 300 --duration 20s
      load: watch the picture move
  curl -X PUT http://{http}/api/payments/network -H 'content-type: application/json' -d '{{\"mood\":\"slow\"}}'
      a slow card network (also: declining, down, normal)

Ctrl-C stops everything.
"
    )
}
