//! What programs write: followed in their spools, cut into lines, kept in rotating files.
//!
//! One thread of its own does all of it, because disks can be slow and neither orchestration nor
//! traffic should wait for them.

mod cutter;
mod file;
mod spool;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use model::{ReplicaId, ServiceName};
use runtime::sync::{broadcast, oneshot};

use crate::api::{FleetConfig, FleetError, LogFormat, LogLine, LogQuery, LogStream};

pub use cutter::{LINE_BYTES_MAX, LineCutter, harmless};
use file::LogFile;
pub use file::decode as decode_log_line;
pub(crate) use file::replica_id;
use spool::Spool;

/// Lines shown with the death of a process.
const LAST_LINES_MAX: usize = 10;

/// Of each of them at most so much.
const LAST_LINE_CHARS_MAX: usize = 500;

/// Between looks at the spools while nothing is written, and while something is.
const IDLE: Duration = Duration::from_millis(100);
const BUSY: Duration = Duration::from_millis(20);

/// Orders waiting for the thread; beyond it the sender waits.
const ORDERS_MAX: usize = 256;

/// Secrets shorter than this are not looked for in lines: they would match anything.
const REDACT_BYTES_MIN: usize = 6;

/// What must not appear in a log: (value, name).
pub(crate) type Redactions = Arc<Mutex<Vec<(String, String)>>>;

/// The handle.
#[derive(Debug)]
pub(crate) struct Logs {
    orders: SyncSender<Order>,
    thread: Option<thread::JoinHandle<()>>,
    folder: PathBuf,
    spools: PathBuf,
    files_max: u32,
}

enum Order {
    Follow(ReplicaId),
    Finish(ReplicaId, oneshot::Sender<Vec<String>>),
    Sync(oneshot::Sender<()>),
}

impl Logs {
    /// Starts the thread.
    pub(crate) fn start(
        config: &FleetConfig,
        lines_out: broadcast::Sender<Arc<LogLine>>,
        redactions: Redactions,
    ) -> io::Result<Self> {
        let folder = config.data.join("logs");
        let spools = config.data.join("fleet").join("spool");
        fs::create_dir_all(&folder)?;
        fs::create_dir_all(&spools)?;
        let (orders, receiver) = sync_channel(ORDERS_MAX);
        let keeper = Keeper {
            folder: folder.clone(),
            spools: spools.clone(),
            format: config.log_format,
            bytes_max: config.log_file_bytes_max,
            files_max: config.log_files_max,
            lines_out,
            redactions,
            followed: BTreeMap::new(),
            files: BTreeMap::new(),
        };
        let thread =
            thread::Builder::new().name("logs".to_owned()).spawn(move || keeper.run(&receiver))?;
        let files_max = config.log_files_max;
        Ok(Self { orders, thread: Some(thread), folder, spools, files_max })
    }

    /// The files that `replica` is to write its output and errors to.
    pub(crate) fn outputs(&self, replica: &ReplicaId) -> io::Result<(File, File)> {
        let open =
            |path: PathBuf| OpenOptions::new().create(true).append(true).mode(0o600).open(path);
        let [out, err] = spool_paths(&self.spools, replica);
        Ok((open(out)?, open(err)?))
    }

    /// Begins to follow what `replica` writes.
    pub(crate) fn follow(&self, replica: &ReplicaId) {
        // The thread ends with us alone, so it takes every order.
        let _ = self.orders.send(Order::Follow(replica.clone()));
    }

    /// `replica` is gone: reads the rest, and answers with its last lines.
    pub(crate) fn finish(&self, replica: &ReplicaId) -> oneshot::Receiver<Vec<String>> {
        let (reply, answer) = oneshot::channel();
        let _ = self.orders.send(Order::Finish(replica.clone(), reply));
        answer
    }

    /// Replicas of which a spool is left from the run before.
    pub(crate) fn left_behind(&self) -> BTreeSet<ReplicaId> {
        let Ok(entries) = fs::read_dir(&self.spools) else { return BTreeSet::new() };
        let stem = |entry: io::Result<fs::DirEntry>| {
            let name = entry.ok()?.file_name();
            let (stem, extension) = name.to_str()?.rsplit_once('.')?;
            matches!(extension, "out" | "err").then(|| replica_id(stem))?
        };
        entries.filter_map(stem).collect()
    }

    /// The newest lines that `query` wants, of `services` if it names none; oldest first.
    pub(crate) fn read(
        &self,
        query: LogQuery,
        services: Vec<ServiceName>,
    ) -> impl Future<Output = Result<Vec<LogLine>, FleetError>> + Send + 'static {
        let (reply, synced) = oneshot::channel();
        let asked = self.orders.send(Order::Sync(reply)).is_ok();
        let (folder, files_max) = (self.folder.clone(), self.files_max);
        async move {
            if asked {
                let _ = synced.await; // Otherwise what is in the files must do.
            }
            let read = move || read_tails(&folder, files_max, query, services);
            let lines = runtime::task::blocking(read).await.ok_or(FleetError::Closed)?;
            lines.map_err(|error| FleetError::Io { doing: "reading log files".to_owned(), error })
        }
    }
}

