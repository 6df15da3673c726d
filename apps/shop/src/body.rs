//! What a request brings along: JSON, or a problem that says what is wrong with it.

use axum::Json;
use axum::extract::{FromRequest, Request};
use serde::de::DeserializeOwned;

use crate::problem::Problem;

/// A request's JSON body. What is none is answered like every other mistake, by a [`Problem`]:
/// 400 for broken JSON, 415 for another type, 422 for JSON of another shape, 413 for too much.
pub struct Body<T>(pub T);

impl<T, S> FromRequest<S> for Body<T>
where
    T: DeserializeOwned,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        match Json::from_request(request, state).await {
            Ok(Json(value)) => Ok(Self(value)),
            Err(why) => Err(Problem::new(why.status(), "invalid", why.body_text())),
        }
    }
}
