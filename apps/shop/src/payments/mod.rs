//! Payments: charges and refunds through a pretend card network with moods of its own.
//!
//! What the network will answer, and when, is stored as soon as a charge is sent. So a copy of
//! this program may die in the middle of a charge: the charge still comes to its end, once.

mod network;

use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use rusqlite::{Connection, OptionalExtension, params};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::body::Body;
use crate::database::{Database, now_ms};
use crate::options::Options;
use crate::problem::Problem;
use network::{Mood, Verdict};

/// How long this program waits for the card network before it answers "not known yet".
pub const NETWORK_TIMEOUT: Duration = Duration::from_secs(3);
/// Largest single charge.
pub const AMOUNT_CENTS_MAX: i64 = 100_000_000;
const REFERENCE_BYTES_MAX: usize = 64;

const SCHEMA: &str = "
create table if not exists payments (
  reference text primary key, amount_cents integer not null, card_end text not null,
  verdict text not null, known_ms integer not null, refunded integer not null default 0,
  requests integer not null default 1, created_ms integer not null);
create table if not exists network (only integer primary key check (only = 1), mood text not null);";

/// How far a payment has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// Sent to the network, which has not answered yet.
    Sent,
    Paid,
    Declined,
    Refunded,
    /// Never sent, and closed for ever: a late charge with this reference is refused.
    Void,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Charge {
    reference: String,
    amount_cents: i64,
    card: String,
}

struct Stored {
    amount_cents: i64,
    verdict: Verdict,
    known_ms: i64,
    refunded: bool,
}

/// The program's end-points.
///
/// # Errors
/// The database cannot be opened.
pub fn router(options: &Options) -> Result<Router, String> {
    let database = Database::open(&options.data, "payments", SCHEMA)?;
    Ok(Router::new()
        .route("/internal/payments", post(charge))
        .route("/internal/payments/{reference}", get(show))
        .route("/internal/payments/{reference}/settle", post(settle))
        .route("/internal/payments/{reference}/refund", post(refund))
        .route("/api/payments/network", get(mood).put(set_mood))
        .with_state(database))
}

/// Charges once per reference; asked again it tells what became of the first time.
async fn charge(
    State(database): State<Database>,
    Body(charge): Body<Charge>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let Charge { reference, amount_cents, card } = charge;
    if reference.is_empty() || reference.len() > REFERENCE_BYTES_MAX {
        return Err(Problem::invalid("`reference` has 1 to 64 bytes"));
    }
    if !(1..=AMOUNT_CENTS_MAX).contains(&amount_cents) {
        return Err(Problem::invalid(format!("`amount_cents` is 1 to {AMOUNT_CENTS_MAX}")));
    }
    let card = network::Card::parse(&card)?;
    let key = reference.clone();
    let stored = database
        .write(move |transaction| {
            let mood = read_mood(transaction)?;
            if let Some(stored) = find(transaction, &key)? {
                if stored.amount_cents != amount_cents && stored.verdict != Verdict::Void {
                    let detail = "this reference was charged with another amount";
                    return Err(Problem::conflict("reference-used", detail));
                }
                let sql = "update payments set requests = requests + 1 where reference = ?";
                transaction.execute(sql, [&key])?;
                return Ok(stored);
            }
            let (verdict, delay) = network::judge(&card, mood);
            let now = now_ms();
            let delay_ms = i64::try_from(delay.as_millis()).unwrap_or(i64::MAX);
            let known_ms = now.saturating_add(delay_ms);
            let sql = "insert into payments
                (reference, amount_cents, card_end, verdict, known_ms, created_ms)
                values (?, ?, ?, ?, ?, ?)";
            let values = params![key, amount_cents, card.end(), verdict.name(), known_ms, now];
            transaction.execute(sql, values)?;
            Ok(Stored { amount_cents, verdict, known_ms, refunded: false })
        })
        .await?;
    let left = u64::try_from(stored.known_ms - now_ms()).unwrap_or(0);
    tokio::time::sleep(Duration::from_millis(left).min(NETWORK_TIMEOUT)).await;
    let status = stored.status(now_ms());
    let code = match status {
        Status::Paid => StatusCode::CREATED,
        Status::Sent => StatusCode::ACCEPTED,
        Status::Declined => StatusCode::PAYMENT_REQUIRED,
        Status::Refunded | Status::Void => StatusCode::CONFLICT,
    };
    Ok((code, Json(stored.describe(&reference, status))))
}

