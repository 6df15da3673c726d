//! Attempts at endpoints until one answers, or no other may be asked.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use gateway::{EndpointState, Failure, Lease, Tried, may_retry};
use runtime::net::TcpStream;

use crate::buffer::Buffer;
use crate::connection::Tunnel;
use crate::plan::{Asking, Plan};
use crate::record::Record;
use crate::refuse::Answer;
use crate::relay::{Asked, Relay, Relayed};
use crate::upload::{Signs, Upload};
use crate::upstream::Upstream;
use crate::watch::Expired;
use crate::wire::{Stop, Wire};

/// How the attempts ended.
pub(crate) enum Ended {
    /// The answer was passed on whole.
    Done { client_reusable: bool },
    /// The endpoint agreed to leave HTTP.
    Upgraded(Box<Tunnel>),
    /// The answer broke off after it had begun.
    Cut { by_client: bool, must_reset: bool },
    /// No answer came; this is ours.
    Failed(Answer),
}

/// Everything that attempts share.
pub(crate) struct Attempts<'a> {
    pub(crate) asking: &'a Asking<'a>,
    pub(crate) plan: &'a Plan<'a>,
    pub(crate) wire: &'a Wire<'a>,
    /// Length of the head at the front of the first flight.
    pub(crate) head_bytes: usize,
    /// Once the body is streamed: what was read and not sent.
    pub(crate) beyond: Option<Buffer>,
}

/// One attempt that did not succeed.
struct Failed {
    stop: Stop,
    /// What the endpoint may have seen.
    failure: Failure,
    was_reused: bool,
}

/// One attempt that did.
struct Answered {
    relayed: Relayed,
    upstream: Upstream,
    /// Bytes behind a 101.
    early: Vec<u8>,
}

/// One attempt's outcome.
type Outcome = Result<Answered, (Failed, Relayed)>;

