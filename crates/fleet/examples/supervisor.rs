//! A process that runs a fleet, so that the tests can kill it.
//!
//! Arguments: data folder, file with the specs as JSON, then words: `tree` (no control groups),
//! `stop` (`on-crash = "stop"`). Writes a line `REPLICA PID STATE ADOPTED` for each replica and an
//! empty line after each change; shuts down in order when its standard input ends.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use fleet::{Fleet, FleetConfig, OnCrash, Traffic};
use model::ReplicaId;
use orchestrator::{ServiceSpec, TrafficState};

struct NoTraffic;

impl Traffic for NoTraffic {
    fn set(&self, _: &ReplicaId, _: SocketAddr, _: TrafficState) {}
    fn remove(&self, _: &ReplicaId) {}
    fn in_flight(&self, _: &ReplicaId) -> u32 {
        0
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let data = PathBuf::from(arguments.next().ok_or("which data folder?")?);
    let specs = std::fs::read(arguments.next().ok_or("which specs?")?)?;
    let specs: Vec<ServiceSpec> = serde_json::from_slice(&specs)?;
    let words: Vec<String> = arguments.collect();
    let has = |word: &str| words.iter().any(|known| known == word);
    let mut config = FleetConfig::new(data.clone(), data);
    config.cgroups = !has("tree");
    config.on_crash = if has("stop") { OnCrash::Stop } else { OnCrash::Keep };
    config.urls = BTreeMap::new();
    runtime::control::block_on(async {
        let fleet = Fleet::start(config, Arc::new(NoTraffic))?;
        fleet.apply(specs).await?;
        let (reply, input_ended) = runtime::sync::oneshot::channel();
        std::thread::spawn(move || {
            let _ = std::io::stdin().read_to_end(&mut Vec::new());
            let _ = reply.send(());
        });
        let mut status = fleet.watch();
        runtime::sync::pin!(input_ended);
        loop {
            runtime::sync::select! {
                _ = &mut input_ended => break,
                changed = status.changed() => if changed.is_err() { break },
            }
            let mut text = String::new();
            for replica in status.borrow_and_update().services.iter().flat_map(|s| &s.replicas) {
                let pid = replica.pid.unwrap_or(0);
                let (id, state) = (&replica.id, replica.state.word());
                text.push_str(&format!("{id} {pid} {state} {}\n", replica.adopted));
            }
            let mut out = std::io::stdout();
            // The test may have stopped listening.
            let _ = out.write_all((text + "\n").as_bytes()).and_then(|()| out.flush());
        }
        fleet.shutdown().await;
        Ok(())
    })?
}
