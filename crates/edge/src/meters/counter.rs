//! A number that one thread writes and others read.

use std::sync::atomic::{AtomicU64, Ordering};

/// Written by its own core only, so that adding is a load and a store, not a locked instruction.
/// Readers may see it a moment late, never torn.
#[derive(Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, by: u64) {
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(by), Ordering::Relaxed);
    }

    /// For gauges: what was added before goes away again.
    pub(crate) fn sub(&self, by: u64) {
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_sub(by), Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
