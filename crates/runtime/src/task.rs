//! Tasks on the thread that one is on, or on the control thread.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// A running task. Dropping it lets the task run on; [`Task::abort`] ends it.
pub struct Task<T>(tokio::task::JoinHandle<T>);

impl<T> Task<T> {
    pub(crate) fn new(handle: tokio::task::JoinHandle<T>) -> Self {
        Self(handle)
    }

    /// Ends the task at its next await.
    pub fn abort(&self) {
        self.0.abort();
    }

    /// Whether the task has ended.
    pub fn is_finished(&self) -> bool {
        self.0.is_finished()
    }
}

impl<T> Future for Task<T> {
    /// `None` when the task was aborted or panicked.
    type Output = Option<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx).map(Result::ok)
    }
}

/// Runs `future` on this core's thread; only within [`crate::cores`] or [`crate::control::block_on`].
///
/// # Panics
/// When called anywhere else.
pub fn spawn_local<F>(future: F) -> Task<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    Task(tokio::task::spawn_local(future))
}

/// Runs `future` on the reactor that the caller is on.
///
/// # Panics
/// When called outside one.
pub fn spawn<F>(future: F) -> Task<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    Task(tokio::task::spawn(future))
}

/// Runs a blocking closure (file system, process start) on a pool thread.
///
/// `None` when it panicked.
pub async fn blocking<F, T>(work: F) -> Option<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    tokio::task::spawn_blocking(work).await.ok()
}

/// Lets the other tasks of this thread run before going on.
pub async fn yield_now() {
    tokio::task::yield_now().await;
}
