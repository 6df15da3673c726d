//! The book-keeping of a rollout: when it is over, when it has failed, how it goes back.

use std::sync::Arc;
use std::time::Duration;

use model::Moment;

use crate::effects::Effects;
use crate::replica::Phase;
use crate::service::{Revision, Service};
use crate::vocabulary::words;
use crate::{Action, DeployPolicy, Exit, NoteKind, Outcome, RolloutView, ServiceSpec, Severity};

#[derive(Debug)]
pub(crate) struct Rollout {
    /// The version that was asked for, under which the outcome is reported.
    pub(crate) version: u64,
    /// When it last got further.
    pub(crate) progress: Moment,
    /// New replicas that died.
    deaths: u32,
    /// The highest number of a replica that was seen ready, so that flapping is no progress.
    newest_ready: u32,
    /// Why it goes back.
    rolling_back: Option<String>,
}

impl Rollout {
    pub(crate) fn new(version: u64, now: Moment) -> Self {
        Self { version, progress: now, deaths: 0, newest_ready: 0, rolling_back: None }
    }

    pub(crate) fn saw_ready(&mut self, now: Moment, number: u32) {
        if number > self.newest_ready {
            self.newest_ready = number;
            self.progress = now;
        }
    }
}

impl Service {
    /// Makes `spec` the current version; returns the number of it.
    pub(crate) fn begin_rollout(
        &mut self,
        now: Moment,
        spec: Arc<ServiceSpec>,
        why: &str,
        fx: &mut Effects,
    ) -> u64 {
        self.cancel_rollout(why, fx);
        self.last_version += 1;
        self.current = Revision { version: self.last_version, spec };
        self.last_failure = None;
        self.rollout = Some(Rollout::new(self.last_version, now));
        let message = format!("version {} is being brought up: {why}", self.last_version);
        fx.say(&self.name, NoteKind::Deploy, Severity::Info, message);
        self.last_version
    }

    pub(crate) fn cancel_rollout(&mut self, why: &str, fx: &mut Effects) {
        if self.rollout.is_some() {
            self.end_rollout(Outcome::Cancelled { why: why.to_owned() }, fx);
        }
    }

    pub(crate) fn is_rolling_back(&self) -> bool {
        self.rollout.as_ref().is_some_and(|rollout| rollout.rolling_back.is_some())
    }

    /// A replica of the version being brought up died.
    pub(crate) fn rollout_lost_one(&mut self, now: Moment, exit: &Exit, fx: &mut Effects) {
        let fails = self.fails_after(exit);
        let Some(rollout) = &mut self.rollout else { return };
        rollout.deaths = rollout.deaths.saturating_add(1);
        if fails {
            let why = match rollout.deaths {
                1 => format!("a new replica died: {exit}"),
                deaths => format!("{deaths} new replicas died, the last one: {exit}"),
            };
            self.fail_rollout(now, why, fx);
        }
    }

    /// Whether one more death of the version being brought up is one too many.
    fn fails_after(&self, exit: &Exit) -> bool {
        let Some(rollout) = &self.rollout else { return false };
        // A program that cannot be started at all will not be startable a moment later.
        let hopeless = matches!(exit, Exit::NotStarted { .. });
        let enough = rollout.deaths.saturating_add(1) >= self.policy().attempts;
        rollout.rolling_back.is_none() && (hopeless || enough)
    }

    /// Whether that death sends the service back to the version before.
    pub(crate) fn turns_back_after(&self, exit: &Exit) -> bool {
        self.good_proven && self.fails_after(exit)
    }

