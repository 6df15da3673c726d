//! The data plane: drives `http1` by `gateway`'s decisions over `runtime`'s sockets.
//!
//! A request's way, in reading order: `accept` takes the connection, `connection` waits for a
//! request, `exchange` reads its head, `plan` decides where it goes, `attempt` asks endpoints
//! until one answers, `upload` sends the rest of the body while `relay` passes the answer on, and
//! `record` counts and logs it. `upstream` keeps connections to endpoints, `watch` the time limits,
//! `tunnel` carries what left HTTP, `refuse` writes answers of our own.
//!
//! Every core has a thread with all of that for itself. Between cores there are only the published
//! configuration, the balancers' atomics inside it, and the count of connections.

mod accept;
mod admission;
mod attempt;
mod buffer;
mod connection;
mod core;
mod exchange;
mod meters;
mod plan;
mod record;
mod reframe;
mod refuse;
mod relay;
mod tunnel;
mod upload;
mod upstream;
mod view;
mod watch;
mod wire;
mod workspace;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use gateway::Snapshot;
use model::ServiceName;
use runtime::cores::{self, CoreSet};
use runtime::net;
use runtime::sink::Sink;
use runtime::sync::watch as signal;
use runtime::time;

use crate::core::{Core, OpenDoor, Orders, Shared};
pub use meters::{
    Bucket, ConnectionSnapshot, EndpointSnapshot, HistogramSnapshot, MetersSnapshot, RouteSnapshot,
    ServiceSnapshot, StatusCounts, TrafficSnapshot,
};

/// How often a drain looks whether the last connection has gone.
const DRAIN_BEAT: Duration = Duration::from_millis(10);

/// What the data plane starts with.
#[derive(Clone, Debug)]
pub struct EdgeConfig {
    /// The doors; port 0 is chosen by the system.
    pub listeners: Vec<Listener>,
    /// Threads; 0: one per available core.
    pub cores: usize,
    /// Where the access log goes; `None`: nowhere.
    pub access_log: Option<AccessLog>,
}

/// A door to open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Where; port 0 is chosen by the system.
    pub address: SocketAddr,
    /// For whom.
    pub door: Door,
}

/// What a connection at a listener means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Door {
    /// Requests are routed.
    Public,
    /// Every request goes to this service, whatever its host and path: how programs reach each
    /// other. Counted under the route name `door:<service>`, by `EdgePolicy::door`.
    Service(ServiceName),
}

/// Where access log lines go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccessLog {
    /// Appended to this file.
    File(PathBuf),
    /// To standard output.
    Stdout,
}

/// A door that cannot be opened, or another thing that the system refuses.
#[derive(Debug)]
pub enum EdgeError {
    /// Nothing can listen at this address.
    Door {
        /// Which.
        address: SocketAddr,
        /// Why.
        cause: io::Error,
    },
    /// The access log cannot be opened.
    Log {
        /// Why.
        cause: io::Error,
    },
    /// The system refuses threads.
    Threads {
        /// Why.
        cause: io::Error,
    },
}

/// The running data plane: a handle that is cheap to clone. It ends when the last one is dropped.
#[derive(Clone)]
pub struct Edge(Arc<Inner>);

struct Inner {
    shared: Arc<Shared>,
    orders: signal::Sender<Orders>,
    doors: Mutex<Doors>,
    core_count: usize,
    threads: Mutex<Option<CoreSet>>,
}

/// Doors that are open, and the number of the next one.
#[derive(Default)]
struct Doors {
    open: Vec<(Listener, Arc<OpenDoor>)>,
    next_id: u64,
}

impl Edge {
    /// Opens all doors and starts a thread per core.
    ///
    /// # Errors
    /// When a door's address is in use or not ours, or the system refuses threads or the log
    /// file. Nothing stays open then.
    pub fn start(config: EdgeConfig, first: Arc<Snapshot>) -> Result<Self, EdgeError> {
        let core_count = if config.cores == 0 { cores::available() } else { config.cores };
        let core_count = core_count.min(cores::CORES_MAX);
        let mut doors = Doors::default();
        doors.change(&config.listeners, core_count)?;
        let log = match &config.access_log {
            None => None,
            Some(AccessLog::File(path)) => Some(Sink::to_file(path)),
            Some(AccessLog::Stdout) => Some(Sink::to_stdout()),
        };
        let log = log.transpose().map_err(|cause| EdgeError::Log { cause })?;
        let shared = Arc::new(Shared::new(first, core_count, log));
        let (orders, follow) =
            signal::channel(Orders { doors: doors.orders(), ..Orders::default() });
        let threads = start_cores(core_count, &shared, &follow)
            .map_err(|cause| EdgeError::Threads { cause })?;
        let (doors, threads) = (Mutex::new(doors), Mutex::new(Some(threads)));
        Ok(Self(Arc::new(Inner { shared, orders, doors, core_count, threads })))
    }

    /// The open doors, with their real ports.
    pub fn addresses(&self) -> Vec<(Door, SocketAddr)> {
        let doors = self.doors();
        doors.open.iter().map(|(_, open)| (open.door.clone(), open.address)).collect()
    }