impl Attempts<'_> {
    /// Asks endpoints until one answers. `flight` is the request's head with what of its body is
    /// at hand: written first, and again on a retry. `rest` is what of the client's bytes follows.
    pub(crate) async fn run(
        &mut self,
        upload: &mut Upload,
        rest: &[u8],
        flight: &mut Vec<u8>,
        record: &mut Record<'_>,
    ) -> Ended {
        let plan = self.plan;
        let now = self.asking.connection.deadline.now();
        let mut tried = Tried::NONE;
        let mut must_be_fresh = false;
        plan.service.record_attempt(now);
        loop {
            let lease = match record.lease.take().filter(|_| must_be_fresh) {
                Some(lease) => lease,
                None => match plan.service.lease(plan.policy.balance, &tried) {
                    Ok(lease) => lease,
                    Err(why) => {
                        plan.service_view.meters.shed.add(1);
                        return Ended::Failed(Answer::unavailable(why));
                    }
                },
            };
            if !plan.policy.preserve_host {
                self.name_endpoint(&lease, flight, record);
            }
            let outcome = self.attempt(&lease, must_be_fresh, upload, rest, flight).await;
            let (failed, relayed) = match outcome {
                Ok(answered) => return self.succeed(lease, answered, upload, rest, record),
                Err(failed) => failed,
            };
            let is_ours =
                matches!(failed.stop, Stop::ClientGone | Stop::ClientMalformed(_) | Stop::TooLarge)
                    || matches!(failed.stop, Stop::Expired(expired) if expired.is_clients());
            let replayable = self.beyond.is_none();
            let may_repeat = may_retry(failed.failure, plan.method, replayable);
            // A kept connection that turned out dead says nothing about its endpoint: once more,
            // on a fresh one, at nobody's expense.
            if !is_ours && failed.was_reused && may_repeat {
                must_be_fresh = true;
                record.lease = Some(lease);
                continue;
            }
            if !is_ours {
                lease.record_failure();
            }
            must_be_fresh = false;
            let has_room = tried.insert(lease.id) && record.retries < plan.policy.retries;
            record.lease = Some(lease);
            if is_ours || !may_repeat || !has_room || !self.may_spend(now) {
                return self.give_up(failed, relayed, record);
            }
            record.lease = None;
            record.retries += 1;
        }
    }

    fn may_spend(&self, now: model::Moment) -> bool {
        let meters = &self.plan.service_view.meters;
        let may = self.plan.service.may_spend_retry(now);
        if may {
            meters.retries.add(1)
        } else {
            meters.retries_refused.add(1)
        }
        may
    }

    /// Puts the endpoint's own address in the place of the client's `Host`.
    fn name_endpoint(&mut self, lease: &Lease, flight: &mut Vec<u8>, record: &Record<'_>) {
        let mut head = Vec::with_capacity(self.head_bytes + 64);
        self.plan.write_head(self.asking, record, Some(lease.address), &mut head);
        let head_bytes = head.len();
        flight.splice(..self.head_bytes, head);
        self.head_bytes = head_bytes;
    }

    async fn attempt(
        &mut self,
        lease: &Lease,
        must_be_fresh: bool,
        upload: &mut Upload,
        rest: &[u8],
        flight: &[u8],
    ) -> Outcome {
        let nothing = |stop, was_reused| {
            (Failed { stop, failure: Failure::NothingSent, was_reused }, Relayed::default())
        };
        let upstream = match self.reach(lease, must_be_fresh).await {
            Ok(upstream) => upstream,
            Err(stop) => return Err(nothing(stop, false)),
        };
        let signs = Signs::default();
        signs.is_sent.set(upload.body.is_over());
        signs.awaits_continue.set(self.asking.request.expect_continue && rest.is_empty());
        if signs.is_sent.get() {
            self.wire.watch_client();
            self.wire.watch.awaiting_head();
        } else {
            self.wire.watch.streaming();
        }
        let mut written = 0;
        let sent = self.wire.write_upstream(&upstream.stream, flight, &mut written).await;
        if let Err(stop) = sent {
            let (mut failed, relayed) = nothing(stop, upstream.is_reused);
            if written > 0 {
                failed.failure = Failure::LostBeforeAnswer;
            }
            return Err((failed, relayed));
        }
        let mut relay = Relay {
            wire: self.wire,
            upstream: &upstream.stream,
            asked: self.asked(),
            signs: &signs,
            core: &self.asking.connection.core,
            relayed: Relayed::default(),
            early: Vec::new(),
        };
        let outcome = if signs.is_sent.get() {
            relay.run().await
        } else {
            let beyond = self.beyond.insert(relay.core.workspaces.take_stream());
            beyond.append(rest);
            let sending = upload.run(self.wire, &upstream.stream, beyond, &signs);
            // Boxed, so that the many requests without a long body stay small.
            Box::pin(both(sending, relay.run())).await
        };
        let (relayed, early) = (relay.relayed, relay.early);
        match outcome {
            Ok(()) => Ok(Answered { relayed, upstream, early }),
            Err(stop) => {
                let failure = if relayed.has_begun {
                    Failure::AnswerBegun
                } else if matches!(stop, Stop::Expired(_)) {
                    Failure::TimedOut
                } else {
                    Failure::LostBeforeAnswer
                };
                Err((Failed { stop, failure, was_reused: upstream.is_reused }, relayed))
            }
        }
    }

    /// A connection to the endpoint: a kept one, or a fresh one.
    async fn reach(&self, lease: &Lease, must_be_fresh: bool) -> Result<Upstream, Stop> {
        let core = &self.asking.connection.core;
        // What may not be sent twice deserves a look at the connection beforehand.
        let careful = !self.asking.request.method.is_idempotent();
        if !must_be_fresh && let Some(kept) = core.pool.take(lease.id.0, careful) {
            return Ok(kept);
        }
        self.wire.watch.connecting();
        // Boxed: rare, and its state would make every waiting request larger.
        let mut connecting = Box::pin(TcpStream::connect(lease.address));
        let connected = poll_fn(|cx| match connecting.as_mut().poll(cx) {
            Poll::Ready(connected) => Poll::Ready(connected.map_err(|_| Stop::Refused)),
            Poll::Pending => self.wire.watch.poll(cx).map(|expired| Err(Stop::Expired(expired))),
        });
        Ok(Upstream::new(connected.await?, &core.meters))
    }

    fn asked(&self) -> Asked {
        let request = self.asking.request;
        Asked {
            method: request.method,
            version: request.version,
            keep_alive: request.keep_alive,
            te_trailers: request.te_trailers,
            expect_continue: request.expect_continue,
            upgrade: request.upgrade,
        }
    }

    fn succeed(
        &self,
        lease: Lease,
        answered: Answered,
        upload: &Upload,
        rest: &[u8],
        record: &mut Record<'_>,
    ) -> Ended {
        let Answered { relayed, upstream, early } = answered;
        record.status = relayed.status;
        record.bytes_out = relayed.content_bytes;
        if relayed.status >= 500 {
            lease.record_failure();
        }
        if relayed.is_upgraded {
            return Ended::Upgraded(Box::new(Tunnel {
                upstream,
                lease,
                early_up: rest.to_vec(),
                early_down: early,
                idle: self.plan.policy.idle_timeout,
                route: self.plan.traffic.clone(),
                service: self.plan.service_view.meters.clone(),
            }));
        }
        let is_sent = upload.body.is_over();
        if relayed.upstream_reusable && is_sent && lease.state() == EndpointState::Ready {
            let core = &self.asking.connection.core;
            core.pool.put(lease.id.0, upstream, core.deadlines.now());
        }
        record.lease = Some(lease);
        Ended::Done { client_reusable: relayed.client_reusable }
    }

    fn give_up(&self, failed: Failed, relayed: Relayed, record: &mut Record<'_>) -> Ended {
        record.bytes_out = relayed.content_bytes;
        if !relayed.is_committed {
            return Ended::Failed(Answer::stopped(failed.stop));
        }
        record.status = relayed.status;
        record.error = Some("the answer broke off".into());
        let by_client = match failed.stop {
            Stop::ClientGone | Stop::ClientMalformed(_) | Stop::TooLarge => true,
            Stop::Expired(expired) => expired.is_clients(),
            Stop::Refused | Stop::UpstreamLost | Stop::UpstreamMalformed(_) => false,
        };
        Ended::Cut { by_client, must_reset: relayed.ends_with_close }
    }
}

