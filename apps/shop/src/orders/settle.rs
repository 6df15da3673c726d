//! The settler: finishes orders whose end is not known, or whose copy died in the middle.

use std::time::Duration;

use axum::http::Method;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::store::{self, Order, Status};
use super::{NEIGHBOUR_TIMEOUT, Orders};
use crate::problem::Problem;
use crate::serve::stopped;

/// How often a copy looks for orders to settle.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Looks again and again until `stop`.
pub(super) async fn run(orders: Orders, stop: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            () = stopped(stop.clone()) => return,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
        let unsettled = match orders.database.write(store::claim_unsettled).await {
            Ok(unsettled) => unsettled,
            Err(problem) => {
                eprintln!("orders: cannot look for unsettled orders: {}", problem.detail);
                continue;
            }
        };
        for order in unsettled {
            if let Err(problem) = orders.settle(&order).await {
                eprintln!("orders: {} is not settled: {}", order.reference, problem.detail);
            }
        }
    }
}

impl Orders {
    async fn settle(&self, order: &Order) -> Result<(), Problem> {
        match order.status {
            Status::Placing | Status::Pending => self.settle_payment(order).await,
            Status::Refunding => self.finish_refund(order).await.map(|_| ()),
            Status::Paid
            | Status::Declined
            | Status::OutOfStock
            | Status::Failed
            | Status::Refunded => self.release(order).await,
        }
    }

    /// Asks payments what became of the charge. Where there was none the reference is closed by
    /// the same call, so a copy that only seemed dead cannot charge it afterwards.
    async fn settle_payment(&self, order: &Order) -> Result<(), Problem> {
        let path = format!("/internal/payments/{}/settle", order.reference);
        let answer = self.payments.send(Method::POST, &path, &json!({}), NEIGHBOUR_TIMEOUT).await;
        let answer = answer.map_err(|silence| Problem::unavailable(silence.why()))?;
        let status = answer.body.get("status").and_then(Value::as_str);
        let (to, detail, release) = match status {
            Some("paid") => (Status::Paid, "", false),
            Some("declined") => (Status::Declined, "the card was declined", true),
            Some("void") => (Status::Failed, "nothing was charged; please order again", true),
            // Not known yet: the next round asks again.
            Some(_) => return Ok(()),
            None => {
                return Err(Problem::unavailable(format!("payments answered {}", answer.status)));
            }
        };
        let (reference, from) = (order.reference.clone(), order.status);
        let order = self
            .database
            .write(move |t| store::step(t, &reference, (from, to), detail, release))
            .await?;
        self.release(&order).await
    }
}
