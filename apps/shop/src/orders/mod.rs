//! Orders: from a cart to a paid order, each reference at most once, whatever dies on the way.
//!
//! An order is stored before anything is done for it, and every step is stored before its answer
//! is given. What a dead copy left half done another copy settles (`settle.rs`).

mod settle;
mod store;

use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::header::COOKIE;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::body::Body;
use crate::catalogue::stock::{Line, QUANTITY_MAX, Reserved, Wanted, merge};
use crate::client::{Answer, Client, Silence};
use crate::database::Database;
use crate::options::Options;
use crate::problem::Problem;
use crate::users::{SESSION_COOKIE, check_email, cookie};
use store::{Draft, Order, Status};

/// How long an order waits for catalogue, cart and users.
const NEIGHBOUR_TIMEOUT: Duration = Duration::from_secs(3);
/// How long it waits for payments, which itself waits 3 seconds for the card network.
const PAYMENT_TIMEOUT: Duration = Duration::from_secs(6);
/// Pause before a reservation that failed is asked for a second and last time.
const RESERVE_AGAIN_AFTER: Duration = Duration::from_millis(100);
const NAME_BYTES_MAX: usize = 200;

#[derive(Clone)]
struct Orders {
    database: Database,
    catalogue: Client,
    cart: Client,
    users: Client,
    payments: Client,
    replica: String,
    version: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Form {
    reference: String,
    email: String,
    name: String,
    card: String,
    cart: Option<String>,
    #[serde(default)]
    items: Vec<Wanted>,
}

/// The program's end-points, and its settler until `stop`.
///
/// # Errors
/// The database cannot be opened.
pub fn router(options: &Options, stop: watch::Receiver<bool>) -> Result<Router, String> {
    let neighbours = &options.neighbours;
    let orders = Orders {
        database: Database::open(&options.data, "orders", store::SCHEMA)?,
        catalogue: Client::new("catalogue", neighbours.catalogue.as_deref()),
        cart: Client::new("cart", neighbours.cart.as_deref()),
        users: Client::new("users", neighbours.users.as_deref()),
        payments: Client::new("payments", neighbours.payments.as_deref()),
        replica: options.replica.clone(),
        version: options.version.clone(),
    };
    tokio::spawn(settle::run(orders.clone(), stop));
    Ok(Router::new()
        .route("/api/orders", post(place).get(mine))
        .route("/api/orders/{reference}", get(show))
        .route("/api/orders/{reference}/refund", post(refund))
        .with_state(orders))
}

async fn place(
    State(orders): State<Orders>,
    headers: HeaderMap,
    Body(form): Body<Form>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    check(&form)?;
    let items = orders.items(&form).await?;
    let draft = Draft {
        reference: form.reference.clone(),
        email: form.email.trim().to_string(),
        name: form.name.trim().to_string(),
        // A guest may order, so an order does not wait for a users program that is away.
        user_id: orders.user_id(&headers).await.unwrap_or_default(),
        items,
        replica: orders.replica.clone(),
        version: orders.version.clone(),
    };
    let copy = draft.clone();
    let earlier = orders.database.write(move |t| store::begin(t, &copy)).await?;
    if let Some(order) = earlier {
        if order.items != draft.items {
            let detail = "this reference belongs to an order of other goods";
            return Err(Problem::conflict("reference-used", detail));
        }
        return Ok((order.status.code(), Json(json!(order))));
    }
    let order = orders.carry_out(&draft, &form.card).await?;
    if order.status == Status::Paid
        && let Some(cart) = &form.cart
    {
        let path = format!("/api/cart/{cart}");
        let gone = orders.cart.send(Method::DELETE, &path, &json!({}), NEIGHBOUR_TIMEOUT).await;
        if let Err(silence) = gone {
            eprintln!("orders: a cart stays full: {}", silence.why());
        }
    }
    Ok((order.status.code(), Json(json!(order))))
}

async fn show(
    State(orders): State<Orders>,
    Path(reference): Path<String>,
) -> Result<Json<Order>, Problem> {
    let order = orders.database.read(move |c| store::find(c, &reference)).await?;
    order.map(Json).ok_or_else(|| Problem::not_found("order"))
}

async fn mine(State(orders): State<Orders>, headers: HeaderMap) -> Result<Json<Value>, Problem> {
    let user_id = orders.user_id(&headers).await.map_err(|silence| {
        eprintln!("orders: {}", silence.why());
        Problem::unavailable("the log-in is away, try again in a moment")
    })?;
    let Some(user_id) = user_id else { return Err(Problem::unauthorized()) };
    let list = orders.database.read(move |c| store::list(c, user_id)).await?;
    Ok(Json(json!({ "orders": list })))
}

/// Who knows the reference, which cannot be guessed, may send the order back.
async fn refund(
    State(orders): State<Orders>,
    Path(reference): Path<String>,
) -> Result<(StatusCode, Json<Order>), Problem> {
    let found = orders
        .database
        .write(move |transaction| {
            let steps = (Status::Paid, Status::Refunding);
            store::step(transaction, &reference, steps, "sent back by the customer", false)
        })
        .await?;
    match found.status {
        Status::Refunding => {
            let order = orders.finish_refund(&found).await?;
            Ok((order.status.code(), Json(order)))
        }
        Status::Refunded => Ok((StatusCode::OK, Json(found))),
        Status::Placing
        | Status::Paid
        | Status::Declined
        | Status::OutOfStock
        | Status::Failed
        | Status::Pending => {
            Err(Problem::conflict("not-paid", "only a paid order can be sent back"))
        }
    }
}

impl Orders {
    /// What is ordered: the lines of the request, or those of the cart that it names.
    async fn items(&self, form: &Form) -> Result<Vec<Wanted>, Problem> {
        let mut items = form.items.clone();
        if let Some(cart) = &form.cart {
            let answer = self.cart.get(&format!("/api/cart/{cart}"), NEIGHBOUR_TIMEOUT).await;
            let answer = answer.map_err(|silence| {
                eprintln!("orders: {}", silence.why());
                Problem::unavailable("the cart is away, try again in a moment")
            })?;
            let lines = answer.body.get("items").and_then(Value::as_array);
            let Some(lines) = lines else {
                return Err(Problem::unavailable("the cart is away, try again in a moment"));
            };
            items.extend(lines.iter().filter_map(|line| {
                let product = line.pointer("/product/id")?.as_str()?.to_string();
                Some(Wanted { product, quantity: line.get("quantity")?.as_i64()? })
            }));
        }
        let merged = merge(&items)?;
        Ok(merged.into_iter().map(|(product, quantity)| Wanted { product, quantity }).collect())
    }

