//! One request and its answer, from the first byte of the one to the last byte of the other.

use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use gateway::{Canonical, RoutePolicy};
use http1::{Limits, Malformed, Progress};
use model::Moment;
use runtime::clock;

use crate::attempt::{Attempts, Ended};
use crate::buffer::{BUFFER_BYTES, Buffer};
use crate::connection::{Connection, Next};
use crate::meters::Ending;
use crate::plan::{self, Asking};
use crate::record::Record;
use crate::refuse::{self, Answer};
use crate::upload::Upload;
use crate::view::View;
use crate::watch::{Patience, Watch};
use crate::wire::Wire;
use crate::workspace::Workspace;

/// How long a client may take to read an answer of ours, which is a page at most.
const ANSWER_PATIENCE: Duration = Duration::from_secs(10);

/// Why there is no request.
enum NoHead {
    /// The client closed between requests, or in the middle of a head.
    Closed,
    /// What it sent is no request.
    Malformed(Malformed),
    /// The head took too long.
    Slow,
}

/// What an exchange leaves behind.
pub(crate) struct Left {
    pub(crate) next: Next,
    /// Bytes of the client's buffer that belonged to it.
    pub(crate) taken: usize,
    /// Bytes read beyond it while its body was streamed.
    pub(crate) beyond: Option<Buffer>,
}

/// Reads a request, has it answered, and says what becomes of the connection.
pub(crate) async fn run(connection: &Connection, workspace: &mut Workspace) -> Next {
    let core = &connection.core;
    let view = core.view();
    let limits = request_limits(&view);
    match read_head(connection, workspace, &view, &limits).await {
        Ok(()) => {}
        Err(NoHead::Closed) => return Next::Close,
        Err(NoHead::Malformed(malformed)) => {
            core.meters.connections.malformed.add(1);
            return refuse_head(connection, workspace, &view, &Answer::malformed(malformed)).await;
        }
        Err(NoHead::Slow) => {
            return refuse_head(connection, workspace, &view, &Answer::slow_head()).await;
        }
    }
    core.meters.connections.active.add(1);
    let left = serve(connection, workspace, &view, &limits).await;
    core.meters.connections.active.sub(1);
    workspace.client.consume(left.taken);
    if let Some(beyond) = left.beyond {
        workspace.client.append(beyond.filled());
        core.workspaces.give_stream(beyond);
    }
    left.next
}

async fn serve(
    connection: &Connection,
    workspace: &mut Workspace,
    view: &View,
    limits: &Limits,
) -> Left {
    let Workspace { client, request, to_upstream } = workspace;
    let head = client.filled();
    let asking = Asking { connection, view, request, head, started: clock::now() };
    let mut record = Record::new(&asking);
    let head_bytes = request.bytes as usize;
    let plan = match plan::plan(&asking, &mut record) {
        Ok(plan) => plan,
        Err(answer) => {
            // With a body that nobody read, the next request cannot be found.
            let is_sent = request.body.is_empty();
            let next = refuse(&asking, &answer, &mut record, is_sent, None).await;
            return Left { next, taken: head_bytes, beyond: None };
        }
    };
    record.begin(&plan);
    let watch = Watch::new(&connection.deadline, patience(plan.policy, view));
    let wire = Wire::new(&connection.stream, &watch);
    let mut upload = Upload::new(request, limits, plan.policy.body_bytes_max);
    to_upstream.clear();
    plan.write_head(&asking, &record, None, to_upstream);
    let mut attempts = Attempts {
        asking: &asking,
        plan: &plan,
        wire: &wire,
        head_bytes: to_upstream.len(),
        beyond: None,
    };
    let at_hand = head.get(head_bytes..).unwrap_or_default();
    let (taken, ended) = match upload.step(at_hand, to_upstream) {
        Ok(taken) => {
            let rest = at_hand.get(taken..).unwrap_or_default();
            let ended = attempts.run(&mut upload, rest, to_upstream, &mut record).await;
            (taken, ended)
        }
        Err(stop) => (0, Ended::Failed(Answer::stopped(stop))),
    };
    let beyond = attempts.beyond.take();
    // What was at hand and not taken moved to `beyond` if the body was streamed.
    let taken = if beyond.is_some() { head.len() } else { head_bytes + taken };
    record.bytes_in = upload.body.content_bytes();
    let is_sent = upload.body.is_over();
    let target = Some(&plan.canonical);
    let next = conclude(&asking, &mut record, ended, is_sent, target).await;
    Left { next, taken, beyond }
}

/// Closes the books, with an answer of our own where the endpoint's did not come.
async fn conclude(
    asking: &Asking<'_>,
    record: &mut Record<'_>,
    ended: Ended,
    is_sent: bool,
    target: Option<&Canonical<'_>>,
) -> Next {
    match ended {
        Ended::Done { client_reusable } => {
            record.finish(asking, Ending::Answered(record.status), target);
            match (is_sent, client_reusable) {
                (true, true) => Next::Again,
                (true, false) => Next::Close,
                (false, _) => Next::Linger,
            }
        }
        Ended::Upgraded(tunnel) => {
            record.finish(asking, Ending::Answered(record.status), target);
            Next::Tunnel(tunnel)
        }
        Ended::Cut { by_client, must_reset } => {
            if must_reset {
                asking.connection.stream.reset_on_close();
            }
            let ending = if by_client { Ending::Aborted } else { Ending::Answered(record.status) };
            record.finish(asking, ending, target);
            Next::Close
        }
        Ended::Failed(answer) if answer.is_to_nobody() => {
            record.finish(asking, Ending::Aborted, target);
            Next::Close
        }
        Ended::Failed(answer) => refuse(asking, &answer, record, is_sent, target).await,
    }
}

