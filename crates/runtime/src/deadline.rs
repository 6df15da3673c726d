//! Coarse deadlines for very many connections: no timer per request.
//!
//! A connection enters once and then moves its deadline with a plain store. One sweep per beat
//! looks at every entry and wakes those whose time has come. At 10,000 connections a sweep reads
//! a few hundred kilobytes; a timer wheel would instead be touched twice by every request.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use model::Moment;

use crate::clock;

/// Time between sweeps, hence how late a deadline may be noticed.
pub const BEAT: Duration = Duration::from_millis(50);

/// Never, as milliseconds since the node's start.
const NEVER: u64 = u64::MAX;

/// All deadlines of one core.
pub struct Deadlines {
    now: Cell<Moment>,
    entries: RefCell<Entries>,
}

#[derive(Default)]
struct Entries {
    slots: Vec<Option<Rc<Entry>>>,
    free: Vec<usize>,
}

struct Entry {
    due_ms: Cell<u64>,
    expired: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

/// One task's deadline; leaves the set when dropped.
pub struct Deadline {
    entry: Rc<Entry>,
    set: Rc<Deadlines>,
    slot: usize,
}

impl Deadlines {
    /// An empty set.
    pub fn new() -> Rc<Self> {
        Rc::new(Self { now: Cell::new(clock::now()), entries: RefCell::default() })
    }

    /// The time of the last sweep: at most a beat ago, and free of charge.
    pub fn now(&self) -> Moment {
        self.now.get()
    }

    /// Adds a deadline that is not set.
    pub fn enter(self: &Rc<Self>) -> Deadline {
        let entry = Rc::new(Entry {
            due_ms: Cell::new(NEVER),
            expired: Cell::new(false),
            waker: RefCell::new(None),
        });
        let mut entries = self.entries.borrow_mut();
        let slot = entries.free.pop().unwrap_or(entries.slots.len());
        match entries.slots.get_mut(slot) {
            Some(place) => *place = Some(Rc::clone(&entry)),
            None => entries.slots.push(Some(Rc::clone(&entry))),
        }
        drop(entries);
        Deadline { entry, set: Rc::clone(self), slot }
    }

    /// Wakes every task whose deadline is at or before `now`.
    pub fn sweep(&self, now: Moment) {
        self.now.set(now);
        let now_ms = millis(now);
        // Waking only queues the task; it runs after this loop, so the borrow is safe.
        for entry in self.entries.borrow().slots.iter().flatten() {
            if entry.due_ms.get() <= now_ms
                && !entry.expired.replace(true)
                && let Some(waker) = entry.waker.borrow().as_ref()
            {
                waker.wake_by_ref();
            }
        }
    }

    /// Wakes every task that waits here, for example because all are to end.
    pub fn wake_all(&self) {
        for entry in self.entries.borrow().slots.iter().flatten() {
            if let Some(waker) = entry.waker.borrow().as_ref() {
                waker.wake_by_ref();
            }
        }
    }

    /// Sweeps on every beat, for ever.
    pub async fn run(self: Rc<Self>) {
        let mut beat = crate::time::interval(BEAT);
        loop {
            beat.tick().await;
            self.sweep(clock::now());
        }
    }
}

impl Deadline {
    /// Sets it to `after` from now, forgetting the one before.
    pub fn set(&self, after: Duration) {
        self.set_at(self.set.now.get() + after);
    }

    /// Sets it to `moment`, forgetting the one before.
    pub fn set_at(&self, moment: Moment) {
        self.entry.due_ms.set(millis(moment));
        self.entry.expired.set(false);
    }

    /// There is no deadline any more.
    pub fn clear(&self) {
        self.entry.due_ms.set(NEVER);
        self.entry.expired.set(false);
    }

    /// Whether the time has come, as of the last sweep.
    pub fn is_expired(&self) -> bool {
        self.entry.expired.get()
    }

    /// Ready once the time has come; otherwise wakes the task of `cx` when it does.
    pub fn poll_expired(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.entry.expired.get() {
            return Poll::Ready(());
        }
        let mut waker = self.entry.waker.borrow_mut();
        // A connection's task has one waker for life, so this clones once.
        match waker.as_mut() {
            Some(known) if known.will_wake(cx.waker()) => {}
            Some(known) => known.clone_from(cx.waker()),
            None => *waker = Some(cx.waker().clone()),
        }
        Poll::Pending
    }

    /// Waits for the time to come.
    pub async fn expired(&self) {
        poll_fn(|cx| self.poll_expired(cx)).await;
    }

    /// The time of the last sweep.
    pub fn now(&self) -> Moment {
        self.set.now.get()
    }
}

impl Drop for Deadline {
    fn drop(&mut self) {
        let mut entries = self.set.entries.borrow_mut();
        if let Some(place) = entries.slots.get_mut(self.slot) {
            *place = None;
        }
        entries.free.push(self.slot);
    }
}

fn millis(moment: Moment) -> u64 {
    u64::try_from(moment.since_start().as_millis()).unwrap_or(NEVER)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::*;

    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn at(ms: u64) -> Moment {
        clock::now() + Duration::from_millis(ms)
    }

    #[test]
    fn a_due_deadline_wakes_its_task_once_and_others_sleep_on() {
        let set = Deadlines::new();
        let (due, later) = (set.enter(), set.enter());
        let count = Arc::new(Count(AtomicUsize::new(0)));
        let waker = Waker::from(Arc::clone(&count));
        let mut cx = Context::from_waker(&waker);
        due.set_at(at(10));
        later.set_at(at(100_000));
        assert!(due.poll_expired(&mut cx).is_pending());
        assert!(later.poll_expired(&mut cx).is_pending());
        set.sweep(at(20));
        set.sweep(at(30));
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
        assert!(due.is_expired() && !later.is_expired());
        due.set(Duration::from_secs(1));
        assert!(!due.is_expired());
    }

    #[test]
    fn a_slot_is_used_again_after_its_deadline_left() {
        let set = Deadlines::new();
        let first = set.enter();
        let slot = first.slot;
        drop(first);
        assert_eq!(set.enter().slot, slot);
        assert_eq!(set.entries.borrow().slots.len(), 1);
    }
}