    async fn user_id(&self, headers: &HeaderMap) -> Result<Option<i64>, Silence> {
        let Some(token) = cookie(headers, SESSION_COOKIE) else { return Ok(None) };
        debug_assert!(headers.contains_key(COOKIE));
        let cookies = format!("{SESSION_COOKIE}={token}");
        let answer = self.users.get_as("/api/users/me", &cookies, NEIGHBOUR_TIMEOUT).await?;
        if answer.status.is_server_error() {
            return Err(Silence::Unknown(format!("users answered {}", answer.status)));
        }
        Ok(answer.body.get("id").and_then(Value::as_i64))
    }

    /// Reserves, charges, and stores what came of it.
    async fn carry_out(&self, draft: &Draft, card: &str) -> Result<Order, Problem> {
        let reference = &draft.reference;
        let wanted = json!({ "reference": reference, "items": draft.items });
        let mut answer = self.reserve(&wanted).await;
        if !answer.as_ref().is_ok_and(|answer| !answer.status.is_server_error()) {
            // The catalogue reserves once per reference, so asking again is safe.
            tokio::time::sleep(RESERVE_AGAIN_AFTER).await;
            answer = self.reserve(&wanted).await;
        }
        let (to, detail) = match answer {
            Ok(answer) if answer.status == StatusCode::CREATED => {
                match serde_json::from_value::<Reserved>(answer.body) {
                    Ok(reserved) => return self.charge(draft, card, reserved).await,
                    Err(error) => (Status::Failed, format!("the catalogue answered: {error}")),
                }
            }
            Ok(answer) if answer.status == StatusCode::CONFLICT => {
                (Status::OutOfStock, detail_of(&answer.body))
            }
            Ok(answer) => (Status::Failed, format!("the catalogue answered {}", answer.status)),
            Err(silence) => (Status::Failed, silence.why().to_string()),
        };
        self.give_up(reference, to, detail).await
    }

    async fn reserve(&self, wanted: &Value) -> Result<Answer, Silence> {
        let path = "/internal/reservations";
        self.catalogue.send(Method::POST, path, wanted, NEIGHBOUR_TIMEOUT).await
    }

