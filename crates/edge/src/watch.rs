//! The time limits of one exchange, all on its connection's one coarse deadline.
//!
//! Each limit is a moment in a cell. When one begins, the deadline is brought forward to it if need
//! be, and never put off; what is really due is decided when the deadline comes. So an exchange
//! that goes well costs a handful of stores.

use std::cell::Cell;
use std::task::{Context, Poll};
use std::time::Duration;

use model::Moment;
use runtime::deadline::Deadline;

/// How long an answer may still take once the client has closed its sending side. It may wait for
/// it (half-closed), or be gone; TCP does not tell.
const HALF_CLOSED_GRACE: Duration = Duration::from_secs(5);

const NEVER: Moment = Moment::after_start(Duration::MAX);

/// Which limit was hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expired {
    /// The endpoint did not accept the connection in time.
    Connect,
    /// The endpoint did not begin its answer in time.
    ResponseHead,
    /// Everything together took too long.
    Total,
    /// The client sends its request's body too slowly.
    SlowBody,
    /// The client does not read its answer.
    ClientStalled,
    /// The endpoint stopped in the middle of its answer, or does not read the request.
    UpstreamStalled,
    /// The client closed its side and the answer did not come soon.
    ClientGone,
}

/// Durations of the limits; zero means none.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    pub(crate) connect: Duration,
    pub(crate) response_head: Duration,
    pub(crate) total: Duration,
    /// Bytes a second that a request's body must bring; 0: any.
    pub(crate) body_rate_min: u64,
    /// The rate is judged once per so much time.
    pub(crate) body_rate_window: Duration,
    pub(crate) client_stall: Duration,
    pub(crate) upstream_stall: Duration,
}

/// What an exchange waits for, and until when.
pub(crate) struct Watch<'a> {
    deadline: &'a Deadline,
    patience: Patience,
    total_at: Moment,
    /// What the deadline is set to: at the earliest limit or before it.
    armed_at: Cell<Moment>,
    gone_at: Cell<Moment>,
    /// Of the stage: connect, or the response's head.
    stage_at: Cell<(Moment, Expired)>,
    /// Since when the client takes nothing; `None`: it is not being written to.
    client_blocked: Cell<Option<Moment>>,
    /// Since when the endpoint neither takes nor gives; `None`: nothing is expected of it.
    upstream_blocked: Cell<Option<Moment>>,
    /// Waiting for the client's body since the window began, and the bytes it brought.
    body_window: Cell<Option<(Moment, u64)>>,
}

impl<'a> Watch<'a> {
    pub(crate) fn new(deadline: &'a Deadline, patience: Patience) -> Self {
        let total_at = after(deadline.now(), patience.total);
        // The deadline still has the limit of the wait before.
        deadline.set_at(total_at);
        Self {
            deadline,
            patience,
            total_at,
            armed_at: Cell::new(total_at),
            gone_at: Cell::new(NEVER),
            stage_at: Cell::new((NEVER, Expired::Total)),
            client_blocked: Cell::new(None),
            upstream_blocked: Cell::new(None),
            body_window: Cell::new(None),
        }
    }

    /// A connection is being opened.
    pub(crate) fn connecting(&self) {
        self.stage(self.patience.connect, Expired::Connect);
    }

    /// The request is sent; its answer is waited for.
    pub(crate) fn awaiting_head(&self) {
        self.body_window.set(None);
        self.stage(self.patience.response_head, Expired::ResponseHead);
    }

    /// The answer's head is here, or the request is still being sent: no limit of the stage.
    pub(crate) fn streaming(&self) {
        self.stage_at.set((NEVER, Expired::Total));
        // Being blocked counts only outside of the wait for the head.
        if let Some(since) = self.upstream_blocked.get() {
            self.arm_by(after(since, self.patience.upstream_stall));
        }
    }

