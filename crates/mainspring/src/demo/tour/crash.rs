//! The step in which Mainspring itself is killed.

use std::thread;
use std::time::Instant;

use super::Tour;
use super::ledger::Row;
use super::load::Record;
use super::node::{self, all_ready};
use super::report::{StepReport, millis};
use super::steps::{CALM, open_again};
use crate::demo::client::Ending;

/// `kill -9` to the node, and a new start: the programs never notice, but for the calls that went
/// through the node.
pub(super) fn step(tour: &mut Tour<'_>) -> StepReport {
    let mut step = StepReport::new("kill -9 Mainspring and restart it");
    let from = Instant::now();
    thread::sleep(CALM);
    let before = match tour.node.programs() {
        Ok(programs) => programs,
        Err(why) => {
            step.complain(why);
            return step;
        }
    };
    tour.node.orphans.clone_from(&before);
    let struck = Instant::now();
    let killed = node::signal(tour.node.pid(), "KILL").and_then(|()| tour.node.ended());
    step.check(killed.map(|_| ()));
    let dead = Instant::now();
    let started = tour.node.up().and_then(|()| tour.node.wait("all is ready again", all_ready));
    if !step.check(started) {
        step.complain(format!("Mainspring said: {}", tour.node.last_words()));
        step.can_go_on = false;
        return step;
    }
    let after = tour.node.programs().unwrap_or_default();
    let kept = before.iter().filter(|process| after.contains(process)).count();
    if after != before {
        let (had, has) = (before.len(), after.len());
        step.complain(format!("{kept} of {had} programs were kept, {has} run now"));
    }
    tour.node.orphans.clear();
    thread::sleep(CALM);
    // Open again: from the first request of each kind that was answered as ever.
    let Some(open) = open_again(&tour.load, dead) else {
        step.complain("nothing is answered after the new start");
        return step;
    };
    step.recovery_ms = Some(millis(open.saturating_duration_since(struck)));
    step.detail = format!("{kept} of {} programs ran on", before.len());
    // While there is no node there is no door, and what it held in its hands is lost.
    let excuse = |record: &Record, _: Option<&Row>| {
        let lost = match &record.ending {
            Ending::NotConnected | Ending::Broken(_) => true,
            Ending::Answered(answer) => matches!(answer.status, 502 | 503) && record.begun > dead,
            Ending::TimedOut => false,
        };
        lost && record.overlaps(struck, open)
    };
    tour.finish(&mut step, from, excuse);
    step
}
