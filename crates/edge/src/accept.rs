//! Accepting connections at one door on one core.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use runtime::net::{Listener, TcpStream};
use runtime::sync::Notify;
use runtime::task::spawn_local;
use runtime::{sync, time};

use crate::Door;
use crate::admission::{Full, Permit};
use crate::connection::{self, Connection};
use crate::core::{Core, OpenDoor};
use crate::refuse;

/// Pause after `accept` failed for want of descriptors or memory: trying at once would burn the
/// core on which connections must end to make room.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(50);

/// How long a client that is turned away may take to notice, and how much it may send meanwhile
/// (in kilobytes).
const REFUSAL_PATIENCE: Duration = Duration::from_millis(500);
const REFUSAL_READS_MAX: u32 = 64;

/// Clients that are told so at the same time, on one core; more are closed without a word.
const REFUSALS_MAX: u32 = 256;

/// An accept loop, which ends when this is dropped.
pub(crate) struct Accepting {
    id: u64,
    stop: Rc<Notify>,
}

impl Accepting {
    pub(crate) fn id(&self) -> u64 {
        self.id
    }
}

impl Drop for Accepting {
    fn drop(&mut self) {
        self.stop.notify_one();
    }
}

/// Starts to accept on this core's socket of `door`; `None` when the socket is not to be had.
pub(crate) fn start(core: &Rc<Core>, door: &Arc<OpenDoor>) -> Option<Accepting> {
    let mut sockets = door.sockets.lock().unwrap_or_else(PoisonError::into_inner);
    let socket = sockets.get_mut(core.index)?.take()?;
    drop(sockets);
    let listener = Listener::new(socket).ok()?;
    let stop = Rc::new(Notify::new());
    let accepting = Accepting { id: door.id, stop: Rc::clone(&stop) };
    spawn_local(run(Rc::clone(core), listener, Rc::new(door.door.clone()), stop));
    Some(accepting)
}

async fn run(core: Rc<Core>, listener: Listener, door: Rc<Door>, stop: Rc<Notify>) {
    let mut is_stopping = false;
    loop {
        let accepted = if is_stopping {
            // What the kernel has queued was promised a connection: serve it before closing.
            match time::timeout(Duration::ZERO, listener.accept()).await {
                Ok(accepted) => accepted,
                Err(time::Elapsed) => return,
            }
        } else {
            sync::select! {
                biased;
                () = stop.notified() => { is_stopping = true; continue; }
                accepted = listener.accept() => accepted,
            }
        };
        match accepted {
            Ok((stream, peer)) => admit(&core, stream, peer, &door),
            Err(error) if is_of_one_connection(&error) => {}
            Err(_) => time::sleep(EXHAUSTED_PAUSE).await,
        }
    }
}

fn admit(core: &Rc<Core>, stream: TcpStream, peer: SocketAddr, door: &Rc<Door>) {
    let permit = match door.as_ref() {
        Door::Public => {
            let view = core.view();
            let limits = &view.snapshot.policy.limits;
            let admission = &core.shared.admission;
            admission.admit(peer.ip(), limits.connections_max, limits.connections_per_client_max)
        }
        // Programs on this machine talk to each other here, all from one address.
        Door::Service(_) => core.shared.programs.admit(peer.ip(), u32::MAX, u32::MAX),
    };
    match permit {
        Ok(permit) => serve(core, stream, peer, door, permit),
        Err(full) => {
            core.meters.connections.refused.add(1);
            let answer = match full {
                Full::Total => refuse::BUSY,
                Full::Address => refuse::TOO_MANY,
            };
            if core.refusals.get() < REFUSALS_MAX {
                core.refusals.set(core.refusals.get() + 1);
                let core = Rc::clone(core);
                spawn_local(async move {
                    // A client that is not there to read it loses nothing.
                    let _ = time::timeout(REFUSAL_PATIENCE, turn_away(stream, answer)).await;
                    core.refusals.set(core.refusals.get() - 1);
                });
            }
        }
    }
}

/// Says why, and reads what the client sends meanwhile: a close with unread bytes would be a reset
/// that overtakes the answer. Bounded by time, and by one small buffer.
async fn turn_away(stream: TcpStream, answer: &[u8]) {
    if stream.write_all(answer).await.is_err() || stream.shutdown_write().is_err() {
        return;
    }
    let mut buffer = [0; 1024];
    let mut rounds = REFUSAL_READS_MAX;
    while rounds > 0 && matches!(stream.read(&mut buffer).await, Ok(1..)) {
        rounds -= 1;
    }
}

fn serve(core: &Rc<Core>, stream: TcpStream, peer: SocketAddr, door: &Rc<Door>, permit: Permit) {
    core.meters.connections.accepted.add(1);
    core.meters.connections.open.add(1);
    let connection = Connection {
        core: Rc::clone(core),
        stream,
        peer,
        door: Rc::clone(door),
        deadline: core.deadlines.enter(),
        _permit: permit,
    };
    spawn_local(connection::run(connection));
}

/// Whether accepting failed because of the connection, not because of us: the next may be fine.
fn is_of_one_connection(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted, WouldBlock};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted | WouldBlock)
}
