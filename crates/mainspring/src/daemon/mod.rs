//! A running node: the edge, the fleet and the console, introduced to each other.
//!
//! Everything here runs on one thread, the control thread; the edge has its own. Reading order:
//! this file (start and end), `state` (what a node holds), `front` (routes and endpoints), `doors`,
//! `node` (the admin API's calls), `reload`, `view` and `meters` (reports), `events`, `folder`.

mod doors;
mod events;
mod folder;
mod front;
mod meters;
mod node;
mod reload;
mod state;
mod view;

use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use console::api::{EventKind, EventSeverity, ReloadRequest};
use console::{Console, ConsoleConfig, Token};
use edge::{AccessLog, EdgeConfig};
use fleet::{Fleet, FleetConfig, FleetError};
use runtime::signal;

use crate::config::{self, Config};
use crate::node_file::NodeFile;
use folder::DataFolder;
use front::Front;
use state::{Daemon, InForce};

/// Time for connections to end by themselves when the node stops.
const EDGE_GRACE: Duration = Duration::from_millis(500);

/// Time for the console's connections when the node stops.
const CONSOLE_GRACE: Duration = Duration::from_millis(100);

type Coming<'a, T> = Pin<Box<dyn Future<Output = Option<T>> + Send + 'a>>;

/// What to start a node with.
#[derive(Clone, Debug)]
pub struct Start {
    /// Where `text` was read from; relative folders and later reloads start from it.
    pub path: PathBuf,
    /// The config.
    pub text: String,
    /// The same, read.
    pub config: Config,
}

/// What SIGHUP means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnHangup {
    /// Read the file again: what daemons do.
    Reload,
    /// The terminal is gone, and with it the reason to run.
    End,
}

/// A node that runs. Dropping it without [`Node::end`] leaves its programs to the next start.
pub struct Node {
    daemon: Arc<Daemon>,
    console: Console,
}

/// Why a node did not start.
#[derive(Debug)]
pub enum StartError {
    /// Another node uses the data folder.
    FolderInUse(PathBuf),
    /// The data folder cannot be used.
    Folder(PathBuf, io::Error),
    /// An address of `[listen]` cannot be had.
    Listen {
        /// Which key.
        key: &'static str,
        /// What it said.
        message: String,
    },
    /// Routes contradict each other.
    Routes(Vec<gateway::RouteProblem>),
    /// Programs cannot be looked after.
    Fleet(FleetError),
    /// The system refuses a thread or a descriptor.
    System(io::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FolderInUse(path) => write!(
                f,
                "another Mainspring uses the data folder {}: stop it with `mainspring stop`, or \
                 set another [node] data",
                path.display()
            ),
            Self::Folder(path, error) => {
                write!(f, "cannot use the data folder {}: {error}", path.display())
            }
            Self::Listen { key, message } => write!(f, "[listen] {key}: {message}"),
            Self::Routes(problems) => {
                f.write_str("the routes contradict each other")?;
                problems.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
            }
            Self::Fleet(error) => error.fmt(f),
            Self::System(error) => write!(f, "the system refuses: {error}"),
        }
    }
}

impl std::error::Error for StartError {}

/// Starts a node and runs it until it is told to end: by SIGTERM, Ctrl-C, or the admin API.
/// SIGHUP reloads. `started` is called once, when the doors are open.
///
/// # Errors
/// Why it did not start; then nothing runs.
pub fn run(start: Start, started: impl FnOnce(&Node)) -> Result<(), StartError> {
    let over = runtime::control::block_on(async {
        let node = Node::start(start).await?;
        started(&node);
        node.until_told(OnHangup::Reload).await;
        node.end().await;
        Ok(())
    });
    over.map_err(StartError::System)?
}

