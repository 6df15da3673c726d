//! The rules by which requests are judged, orders against what the shop stored.

use super::ledger::{Ledger, Row};
use super::load::{Kind, Record};
use super::report::{StepReport, millis};
use crate::demo::client::Ending;

/// Puts the figures of `records` into `step`, and a complaint for everything that must not be.
/// `excuse` tells which failed requests may fail, by how they ended and by their row.
pub(super) fn judge(
    step: &mut StepReport,
    records: &[Record],
    ledger: &Ledger,
    excuse: impl Fn(&Record, Option<&Row>) -> bool,
) {
    if records.is_empty() {
        step.complain("no request was sent: nothing was tried");
    }
    for record in records {
        step.requests += 1;
        if record.kind == Kind::Order {
            step.orders += 1;
        }
        if record.ending.status().is_some() {
            let took = millis(record.ended.saturating_duration_since(record.begun));
            step.slowest_ms = step.slowest_ms.max(took);
        }
        if record.is_good() {
            continue;
        }
        let row = record.reference.as_ref().and_then(|reference| ledger.get(reference));
        if excuse(record, row) {
            step.excused += 1;
        } else {
            step.failures += 1;
            let ending = record.ending.describe();
            step.complain(format!("a request that must not fail did: {:?}: {ending}", record.kind));
        }
    }
    for record in records {
        if let Some(complaint) = compare(record, ledger) {
            step.complain(complaint);
        }
    }
}

/// What is wrong between the answer to an order and its row.
fn compare(record: &Record, ledger: &Ledger) -> Option<String> {
    let reference = record.reference.as_ref()?;
    let row = ledger.get(reference);
    if record.is_good() {
        let Some(row) = row else {
            return Some(format!("the order {reference} was answered as paid and is not stored"));
        };
        let right = row.status == "paid" && row.charged;
        let once = row.arrivals == 1 && row.charge_requests == 1;
        return (!right || !once)
            .then(|| format!("the order {reference} was answered as paid once, stored: {row:?}"));
    }
    let row = row?;
    if record.ending == Ending::NotConnected {
        return Some(format!("the order {reference} was never sent and is stored: {row:?}"));
    }
    let once = row.arrivals <= 1 && row.charge_requests <= 1;
    (!once).then(|| format!("the order {reference} failed and was executed twice: {row:?}"))
}

/// What is wrong with the whole ledger at the end: orders without an end, or that nobody placed.
pub(super) fn unsettled(ledger: &Ledger) -> usize {
    let open = |status: &str| matches!(status, "placing" | "pending" | "refunding");
    ledger.values().filter(|row| open(&row.status)).count()
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    fn order(reference: &str, ending: Ending) -> Record {
        let now = Instant::now();
        let reference = Some(reference.to_owned());
        Record { kind: Kind::Order, reference, begun: now, ended: now, ending }
    }

    fn row(reference: &str, status: &str, arrivals: u32) -> (String, Row) {
        let row = Row {
            reference: reference.into(),
            status: status.into(),
            replica: "orders.1".into(),
            arrivals,
            charge_requests: 1,
            charged: status == "paid",
        };
        (reference.into(), row)
    }

    fn judged(record: Record, ledger: &[(String, Row)], excused: bool) -> StepReport {
        let mut step = StepReport::new("test");
        let ledger = ledger.iter().cloned().collect();
        judge(&mut step, &[record], &ledger, |_, _| excused);
        step
    }

    #[test]
    fn failures_count_unless_excused() {
        let step = judged(order("a", Ending::TimedOut), &[], false);
        assert_eq!((step.held, step.failures, step.excused, step.orders), (false, 1, 0, 1));
        let step = judged(order("a", Ending::TimedOut), &[], true);
        assert_eq!((step.held, step.failures, step.excused), (true, 0, 1));
    }

    #[test]
    fn an_excuse_does_not_cover_a_double_execution() {
        let broken = || order("a", Ending::Broken("reset".into()));
        assert!(judged(broken(), &[row("a", "paid", 1)], true).held);
        assert!(!judged(broken(), &[row("a", "paid", 2)], true).held);
    }

    #[test]
    fn what_was_never_sent_is_not_stored() {
        assert!(judged(order("a", Ending::NotConnected), &[], true).held);
        assert!(!judged(order("a", Ending::NotConnected), &[row("a", "failed", 1)], true).held);
    }

    #[test]
    fn no_requests_are_no_proof() {
        let mut step = StepReport::new("test");
        judge(&mut step, &[], &Ledger::new(), |_, _| true);
        assert!(!step.held);
    }

    #[test]
    fn open_orders_are_counted() {
        let ledger = [row("a", "paid", 1), row("b", "pending", 1), row("c", "placing", 1)];
        assert_eq!(unsettled(&ledger.into_iter().collect()), 2);
    }
}