impl Drop for Logs {
    fn drop(&mut self) {
        // Closing the queue ends the thread, after it has read all there is.
        let (closed, _) = sync_channel(1);
        self.orders = closed;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn read_tails(
    folder: &std::path::Path,
    files_max: u32,
    query: LogQuery,
    services: Vec<ServiceName>,
) -> io::Result<Vec<LogLine>> {
    let tail = query.tail.min(LogQuery::TAIL_MAX);
    let query = LogQuery { tail, ..query };
    let mut lines = Vec::new();
    for service in query.service.clone().map_or(services, |service| vec![service]) {
        lines.extend(file::read_tail(folder, &service, files_max, &query)?);
    }
    lines.sort_by_key(|line: &LogLine| line.time_unix_ms); // Stable: a service's order stays.
    let surplus = lines.len().saturating_sub(tail);
    lines.drain(..surplus);
    Ok(lines)
}

fn spool_paths(spools: &std::path::Path, replica: &ReplicaId) -> [PathBuf; 2] {
    ["out", "err"].map(|stream| spools.join(format!("{replica}.{stream}")))
}

/// The thread's state.
struct Keeper {
    folder: PathBuf,
    spools: PathBuf,
    format: LogFormat,
    bytes_max: u64,
    files_max: u32,
    lines_out: broadcast::Sender<Arc<LogLine>>,
    redactions: Redactions,
    followed: BTreeMap<ReplicaId, Followed>,
    files: BTreeMap<ServiceName, LogFile>,
}

struct Followed {
    streams: [(LogStream, Spool); 2],
    last_lines: VecDeque<String>,
}

impl Keeper {
    fn run(mut self, orders: &Receiver<Order>) {
        let mut wait = BUSY;
        loop {
            match orders.recv_timeout(wait) {
                Ok(Order::Follow(replica)) => self.follow(replica),
                Ok(Order::Finish(replica, reply)) => {
                    let _ = reply.send(self.finish(&replica)); // Nobody has to want it.
                }
                Ok(Order::Sync(reply)) => {
                    while self.read_all() {}
                    let _ = reply.send(());
                }
                Err(RecvTimeoutError::Timeout) => {
                    wait = if self.read_all() { BUSY } else { IDLE };
                }
                Err(RecvTimeoutError::Disconnected) => {
                    while self.read_all() {}
                    return;
                }
            }
        }
    }

    fn follow(&mut self, replica: ReplicaId) {
        let [out, err] = spool_paths(&self.spools, &replica);
        if let (Ok(out), Ok(err)) = (Spool::open(&out), Spool::open(&err)) {
            let streams = [(LogStream::Stdout, out), (LogStream::Stderr, err)];
            self.followed.insert(replica, Followed { streams, last_lines: VecDeque::new() });
        }
    }

    fn finish(&mut self, replica: &ReplicaId) -> Vec<String> {
        while self.read_one(replica, false) {}
        self.read_one(replica, true);
        let Some(followed) = self.followed.remove(replica) else { return Vec::new() };
        for (_, spool) in followed.streams {
            spool.remove();
        }
        followed.last_lines.into()
    }

    /// Reads a turn of every spool. Whether there was anything.
    fn read_all(&mut self) -> bool {
        let replicas: Vec<ReplicaId> = self.followed.keys().cloned().collect();
        let mut any = false;
        for replica in &replicas {
            any |= self.read_one(replica, false);
        }
        any
    }

    /// Reads a turn of `replica`'s spools into its service's file. Whether there was anything.
    fn read_one(&mut self, replica: &ReplicaId, to_the_end: bool) -> bool {
        let Some(followed) = self.followed.get_mut(replica) else { return false };
        let file = match self.files.entry(replica.service.clone()) {
            std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::btree_map::Entry::Vacant(entry) => {
                let (format, bytes_max) = (self.format, self.bytes_max);
                let service = &replica.service;
                let opened =
                    LogFile::open(&self.folder, service, format, bytes_max, self.files_max);
                let Ok(file) = opened else { return false }; // Tried again at the next look.
                entry.insert(file)
            }
        };
        // A full disk: what is in the spools stays there until there is room again.
        if file.flush().is_err() {
            return false;
        }
        let mut any = false;
        let redactions = self.redactions.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let last_lines = &mut followed.last_lines;
        for (stream, spool) in &mut followed.streams {
            let mut take = |text: String| {
                any = true;
                let text = redact(text, &redactions);
                if last_lines.len() == LAST_LINES_MAX {
                    last_lines.pop_front();
                }
                last_lines.push_back(text.chars().take(LAST_LINE_CHARS_MAX).collect());
                let time_unix_ms = runtime::clock::unix_millis();
                let line =
                    LogLine { time_unix_ms, replica: replica.clone(), stream: *stream, text };
                file.add(&line);
                let _ = self.lines_out.send(Arc::new(line)); // Nobody has to listen.
            };
            if to_the_end {
                spool.end(&mut take);
            } else {
                // A spool that cannot be read gives nothing; the program runs on regardless.
                any |= spool.read(&mut take).unwrap_or(false);
            }
        }
        if file.flush().is_ok() && any {
            for (_, spool) in &mut followed.streams {
                let _ = spool.keep_position(); // At worst lines are read twice after a crash.
            }
        }
        any
    }
}

fn redact(mut text: String, redactions: &[(String, String)]) -> String {
    for (value, name) in redactions {
        if value.len() >= REDACT_BYTES_MIN && text.contains(value.as_str()) {
            text = text.replace(value.as_str(), &format!("[secret {name}]"));
        }
    }
    text
}
