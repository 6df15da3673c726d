//! The orders on disk. Every change of an order is a step from one status to the next, so two
//! copies of the program can never both take it.

use axum::http::StatusCode;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};
use serde::{Deserialize, Serialize};

use crate::catalogue::stock::{Line, Wanted};
use crate::database::now_ms;
use crate::problem::Problem;

pub(super) const SCHEMA: &str = "
create table if not exists orders (
  reference text primary key, status text not null, email text not null, name text not null,
  user_id integer, items text not null, lines text not null default '[]',
  total_cents integer not null default 0, detail text not null default '',
  release integer not null default 0, settle_after_ms integer not null, replica text not null,
  version text not null, created_ms integer not null);
create index if not exists orders_to_settle on orders (settle_after_ms)
  where status in ('placing', 'pending', 'refunding') or release = 1;
create index if not exists orders_by_user on orders (user_id, created_ms);
create table if not exists arrivals (
  id integer primary key, reference text not null, replica text not null, at_ms integer not null);
create index if not exists arrivals_by_reference on arrivals (reference);";

/// A copy that does not finish an order for this long is taken for dead, and another settles it.
/// Longer than all calls of one order together may take.
const PLACING_MS_MAX: i64 = 15_000;
/// Between two attempts to settle an order.
const SETTLE_EVERY_MS: i64 = 3_000;
/// Orders that one copy settles in one round.
const SETTLE_AT_ONCE_MAX: u32 = 8;
/// Orders on the page "my orders".
const LIST_MAX: u32 = 50;

/// Where an order stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Status {
    /// A copy is at work on it.
    Placing,
    Paid,
    Declined,
    OutOfStock,
    /// Nothing was charged; the customer may try again with a new reference.
    Failed,
    /// Charged or not, the card network has not said yet.
    Pending,
    Refunding,
    Refunded,
}

const STATUSES: &[(Status, &str)] = &[
    (Status::Placing, "placing"),
    (Status::Paid, "paid"),
    (Status::Declined, "declined"),
    (Status::OutOfStock, "out-of-stock"),
    (Status::Failed, "failed"),
    (Status::Pending, "pending"),
    (Status::Refunding, "refunding"),
    (Status::Refunded, "refunded"),
];

impl Status {
    pub(super) fn name(self) -> &'static str {
        STATUSES.iter().find(|(status, _)| *status == self).map_or("", |(_, name)| name)
    }

    fn from_name(name: &str) -> Option<Status> {
        STATUSES.iter().find(|(_, known)| *known == name).map(|(status, _)| *status)
    }

    /// The status code of an answer that tells about such an order.
    pub(super) fn code(self) -> StatusCode {
        match self {
            Status::Paid => StatusCode::CREATED,
            Status::Declined => StatusCode::PAYMENT_REQUIRED,
            Status::OutOfStock => StatusCode::CONFLICT,
            Status::Failed => StatusCode::SERVICE_UNAVAILABLE,
            Status::Placing | Status::Pending | Status::Refunding => StatusCode::ACCEPTED,
            Status::Refunded => StatusCode::OK,
        }
    }
}

/// An order as the browser sees it.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Order {
    pub(super) reference: String,
    pub(super) status: Status,
    pub(super) email: String,
    pub(super) name: String,
    pub(super) lines: Vec<Line>,
    pub(super) total_cents: i64,
    pub(super) detail: String,
    pub(super) created_ms: i64,
    /// Which copy of which version took the order.
    pub(super) replica: String,
    pub(super) version: String,
    #[serde(skip)]
    pub(super) items: Vec<Wanted>,
    #[serde(skip)]
    pub(super) release: bool,
}

/// A new order.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    pub(super) reference: String,
    pub(super) email: String,
    pub(super) name: String,
    pub(super) user_id: Option<i64>,
    pub(super) items: Vec<Wanted>,
    pub(super) replica: String,
    pub(super) version: String,
}

/// Notes that the request arrived, and stores the order unless the reference is known already.
/// Returns the earlier order with that reference, if there is one.
pub(super) fn begin(
    transaction: &Transaction<'_>,
    draft: &Draft,
) -> Result<Option<Order>, Problem> {
    let now = now_ms();
    let sql = "insert into arrivals (reference, replica, at_ms) values (?, ?, ?)";
    transaction.execute(sql, params![draft.reference, draft.replica, now])?;
    if let Some(order) = find(transaction, &draft.reference)? {
        return Ok(Some(order));
    }
    let sql = "insert into orders (reference, status, email, name, user_id, items, \
               settle_after_ms, replica, version, created_ms) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
    transaction.execute(
        sql,
        params![
            draft.reference,
            Status::Placing.name(),
            draft.email,
            draft.name,
            draft.user_id,
            serde_json::json!(draft.items).to_string(),
            now + PLACING_MS_MAX,
            draft.replica,
            draft.version,
            now
        ],
    )?;
    Ok(None)
}

/// Notes the prices that hold for this order. `false`: somebody else settled it meanwhile.
pub(super) fn set_lines(
    transaction: &Transaction<'_>,
    reference: &str,
    lines: &[Line],
    total_cents: i64,
) -> Result<bool, Problem> {
    let sql = "update orders set lines = ?, total_cents = ?
               where reference = ? and status = 'placing'";
    let lines = serde_json::json!(lines).to_string();
    Ok(transaction.execute(sql, params![lines, total_cents, reference])? == 1)
}

