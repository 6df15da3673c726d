//! What a step leaves behind: actions in order, and chance as an input.

use std::time::Duration;

use model::{ReplicaId, ServiceName};

use crate::{Action, Note, NoteKind, Severity};

/// Collects a step's actions and hands out its random bits.
pub(crate) struct Effects<'a> {
    actions: Vec<Action>,
    chance: &'a mut u64,
}

impl<'a> Effects<'a> {
    pub(crate) fn new(chance: &'a mut u64) -> Self {
        Self { actions: Vec::new(), chance }
    }

    pub(crate) fn act(&mut self, action: Action) {
        self.actions.push(action);
    }

    pub(crate) fn note(&mut self, id: &ReplicaId, kind: NoteKind, how: Severity, message: String) {
        self.act(Action::Note(Note {
            service: id.service.clone(),
            replica: Some(id.number),
            kind,
            severity: how,
            message,
        }));
    }

    pub(crate) fn say(&mut self, name: &ServiceName, kind: NoteKind, how: Severity, text: String) {
        self.act(Action::Note(Note {
            service: name.clone(),
            replica: None,
            kind,
            severity: how,
            message: text,
        }));
    }

    /// `duration` ± a quarter, so that replicas that died together do not start together.
    pub(crate) fn jitter(&mut self, duration: Duration) -> Duration {
        // SplitMix64 (Steele, Lea, Flood 2014): small, seedable, good enough to spread restarts.
        *self.chance = self.chance.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = *self.chance;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let thousandths = u32::try_from((bits >> 32) % 501).unwrap_or(0) + 750;
        duration.saturating_mul(thousandths) / 1_000
    }

    pub(crate) fn finish(self) -> Vec<Action> {
        self.actions
    }
}
