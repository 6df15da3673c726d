//! The control thread: one single-threaded reactor for everything that no request waits for.

use std::future::Future;
use std::io;
use std::thread;

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

use crate::task::Task;

/// A running control thread. Dropping it stops the reactor and drops every task on it.
pub struct Control {
    handle: Handle,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Control {
    /// Starts the thread under `name` (at most 15 bytes are visible in `ps`).
    ///
    /// # Errors
    /// When the system refuses a thread or an epoll descriptor.
    pub fn start(name: &str) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel();
        let thread = thread::Builder::new().name(name.to_owned()).spawn(move || {
            // An error means that the handle was dropped without a word: the same as a stop.
            let _ = runtime.block_on(stopped);
            runtime.shutdown_background();
        })?;
        Ok(Self { handle, stop: Some(stop), thread: Some(thread) })
    }

    /// Runs `future` on the control thread.
    pub fn spawn<F>(&self, future: F) -> Task<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        Task::new(self.handle.spawn(future))
    }

    /// Runs `future` on the control thread and blocks the calling one until it is over.
    ///
    /// `None` when the control thread is stopping or the future panicked. Never call it from a
    /// reactor's own thread.
    pub fn block_on<F>(&self, future: F) -> Option<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let (send, receive) = std::sync::mpsc::sync_channel(1);
        let _task = self.handle.spawn(async move {
            let _ = send.send(future.await);
        });
        receive.recv().ok()
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Runs `future` to its end on the calling thread, in a reactor made for it.
///
/// For programs that have nothing else to do: the command line's calls, tests, load generators.
///
/// # Errors
/// When the system refuses an epoll descriptor.
pub fn block_on<F: Future>(future: F) -> io::Result<F::Output> {
    let runtime = Builder::new_current_thread().enable_all().build_local(Default::default())?;
    Ok(runtime.block_on(future))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_runs_on_the_control_thread_and_its_result_comes_back() {
        let control = Control::start("control").unwrap();
        let name = control.block_on(async { thread::current().name().map(str::to_owned) });
        assert_eq!(name.flatten().as_deref(), Some("control"));
    }

    #[test]
    fn a_panicking_task_does_not_take_the_thread_with_it() {
        let control = Control::start("control").unwrap();
        assert_eq!(
            control.block_on(async {
                if true {
                    panic!("on purpose")
                }
            }),
            None
        );
        assert_eq!(control.block_on(async { 7 }), Some(7));
    }
}