impl Node {
    /// Opens the doors, takes over programs that still run, starts the others, opens the console.
    /// Call it on the control thread.
    ///
    /// # Errors
    /// Why it did not start; then nothing was started, and what a crash had left running runs on
    /// for the next attempt.
    pub async fn start(start: Start) -> Result<Self, StartError> {
        runtime::descriptors::raise();
        let config = start.config.clone();
        let data = config.node.data.clone();
        let folder = open_folder(&data)?;
        let doors =
            doors::assign(config.services.keys(), &folder.read_doors(), &doors::Doors::new())
                .map_err(StartError::System)?;
        folder.write_doors(&doors).map_err(|error| StartError::Folder(data, error))?;

        let front = Arc::new(Front::new(config.edge.clone()));
        front
            .configure(config.gateway_services(), config.routes.clone(), config.edge.clone())
            .map_err(StartError::Routes)?;
        front
            .open(edge_config(&config, &doors, &folder))
            .map_err(|error| StartError::Listen { key: "http", message: error.to_string() })?;
        let fleet_config = fleet_config(&start, &doors, &folder);
        let fleet = Fleet::start(fleet_config, Arc::clone(&front) as Arc<dyn fleet::Traffic>)
            .map_err(StartError::Fleet)?;
        let Start { path, text, .. } = start;
        let in_force = InForce { config, text, path, generation: 1, refused: None };
        let daemon = Arc::new(Daemon::new(folder, front, fleet, doors, in_force));
        let console = open_console(&daemon).await?;
        let node = Self { daemon, console };
        node.begin().await?;
        Ok(node)
    }

    /// Where clients come in.
    pub fn http(&self) -> Vec<SocketAddr> {
        let doors = self.daemon.front.edge().map(edge::Edge::addresses).unwrap_or_default();
        let public = doors.into_iter().filter(|(door, _)| *door == edge::Door::Public);
        public.map(|(_, address)| address).collect()
    }

    /// Where the console and the admin API answer.
    pub fn console(&self) -> SocketAddr {
        self.console.address()
    }

    /// Returns on SIGTERM, Ctrl-C, or when the admin API is told so.
    pub async fn until_told(&self, on_hangup: OnHangup) {
        let listen = |kind| signal::listen(kind).ok();
        let mut hangup = listen(signal::Kind::Hangup);
        let mut terminate = listen(signal::Kind::Terminate);
        let mut interrupt = listen(signal::Kind::Interrupt);
        loop {
            runtime::sync::select! {
                () = next(&mut hangup) => {
                    if on_hangup == OnHangup::End {
                        return;
                    }
                    let daemon = Arc::clone(&self.daemon);
                    // A failure is an event and stands in the status.
                    runtime::task::spawn(async move {
                        let _ = daemon.reload(ReloadRequest::default()).await;
                    });
                }
                () = next(&mut terminate) => return,
                () = next(&mut interrupt) => return,
                () = self.daemon.asked_to_stop() => return,
            }
        }
    }

    /// Asks the node to end, as the admin API does.
    pub fn ask_to_stop(&self) {
        self.daemon.ask_to_stop();
    }

    /// Closes the doors, stops all programs, closes the console. Nothing that the node started is
    /// left when it returns.
    pub async fn end(self) {
        let message = "the node stops".to_owned();
        self.daemon.events.note(EventKind::Node, EventSeverity::Info, message);
        self.daemon.ask_to_stop();
        if let Some(edge) = self.daemon.front.edge() {
            edge.drain(EDGE_GRACE).await;
        }
        self.daemon.fleet.shutdown().await;
        // The file says that a node runs; a second `up` finds it gone or wrong, and both are fine.
        let _ = NodeFile::remove(self.daemon.folder.path());
        self.console.stop(CONSOLE_GRACE).await;
    }

    /// Everything stands: programs may start.
    async fn begin(&self) -> Result<(), StartError> {
        let daemon = &self.daemon;
        daemon.set_console_address(self.console.address());
        follow_fleet(daemon);
        let in_force = daemon.in_force();
        let specs = in_force.config.services.values().cloned().collect();
        daemon.fleet.apply(specs).await.map_err(StartError::Fleet)?;
        if let Err(error) = daemon.last_good.write(&in_force.path, &in_force.text) {
            let message = format!("cannot keep the last good config: {error}");
            daemon.events.note(EventKind::Config, EventSeverity::Warning, message);
        }
        daemon.write_node_file();
        let message = format!("the node {} runs", in_force.config.node.name);
        daemon.events.note(EventKind::Node, EventSeverity::Info, message);
        Ok(())
    }
}