    /// The request's body is being read from the client from now on.
    pub(crate) fn reading_body(&self) {
        if self.patience.body_rate_min > 0 {
            let now = self.deadline.now();
            self.body_window.set(Some((now, 0)));
            self.arm_by(after(now, self.patience.body_rate_window));
        }
    }

    /// The client's body brought `bytes`.
    pub(crate) fn body_came(&self, bytes: usize) {
        if let Some((since, sum)) = self.body_window.get() {
            self.body_window.set(Some((since, sum + bytes as u64)));
        }
    }

    /// The body is complete, or it is not the client that is waited for.
    pub(crate) fn body_paused(&self) {
        self.body_window.set(None);
    }

    /// The client's connection is full (`true`), or took bytes again.
    pub(crate) fn client_blocked(&self, is_blocked: bool) {
        if is_blocked {
            if self.client_blocked.get().is_none() {
                let now = self.deadline.now();
                self.client_blocked.set(Some(now));
                self.arm_by(after(now, self.patience.client_stall));
            }
        } else {
            self.client_blocked.set(None);
        }
    }

    /// The endpoint is waited for (`true`) in the middle of a message, or it moved.
    pub(crate) fn upstream_blocked(&self, is_blocked: bool) {
        if is_blocked {
            if self.upstream_blocked.get().is_none() {
                let now = self.deadline.now();
                self.upstream_blocked.set(Some(now));
                self.arm_by(after(now, self.patience.upstream_stall));
            }
        } else {
            self.upstream_blocked.set(None);
        }
    }

    /// The client closed its sending side.
    pub(crate) fn client_half_closed(&self) {
        let gone_at = self.deadline.now() + HALF_CLOSED_GRACE;
        self.gone_at.set(gone_at);
        self.arm_by(gone_at);
    }

    /// Ready when a limit was hit. Call it last: it costs two loads while all is well.
    pub(crate) fn poll(&self, cx: &mut Context<'_>) -> Poll<Expired> {
        while self.deadline.poll_expired(cx).is_ready() {
            let now = self.deadline.now();
            let (earliest, expired) = self.earliest();
            if earliest > now {
                self.armed_at.set(earliest);
                self.deadline.set_at(earliest);
            } else if expired == Expired::SlowBody && !self.body_is_slow() {
                self.body_window.set(Some((now, 0)));
            } else {
                return Poll::Ready(expired);
            }
        }
        Poll::Pending
    }

    fn stage(&self, limit: Duration, expired: Expired) {
        let at = after(self.deadline.now(), limit);
        self.stage_at.set((at, expired));
        self.arm_by(at);
    }

    /// Lets the deadline come at `at` if it would come later. One that comes too early does no
    /// harm: `poll` looks at what is due then.
    fn arm_by(&self, at: Moment) {
        if at < self.armed_at.get() {
            self.armed_at.set(at);
            self.deadline.set_at(at);
        }
    }

    fn earliest(&self) -> (Moment, Expired) {
        let since = |start: Option<Moment>, limit| start.map_or(NEVER, |start| after(start, limit));
        let mut earliest = self.stage_at.get();
        // Waiting for the answer's head has a limit of its own.
        let is_stalling = earliest.1 != Expired::ResponseHead;
        let upstream_blocked = self.upstream_blocked.get().filter(|_| is_stalling);
        let window = self.body_window.get().map(|(since, _)| since);
        for (at, expired) in [
            (self.total_at, Expired::Total),
            (self.gone_at.get(), Expired::ClientGone),
            (since(self.client_blocked.get(), self.patience.client_stall), Expired::ClientStalled),
            (since(upstream_blocked, self.patience.upstream_stall), Expired::UpstreamStalled),
            (since(window, self.patience.body_rate_window), Expired::SlowBody),
        ] {
            if at < earliest.0 {
                earliest = (at, expired);
            }
        }
        earliest
    }

