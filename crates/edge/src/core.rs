//! One core of the data plane: what its connections share, and its housekeeping.

use std::cell::{Cell, RefCell};
use std::net::TcpListener as StdListener;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use gateway::Snapshot;
use runtime::deadline::{BEAT, Deadlines};
use runtime::sink::Sink;
use runtime::sync::watch;
use runtime::task::spawn_local;
use runtime::{clock, time};

use crate::Door;
use crate::accept;
use crate::admission::Admission;
use crate::meters::CoreMeters;
use crate::upstream::Pool;
use crate::view::View;
use crate::workspace::Workspaces;

/// How long a connection to an endpoint may idle. Shorter than the five seconds after which common
/// servers hang up, so that a request rarely meets a connection that is just being closed.
const UPSTREAM_IDLE_MAX: Duration = Duration::from_millis(4_500);

/// Log lines are handed to the writing thread in blocks of this size, or on the next beat.
const LOG_BLOCK_BYTES: usize = 32 * 1024;

/// What all cores share with the control side.
pub(crate) struct Shared {
    snapshot: Mutex<Arc<Snapshot>>,
    generation: AtomicU64,
    /// Clients at public doors.
    pub(crate) admission: Arc<Admission>,
    /// Programs at services' own doors, counted apart so that neither takes the other's places.
    pub(crate) programs: Arc<Admission>,
    pub(crate) meters: Vec<Arc<CoreMeters>>,
    pub(crate) log: Option<Sink>,
}

/// A door, open on all cores.
pub(crate) struct OpenDoor {
    pub(crate) id: u64,
    pub(crate) door: Door,
    pub(crate) address: std::net::SocketAddr,
    /// One listening socket per core; each core takes its own.
    pub(crate) sockets: Mutex<Vec<Option<StdListener>>>,
}

/// What the control side wants of every core.
#[derive(Clone, Default)]
pub(crate) struct Orders {
    pub(crate) doors: Vec<Arc<OpenDoor>>,
    pub(crate) is_draining: bool,
    pub(crate) is_over: bool,
    /// Counts publications, so that cores look even when nothing else changed.
    pub(crate) generation: u64,
}

/// One core's state.
pub(crate) struct Core {
    pub(crate) index: usize,
    pub(crate) shared: Arc<Shared>,
    pub(crate) meters: Arc<CoreMeters>,
    pub(crate) deadlines: Rc<Deadlines>,
    pub(crate) workspaces: Workspaces,
    pub(crate) pool: Pool,
    pub(crate) is_draining: Cell<bool>,
    /// Clients that are being told that there is no place for them.
    pub(crate) refusals: Cell<u32>,
    view: RefCell<Rc<View>>,
    generation: Cell<u64>,
    chance: RefCell<fastrand::Rng>,
    log: RefCell<Vec<u8>>,
}

impl Shared {
    pub(crate) fn new(first: Arc<Snapshot>, cores: usize, log: Option<Sink>) -> Self {
        Self {
            snapshot: Mutex::new(first),
            generation: AtomicU64::new(1),
            admission: Arc::default(),
            programs: Arc::default(),
            meters: (0..cores).map(|_| Arc::default()).collect(),
            log,
        }
    }

    /// Every request that begins after this returns sees `snapshot`, on every core.
    pub(crate) fn publish(&self, snapshot: Arc<Snapshot>) {
        *self.snapshot.lock().unwrap_or_else(PoisonError::into_inner) = snapshot;
        self.generation.fetch_add(1, Ordering::SeqCst);
    }

    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.snapshot.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Core {
    pub(crate) fn new(index: usize, shared: Arc<Shared>, meters: Arc<CoreMeters>) -> Rc<Self> {
        let generation = shared.generation.load(Ordering::SeqCst);
        let view = Rc::new(View::new(shared.snapshot(), &meters));
        Rc::new(Self {
            index,
            deadlines: Deadlines::new(),
            workspaces: Workspaces::default(),
            pool: Pool::new(Arc::clone(&meters)),
            is_draining: Cell::new(false),
            refusals: Cell::new(0),
            view: RefCell::new(view),
            generation: Cell::new(generation),
            chance: RefCell::new(fastrand::Rng::new()),
            log: RefCell::default(),
            meters,
            shared,
        })
    }

    /// The newest configuration. One load of a shared counter while nothing changes.
    pub(crate) fn view(&self) -> Rc<View> {
        let generation = self.shared.generation.load(Ordering::SeqCst);
        if generation != self.generation.get() {
            let view = Rc::new(View::new(self.shared.snapshot(), &self.meters));
            self.generation.set(generation);
            *self.view.borrow_mut() = view;
        }
        Rc::clone(&self.view.borrow())
    }

    /// Random bits, for identifiers and sampling; not for secrets.
    pub(crate) fn chance(&self) -> u64 {
        self.chance.borrow_mut().u64(..)
    }

    /// Appends a line to the access log.
    pub(crate) fn log(&self, write: impl FnOnce(&mut Vec<u8>)) {
        let Some(sink) = &self.shared.log else { return };
        let mut log = self.log.borrow_mut();
        write(&mut log);
        if log.len() >= LOG_BLOCK_BYTES {
            sink.write(std::mem::take(&mut log));
        }
    }

    /// Whether requests need a log line at all.
    pub(crate) fn logs(&self) -> bool {
        self.shared.log.is_some()
    }

    fn flush_log(&self) {
        if let Some(sink) = &self.shared.log
            && !self.log.borrow().is_empty()
        {
            sink.write(std::mem::take(&mut self.log.borrow_mut()));
        }
    }

    /// Follows the control side's orders until it is over.
    pub(crate) async fn run(self: Rc<Self>, mut orders: watch::Receiver<Orders>) {
        let sweep = spawn_local(Rc::clone(&self).housekeep());
        let mut open = Vec::new();
        loop {
            let now: Orders = orders.borrow_and_update().clone();
            if now.is_over {
                break;
            }
            self.settle(&now, &mut open);
            if orders.changed().await.is_err() {
                break;
            }
        }
        sweep.abort();
        self.flush_log();
    }

    fn settle(self: &Rc<Self>, orders: &Orders, open: &mut Vec<accept::Accepting>) {
        if orders.is_draining && !self.is_draining.replace(true) {
            self.deadlines.wake_all();
        }
        let wanted: &[_] = if orders.is_draining { &[] } else { &orders.doors };
        open.retain(|accepting| wanted.iter().any(|door| door.id == accepting.id()));
        for door in wanted {
            if !open.iter().any(|accepting| accepting.id() == door.id) {
                open.extend(accept::start(self, door));
            }
        }
        let view = self.view();
        self.pool.retain_endpoints(|id| view.has_endpoint(id));
        drop(view);
        self.meters.forget_unused();
    }

    async fn housekeep(self: Rc<Self>) {
        let mut beat = time::interval(BEAT);
        loop {
            beat.tick().await;
            let now = clock::now();
            self.deadlines.sweep(now);
            self.pool.sweep(now, UPSTREAM_IDLE_MAX);
            self.workspaces.trim();
            self.flush_log();
        }
    }
}