async fn show(
    State(database): State<Database>,
    Path(reference): Path<String>,
) -> Result<Json<Value>, Problem> {
    let key = reference.clone();
    let stored = database.read(move |connection| find(connection, &key)).await?;
    let stored = stored.ok_or_else(|| Problem::not_found("payment"))?;
    Ok(Json(stored.describe(&reference, stored.status(now_ms()))))
}

/// For a shop that does not know whether its charge arrived: tells what became of it, and where
/// there was none closes the reference, so that a late charge cannot follow.
async fn settle(
    State(database): State<Database>,
    Path(reference): Path<String>,
) -> Result<Json<Value>, Problem> {
    let key = reference.clone();
    let stored = database
        .write(move |transaction| {
            if let Some(stored) = find(transaction, &key)? {
                return Ok(stored);
            }
            let now = now_ms();
            let sql = "insert into payments
                (reference, amount_cents, card_end, verdict, known_ms, requests, created_ms)
                values (?, 0, '', ?, ?, 0, ?)";
            transaction.execute(sql, params![key, Verdict::Void.name(), now, now])?;
            Ok(Stored { amount_cents: 0, verdict: Verdict::Void, known_ms: now, refunded: false })
        })
        .await?;
    Ok(Json(stored.describe(&reference, stored.status(now_ms()))))
}

/// Gives the money back, once.
async fn refund(
    State(database): State<Database>,
    Path(reference): Path<String>,
) -> Result<Json<Value>, Problem> {
    let key = reference.clone();
    let stored = database
        .write(move |transaction| {
            let Some(mut stored) = find(transaction, &key)? else {
                return Err(Problem::not_found("payment"));
            };
            match stored.status(now_ms()) {
                Status::Refunded => {}
                Status::Paid => {
                    let sql = "update payments set refunded = 1 where reference = ?";
                    transaction.execute(sql, [&key])?;
                    stored.refunded = true;
                }
                Status::Sent | Status::Declined | Status::Void => {
                    let detail = "only what was paid can be refunded";
                    return Err(Problem::conflict("not-paid", detail));
                }
            }
            Ok(stored)
        })
        .await?;
    Ok(Json(stored.describe(&reference, stored.status(now_ms()))))
}

async fn mood(State(database): State<Database>) -> Result<Json<Value>, Problem> {
    let mood = database.read(read_mood).await?;
    Ok(Json(json!({ "mood": mood })))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NewMood {
    mood: Mood,
}

async fn set_mood(
    State(database): State<Database>,
    Body(NewMood { mood }): Body<NewMood>,
) -> Result<Json<Value>, Problem> {
    database
        .write(move |transaction| {
            let sql = "insert into network values (1, ?)
                       on conflict (only) do update set mood = excluded.mood";
            transaction.execute(sql, [mood.name()])?;
            Ok(())
        })
        .await?;
    Ok(Json(json!({ "mood": mood })))
}

impl Stored {
    fn status(&self, now_ms: i64) -> Status {
        if now_ms < self.known_ms {
            return Status::Sent;
        }
        match self.verdict {
            Verdict::Paid if self.refunded => Status::Refunded,
            Verdict::Paid => Status::Paid,
            Verdict::Declined => Status::Declined,
            Verdict::Void => Status::Void,
        }
    }

    fn describe(&self, reference: &str, status: Status) -> Value {
        json!({ "reference": reference, "status": status, "amount_cents": self.amount_cents })
    }
}

fn find(connection: &Connection, reference: &str) -> Result<Option<Stored>, Problem> {
    let sql = "select amount_cents, verdict, known_ms, refunded from payments where reference = ?";
    let row = connection
        .query_row(sql, [reference], |row| {
            let verdict: String = row.get(1)?;
            Ok((row.get(0)?, verdict, row.get(2)?, row.get(3)?))
        })
        .optional()?;
    let Some((amount_cents, verdict, known_ms, refunded)) = row else { return Ok(None) };
    let Some(verdict) = Verdict::from_name(&verdict) else {
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        return Err(Problem::new(status, "database", "a payment is damaged"));
    };
    Ok(Some(Stored { amount_cents, verdict, known_ms, refunded }))
}

fn read_mood(connection: &Connection) -> Result<Mood, Problem> {
    let sql = "select mood from network where only = 1";
    let mood: Option<String> = connection.query_row(sql, [], |row| row.get(0)).optional()?;
    Ok(mood.and_then(|name| Mood::from_name(&name)).unwrap_or(Mood::Normal))
}