/// Answers with `answer`; `is_sent` says that the whole request was read.
async fn refuse(
    asking: &Asking<'_>,
    answer: &Answer,
    record: &mut Record<'_>,
    is_sent: bool,
    target: Option<&Canonical<'_>>,
) -> Next {
    let connection = asking.connection;
    let keeps = is_sent
        && asking.request.keep_alive
        && !answer.closes()
        && !connection.core.is_draining.get();
    let mut out = Vec::new();
    refuse::write(&mut out, answer, asking, record, keeps);
    let is_written = write_answer(connection, &out).await;
    let ending = if is_written { Ending::Answered(answer.status()) } else { Ending::Aborted };
    record.finish(asking, ending, target);
    if keeps && is_written { Next::Again } else { Next::Linger }
}

/// Reads until the head is whole.
async fn read_head(
    connection: &Connection,
    workspace: &mut Workspace,
    view: &View,
    limits: &Limits,
) -> Result<(), NoHead> {
    let Workspace { client, request, .. } = workspace;
    let capacity_max = (limits.head_bytes_max as usize + 1).max(BUFFER_BYTES);
    let mut has_deadline = false;
    loop {
        if !client.is_empty() {
            match request.parse(client.filled(), limits) {
                Ok(Progress::Complete) => return Ok(()),
                Ok(Progress::Partial) => {}
                Err(malformed) => return Err(NoHead::Malformed(malformed)),
            }
            if !has_deadline {
                // From the first byte of the head, not from the last one that came.
                has_deadline = true;
                connection.deadline.set(view.snapshot.policy.limits.head_timeout);
            }
        }
        if !client.make_room(capacity_max) {
            let reason = "the request's head is too long";
            return Err(NoHead::Malformed(Malformed { status: 431, reason, at: 0 }));
        }
        let spare = client.spare();
        let read = poll_fn(|cx| match connection.stream.poll_read(cx, spare) {
            Poll::Ready(Ok(bytes)) if bytes > 0 => Poll::Ready(Ok(bytes)),
            Poll::Ready(_) => Poll::Ready(Err(NoHead::Closed)),
            Poll::Pending => connection.deadline.poll_expired(cx).map(|()| Err(NoHead::Slow)),
        });
        let bytes = match read.await {
            // Nobody is there to tell that a request that never began was slow.
            Err(NoHead::Slow) if client.is_empty() => return Err(NoHead::Closed),
            read => read?,
        };
        client.fill(bytes);
    }
}

/// Answers what is no request, and ends the connection: where the next one begins is not known.
async fn refuse_head(
    connection: &Connection,
    workspace: &mut Workspace,
    view: &View,
    answer: &Answer,
) -> Next {
    // The head's spans are not to be trusted after a failed parse.
    workspace.request = http1::RequestHead::new();
    let asking =
        Asking { connection, view, request: &workspace.request, head: &[], started: clock::now() };
    let mut record = Record::new(&asking);
    refuse(&asking, answer, &mut record, false, None).await
}

/// Writes the answer to the client; false when it is gone or does not read.
async fn write_answer(connection: &Connection, mut rest: &[u8]) -> bool {
    connection.deadline.set(ANSWER_PATIENCE);
    while !rest.is_empty() {
        let written = poll_fn(|cx| match connection.stream.poll_write(cx, rest) {
            Poll::Ready(written) => Poll::Ready(written.ok()),
            Poll::Pending => connection.deadline.poll_expired(cx).map(|()| None),
        });
        let Some(written) = written.await else { return false };
        rest = rest.get(written..).unwrap_or_default();
    }
    true
}

fn request_limits(view: &View) -> Limits {
    let limits = &view.snapshot.policy.limits;
    Limits {
        head_bytes_max: limits.head_bytes_max,
        field_count_max: limits.field_count_max,
        target_bytes_max: limits.target_bytes_max,
        trailer_bytes_max: limits.trailer_bytes_max,
        ..Limits::default()
    }
}

fn patience(policy: &RoutePolicy, view: &View) -> Patience {
    let limits = &view.snapshot.policy.limits;
    Patience {
        connect: policy.connect_timeout,
        response_head: policy.response_header_timeout,
        total: policy.total_timeout.unwrap_or_default(),
        body_rate_min: u64::from(limits.body_rate_min),
        body_rate_window: limits.body_rate_grace,
        client_stall: policy.idle_timeout,
        upstream_stall: policy.idle_timeout,
    }
}

/// Microseconds between two readings.
pub(crate) fn micros(from: Moment, to: Moment) -> u64 {
    u64::try_from((to - from).as_micros()).unwrap_or(u64::MAX)
}
