//! What the system tells this process: stop, interrupt, reload.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// A signal that this process listens to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// SIGTERM: stop.
    Terminate,
    /// SIGINT: Ctrl-C.
    Interrupt,
    /// SIGHUP: reload.
    Hangup,
}

/// A subscription to one kind of signal.
pub struct Listener(Signal);

/// Subscribes to `kind`; from then on the default action (to die) does not happen.
///
/// Only on the control thread: core threads have no signal driver.
///
/// # Errors
/// When the system refuses the handler.
pub fn listen(kind: Kind) -> io::Result<Listener> {
    let kind = match kind {
        Kind::Terminate => SignalKind::terminate(),
        Kind::Interrupt => SignalKind::interrupt(),
        Kind::Hangup => SignalKind::hangup(),
    };
    signal(kind).map(Listener)
}

impl Listener {
    /// Waits for the next one; several that came at once count as one.
    pub async fn next(&mut self) {
        if self.0.recv().await.is_none() {
            std::future::pending::<()>().await;
        }
    }
}
