//! `mainspring demo --tour`: every promise of the ground floor, put to the test without a person.
//!
//! A separate `mainspring up` is driven as a user would drive it, while requests arrive at a
//! constant rate (`load`). After each step all requests of that step are judged, orders against the
//! rows that the shop stored (`ledger`, `judge`). `steps` has the steps, `node` the process.

mod crash;
mod judge;
mod ledger;
mod load;
mod node;
mod reload;
mod report;
mod steps;

use std::time::Instant;

use super::Voice;
use super::place::Place;
use load::Load;
use node::Node;
use report::{Report, StepReport};

/// What the steps share.
struct Tour<'a> {
    place: &'a Place,
    node: Node<'a>,
    load: Load,
    began: Instant,
}

/// Takes the tour. `false`: a promise did not hold.
///
/// # Errors
/// What kept the tour from being taken at all.
pub(super) fn run(place: &Place, json: bool, voice: Voice<'_>) -> Result<bool, String> {
    let begun = Instant::now();
    let mut report = Report::default();
    let say = |step: &StepReport| {
        if !json {
            (voice.line)(&step.show());
        }
    };
    let (node, first) = steps::start(place)?;
    say(&first);
    report.steps.push(first);
    let load = Load::start(place.http);
    let mut tour = Tour { place, node, load, began: begun };
    for step in steps::ALL {
        let outcome = step(&mut tour);
        let over = !outcome.can_go_on;
        say(&outcome);
        report.steps.push(outcome);
        if over {
            break;
        }
    }
    let last = steps::stop(tour);
    say(&last);
    report.steps.push(last);
    report.took_ms = report::millis(begun.elapsed());
    (voice.line)(&if json { report.json() } else { report.summary() });
    Ok(report.held())
}
