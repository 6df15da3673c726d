//! Channels and signals between tasks, by their names in tokio: small, known, and not worth
//! wrapping. Unbounded channels are left out on purpose.

pub use tokio::sync::{Mutex, Notify, OwnedSemaphorePermit, RwLock, Semaphore};
pub use tokio::sync::{broadcast, oneshot, watch};

/// Bounded queues; see `tokio::sync::mpsc`.
pub mod mpsc {
    pub use tokio::sync::mpsc::error::{SendError, TryRecvError, TrySendError};
    pub use tokio::sync::mpsc::{Receiver, Sender, channel};
}

pub use tokio::{join, pin, select};
