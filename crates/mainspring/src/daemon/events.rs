//! What happened on this node: the fleet's events and the node's own in one numbered list.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use console::Follow;
use console::api::{Event, EventKind, EventSeverity};
use orchestrator::{NoteKind, Severity};
use runtime::sync::broadcast;

/// Events kept for those who ask later; the oldest go first.
const EVENTS_MAX: usize = 2_000;

/// Events that a slow follower may lag behind before it misses the oldest.
const LAG_MAX: usize = 1_024;

/// The list. Cheap to clone.
#[derive(Clone)]
pub(super) struct EventLog {
    kept: Arc<Mutex<Kept>>,
    follow: broadcast::Sender<Event>,
}

#[derive(Default)]
struct Kept {
    last_id: u64,
    events: VecDeque<Event>,
}

/// Kept events first, then each as it happens.
pub(super) struct FollowEvents {
    kept: VecDeque<Event>,
    next: broadcast::Receiver<Event>,
}

impl EventLog {
    /// An empty list.
    pub(super) fn new() -> Self {
        Self { kept: Arc::default(), follow: broadcast::channel(LAG_MAX).0 }
    }

    /// Something happened to the node or its config.
    pub(super) fn note(&self, kind: EventKind, severity: EventSeverity, message: String) {
        let time_unix_ms = runtime::clock::unix_millis();
        let (service, replica) = (None, None);
        self.add(Event { id: 0, time_unix_ms, kind, severity, service, replica, message });
    }

    /// Something happened to a service.
    pub(super) fn add_fleet(&self, event: &fleet::Event) {
        self.add(Event {
            id: 0,
            time_unix_ms: event.time_unix_ms,
            kind: kind(event.kind),
            severity: severity(event.severity),
            service: Some(event.service.to_string()),
            replica: event.replica.as_ref().map(ToString::to_string),
            message: event.message.clone(),
        });
    }

    /// The newest `limit` events with an id above `after`, oldest first.
    pub(super) fn newest(&self, after: u64, limit: usize) -> Vec<Event> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let wanted = kept.events.iter().filter(|event| event.id > after).count();
        let skip = wanted.saturating_sub(limit);
        kept.events.iter().filter(|event| event.id > after).skip(skip).cloned().collect()
    }

    /// Kept events with an id above `after`, then those to come; none missing or double between.
    pub(super) fn follow(&self, after: u64) -> FollowEvents {
        // Subscribed under the lock under which events are sent.
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let next = self.follow.subscribe();
        let kept = kept.events.iter().filter(|event| event.id > after).cloned().collect();
        FollowEvents { kept, next }
    }

    fn add(&self, mut event: Event) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.last_id += 1;
        event.id = kept.last_id;
        if kept.events.len() == EVENTS_MAX {
            kept.events.pop_front();
        }
        kept.events.push_back(event.clone());
        let _ = self.follow.send(event); // Nobody follows: fine.
    }
}

impl Follow<Event> for FollowEvents {
    fn next(&mut self) -> Pin<Box<dyn Future<Output = Option<Event>> + Send + '_>> {
        Box::pin(async {
            if let Some(event) = self.kept.pop_front() {
                return Some(event);
            }
            loop {
                match self.next.recv().await {
                    Ok(event) => return Some(event),
                    Err(broadcast::error::RecvError::Lagged(_)) => {}
                    Err(broadcast::error::RecvError::Closed) => return None,
                }
            }
        })
    }
}

fn kind(kind: NoteKind) -> EventKind {
    match kind {
        NoteKind::Started => EventKind::Started,
        NoteKind::Ready => EventKind::Ready,
        NoteKind::Unhealthy => EventKind::Unhealthy,
        NoteKind::Died => EventKind::Died,
        NoteKind::Stopped => EventKind::Stopped,
        NoteKind::Deploy => EventKind::Deploy,
        NoteKind::Scale => EventKind::Scale,
        NoteKind::Config => EventKind::Config,
    }
}

fn severity(severity: Severity) -> EventSeverity {
    match severity {
        Severity::Info => EventSeverity::Info,
        Severity::Warning => EventSeverity::Warning,
        Severity::Error => EventSeverity::Error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(log: &EventLog, message: &str) {
        log.note(EventKind::Node, EventSeverity::Info, message.to_owned());
    }

    #[test]
    fn the_oldest_events_go_when_there_are_too_many() {
        let log = EventLog::new();
        for number in 0..=EVENTS_MAX {
            note(&log, &number.to_string());
        }
        let all = log.newest(0, usize::MAX);
        assert_eq!((all.len(), all[0].id), (EVENTS_MAX, 2));
        assert_eq!(log.newest(0, 1)[0].id, EVENTS_MAX as u64 + 1);
        assert!(log.newest(EVENTS_MAX as u64 + 1, 10).is_empty());
    }

    #[test]
    fn a_follower_sees_old_and_new_events_once_each() {
        let log = EventLog::new();
        note(&log, "one");
        note(&log, "two");
        let mut follow = log.follow(1);
        note(&log, "three");
        let seen = runtime::control::block_on(async {
            [follow.next().await, follow.next().await].map(|event| event.unwrap().message)
        });
        assert_eq!(seen.unwrap(), ["two", "three"]);
    }
}
