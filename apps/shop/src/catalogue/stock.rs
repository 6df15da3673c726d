//! Stock: an order reserves all of its lines or none, once per order reference.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use rusqlite::{OptionalExtension, Transaction, params};
use serde::{Deserialize, Serialize};

use super::NAMED_PRODUCTS_MAX;
use crate::body::Body;
use crate::database::Database;
use crate::problem::Problem;

/// Pieces of one product in one order.
pub(crate) const QUANTITY_MAX: i64 = 99;
/// When fewer pieces than this are left the supplier is called, for products that have one.
const RESTOCK_BELOW: i64 = 25;

/// One line of an order as asked for.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    pub(crate) product: String,
    pub(crate) quantity: i64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Reservation {
    reference: String,
    items: Vec<Wanted>,
}

/// One line with the price that holds for this order.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) product: String,
    pub(crate) name: String,
    pub(crate) quantity: i64,
    pub(crate) price_cents: i64,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Reserved {
    pub(crate) lines: Vec<Line>,
    pub(crate) total_cents: i64,
}

/// Takes the pieces out of the stock. Asked again with the same reference it answers the same.
pub(super) async fn reserve(
    State(database): State<Database>,
    Body(reservation): Body<Reservation>,
) -> Result<(StatusCode, Json<Reserved>), Problem> {
    let items = merge(&reservation.items)?;
    let reference = reservation.reference;
    let reserved = database
        .write(move |transaction| {
            if let Some(earlier) = find(transaction, &reference)? {
                return Ok(earlier);
            }
            let mut lines = Vec::new();
            for (product, quantity) in items {
                lines.push(take(transaction, product, quantity)?);
            }
            let total_cents = lines.iter().map(|line| line.price_cents * line.quantity).sum();
            let text = serde_json::json!(lines).to_string();
            let sql = "insert into reservations (reference, lines, total_cents) values (?, ?, ?)";
            transaction.execute(sql, params![reference, text, total_cents])?;
            Ok(Reserved { lines, total_cents })
        })
        .await?;
    Ok((StatusCode::CREATED, Json(reserved)))
}

/// Puts the pieces back, once.
pub(super) async fn release(
    State(database): State<Database>,
    Path(reference): Path<String>,
) -> Result<StatusCode, Problem> {
    database
        .write(move |transaction| {
            let sql = "update reservations set released = 1
                       where reference = ? and released = 0 returning lines";
            let lines: Option<String> =
                transaction.query_row(sql, [&reference], |row| row.get(0)).optional()?;
            let Some(lines) = lines else { return Ok(()) };
            for line in parse_lines(&lines)? {
                let sql = "update products set stock = stock + ? where id = ?";
                transaction.execute(sql, params![line.quantity, line.product])?;
            }
            Ok(())
        })
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The same product twice is one line; the limits hold for the sum.
pub(crate) fn merge(items: &[Wanted]) -> Result<BTreeMap<String, i64>, Problem> {
    if items.is_empty() || items.len() > NAMED_PRODUCTS_MAX {
        return Err(Problem::invalid(format!("an order has 1 to {NAMED_PRODUCTS_MAX} lines")));
    }
    let mut merged = BTreeMap::new();
    for item in items {
        let quantity = merged.entry(item.product.clone()).or_insert(0_i64);
        *quantity = quantity.saturating_add(item.quantity);
        if item.quantity < 1 || *quantity > QUANTITY_MAX {
            return Err(Problem::invalid(format!("`quantity` is 1 to {QUANTITY_MAX}")));
        }
    }
    Ok(merged)
}

fn find(transaction: &Transaction<'_>, reference: &str) -> Result<Option<Reserved>, Problem> {
    let sql = "select lines, total_cents from reservations where reference = ?";
    let row = transaction
        .query_row(sql, [reference], |row| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?)))
        .optional()?;
    let Some((lines, total_cents)) = row else { return Ok(None) };
    Ok(Some(Reserved { lines: parse_lines(&lines)?, total_cents }))
}

fn take(transaction: &Transaction<'_>, product: String, quantity: i64) -> Result<Line, Problem> {
    let sql = "select name, price_cents, stock, restock_to from products where id = ?";
    let row = transaction
        .query_row(sql, [&product], |row| {
            Ok((row.get::<_, String>(0)?, row.get(1)?, row.get::<_, i64>(2)?, row.get(3)?))
        })
        .optional()?;
    let Some((name, price_cents, stock, restock_to)) = row else {
        return Err(Problem::invalid(format!("there is no product `{product}`")));
    };
    if stock < quantity {
        let detail = format!("{stock} of {name} left, {quantity} wanted");
        return Err(Problem::conflict("out-of-stock", detail));
    }
    let left = restocked(stock - quantity, restock_to);
    transaction.execute("update products set stock = ? where id = ?", params![left, product])?;
    Ok(Line { product, name, quantity, price_cents })
}

/// What is on the shelf after the supplier came, where there is one (`restock_to` above 0).
fn restocked(left: i64, restock_to: i64) -> i64 {
    if left < RESTOCK_BELOW { left.max(restock_to) } else { left }
}

fn parse_lines(text: &str) -> Result<Vec<Line>, Problem> {
    serde_json::from_str(text).map_err(|error| {
        eprintln!("stored reservation cannot be read: {error}");
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "database", "a reservation is damaged")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(product: &str, quantity: i64) -> Wanted {
        Wanted { product: product.into(), quantity }
    }

    #[test]
    fn lines_are_merged_within_limits() {
        let merged = merge(&[wanted("a", 1), wanted("b", 2), wanted("a", 3)]).unwrap();
        assert_eq!(merged.into_iter().collect::<Vec<_>>(), [("a".into(), 4), ("b".into(), 2)]);
        assert!(merge(&[wanted("a", QUANTITY_MAX)]).is_ok());
        assert!(merge(&[wanted("a", QUANTITY_MAX), wanted("a", 1)]).is_err());
        assert!(merge(&[wanted("a", i64::MAX), wanted("a", i64::MAX)]).is_err());
        assert!(merge(&[wanted("a", 0)]).is_err());
        assert!(merge(&[]).is_err());
        let many: Vec<_> = (0..=NAMED_PRODUCTS_MAX).map(|n| wanted(&n.to_string(), 1)).collect();
        assert!(merge(&many).is_err());
        assert!(merge(&many[1..]).is_ok());
    }

    #[test]
    fn suppliers_come_when_little_is_left() {
        assert_eq!(restocked(RESTOCK_BELOW, 500), RESTOCK_BELOW);
        assert_eq!(restocked(RESTOCK_BELOW - 1, 500), 500);
        assert_eq!(restocked(2, 0), 2);
    }
}