impl Expired {
    /// Whether it was the client that did not keep up.
    fn is_clients(self) -> bool {
        match self {
            Self::SlowBody | Self::ClientStalled | Self::ClientGone => true,
            Self::Connect | Self::ResponseHead | Self::Total | Self::UpstreamStalled => false,
        }
    }
}

/// Sends the request's body and passes the answer on, both at once, until the answer is over.
///
/// An endpoint may answer early (RFC 9112 §9.5), so that it stopped reading is no failure while
/// its answer can still come; a client that stopped sending is one.
async fn both(
    sending: impl Future<Output = Result<(), Stop>>,
    answering: impl Future<Output = Result<(), Stop>>,
) -> Result<(), Stop> {
    let (mut sending, mut answering) = (pin!(sending), pin!(answering));
    let mut is_sending = true;
    poll_fn(|cx| {
        if is_sending && let Poll::Ready(sent) = sending.as_mut().poll(cx) {
            is_sending = false;
            match sent {
                Ok(()) | Err(Stop::UpstreamLost) => {}
                Err(stop) => return Poll::Ready(Err(stop)),
            }
        }
        answering.as_mut().poll(cx)
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_that_stops_reading_may_still_answer() {
        let sent = both(async { Err(Stop::UpstreamLost) }, async { Ok(()) });
        let outcome = runtime::control::block_on(sent).unwrap();
        assert_eq!(outcome, Ok(()));
        let gone = both(async { Err(Stop::ClientGone) }, std::future::pending());
        assert_eq!(runtime::control::block_on(gone).unwrap(), Err(Stop::ClientGone));
    }
}
