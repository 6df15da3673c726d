//! Server-sent events: the live picture with the events, and logs that follow.

use std::sync::Arc;
use std::time::Duration;

use runtime::http::{BoxFuture, Bytes, ChunkSource};
use runtime::sync::{OwnedSemaphorePermit, select, watch};
use runtime::time::timeout;
use serde::Serialize;

use crate::api::{Event, LogLine};
use crate::node::Feed;

/// A stream without news says this often that it is alive, so that proxies keep it.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// How long a browser waits before it connects again, in milliseconds.
const RETRY: &str = "retry: 2000\n\n";

/// The newest [`crate::api::Live`] as JSON; `None` before the first.
pub(crate) type Picture = Option<Arc<str>>;

/// `/live/stream`.
pub(crate) struct LiveSource {
    pictures: watch::Receiver<Picture>,
    events: Feed<Event>,
    /// The feed has ended; pictures go on.
    events_over: bool,
    greeted: bool,
    _place: OwnedSemaphorePermit,
}

/// `/logs/stream`.
pub(crate) struct LogSource {
    lines: Feed<LogLine>,
    greeted: bool,
    _place: OwnedSemaphorePermit,
}

impl LiveSource {
    pub(crate) fn new(
        mut pictures: watch::Receiver<Picture>,
        events: Feed<Event>,
        place: OwnedSemaphorePermit,
    ) -> Self {
        // The newest picture is news to this reader.
        pictures.mark_changed();
        Self { pictures, events, events_over: false, greeted: false, _place: place }
    }

    async fn news(&mut self) -> Option<Bytes> {
        if !std::mem::replace(&mut self.greeted, true) {
            return Some(Bytes::from_static(RETRY.as_bytes()));
        }
        loop {
            select! {
                event = self.events.next(), if !self.events_over => match event {
                    Some(event) => return Some(message("event", Some(event.id), &event)),
                    None => self.events_over = true,
                },
                changed = self.pictures.changed() => {
                    changed.ok()?;
                    let picture = self.pictures.borrow_and_update().clone();
                    if let Some(picture) = picture {
                        return Some(format!("event: live\ndata: {picture}\n\n").into());
                    }
                }
            }
        }
    }
}

impl LogSource {
    pub(crate) fn new(lines: Feed<LogLine>, place: OwnedSemaphorePermit) -> Self {
        Self { lines, greeted: false, _place: place }
    }

    async fn news(&mut self) -> Option<Bytes> {
        if !std::mem::replace(&mut self.greeted, true) {
            return Some(Bytes::from_static(RETRY.as_bytes()));
        }
        match timeout(HEARTBEAT, self.lines.next()).await {
            Ok(line) => Some(message("line", None, &line?)),
            Err(_) => Some(Bytes::from_static(b": nothing new\n\n")),
        }
    }
}

impl ChunkSource for LiveSource {
    fn next(&mut self) -> BoxFuture<'_, Option<Bytes>> {
        Box::pin(self.news())
    }
}

impl ChunkSource for LogSource {
    fn next(&mut self) -> BoxFuture<'_, Option<Bytes>> {
        Box::pin(self.news())
    }
}

/// JSON has no line breaks of its own, so one `data` line is enough.
fn message<T: Serialize>(kind: &str, id: Option<u64>, body: &T) -> Bytes {
    let id = id.map(|id| format!("id: {id}\n")).unwrap_or_default();
    let json = serde_json::to_string(body).unwrap_or_default();
    format!("{id}event: {kind}\ndata: {json}\n\n").into()
}
