//! Cart: what a visitor wants to buy. Its id is chosen by the browser and is hard to guess.

use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, put};
use axum::{Json, Router};
use rusqlite::{OptionalExtension, params};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::body::Body;
use crate::catalogue::{NAMED_PRODUCTS_MAX, Product};
use crate::client::Client;
use crate::database::{Database, now_ms};
use crate::options::Options;
use crate::problem::Problem;

/// Pieces of one product in one cart.
pub const QUANTITY_MAX: i64 = 99;
/// Carts that nobody touched for this long are thrown away.
pub const CART_DAYS: i64 = 30;
const CATALOGUE_TIMEOUT: Duration = Duration::from_secs(3);

const SCHEMA: &str = "
create table if not exists items (
  cart text not null, product text not null, quantity integer not null,
  added_ms integer not null, primary key (cart, product)) without rowid;
create index if not exists items_by_age on items (added_ms);";

#[derive(Clone)]
struct Carts {
    database: Database,
    catalogue: Client,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Quantity {
    quantity: i64,
}

/// The program's end-points.
///
/// # Errors
/// The database cannot be opened.
pub fn router(options: &Options) -> Result<Router, String> {
    let carts = Carts {
        database: Database::open(&options.data, "cart", SCHEMA)?,
        catalogue: Client::new("catalogue", options.neighbours.catalogue.as_deref()),
    };
    Ok(Router::new()
        .route("/api/cart/{cart}", get(show).delete(clear))
        .route("/api/cart/{cart}/items/{product}", put(set))
        .with_state(carts))
}

async fn show(
    State(carts): State<Carts>,
    Path(cart): Path<String>,
) -> Result<Json<Value>, Problem> {
    check_id(&cart)?;
    let items = carts
        .database
        .read(move |connection| {
            let sql = "select product, quantity from items where cart = ? order by added_ms";
            let mut statement = connection.prepare_cached(sql)?;
            let rows = statement.query_map([cart], |row| Ok((row.get(0)?, row.get(1)?)))?;
            Ok(rows.collect::<rusqlite::Result<Vec<(String, i64)>>>()?)
        })
        .await?;
    if items.is_empty() {
        return Ok(Json(json!({ "items": [], "total_cents": 0 })));
    }
    let products = carts.products(&items).await?;
    let mut total_cents = 0;
    let mut lines = Vec::new();
    for (product, quantity) in &items {
        // Goods that are no longer sold drop out of the cart's picture.
        let Some(product) = products.iter().find(|found| found.id == *product) else { continue };
        total_cents += product.price_cents * quantity;
        lines.push(json!({ "product": product, "quantity": quantity }));
    }
    Ok(Json(json!({ "items": lines, "total_cents": total_cents })))
}

async fn set(
    State(carts): State<Carts>,
    Path((cart, product)): Path<(String, String)>,
    Body(Quantity { quantity }): Body<Quantity>,
) -> Result<Json<Value>, Problem> {
    check_id(&cart)?;
    if !(0..=QUANTITY_MAX).contains(&quantity) {
        return Err(Problem::invalid(format!("`quantity` is 0 to {QUANTITY_MAX}")));
    }
    if quantity > 0 && carts.products(&[(product.clone(), quantity)]).await?.is_empty() {
        return Err(Problem::not_found("product"));
    }
    carts
        .database
        .write(move |transaction| {
            let oldest = now_ms() - CART_DAYS * 24 * 3600 * 1000;
            transaction.execute("delete from items where added_ms < ?", [oldest])?;
            if quantity == 0 {
                let sql = "delete from items where cart = ? and product = ?";
                transaction.execute(sql, params![cart, product])?;
                return Ok(());
            }
            let sql = "update items set quantity = ? where cart = ? and product = ?";
            if transaction.execute(sql, params![quantity, cart, product])? == 1 {
                return Ok(());
            }
            let sql = "select count(*) from items where cart = ?";
            let count: usize = transaction
                .query_row(sql, [&cart], |row| row.get::<_, u32>(0))
                .optional()?
                .map_or(0, |count| count as usize);
            if count >= NAMED_PRODUCTS_MAX {
                let detail = format!("a cart has at most {NAMED_PRODUCTS_MAX} lines");
                return Err(Problem::invalid(detail));
            }
            let sql = "insert into items values (?, ?, ?, ?)";
            transaction.execute(sql, params![cart, product, quantity, now_ms()])?;
            Ok(())
        })
        .await?;
    Ok(Json(json!({ "quantity": quantity })))
}

async fn clear(
    State(carts): State<Carts>,
    Path(cart): Path<String>,
) -> Result<StatusCode, Problem> {
    check_id(&cart)?;
    carts
        .database
        .write(move |transaction| {
            transaction.execute("delete from items where cart = ?", [cart])?;
            Ok(())
        })
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

impl Carts {
    async fn products(&self, items: &[(String, i64)]) -> Result<Vec<Product>, Problem> {
        let ids: Vec<&str> = items.iter().map(|(id, _)| id.as_str()).collect();
        // What is no plain id is no product; nothing else may get into the query.
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
        if ids.iter().any(|id| !id.chars().all(plain)) {
            return Err(Problem::not_found("product"));
        }
        let path = format!("/api/catalogue/products?ids={}", ids.join(","));
        let answer = self.catalogue.get(&path, CATALOGUE_TIMEOUT).await;
        let away = || Problem::unavailable("the catalogue is away, try again in a moment");
        let answer = answer.map_err(|silence| {
            eprintln!("cart: {}", silence.why());
            away()
        })?;
        let products = answer.body.get("products").cloned().ok_or_else(away)?;
        serde_json::from_value(products).map_err(|_| away())
    }
}

/// Long enough that nobody meets another's cart by chance.
fn check_id(cart: &str) -> Result<(), Problem> {
    let plain = cart.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if plain && (16..=64).contains(&cart.len()) {
        return Ok(());
    }
    Err(Problem::invalid("a cart's id has 16 to 64 letters, digits or `-`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cart_ids() {
        assert!(check_id(&"a".repeat(16)).is_ok());
        assert!(check_id(&"a".repeat(64)).is_ok());
        assert!(check_id(&"a".repeat(15)).is_err());
        assert!(check_id(&"a".repeat(65)).is_err());
        assert!(check_id("aaaaaaaaaaaaaaaa/").is_err());
    }
}