    /// Makes every request that begins from now on, on any core, see `snapshot`. Requests in
    /// flight and their connections see nothing of it.
    pub fn publish(&self, snapshot: Arc<Snapshot>) {
        self.0.shared.publish(snapshot);
        // Wakes the cores, so that they drop idle connections to endpoints that are gone.
        self.0.orders.send_modify(|orders| orders.generation += 1);
    }

    /// Opens and closes doors so that `listeners` are what is open; those that stay see nothing.
    /// Connections through a closed door live on.
    ///
    /// # Errors
    /// When a new door cannot be opened; then nothing has changed.
    pub fn set_listeners(&self, listeners: &[Listener]) -> Result<(), EdgeError> {
        let mut doors = self.doors();
        doors.change(listeners, self.0.core_count)?;
        let open = doors.orders();
        self.0.orders.send_modify(|orders| orders.doors = open);
        Ok(())
    }

    /// All numbers since the start.
    pub fn meters(&self) -> MetersSnapshot {
        let snapshot = self.0.shared.snapshot();
        let endpoints = snapshot.services.iter().flat_map(|service| {
            service.endpoints.iter().map(|endpoint| meters::EndpointCounts {
                key: meters::EndpointKey {
                    service: service.name.to_string(),
                    label: endpoint.label.clone(),
                },
                requests: endpoint.requests(),
                failures: endpoint.failures(),
                in_flight: u64::from(endpoint.in_flight()),
            })
        });
        let mut sum = meters::add_up(&self.0.shared.meters, endpoints.collect());
        if let Some(log) = &self.0.shared.log {
            sum.connections.log_bytes_dropped = log.dropped_bytes();
        }
        sum
    }

    /// Open client connections.
    pub fn connection_count(&self) -> u32 {
        self.0.shared.admission.total() + self.0.shared.programs.total()
    }

    /// Closes the doors, lets requests finish with `Connection: close`, closes idle connections,
    /// and waits until none is left, at most `grace`; then ends the rest, tunnels included.
    ///
    /// Returns the number of connections that had to be ended. Call it on a reactor's thread.
    pub async fn drain(&self, grace: Duration) -> u32 {
        self.0.orders.send_modify(|orders| orders.is_draining = true);
        let gone = async {
            while self.connection_count() > 0 {
                time::sleep(DRAIN_BEAT).await;
            }
        };
        // Which of the two it was, the count below says.
        let _ = time::timeout(grace, gone).await;
        let left = self.connection_count();
        self.0.stop();
        left
    }

    fn doors(&self) -> std::sync::MutexGuard<'_, Doors> {
        self.0.doors.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn stop(&self) {
        self.orders.send_modify(|orders| orders.is_over = true);
        let threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(threads) = threads {
            threads.join();
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Doors {
    /// All or nothing.
    fn change(&mut self, wanted: &[Listener], core_count: usize) -> Result<(), EdgeError> {
        let is_open = |listener: &Listener| self.open.iter().any(|(open, _)| open == listener);
        let mut opened = Vec::new();
        let mut next_id = self.next_id;
        for listener in wanted.iter().filter(|listener| !is_open(listener)) {
            let address = listener.address;
            let (address, sockets) = net::door(address, core_count)
                .map_err(|cause| EdgeError::Door { address, cause })?;
            let sockets = Mutex::new(sockets.into_iter().map(Some).collect());
            let door = OpenDoor { id: next_id, door: listener.door.clone(), address, sockets };
            opened.push((listener.clone(), Arc::new(door)));
            next_id += 1;
        }
        self.open.retain(|(open, _)| wanted.contains(open));
        self.open.extend(opened);
        self.next_id = next_id;
        Ok(())
    }

    fn orders(&self) -> Vec<Arc<OpenDoor>> {
        self.open.iter().map(|(_, door)| Arc::clone(door)).collect()
    }
}

fn start_cores(
    count: usize,
    shared: &Arc<Shared>,
    orders: &signal::Receiver<Orders>,
) -> io::Result<CoreSet> {
    let shared = Arc::clone(shared);
    let orders = orders.clone();
    cores::spawn(count, "edge", move |index| {
        let shared = Arc::clone(&shared);
        let orders = orders.clone();
        async move {
            let meters = shared.meters.get(index).map(Arc::clone).unwrap_or_default();
            Core::new(index, shared, meters).run(orders).await;
        }
    })
}

impl fmt::Display for EdgeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Door { address, cause } if cause.kind() == io::ErrorKind::AddrInUse => write!(
                f,
                "cannot listen on {address}: the address is in use; stop the program that listens \
                 there, or choose another port"
            ),
            Self::Door { address, cause } => write!(f, "cannot listen on {address}: {cause}"),
            Self::Log { cause } => write!(f, "cannot open the access log: {cause}"),
            Self::Threads { cause } => write!(f, "cannot start the data plane's threads: {cause}"),
        }
    }
}

impl std::error::Error for EdgeError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Door { cause, .. } | Self::Log { cause } | Self::Threads { cause } => Some(cause),
        }
    }
}