/// Takes the step `from` → `to`, if the order still stands at `from`; then returns it as it is.
/// `release` asks for the reserved pieces to be put back.
pub(super) fn step(
    transaction: &Transaction<'_>,
    reference: &str,
    (from, to): (Status, Status),
    detail: &str,
    release: bool,
) -> Result<Order, Problem> {
    let sql = "update orders set status = ?, detail = ?, release = max(release, ?),
               settle_after_ms = ? where reference = ? and status = ?";
    let settle_after = now_ms() + SETTLE_EVERY_MS;
    let values = params![to.name(), detail, release, settle_after, reference, from.name()];
    transaction.execute(sql, values)?;
    find(transaction, reference)?.ok_or_else(|| Problem::not_found("order"))
}

/// Notes that the reserved pieces are back on the shelf.
pub(super) fn released(transaction: &Transaction<'_>, reference: &str) -> Result<(), Problem> {
    transaction.execute("update orders set release = 0 where reference = ?", [reference])?;
    Ok(())
}

/// Orders whose time to be settled has come; nobody else gets them for [`SETTLE_EVERY_MS`].
pub(super) fn claim_unsettled(transaction: &Transaction<'_>) -> Result<Vec<Order>, Problem> {
    let now = now_ms();
    let sql = format!(
        "update orders set settle_after_ms = ? where reference in (
           select reference from orders
           where (status in ('placing', 'pending', 'refunding') or release = 1)
             and settle_after_ms <= ? limit {SETTLE_AT_ONCE_MAX})
         returning {COLUMNS}"
    );
    let mut statement = transaction.prepare_cached(&sql)?;
    let rows = statement.query_map(params![now + SETTLE_EVERY_MS, now], read)?;
    Ok(rows.collect::<rusqlite::Result<Vec<Order>>>()?)
}

pub(super) fn find(connection: &Connection, reference: &str) -> Result<Option<Order>, Problem> {
    let sql = format!("select {COLUMNS} from orders where reference = ?");
    Ok(connection.query_row(&sql, [reference], read).optional()?)
}

pub(super) fn list(connection: &Connection, user_id: i64) -> Result<Vec<Order>, Problem> {
    let sql = format!(
        "select {COLUMNS} from orders where user_id = ? order by created_ms desc limit {LIST_MAX}"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map([user_id], read)?;
    Ok(rows.collect::<rusqlite::Result<Vec<Order>>>()?)
}

const COLUMNS: &str = "reference, status, email, name, lines, total_cents, detail, created_ms, \
                       replica, version, items, release";

fn read(row: &Row<'_>) -> rusqlite::Result<Order> {
    let damaged = |column: usize, what: String| {
        rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, what.into())
    };
    let status: String = row.get(1)?;
    let lines: String = row.get(4)?;
    let items: String = row.get(10)?;
    Ok(Order {
        reference: row.get(0)?,
        status: Status::from_name(&status).ok_or_else(|| damaged(1, status))?,
        email: row.get(2)?,
        name: row.get(3)?,
        lines: serde_json::from_str(&lines).map_err(|error| damaged(4, error.to_string()))?,
        total_cents: row.get(5)?,
        detail: row.get(6)?,
        created_ms: row.get(7)?,
        replica: row.get(8)?,
        version: row.get(9)?,
        items: serde_json::from_str(&items).map_err(|error| damaged(10, error.to_string()))?,
        release: row.get(11)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn database() -> Connection {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(SCHEMA).unwrap();
        connection
    }

    fn draft(reference: &str) -> Draft {
        Draft {
            reference: reference.into(),
            email: "a@b.c".into(),
            name: "A".into(),
            user_id: None,
            items: vec![Wanted { product: "field".into(), quantity: 1 }],
            replica: "orders.1".into(),
            version: "v1".into(),
        }
    }

    #[test]
    fn a_reference_is_stored_once_and_every_arrival_counted() {
        let mut connection = database();
        let transaction = connection.transaction().unwrap();
        assert!(begin(&transaction, &draft("r")).unwrap().is_none());
        assert_eq!(begin(&transaction, &draft("r")).unwrap().unwrap().status, Status::Placing);
        let arrivals: i64 =
            transaction.query_row("select count(*) from arrivals", [], |row| row.get(0)).unwrap();
        assert_eq!(arrivals, 2);
    }

    #[test]
    fn only_one_of_two_takes_a_step() {
        let mut connection = database();
        let transaction = connection.transaction().unwrap();
        begin(&transaction, &draft("r")).unwrap();
        let first = step(&transaction, "r", (Status::Placing, Status::Failed), "gone", true);
        assert_eq!(first.unwrap().status, Status::Failed);
        let second = step(&transaction, "r", (Status::Placing, Status::Paid), "", false).unwrap();
        assert_eq!((second.status, second.release), (Status::Failed, true));
        assert!(!set_lines(&transaction, "r", &[], 0).unwrap());
    }

    #[test]
    fn unsettled_orders_are_claimed_once() {
        let mut connection = database();
        let transaction = connection.transaction().unwrap();
        begin(&transaction, &draft("r")).unwrap();
        assert!(claim_unsettled(&transaction).unwrap().is_empty(), "a copy is at work on it");
        transaction.execute("update orders set settle_after_ms = 0", []).unwrap();
        assert_eq!(claim_unsettled(&transaction).unwrap().len(), 1);
        assert!(claim_unsettled(&transaction).unwrap().is_empty());
    }

    #[test]
    fn all_statuses_have_names() {
        for (status, name) in STATUSES {
            assert_eq!((status.name(), Status::from_name(name)), (*name, Some(*status)));
        }
    }
}
