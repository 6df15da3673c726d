//! How one program asks another: JSON over HTTP/1.1 with a time-out, never repeated by itself.

use std::time::Duration;

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, COOKIE};
use axum::http::{Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Limited};
use hyper_util::client::legacy::Client as Pool;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use serde::Serialize;
use serde_json::Value;

/// Longest answer that is read. Beyond: the call failed.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;
/// How long an unused connection to a neighbour is kept.
const IDLE_TIMEOUT: Duration = Duration::from_secs(15);
const IDLE_CONNECTIONS_MAX: usize = 16;

/// A neighbour's answer.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub body: Value,
}

/// Why there is no answer. `Unsent` means that the neighbour cannot have acted on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Silence {
    Unsent(String),
    Unknown(String),
}

impl Silence {
    pub fn why(&self) -> &str {
        match self {
            Silence::Unsent(why) | Silence::Unknown(why) => why,
        }
    }
}

/// One neighbour; cheap to clone.
#[derive(Clone, Debug)]
pub struct Client {
    name: &'static str,
    base: Option<String>,
    pool: Pool<HttpConnector, Body>,
}

impl Client {
    pub fn new(name: &'static str, base: Option<&str>) -> Client {
        let mut builder = Pool::builder(TokioExecutor::new());
        builder
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_max_idle_per_host(IDLE_CONNECTIONS_MAX)
            .pool_timer(TokioTimer::new());
        let base = base.map(|base| base.trim_end_matches('/').to_string());
        Client { name, base, pool: builder.build_http() }
    }

    /// GET `path`.
    ///
    /// # Errors
    /// [`Silence`] where no whole answer came within `timeout`.
    pub async fn get(&self, path: &str, timeout: Duration) -> Result<Answer, Silence> {
        self.call(Method::GET, path, None, None, timeout).await
    }

    /// GET `path` on behalf of a browser: its cookies go along.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub async fn get_as(
        &self,
        path: &str,
        cookies: &str,
        timeout: Duration,
    ) -> Result<Answer, Silence> {
        self.call(Method::GET, path, None, Some(cookies), timeout).await
    }

    /// Sends `body` as JSON.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        body: &impl Serialize,
        timeout: Duration,
    ) -> Result<Answer, Silence> {
        let body = serde_json::to_string(body).map_err(|e| Silence::Unsent(e.to_string()))?;
        self.call(method, path, Some(body), None, timeout).await
    }

    async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<String>,
        cookies: Option<&str>,
        timeout: Duration,
    ) -> Result<Answer, Silence> {
        let name = self.name;
        let Some(base) = &self.base else {
            return Err(Silence::Unsent(format!("nobody said where {name} answers")));
        };
        let uri: Uri = format!("{base}{path}")
            .parse()
            .map_err(|error| Silence::Unsent(format!("{name}: {base}{path}: {error}")))?;
        let mut request = Request::builder().method(method).uri(uri);
        if body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        if let Some(cookies) = cookies {
            request = request.header(COOKIE, cookies);
        }
        let request = request
            .body(body.map_or_else(Body::empty, Body::from))
            .map_err(|error| Silence::Unsent(format!("{name}: {error}")))?;
        match tokio::time::timeout(timeout, self.exchange(request)).await {
            Ok(answer) => answer,
            Err(_) => Err(Silence::Unknown(format!("{name} did not answer in {timeout:?}"))),
        }
    }

    async fn exchange(&self, request: Request<Body>) -> Result<Answer, Silence> {
        let name = self.name;
        let response = self.pool.request(request).await.map_err(|error| {
            let text = format!("{name}: {error}");
            if error.is_connect() { Silence::Unsent(text) } else { Silence::Unknown(text) }
        })?;
        let status = response.status();
        let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
        let body = body.map_err(|error| Silence::Unknown(format!("{name}: {error}")))?.to_bytes();
        let body = if body.is_empty() {
            Value::Null
        } else {
            // A proxy in between may answer an error with a page: the status is what counts then.
            serde_json::from_slice(&body).unwrap_or(Value::Null)
        };
        Ok(Answer { status, body })
    }
}
