//! One thread: an event loop over its connections, from the first request to the last answer.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use http1::{Limits, Method};
use model::Moment;
use runtime::clock;
use runtime::poll::{Poller, Ready, Socket};

use crate::answer::Answer;
use crate::connection::{Connection, Stage, untoken};
use crate::schedule::Schedule;
use crate::tally::Tally;

/// Time between looks at deadlines and the stop flag.
const SWEEP_INTERVAL: Duration = Duration::from_millis(20);

/// Time between counts handed to the thread that shows progress.
pub(crate) const SAMPLE_INTERVAL: Duration = Duration::from_secs(1);

/// Pause after a connection could not be opened, so that a dead service is not hammered.
const COOLING: Duration = Duration::from_millis(100);

/// Bytes read at once. Bodies are dropped as they come, so one buffer serves all connections.
const READ_BYTES: usize = 64 * 1024;

/// What all threads have in common; nothing in it changes during the run, but the flag.
pub(crate) struct Plan {
    pub(crate) address: SocketAddr,
    pub(crate) request: Vec<u8>,
    pub(crate) method: Method,
    pub(crate) timeout: Duration,
    pub(crate) limits: Limits,
    pub(crate) is_open_loop: bool,
    pub(crate) stop: AtomicBool,
}

/// Counts since the sample before.
pub(crate) struct Sample {
    pub(crate) tally: Tally,
    /// Requests under way.
    pub(crate) outstanding: u32,
    /// Set in a thread's last sample.
    pub(crate) last: Option<Last>,
}

/// What a thread knows at its end.
pub(crate) struct Last {
    /// Requests that were due and not begun.
    pub(crate) shortfall: u64,
}

/// How an exchange ended without an answer.
#[derive(Clone, Copy)]
enum Fault {
    Connect,
    Closed,
    Timeout,
    Malformed,
}

pub(crate) struct Worker {
    plan: Arc<Plan>,
    poller: Poller,
    schedule: Schedule,
    connections: Vec<Connection>,
    /// Open connections without a request, the last used on top: it is the warmest.
    idle: Vec<u32>,
    /// Places without a connection.
    closed: Vec<u32>,
    under_way: u32,
    tally: Tally,
    buffer: Vec<u8>,
}

impl Worker {
    /// # Errors
    /// When the process has no descriptor left for an event loop.
    pub(crate) fn new(plan: Arc<Plan>, schedule: Schedule, connections: u32) -> io::Result<Self> {
        Ok(Self {
            plan,
            poller: Poller::new()?,
            schedule,
            connections: (0..connections).map(|_| Connection::new()).collect(),
            idle: Vec::with_capacity(connections as usize),
            closed: (0..connections).rev().collect(),
            under_way: 0,
            tally: Tally::new(),
            buffer: vec![0; READ_BYTES],
        })
    }

    /// Sends, receives and counts until all is done; reports to `samples` on the way.
    ///
    /// # Errors
    /// Those of the event loop itself. What happens to requests is counted instead.
    pub(crate) fn run(mut self, samples: &SyncSender<Sample>) -> io::Result<()> {
        let mut ready: Vec<Ready> = Vec::new();
        let mut now = clock::now();
        let (mut sweep_at, mut sample_at) = (now, now + SAMPLE_INTERVAL);
        loop {
            if now >= sweep_at {
                sweep_at = now + SWEEP_INTERVAL;
                self.sweep(now);
                if self.plan.stop.load(Ordering::Relaxed) {
                    break;
                }
            }
            self.begin_due(now);
            if self.under_way == 0 && self.schedule.is_over(now) {
                break;
            }
            if now >= sample_at {
                sample_at = now + SAMPLE_INTERVAL;
                self.send_sample(samples);
            }
            ready.extend(self.poller.wait(self.patience(now, sweep_at))?);
            for event in ready.drain(..) {
                self.turn(event);
            }
            now = clock::now();
        }
        let last = Last { shortfall: self.schedule.shortfall(now) };
        let sample = Sample { tally: self.tally, outstanding: self.under_way, last: Some(last) };
        // Fails only when nobody wants to know any more.
        let _ = samples.send(sample);
        Ok(())
    }

    /// How long to wait for events.
    fn patience(&self, now: Moment, sweep_at: Moment) -> Duration {
        let until_sweep = sweep_at - now;
        if self.idle.is_empty() && self.closed.is_empty() {
            return until_sweep;
        }
        self.schedule.until_next(now).map_or(until_sweep, |until| until.min(until_sweep))
    }

    /// Begins requests while one is due and a connection is free for it.
    #[inline]
    fn begin_due(&mut self, now: Moment) {
        while let Some(index) = self.idle.last().or(self.closed.last()).copied() {
            let Some(intended) = self.schedule.take(now) else { return };
            if self.idle.pop().is_none() {
                self.closed.pop();
            }
            self.begin(index, intended, now);
        }
    }

    fn begin(&mut self, index: u32, intended: Moment, now: Moment) {
        let deadline = now + self.plan.timeout;
        let Some(connection) = self.connections.get_mut(index as usize) else { return };
        self.under_way += 1;
        connection.intended = intended;
        connection.deadline = deadline;
        connection.sent_bytes = 0;
        self.tally.began(now - intended);
        if connection.stage == Stage::Idle {
            connection.stage = Stage::Busy;
            self.write(index);
            return;
        }
        connection.stage = Stage::Opening;
        let opened = Socket::connect(self.plan.address)
            .and_then(|socket| self.poller.add(&socket, connection.token(index)).map(|()| socket));
        match opened {
            Ok(socket) => connection.socket = Some(socket),
            Err(_) => self.fail(index, Fault::Connect),
        }
    }