    async fn charge(
        &self,
        draft: &Draft,
        card: &str,
        Reserved { lines, total_cents }: Reserved,
    ) -> Result<Order, Problem> {
        let reference = draft.reference.clone();
        if !self.set_lines(&reference, lines, total_cents).await? {
            let key = reference.clone();
            let order = self.database.read(move |c| store::find(c, &key)).await?;
            return order.ok_or_else(|| Problem::not_found("order"));
        }
        let body = json!({ "reference": reference, "amount_cents": total_cents, "card": card });
        let path = "/internal/payments";
        let answer = self.payments.send(Method::POST, path, &body, PAYMENT_TIMEOUT).await;
        let (to, detail) = match answer {
            Ok(answer) => match answer.status {
                StatusCode::CREATED => (Status::Paid, String::new()),
                StatusCode::PAYMENT_REQUIRED => {
                    (Status::Declined, "the card was declined".to_string())
                }
                StatusCode::UNPROCESSABLE_ENTITY => (Status::Declined, detail_of(&answer.body)),
                StatusCode::ACCEPTED => {
                    (Status::Pending, "the card network has not answered yet".to_string())
                }
                status => (Status::Pending, format!("payments answered {}", status.as_u16())),
            },
            Err(Silence::Unsent(why)) => (Status::Failed, why),
            Err(Silence::Unknown(why)) => (Status::Pending, why),
        };
        match to {
            Status::Paid | Status::Pending => {
                let steps = (Status::Placing, to);
                self.database
                    .write(move |t| store::step(t, &reference, steps, &detail, false))
                    .await
            }
            Status::Declined
            | Status::Failed
            | Status::OutOfStock
            | Status::Placing
            | Status::Refunding
            | Status::Refunded => self.give_up(&reference, to, detail).await,
        }
    }

    async fn set_lines(
        &self,
        reference: &str,
        lines: Vec<Line>,
        total_cents: i64,
    ) -> Result<bool, Problem> {
        let reference = reference.to_string();
        self.database.write(move |t| store::set_lines(t, &reference, &lines, total_cents)).await
    }

    /// Ends an order that was not charged, and puts the pieces back.
    async fn give_up(&self, reference: &str, to: Status, detail: String) -> Result<Order, Problem> {
        let key = reference.to_string();
        let order = self
            .database
            .write(move |t| store::step(t, &key, (Status::Placing, to), &detail, true))
            .await?;
        self.release(&order).await?;
        Ok(order)
    }

    /// Puts reserved pieces back; where the catalogue is away the settler tries again later.
    async fn release(&self, order: &Order) -> Result<(), Problem> {
        if !order.release {
            return Ok(());
        }
        let path = format!("/internal/reservations/{}", order.reference);
        let answer =
            self.catalogue.send(Method::DELETE, &path, &json!({}), NEIGHBOUR_TIMEOUT).await;
        if answer.is_ok_and(|answer| answer.status.is_success()) {
            let reference = order.reference.clone();
            self.database.write(move |t| store::released(t, &reference)).await?;
        }
        Ok(())
    }

    /// Asks for the money back; where payments is away the settler tries again later.
    async fn finish_refund(&self, order: &Order) -> Result<Order, Problem> {
        let path = format!("/internal/payments/{}/refund", order.reference);
        let answer = self.payments.send(Method::POST, &path, &json!({}), PAYMENT_TIMEOUT).await;
        if !answer.is_ok_and(|answer| answer.status.is_success()) {
            return Ok(order.clone());
        }
        let reference = order.reference.clone();
        let steps = (Status::Refunding, Status::Refunded);
        let detail = order.detail.clone();
        let order =
            self.database.write(move |t| store::step(t, &reference, steps, &detail, true)).await?;
        self.release(&order).await?;
        Ok(order)
    }
}

fn check(form: &Form) -> Result<(), Problem> {
    let plain = form.reference.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if !plain || !(16..=64).contains(&form.reference.len()) {
        return Err(Problem::invalid("`reference` has 16 to 64 letters, digits or `-`"));
    }
    check_email(form.email.trim())?;
    let name = form.name.trim();
    if name.is_empty() || name.len() > NAME_BYTES_MAX {
        return Err(Problem::invalid(format!("`name` has 1 to {NAME_BYTES_MAX} bytes")));
    }
    if let Some(cart) = &form.cart
        && !cart.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    {
        return Err(Problem::invalid("`cart` has letters, digits or `-`"));
    }
    if form.items.iter().any(|item| !(1..=QUANTITY_MAX).contains(&item.quantity)) {
        return Err(Problem::invalid(format!("`quantity` is 1 to {QUANTITY_MAX}")));
    }
    Ok(())
}

fn detail_of(problem: &Value) -> String {
    problem.get("detail").and_then(Value::as_str).unwrap_or("refused").to_string()
}
