//! Catalogue: products with search and pictures, and the stock that orders reserve.

mod pictures;
mod search;
mod seed;
pub(crate) mod stock;

use axum::extract::{Path, Query, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use rusqlite::{OptionalExtension, Row};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::database::Database;
use crate::options::Options;
use crate::problem::Problem;

/// Products on one page of a list.
pub const PAGE_PRODUCTS: u32 = 24;
/// Products that one request may name.
pub const NAMED_PRODUCTS_MAX: usize = 50;

const SCHEMA: &str = "
create table if not exists products (
  id text primary key, name text not null, category text not null, summary text not null,
  description text not null, price_cents integer not null, stock integer not null,
  restock_to integer not null, position integer not null);
create virtual table if not exists words using fts5 (
  id unindexed, name, category, summary, description, tokenize = 'porter unicode61');
create table if not exists reservations (
  reference text primary key, lines text not null, total_cents integer not null,
  released integer not null default 0);";

/// A product as the browser sees it.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub struct Product {
    pub id: String,
    pub name: String,
    pub category: String,
    pub summary: String,
    pub description: String,
    pub price_cents: i64,
    pub stock: i64,
}

/// How a product is read from a row that begins with these columns.
const COLUMNS: &str = "products.id, products.name, products.category, products.summary, \
                       products.description, price_cents, stock";

#[derive(Debug, Default, Deserialize)]
struct List {
    category: Option<String>,
    ids: Option<String>,
    page: Option<u32>,
}

#[derive(Debug, Deserialize)]
struct Words {
    q: Option<String>,
}

/// The program's end-points.
///
/// # Errors
/// The database cannot be opened or filled.
pub fn router(options: &Options) -> Result<Router, String> {
    let schema = format!("{SCHEMA} {}", seed::script());
    let database = Database::open(&options.data, "catalogue", &schema)?;
    Ok(Router::new()
        .route("/api/catalogue/products", get(list))
        .route("/api/catalogue/products/{id}", get(one))
        .route("/api/catalogue/categories", get(categories))
        .route("/api/catalogue/search", get(find))
        .route("/api/catalogue/pictures/{file}", get(picture))
        .route("/internal/reservations", post(stock::reserve))
        .route("/internal/reservations/{reference}", delete(stock::release))
        .with_state(database))
}

async fn list(
    State(database): State<Database>,
    Query(query): Query<List>,
) -> Result<Json<Value>, Problem> {
    let ids: Vec<String> = match &query.ids {
        None => Vec::new(),
        Some(ids) => ids.split(',').map(String::from).collect(),
    };
    if ids.len() > NAMED_PRODUCTS_MAX {
        return Err(Problem::invalid(format!("`ids` names at most {NAMED_PRODUCTS_MAX} products")));
    }
    let page = query.page.unwrap_or(0).min(10_000);
    let ids = query.ids.is_some().then(|| json!(ids).to_string());
    let (products, total) = database
        .read(move |connection| {
            let filter = "where (?1 is null or category = ?1)
                          and (?2 is null or id in (select value from json_each(?2)))";
            let sql = format!("select count(*) from products {filter}");
            let total: i64 =
                connection.query_row(&sql, (&query.category, &ids), |row| row.get(0))?;
            let sql = format!(
                "select {COLUMNS} from products {filter} order by position limit ?3 offset ?4"
            );
            let mut statement = connection.prepare_cached(&sql)?;
            let limit = if ids.is_some() { NAMED_PRODUCTS_MAX as u32 } else { PAGE_PRODUCTS };
            let rows = statement
                .query_map((&query.category, &ids, limit, page * PAGE_PRODUCTS), read_product)?;
            Ok((rows.collect::<rusqlite::Result<Vec<Product>>>()?, total))
        })
        .await?;
    Ok(Json(json!({ "products": products, "total": total, "page": page })))
}

async fn one(
    State(database): State<Database>,
    Path(id): Path<String>,
) -> Result<Json<Product>, Problem> {
    let product = database
        .read(move |connection| {
            let sql = format!("select {COLUMNS} from products where id = ?");
            Ok(connection.query_row(&sql, [id], read_product).optional()?)
        })
        .await?;
    product.map(Json).ok_or_else(|| Problem::not_found("product"))
}

async fn categories(State(database): State<Database>) -> Result<Json<Value>, Problem> {
    let categories = database
        .read(|connection| {
            let sql = "select category, count(*) from products group by 1 order by min(position)";
            let mut statement = connection.prepare_cached(sql)?;
            let rows = statement.query_map([], |row| {
                Ok(json!({ "name": row.get::<_, String>(0)?, "count": row.get::<_, i64>(1)? }))
            })?;
            Ok(rows.collect::<rusqlite::Result<Vec<Value>>>()?)
        })
        .await?;
    Ok(Json(json!({ "categories": categories })))
}

async fn find(
    State(database): State<Database>,
    Query(words): Query<Words>,
) -> Result<Json<Value>, Problem> {
    let text = words.q.unwrap_or_default();
    let products = match search::expression(&text) {
        None => Vec::new(),
        Some(expression) => {
            database.read(move |connection| search::run(connection, &expression)).await?
        }
    };
    Ok(Json(json!({ "query": text, "total": products.len(), "products": products })))
}

async fn picture(Path(file): Path<String>) -> Result<Response, Problem> {
    let found = file.strip_suffix(".svg").and_then(pictures::draw);
    let svg = found.ok_or_else(|| Problem::not_found("picture"))?;
    let headers = [(CONTENT_TYPE, "image/svg+xml"), (CACHE_CONTROL, "public, max-age=3600")];
    Ok((headers, svg).into_response())
}

fn read_product(row: &Row<'_>) -> rusqlite::Result<Product> {
    Ok(Product {
        id: row.get(0)?,
        name: row.get(1)?,
        category: row.get(2)?,
        summary: row.get(3)?,
        description: row.get(4)?,
        price_cents: row.get(5)?,
        stock: row.get(6)?,
    })
}