    /// Deals with what happened on one connection.
    fn turn(&mut self, event: Ready) {
        let (place, generation) = untoken(event.token);
        let Some(connection) = self.connections.get_mut(place) else { return };
        if connection.generation != generation {
            return;
        }
        let index = place as u32;
        match connection.stage {
            Stage::Opening if event.writable => self.opened(index),
            Stage::Busy => {
                if connection.sent_bytes < self.plan.request.len() && event.writable {
                    self.write(index);
                }
                if event.readable {
                    self.read(index);
                }
            }
            Stage::Idle if event.readable => {
                // The service closed it, which it may; or sent what nobody asked for.
                connection.close(Stage::Closed);
                self.idle.retain(|other| *other != index);
                self.closed.push(index);
            }
            Stage::Opening | Stage::Idle | Stage::Closed | Stage::Cooling(_) => {}
        }
    }

    fn opened(&mut self, index: u32) {
        let Some(connection) = self.connections.get_mut(index as usize) else { return };
        if connection.socket.as_ref().is_none_or(|socket| socket.connected().is_err()) {
            return self.fail(index, Fault::Connect);
        }
        self.tally.connections_opened += 1;
        connection.stage = Stage::Busy;
        if !self.plan.is_open_loop {
            // A closed loop measures answers over connections that are there.
            connection.intended = clock::now();
        }
        self.write(index);
    }

    #[inline]
    fn write(&mut self, index: u32) {
        let Some(connection) = self.connections.get_mut(index as usize) else { return };
        let Some(socket) = &connection.socket else { return };
        while let Some(rest) = self.plan.request.get(connection.sent_bytes..)
            && !rest.is_empty()
        {
            match socket.write(rest) {
                Ok(bytes) => {
                    connection.sent_bytes += bytes;
                    self.tally.bytes_written += bytes as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // An answer that refuses the request may have come before. The reset that made
                // this fail is an event of its own, and the read that it causes will tell.
                Err(_) => {
                    connection.sent_bytes = usize::MAX;
                    return;
                }
            }
        }
    }

    fn read(&mut self, index: u32) {
        let Some(connection) = self.connections.get_mut(index as usize) else { return };
        loop {
            let Some(socket) = &connection.socket else { return };
            let answer = match socket.read(&mut self.buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if connection.sent_bytes == usize::MAX {
                        self.fail(index, Fault::Closed);
                    }
                    return;
                }
                Err(_) => return self.fail(index, Fault::Closed),
                Ok(0) => match connection.answer.end() {
                    Some(answer) => Ok(answer),
                    None => return self.fail(index, Fault::Closed),
                },
                Ok(bytes) => {
                    self.tally.bytes_read += bytes as u64;
                    let bytes = self.buffer.get(..bytes).unwrap_or_default();
                    connection.answer.feed(bytes, self.plan.method, &self.plan.limits)
                }
            };
            match answer {
                // The buffer was filled, or the end is near: there may be more without an event.
                Ok(Answer::Partial) => {}
                Ok(Answer::Whole { status, keep_alive }) => {
                    return self.answered(index, status, keep_alive);
                }
                Err(_) => return self.fail(index, Fault::Malformed),
            }
        }
    }

    #[inline]
    fn answered(&mut self, index: u32, status: u16, keep_alive: bool) {
        let now = clock::now();
        let Some(connection) = self.connections.get_mut(index as usize) else { return };
        let in_time = self.schedule.is_in_time(now);
        self.tally.answered(status, now - connection.intended, in_time);
        self.under_way -= 1;
        let was_sent_whole = connection.sent_bytes == self.plan.request.len();
        if keep_alive && was_sent_whole {
            connection.stage = Stage::Idle;
            self.idle.push(index);
        } else {
            connection.close(Stage::Closed);
            self.closed.push(index);
        }
        self.begin_due(now);
    }

    fn fail(&mut self, index: u32, fault: Fault) {
        let errors = &mut self.tally.errors;
        match fault {
            Fault::Connect => errors.connect += 1,
            Fault::Closed => errors.closed += 1,
            Fault::Timeout => errors.timeout += 1,
            Fault::Malformed => errors.malformed += 1,
        }
        self.under_way -= 1;
        let Some(connection) = self.connections.get_mut(index as usize) else { return };
        // Back in the list at the next sweep at the earliest, so that a service that refuses
        // everybody does not keep this thread in a circle.
        let pause = if matches!(fault, Fault::Connect) { COOLING } else { Duration::ZERO };
        connection.close(Stage::Cooling(clock::now() + pause));
    }

    fn sweep(&mut self, now: Moment) {
        for index in 0..self.connections.len() {
            let Some(connection) = self.connections.get_mut(index) else { return };
            if connection.is_under_way() && connection.deadline <= now {
                self.fail(index as u32, Fault::Timeout);
            } else if let Stage::Cooling(until) = connection.stage
                && until <= now
            {
                connection.stage = Stage::Closed;
                self.closed.push(index as u32);
            }
        }
    }

    fn send_sample(&mut self, samples: &SyncSender<Sample>) {
        let tally = std::mem::replace(&mut self.tally, Tally::new());
        let sample = Sample { tally, outstanding: self.under_way, last: None };
        if let Err(refused) = samples.try_send(sample) {
            // Nobody is listening fast enough: go on counting rather than wait.
            let (std::sync::mpsc::TrySendError::Full(sample)
            | std::sync::mpsc::TrySendError::Disconnected(sample)) = refused;
            self.tally = sample.tally;
        }
    }
}