impl Daemon {
    /// Tells the commands where this node answers.
    fn write_node_file(&self) {
        let Some(console) = self.console_address() else { return };
        let file = NodeFile {
            console: console.to_string(),
            pid: std::process::id(),
            token: self.token(),
            config: self.in_force().path.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        if let Err(error) = file.write(self.folder.path()) {
            let message = format!("cannot write node.json, commands will not find us: {error}");
            self.events.note(EventKind::Node, EventSeverity::Warning, message);
        }
    }

    /// What the admin API asks of clients on other machines.
    fn token(&self) -> Option<String> {
        let token = Token::load_or_create(&self.folder.path().join(TOKEN_FILE)).ok()?;
        Some(token.as_str().to_owned())
    }
}

/// File that holds the admin API's token.
const TOKEN_FILE: &str = "token";

fn open_folder(data: &std::path::Path) -> Result<DataFolder, StartError> {
    DataFolder::open(data).map_err(|error| match error.kind() {
        io::ErrorKind::ResourceBusy => StartError::FolderInUse(data.to_owned()),
        _ => StartError::Folder(data.to_owned(), error),
    })
}

async fn open_console(daemon: &Arc<Daemon>) -> Result<Console, StartError> {
    let address = daemon.in_force().config.listen.console;
    let token = Token::load_or_create(&daemon.folder.path().join(TOKEN_FILE))
        .map_err(|error| StartError::Folder(daemon.folder.path().to_owned(), error))?;
    let config = ConsoleConfig { token: Some(token), ..ConsoleConfig::new(address) };
    Console::start(config, Arc::new(node::Desk(Arc::clone(daemon)))).await.map_err(|error| {
        let message = match error.kind() {
            io::ErrorKind::AddrInUse => format!("{address} is in use by another program"),
            _ => format!("cannot listen on {address}: {error}"),
        };
        StartError::Listen { key: "console", message }
    })
}

fn edge_config(config: &Config, doors: &doors::Doors, folder: &DataFolder) -> EdgeConfig {
    EdgeConfig {
        listeners: doors::listeners(&config.listen.http, doors),
        cores: config.node.cores.unwrap_or_else(runtime::cores::available),
        access_log: config.log.access.then(|| AccessLog::File(folder.access_log())),
    }
}

fn fleet_config(start: &Start, doors: &doors::Doors, folder: &DataFolder) -> FleetConfig {
    let config = &start.config;
    let absolute = std::path::absolute(&start.path).unwrap_or_else(|_| start.path.clone());
    let base = absolute.parent().map(PathBuf::from).unwrap_or_else(|| PathBuf::from("/"));
    FleetConfig {
        node: config.node.name.clone(),
        on_crash: match config.node.on_crash {
            config::OnCrash::Keep => fleet::OnCrash::Keep,
            config::OnCrash::Stop => fleet::OnCrash::Stop,
        },
        log_format: match config.log.format {
            config::LogFormat::Text => fleet::LogFormat::Text,
            config::LogFormat::Json => fleet::LogFormat::Json,
        },
        log_file_bytes_max: config.log.file_bytes,
        log_files_max: u32::try_from(config.log.file_count).unwrap_or(u32::MAX),
        urls: doors::urls(doors),
        ..FleetConfig::new(folder.path().to_owned(), base)
    }
}

/// The fleet's events join the node's; a stopped or dead service answers 502 instead of 503.
fn follow_fleet(daemon: &Arc<Daemon>) {
    let events = daemon.events.clone();
    let (kept, mut follow) = daemon.fleet.events(0);
    runtime::task::spawn(async move {
        kept.iter().for_each(|event| events.add_fleet(event));
        while let Some(event) = follow.next().await {
            events.add_fleet(&event);
        }
    });
    let front = Arc::clone(&daemon.front);
    let mut status = daemon.fleet.watch();
    runtime::task::spawn(async move {
        while status.changed().await.is_ok() {
            let status = Arc::clone(&status.borrow_and_update());
            let directory = front.directory();
            for service in &status.services {
                directory.set_stopped(&service.name, service.stopped || is_dead(service));
            }
        }
    });
}

/// Whether no replica has a process. One that was never started has no endpoint either, so the
/// directory cannot tell it from one that is about to be.
fn is_dead(service: &fleet::ServiceReport) -> bool {
    use orchestrator::ReplicaState::{BackingOff, CrashLoop};
    let dead = |state| matches!(state, BackingOff | CrashLoop);
    !service.replicas.is_empty() && service.replicas.iter().all(|replica| dead(replica.state))
}

async fn next(signal: &mut Option<signal::Listener>) {
    match signal {
        Some(signal) => signal.next().await,
        None => std::future::pending().await,
    }
}
