//! The data plane's threads: one per core, each with a reactor of its own and no shared state.

use std::future::Future;
use std::io;
use std::thread;

use tokio::runtime::Builder;

/// Most threads that can be asked for; more than any machine that we know of has cores.
pub const CORES_MAX: usize = 1024;

/// Tasks that run before the reactor looks for new events. Tokio's default, 61, would look several
/// times while the tasks of one batch of events run; each look is a system call.
const TASKS_PER_TURN: u32 = 512;

/// Running core threads; they end when their futures do.
pub struct CoreSet {
    threads: Vec<thread::JoinHandle<()>>,
}

/// Number of cores that this process may use (affinity and cgroup quota included), at least 1.
pub fn available() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// Starts `count` threads called `name-0`, `name-1`, …; each runs `make(index)` to its end.
///
/// The future is made on its own thread, so it may hold what is neither `Send` nor `Sync`, and
/// spawn more of the kind with [`crate::task::spawn_local`].
///
/// # Errors
/// When the system refuses a thread or an epoll descriptor; the threads already started then run
/// on, so the caller should stop them by its own means.
pub fn spawn<M, F>(count: usize, name: &str, make: M) -> io::Result<CoreSet>
where
    M: Fn(usize) -> F + Clone + Send + 'static,
    F: Future<Output = ()> + 'static,
{
    let count = count.clamp(1, CORES_MAX);
    let mut threads = Vec::with_capacity(count);
    for index in 0..count {
        let make = make.clone();
        let (ready, is_ready) = std::sync::mpsc::sync_channel(1);
        let thread = thread::Builder::new().name(format!("{name}-{index}")).spawn(move || {
            match Builder::new_current_thread()
                .event_interval(TASKS_PER_TURN)
                .enable_io()
                .enable_time()
                .build_local(Default::default())
            {
                Ok(runtime) => {
                    let _ = ready.send(Ok(()));
                    runtime.block_on(make(index));
                }
                Err(error) => {
                    let _ = ready.send(Err(error));
                }
            }
        })?;
        is_ready.recv().unwrap_or_else(|_| Err(io::Error::other("the core's thread died")))?;
        threads.push(thread);
    }
    Ok(CoreSet { threads })
}

impl CoreSet {
    /// Blocks until every core's future has ended. A core that panicked counts as ended.
    pub fn join(self) {
        for thread in self.threads {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn every_core_gets_its_own_index_and_its_own_local_tasks() {
        let sum = Arc::new(AtomicUsize::new(0));
        let seen = Arc::clone(&sum);
        let cores = spawn(3, "core", move |index| {
            let sum = Arc::clone(&sum);
            async move {
                let local = std::rc::Rc::new(index + 1);
                let task = crate::task::spawn_local(async move { *local });
                sum.fetch_add(task.await.unwrap(), Ordering::Relaxed);
            }
        });
        cores.unwrap().join();
        assert_eq!(seen.load(Ordering::Relaxed), 6);
    }
}