    fn body_is_slow(&self) -> bool {
        let seconds = self.patience.body_rate_window.as_secs();
        let wanted = self.patience.body_rate_min.saturating_mul(seconds);
        self.body_window.get().is_some_and(|(_, bytes)| bytes < wanted)
    }
}

fn after(start: Moment, limit: Duration) -> Moment {
    if limit.is_zero() { NEVER } else { start + limit }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use runtime::clock;
    use runtime::deadline::Deadlines;

    use super::*;

    const PATIENCE: Patience = Patience {
        connect: Duration::from_secs(1),
        response_head: Duration::from_secs(2),
        total: Duration::from_secs(60),
        body_rate_min: 100,
        body_rate_window: Duration::from_secs(5),
        client_stall: Duration::from_secs(3),
        upstream_stall: Duration::ZERO,
    };

    fn poll_after(
        watch: &Watch<'_>,
        set: &Deadlines,
        start: Moment,
        seconds: u64,
    ) -> Poll<Expired> {
        set.sweep(start + Duration::from_secs(seconds) + Duration::from_millis(1));
        watch.poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn each_stage_has_its_own_limit_and_the_total_stays() {
        let set = Deadlines::new();
        let deadline = set.enter();
        let start = clock::now();
        set.sweep(start);
        let watch = Watch::new(&deadline, PATIENCE);
        watch.connecting();
        assert_eq!(poll_after(&watch, &set, start, 0), Poll::Pending);
        watch.awaiting_head();
        assert_eq!(poll_after(&watch, &set, start, 1), Poll::Pending);
        assert_eq!(poll_after(&watch, &set, start, 2), Poll::Ready(Expired::ResponseHead));
        watch.streaming();
        assert_eq!(poll_after(&watch, &set, start, 59), Poll::Pending);
        assert_eq!(poll_after(&watch, &set, start, 60), Poll::Ready(Expired::Total));
    }

    #[test]
    fn waiting_for_the_head_is_no_stall_but_waiting_behind_it_is() {
        let set = Deadlines::new();
        let deadline = set.enter();
        let start = clock::now();
        set.sweep(start);
        let patience = Patience {
            upstream_stall: Duration::from_secs(1),
            response_head: Duration::from_secs(9),
            ..PATIENCE
        };
        let watch = Watch::new(&deadline, patience);
        watch.awaiting_head();
        watch.upstream_blocked(true);
        assert_eq!(poll_after(&watch, &set, start, 8), Poll::Pending);
        watch.upstream_blocked(false);
        watch.streaming();
        watch.upstream_blocked(true);
        assert_eq!(poll_after(&watch, &set, start, 10), Poll::Ready(Expired::UpstreamStalled));
    }

    #[test]
    fn a_client_that_reads_again_is_not_stalled() {
        let set = Deadlines::new();
        let deadline = set.enter();
        let start = clock::now();
        set.sweep(start);
        let watch = Watch::new(&deadline, PATIENCE);
        watch.streaming();
        watch.client_blocked(true);
        assert_eq!(poll_after(&watch, &set, start, 2), Poll::Pending);
        watch.client_blocked(false);
        assert_eq!(poll_after(&watch, &set, start, 4), Poll::Pending);
        watch.client_blocked(true);
        assert_eq!(poll_after(&watch, &set, start, 8), Poll::Ready(Expired::ClientStalled));
    }

    #[test]
    fn the_minimum_rate_is_kept_at_the_limit_and_broken_one_byte_below() {
        for (bytes, want) in [(500, Poll::Pending), (499, Poll::Ready(Expired::SlowBody))] {
            let set = Deadlines::new();
            let deadline = set.enter();
            let start = clock::now();
            set.sweep(start);
            let watch = Watch::new(&deadline, PATIENCE);
            watch.reading_body();
            watch.body_came(bytes);
            assert_eq!(poll_after(&watch, &set, start, 5), want, "{bytes} bytes in 5 s");
        }
    }
}
