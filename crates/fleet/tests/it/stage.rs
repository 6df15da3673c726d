//! What every test needs: a data folder, a fleet, a front door that takes notes.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use fleet::{Fleet, FleetConfig, FleetStatus, ReplicaReport, ServiceReport, Traffic};
use model::{ReplicaId, ServiceName};
use orchestrator::{
    CommandLine, HealthCheck, Probe, ProgramSpec, ServiceSpec, Source, TrafficState,
};

/// A failure bound, not a measurement: generous, so that a slow machine does not fail.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

static STAGES: AtomicU32 = AtomicU32::new(0);

/// A data folder that is removed in the end.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        let number = STAGES.fetch_add(1, Ordering::Relaxed);
        let name = format!("mainspring-fleet-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A front door that sends nothing and notes everything.
#[derive(Default)]
pub(crate) struct Door {
    pub(crate) now: Mutex<BTreeMap<ReplicaId, (SocketAddr, TrafficState)>>,
    pub(crate) history: Mutex<Vec<(ReplicaId, Option<TrafficState>)>>,
    pub(crate) in_flight: AtomicU32,
    /// The least number of ready replicas since [`Door::forget`].
    pub(crate) ready_min: Mutex<usize>,
}

impl Door {
    pub(crate) fn ready(&self) -> Vec<SocketAddr> {
        let now = self.now.lock().unwrap();
        now.values().filter(|(_, state)| *state == TrafficState::Ready).map(|(a, _)| *a).collect()
    }

    /// Begins a new `ready_min`.
    pub(crate) fn forget(&self) {
        let ready = self.ready().len();
        *self.ready_min.lock().unwrap() = ready;
    }
}

impl Traffic for Door {
    fn set(&self, replica: &ReplicaId, address: SocketAddr, state: TrafficState) {
        self.now.lock().unwrap().insert(replica.clone(), (address, state));
        self.history.lock().unwrap().push((replica.clone(), Some(state)));
        let ready = self.ready().len();
        let mut min = self.ready_min.lock().unwrap();
        *min = ready.min(*min);
    }

    fn remove(&self, replica: &ReplicaId) {
        self.now.lock().unwrap().remove(replica);
        self.history.lock().unwrap().push((replica.clone(), None));
    }

    fn in_flight(&self, _: &ReplicaId) -> u32 {
        self.in_flight.load(Ordering::SeqCst)
    }
}

pub(crate) struct Stage {
    pub(crate) folder: Folder,
    pub(crate) fleet: Fleet,
    pub(crate) door: Arc<Door>,
}

impl Stage {
    pub(crate) fn start(change: impl FnOnce(&mut FleetConfig)) -> Self {
        let folder = Folder::new();
        let mut config = FleetConfig::new(folder.0.join("data"), folder.0.clone());
        change(&mut config);
        let door = Arc::new(Door::default());
        let fleet = Fleet::start(config, Arc::<Door>::clone(&door)).unwrap();
        Self { folder, fleet, door }
    }

    /// Waits until `wanted` holds of the status, and returns that.
    pub(crate) async fn until(
        &self,
        what: &str,
        wanted: impl Fn(&FleetStatus) -> bool,
    ) -> Arc<FleetStatus> {
        let mut watch = self.fleet.watch();
        let waited = runtime::time::timeout(PATIENCE, async {
            loop {
                let status = Arc::clone(&watch.borrow_and_update());
                if wanted(&status) {
                    return status;
                }
                watch.changed().await.unwrap();
            }
        });
        match waited.await {
            Ok(status) => status,
            Err(_) => panic!("never saw: {what}; the last was {:#?}", self.fleet.status()),
        }
    }

    pub(crate) async fn settled(&self, service: &str) -> ServiceReport {
        let settled = self.fleet.settled(&name(service), PATIENCE).await;
        assert!(settled, "{service} did not settle: {:#?}", self.fleet.status());
        report(&self.fleet.status(), service).clone()
    }

    pub(crate) fn messages(&self) -> Vec<String> {
        self.fleet.events(0).0.iter().map(|event| event.message.clone()).collect()
    }
}

/// Runs `test` on a reactor; all tests begin here.
pub(crate) fn run(test: impl Future<Output = ()>) {
    runtime::control::block_on(test).unwrap();
}

pub(crate) fn name(text: &str) -> ServiceName {
    ServiceName::new(text).unwrap()
}

pub(crate) fn report<'a>(status: &'a FleetStatus, service: &str) -> &'a ServiceReport {
    status.services.iter().find(|report| report.name.as_str() == service).unwrap()
}

pub(crate) fn replica<'a>(status: &'a FleetStatus, service: &str) -> &'a ReplicaReport {
    report(status, service).replicas.first().unwrap()
}

/// Where cargo puts what is in `examples/`.
pub(crate) fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let path = test.parent().and_then(Path::parent).unwrap().join("examples").join(name);
    assert!(
        path.exists(),
        "{} is missing: run `cargo test -p fleet --examples` first",
        path.display()
    );
    path
}

/// A service that runs the test program with `arguments`, checked over HTTP, quickly.
pub(crate) fn program(service: &str, arguments: &str) -> ServiceSpec {
    let path = example("program");
    command(service, &format!("{} {arguments}", path.display()))
}

pub(crate) fn command(service: &str, line: &str) -> ServiceSpec {
    let mut spec = ServiceSpec::program(name(service), CommandLine::split(line).unwrap());
    spec.health = Some(HealthCheck {
        probe: Probe::http("/health"),
        interval: Duration::from_millis(100),
        timeout: Duration::from_millis(1_000),
        fall: 2,
        ..HealthCheck::default()
    });
    edit(&mut spec, |program| program.stop_grace = Duration::from_secs(5));
    spec
}

pub(crate) fn edit(spec: &mut ServiceSpec, change: impl FnOnce(&mut ProgramSpec)) {
    match &mut spec.source {
        Source::Program(program) => change(program),
        Source::External(_) => unreachable!("the tests' services are programs"),
    }
}

/// The body of `GET path`; `None` when there is no answer.
pub(crate) fn get(address: SocketAddr, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nhost: test\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned())
}

pub(crate) fn is_alive(pid: u32) -> bool {
    let stat = fs::read(format!("/proc/{pid}/stat")).ok();
    stat.and_then(|stat| runtime::process::parse_stat(&stat))
        .is_some_and(|stat| !matches!(stat.state, b'Z' | b'X'))
}

/// Processes whose environment holds `text`.
pub(crate) fn with_environment(text: &str) -> Vec<u32> {
    let holds = |pid: &u32| {
        fs::read(format!("/proc/{pid}/environ"))
            .is_ok_and(|block| block.windows(text.len()).any(|window| window == text.as_bytes()))
    };
    let entries = fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(holds).filter(|pid| is_alive(*pid)).collect()
}

/// Waits until at least `count` processes have `text` in their environment: what a program has
/// just forked is not seen at once.
pub(crate) fn await_family(text: &str, count: usize) {
    let deadline = Instant::now() + PATIENCE;
    while with_environment(text).len() < count {
        assert!(Instant::now() < deadline, "never saw {count} processes with {text}");
        std::thread::yield_now();
    }
}

pub(crate) fn signal(pid: u32, name: &str) {
    let status = std::process::Command::new("kill")
        .args([format!("-{name}"), pid.to_string()])
        .status()
        .unwrap();
    assert!(status.success());
}
