//! The steps of the tour, in their order.

use std::collections::BTreeSet;
use std::thread;
use std::time::{Duration, Instant};

use super::judge::{judge, unsettled};
use super::ledger::{self, Row};
use super::load::{self, Kind, Load, Record};
use super::node::{self, Node, all_ready};
use super::report::{StepReport, millis};
use super::{Tour, crash, reload};
use crate::demo::client::{self, Ending};
use crate::demo::place::{Place, Release};
use crate::demo::visitors;

/// Traffic before and after each blow, which must be as good as ever.
pub(super) const CALM: Duration = Duration::from_millis(700);
/// Whose replicas are killed. No request to any but orders may fail at all: what others do can be
/// asked for again.
const KILLED: [&str; 5] = ["orders", "storefront", "orders", "catalogue", "orders"];
/// Questions that find out which version answers.
const SAMPLES: u32 = 12;

/// A card that is always declined.
const DECLINED_CARD: &str = "4000000000000002";

/// One step.
pub(super) type Step = fn(&mut Tour<'_>) -> StepReport;

/// All steps between start and stop.
pub(super) const ALL: &[Step] =
    &[orders, kill, hang, deploy, deploy_broken, scale, reload::step, crash::step, settled];

/// Starts the node.
///
/// # Errors
/// It does not come up: then there is nothing to tour.
pub(super) fn start(place: &Place) -> Result<(Node<'_>, StepReport), String> {
    let mut step = StepReport::new("start the shop");
    let begun = Instant::now();
    let mut node = Node::new(place)?;
    node.up()?;
    let ready = node.wait("every program is ready", all_ready);
    ready.map_err(|why| format!("{why}; Mainspring said: {}", node.last_words()))?;
    step.detail =
        format!("{} programs ready in {} ms", node.programs()?.len(), millis(begun.elapsed()));
    Ok((node, step))
}

/// Nothing special: orders are placed and stored.
fn orders(tour: &mut Tour<'_>) -> StepReport {
    let mut step = StepReport::new("place orders");
    let from = Instant::now();
    let declined = visitors::reference();
    let text = load::order(&declined, DECLINED_CARD).to_string();
    let answer = client::call(tour.place.http, "POST", "/api/orders", Some(&text));
    if answer.status() != Some(402) {
        step.complain(format!("a declined card: {}, not status 402", answer.describe()));
    }
    thread::sleep(3 * CALM);
    tour.finish(&mut step, from, |_, _| false);
    step
}

/// SIGKILL to replicas, one after the other.
fn kill(tour: &mut Tour<'_>) -> StepReport {
    let mut step = StepReport::new("kill -9 programs");
    let from = Instant::now();
    let mut blows = Vec::new();
    for service in KILLED {
        thread::sleep(CALM);
        let Some(blow) = tour.strike(&mut step, service, "KILL") else { break };
        blows.push(blow);
    }
    step.recovery_ms = blows.iter().map(|blow| millis(blow.back - blow.struck)).max();
    step.detail = format!("killed {}", KILLED.join(", "));
    tour.finish(&mut step, from, |record, row| {
        blows.iter().any(|blow| blow.excuses(record, row, &[502]))
    });
    step
}

/// SIGSTOP: the replica hangs, with its connections open. The node has to find out.
fn hang(tour: &mut Tour<'_>) -> StepReport {
    let mut step = StepReport::new("hang a program (kill -STOP)");
    let from = Instant::now();
    thread::sleep(CALM);
    let Some(blow) = tour.strike(&mut step, "orders", "STOP") else { return step };
    step.recovery_ms = Some(millis(blow.back - blow.struck));
    step.detail = format!("found and killed after {} ms", millis(blow.dead - blow.struck));
    tour.finish(&mut step, from, |record, row| blow.excuses(record, row, &[502, 504]));
    step
}

/// One replica that was killed or hung, and when.
struct Blow {
    service: &'static str,
    replica: String,
    struck: Instant,
    dead: Instant,
    back: Instant,
}

impl Blow {
    /// Only orders in the hands of the victim may fail, with a status that says so. An order that
    /// another replica stored was not in its hands.
    fn excuses(&self, record: &Record, row: Option<&Row>, statuses: &[u16]) -> bool {
        self.service == "orders"
            && record.kind == Kind::Order
            && record.overlaps(self.struck, self.dead)
            && record.ending.status().is_some_and(|status| statuses.contains(&status))
            && row.is_none_or(|row| row.replica == self.replica)
    }
}

/// A new version takes over.
fn deploy(tour: &mut Tour<'_>) -> StepReport {
    let mut step = StepReport::new("deploy a new version");
    let from = Instant::now();
    thread::sleep(CALM);
    let before = tour.pids(&mut step);
    let begun = Instant::now();
    let written = tour.place.release("orders", Release { version: "v2", broken: false });
    step.check(written);
    let deployed = tour.node.expect(&["deploy", "orders"], 0);
    step.check(deployed.map(|_| ()));
    step.detail = format!("took {} ms", millis(begun.elapsed()));
    tour.expect_version(&mut step, "v2");
    let after = tour.pids(&mut step);
    if after.len() != 2 || after.intersection(&before).count() > 0 {
        step.complain(format!("processes before {before:?}, after {after:?}"));
    }
    tour.finish(&mut step, from, |_, _| false);
    step
}

/// A version that never gets healthy: it is taken back, and the old one never stopped answering.
fn deploy_broken(tour: &mut Tour<'_>) -> StepReport {
    let mut step = StepReport::new("deploy a broken version");
    let from = Instant::now();
    let before = tour.pids(&mut step);
    let begun = Instant::now();
    let written = tour.place.release("orders", Release { version: "v3", broken: true });
    step.check(written);
    let refused = tour.node.expect(&["deploy", "orders"], 1);
    step.check(refused.map(|_| ()));
    step.detail = format!("taken back by itself after {} ms", millis(begun.elapsed()));
    // A replica that dies later starts from this file.
    let written = tour.place.release("orders", Release { version: "v2", broken: false });
    step.check(written);
    tour.expect_version(&mut step, "v2");
    let after = tour.pids(&mut step);
    if after != before {
        step.complain(format!("processes before {before:?}, after {after:?}"));
    }
    tour.finish(&mut step, from, |_, _| false);
    step
}

/// Up to four replicas and down to two.
fn scale(tour: &mut Tour<'_>) -> StepReport {
    let mut step = StepReport::new("scale up and down");
    let from = Instant::now();
    let begun = Instant::now();
    let scaled = tour.node.expect(&["scale", "orders=4"], 0).and_then(|_| {
        tour.node.wait("four replicas are ready", |s| node::ready(s, "orders").len() == 4)
    });
    step.check(scaled);
    let up = millis(begun.elapsed());
    thread::sleep(3 * CALM);
    let took: BTreeSet<String> = tour.ready_names();
    let begun = Instant::now();
    let scaled = tour.node.expect(&["scale", "orders=2"], 0).and_then(|_| {
        tour.node.wait("two replicas are left", |status| {
            let orders = status.services.iter().find(|service| service.name == "orders");
            node::ready(status, "orders").len() == 2
                && orders.is_some_and(|orders| orders.replicas.len() == 2)
        })
    });
    step.check(scaled);
    let down = millis(begun.elapsed());
    step.detail = format!("2 to 4 in {up} ms, 4 to 2 in {down} ms");
    tour.finish(&mut step, from, |_, _| false);
    // All four did work, the new ones too.
    match ledger::read(tour.place) {
        Ok(ledger) => {
            let stored: BTreeSet<String> = ledger.into_values().map(|row| row.replica).collect();
            for idle in took.difference(&stored) {
                step.complain(format!("{idle} was ready and stored no order"));
            }
        }
        Err(why) => step.complain(why),
    }
    step
}

/// At the end every order that was ever sent has an end, once.
fn settled(tour: &mut Tour<'_>) -> StepReport {
    let mut step = StepReport::new("count orders against answers");
    let from = tour.began;
    tour.load.stop();
    let records = tour.load.records(from, Instant::now());
    let ended = node::wait_for("every order has an end", || {
        ledger::read(tour.place).is_ok_and(|ledger| unsettled(&ledger) == 0)
    });
    step.check(ended);
    let ledger = match ledger::read(tour.place) {
        Ok(ledger) => ledger,
        Err(why) => {
            step.complain(why);
            return step;
        }
    };
    let orders: Vec<&Record> = records.iter().filter(|r| r.kind == Kind::Order).collect();
    let answered = orders.iter().filter(|record| record.is_good()).count();
    let sent: BTreeSet<&String> = orders.iter().filter_map(|r| r.reference.as_ref()).collect();
    let ours = ledger.iter().filter(|(reference, _)| sent.contains(reference));
    let paid = ours.filter(|(_, row)| row.status == "paid").count();
    let unanswered = orders.len() - answered;
    if paid < answered || paid > answered + unanswered {
        step.complain(format!("{answered} orders were answered as paid, {paid} are stored so"));
    }
    for row in ledger.values().filter(|row| row.arrivals > 1 || row.charge_requests > 1) {
        step.complain(format!("executed twice: {row:?}"));
    }
    let twice = ledger.values().filter(|row| row.arrivals > 1).count();
    step.detail = format!(
        "{answered} orders answered as paid, {paid} stored so, {unanswered} without that answer, \
         {twice} executed twice"
    );
    step
}

/// The node is told to end, and nothing of it is left.
pub(super) fn stop(mut tour: Tour<'_>) -> StepReport {
    let mut step = StepReport::new("stop (SIGTERM)");
    tour.load.stop();
    let programs = match tour.node.programs() {
        Ok(programs) => programs,
        Err(why) => {
            step.complain(why);
            tour.node.orphans.clone()
        }
    };
    tour.node.orphans.clone_from(&programs);
    let begun = Instant::now();
    let ended = node::signal(tour.node.pid(), "TERM").and_then(|()| tour.node.ended());
    match ended {
        Ok(status) if status.success() => {}
        Ok(status) => step.complain(format!("Mainspring ended with {status}")),
        Err(why) => step.complain(why),
    }
    let left = programs.iter().filter(|p| node::alive(p.pid).as_ref() == Some(p)).count();
    if left > 0 {
        step.complain(format!("{left} programs run on"));
    }
    step.detail = format!(
        "{} programs ended, {left} left, in {} ms",
        programs.len(),
        millis(begun.elapsed())
    );
    step
}

impl Tour<'_> {
    /// Waits a moment more, then judges everything that began since `from`.
    pub(super) fn finish(
        &mut self,
        step: &mut StepReport,
        from: Instant,
        excuse: impl Fn(&Record, Option<&Row>) -> bool,
    ) {
        thread::sleep(CALM);
        let records = self.load.records(from, Instant::now());
        match ledger::read(self.place) {
            Ok(ledger) => judge(step, &records, &ledger, excuse),
            Err(why) => step.complain(why),
        }
    }

    /// Strikes one replica of a service and waits until two others are ready.
    fn strike(&self, step: &mut StepReport, service: &'static str, signal: &str) -> Option<Blow> {
        let strike = || {
            let ready = self.node.ready(service)?.into_iter();
            let mut victims = ready.filter_map(|r| Some((r.id, r.pid.and_then(node::alive)?)));
            let (replica, process) =
                victims.next().ok_or_else(|| format!("no replica of {service} has a process"))?;
            let struck = Instant::now();
            node::signal(process.pid, signal)?;
            let dead = node::wait_dead(&process)?;
            self.node.wait("two replicas are ready again", |status| {
                let ready = node::ready(status, service);
                ready.len() == 2 && ready.iter().all(|r| r.pid != Some(process.pid))
            })?;
            Ok(Blow { service, replica, struck, dead, back: Instant::now() })
        };
        let struck: Result<Blow, String> = strike();
        struck.map_err(|why| step.complain(why)).ok()
    }

    /// The processes that take orders.
    fn pids(&self, step: &mut StepReport) -> BTreeSet<u32> {
        match self.node.ready("orders") {
            Ok(replicas) => replicas.iter().filter_map(|replica| replica.pid).collect(),
            Err(why) => {
                step.complain(why);
                BTreeSet::new()
            }
        }
    }

    fn ready_names(&self) -> BTreeSet<String> {
        let ready = self.node.ready("orders").unwrap_or_default();
        ready.into_iter().map(|replica| replica.id).collect()
    }

    /// Every answer of orders comes from this version.
    fn expect_version(&self, step: &mut StepReport, version: &str) {
        for _ in 0..SAMPLES {
            // There is no such order; the answer tells the version all the same.
            let path = "/api/orders/none-of-this-name";
            let ending = client::call(self.place.http, "GET", path, None);
            let found = match &ending {
                Ending::Answered(answer) => answer.field("shop-version"),
                Ending::NotConnected | Ending::Broken(_) | Ending::TimedOut => None,
            };
            if found != Some(version) {
                let found = found.unwrap_or("no version");
                step.complain(format!(
                    "{found} answers instead of {version}: {}",
                    ending.describe()
                ));
            }
        }
    }
}

/// From when on requests of both kinds, orders and others, were answered as ever.
pub(super) fn open_again(load: &Load, from: Instant) -> Option<Instant> {
    let records = load.records(from, Instant::now());
    let first = |orders: bool| {
        let mut good = records.iter().filter(|r| r.is_good() && (r.kind == Kind::Order) == orders);
        good.next().map(|record| record.begun)
    };
    Some(first(true)?.max(first(false)?))
}