    /// Ends the rollout when it is complete, turns it back when its time is up.
    pub(crate) fn check_rollout(&mut self, now: Moment, fx: &mut Effects) {
        if self.rollout.is_none() {
            return;
        }
        let complete = self.current_ready() >= self.wanted_now()
            && self.count(|r| r.version != self.current.version && r.phase.exists()) == 0;
        if complete {
            let back = self.rollout.as_ref().and_then(|rollout| rollout.rolling_back.clone());
            let outcome = match back {
                Some(why) => Outcome::RolledBack { why },
                None => {
                    self.good = self.current.clone();
                    self.good_proven = true;
                    Outcome::Done
                }
            };
            self.end_rollout(outcome, fx);
            return;
        }
        if self.only_drains()
            && let Some(rollout) = &mut self.rollout
        {
            rollout.progress = now; // Waiting for people's requests is not the new one's fault.
        }
        if self.rollout_deadline().is_some_and(|deadline| now >= deadline) {
            let deadline = words(self.policy().deadline);
            let (ready, wanted) = (self.current_ready(), self.wanted_now());
            let said = self.last_word();
            let why = format!("{ready} of {wanted} replicas were ready after {deadline}{said}");
            self.fail_rollout(now, why, fx);
        }
    }

    /// When the rollout has failed unless it gets further before.
    pub(crate) fn rollout_deadline(&self) -> Option<Moment> {
        let rollout = self.rollout.as_ref()?;
        (!self.only_drains()).then(|| rollout.progress + self.policy().deadline)
    }

    pub(crate) fn rollout_view(&self) -> Option<RolloutView> {
        let rollout = self.rollout.as_ref()?;
        let (ready, wanted) = (self.current_ready(), self.wanted_now());
        let step = if ready < wanted && !self.only_drains() {
            format!("waits for {} more replicas to be ready", wanted - ready)
        } else {
            "waits for old replicas to finish their requests and stop".to_owned()
        };
        let rolling_back = rollout.rolling_back.clone();
        Some(RolloutView { version: rollout.version, ready, wanted, rolling_back, step })
    }

    fn fail_rollout(&mut self, now: Moment, why: String, fx: &mut Effects) {
        let Some(rollout) = &mut self.rollout else { return };
        if let Some(first) = &rollout.rolling_back {
            let why = format!("{first}; and the version before is not healthy either: {why}");
            self.end_rollout(Outcome::RolledBack { why }, fx);
        } else if self.good_proven {
            let message = format!("going back to version {}: {why}", self.good.version);
            fx.say(&self.name, NoteKind::Deploy, Severity::Error, message);
            rollout.rolling_back = Some(why);
            rollout.progress = now;
            self.current = self.good.clone();
        } else {
            self.good = self.current.clone();
            self.end_rollout(Outcome::Failed { why }, fx);
        }
    }

    fn end_rollout(&mut self, outcome: Outcome, fx: &mut Effects) {
        let Some(rollout) = self.rollout.take() else { return };
        let severity = match &outcome {
            Outcome::Done => Severity::Info,
            Outcome::Cancelled { .. } => Severity::Warning,
            Outcome::RolledBack { why } | Outcome::Failed { why } => {
                self.last_failure = Some(why.clone());
                Severity::Error
            }
        };
        let message = format!("version {}: {outcome}", rollout.version);
        fx.say(&self.name, NoteKind::Deploy, severity, message);
        let service = self.name.clone();
        fx.act(Action::RolloutOver { service, version: rollout.version, outcome });
    }

    fn current_ready(&self) -> u32 {
        self.count(|r| r.version == self.current.version && r.phase == Phase::Ready)
    }

    /// Nothing new is on its way up; old replicas still finish requests.
    fn only_drains(&self) -> bool {
        let rising = |phase: Phase| phase.is_live() && phase != Phase::Ready;
        self.count(|r| r.phase.is_retiring()) > 0
            && self.count(|r| r.version == self.current.version && rising(r.phase)) == 0
    }

    /// What the last failing check of a new replica said.
    fn last_word(&self) -> String {
        let failing = |r: &&crate::replica::Replica| {
            r.version == self.current.version && r.phase != Phase::Ready
        };
        match self.replicas.values().rev().find(failing) {
            Some(replica) if !replica.check_detail.is_empty() => {
                format!("; the last check said: {}", replica.check_detail)
            }
            Some(_) | None => String::new(),
        }
    }

    fn policy(&self) -> DeployPolicy {
        let patient = DeployPolicy { deadline: Duration::MAX, ..DeployPolicy::default() };
        self.program().map_or(patient, |program| program.deploy)
    }
}
