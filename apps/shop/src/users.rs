//! Users: accounts, log-in and log-out. Passwords are kept as Argon2id, sessions as random tokens.

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use axum::extract::State;
use axum::http::header::{COOKIE, SET_COOKIE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use rusqlite::{OptionalExtension, params};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use crate::body::Body;
use crate::database::{Database, now_ms, random_hex};
use crate::options::Options;
use crate::problem::Problem;

/// The cookie that carries the session's token.
pub const SESSION_COOKIE: &str = "shop_session";
/// How long a session lasts.
pub const SESSION_SECONDS: i64 = 7 * 24 * 3600;
const PASSWORD_BYTES_MIN: usize = 8;
const PASSWORD_BYTES_MAX: usize = 256;
const TEXT_BYTES_MAX: usize = 200;
/// Passwords that are hashed at once: each takes 19 MiB and some ten milliseconds of a core.
const HASHES_AT_ONCE_MAX: usize = 2;
/// Log-ins that may wait for that. Beyond: 503.
const HASHES_WAITING_MAX: usize = 32;

const SCHEMA: &str = "
create table if not exists users (
  id integer primary key, email text not null unique, name text not null,
  password text not null, created_ms integer not null);
create table if not exists sessions (
  token text primary key, user_id integer not null references users (id),
  expires_ms integer not null);";

/// An account as others see it.
#[derive(Clone, Debug, Serialize)]
pub struct User {
    pub id: i64,
    pub email: String,
    pub name: String,
}

#[derive(Clone)]
struct Users {
    database: Database,
    hashing: std::sync::Arc<Semaphore>,
    waiting: std::sync::Arc<Semaphore>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Registration {
    email: String,
    name: String,
    password: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct LogIn {
    email: String,
    password: String,
}

/// The program's end-points.
///
/// # Errors
/// The database cannot be opened.
pub fn router(options: &Options) -> Result<Router, String> {
    let users = Users {
        database: Database::open(&options.data, "users", SCHEMA)?,
        hashing: std::sync::Arc::new(Semaphore::new(HASHES_AT_ONCE_MAX)),
        waiting: std::sync::Arc::new(Semaphore::new(HASHES_WAITING_MAX)),
    };
    Ok(Router::new()
        .route("/api/users", post(register))
        .route("/api/users/session", post(log_in).delete(log_out))
        .route("/api/users/me", get(me))
        .with_state(users))
}

/// The value of one cookie in the request's `Cookie` fields.
pub fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let fields = headers.get_all(COOKIE).iter().filter_map(|field| field.to_str().ok());
    fields
        .flat_map(|field| field.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value)
}

async fn register(
    State(users): State<Users>,
    Body(form): Body<Registration>,
) -> Result<Response, Problem> {
    let email = form.email.trim().to_lowercase();
    let name = form.name.trim().to_string();
    check_email(&email)?;
    if name.is_empty() || name.len() > TEXT_BYTES_MAX {
        return Err(Problem::invalid(format!("`name` has 1 to {TEXT_BYTES_MAX} bytes")));
    }
    if !(PASSWORD_BYTES_MIN..=PASSWORD_BYTES_MAX).contains(&form.password.len()) {
        return Err(Problem::invalid(format!(
            "`password` has {PASSWORD_BYTES_MIN} to {PASSWORD_BYTES_MAX} bytes"
        )));
    }
    let password = form.password;
    let hash = users
        .hash(move || {
            let hash = Argon2::default().hash_password(password.as_bytes());
            hash.map(|hash| hash.to_string()).map_err(|error| Problem::invalid(error.to_string()))
        })
        .await??;
    let token = random_hex::<32>()?;
    let (user, token) = users
        .database
        .write(move |transaction| {
            let inserted = transaction.execute(
                "insert into users (email, name, password, created_ms) values (?, ?, ?, ?)
                 on conflict (email) do nothing",
                params![email, name, hash, now_ms()],
            )?;
            if inserted == 0 {
                return Err(Problem::conflict("email-taken", "this e-mail has an account already"));
            }
            let user = User { id: transaction.last_insert_rowid(), email, name };
            insert_session(transaction, &token, user.id)?;
            Ok((user, token))
        })
        .await?;
    Ok((StatusCode::CREATED, [(SET_COOKIE, session_cookie(&token))], Json(user)).into_response())
}

async fn log_in(State(users): State<Users>, Body(form): Body<LogIn>) -> Result<Response, Problem> {
    let email = form.email.trim().to_lowercase();
    let found = users
        .database
        .read(move |connection| {
            let sql = "select id, email, name, password from users where email = ?";
            let row = connection.query_row(sql, [email], |row| {
                let user = User { id: row.get(0)?, email: row.get(1)?, name: row.get(2)? };
                Ok((user, row.get::<_, String>(3)?))
            });
            Ok(row.optional()?)
        })
        .await?;
    let wrong = || {
        let detail = "this e-mail and password do not belong together";
        Problem::new(StatusCode::UNAUTHORIZED, "wrong-password", detail)
    };
    let Some((user, stored)) = found else { return Err(wrong()) };
    let password = form.password;
    let right = users
        .hash(move || {
            let Ok(stored) = PasswordHash::new(&stored) else { return false };
            Argon2::default().verify_password(password.as_bytes(), &stored).is_ok()
        })
        .await?;
    if !right {
        return Err(wrong());
    }
    let token = random_hex::<32>()?;
    let cookie = session_cookie(&token);
    let id = user.id;
    users.database.write(move |transaction| insert_session(transaction, &token, id)).await?;
    Ok(([(SET_COOKIE, cookie)], Json(user)).into_response())
}

async fn log_out(State(users): State<Users>, headers: HeaderMap) -> Result<Response, Problem> {
    if let Some(token) = cookie(&headers, SESSION_COOKIE).map(String::from) {
        users
            .database
            .write(move |transaction| {
                transaction.execute("delete from sessions where token = ?", [token])?;
                Ok(())
            })
            .await?;
    }
    let gone = format!("{SESSION_COOKIE}=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax");
    Ok((StatusCode::NO_CONTENT, [(SET_COOKIE, gone)]).into_response())
}

async fn me(State(users): State<Users>, headers: HeaderMap) -> Result<Json<User>, Problem> {
    let Some(token) = cookie(&headers, SESSION_COOKIE).map(String::from) else {
        return Err(Problem::unauthorized());
    };
    let user = users
        .database
        .read(move |connection| {
            let sql = "select users.id, email, name from sessions
                       join users on users.id = user_id where token = ? and expires_ms > ?";
            let row = connection.query_row(sql, params![token, now_ms()], |row| {
                Ok(User { id: row.get(0)?, email: row.get(1)?, name: row.get(2)? })
            });
            Ok(row.optional()?)
        })
        .await?;
    user.map(Json).ok_or_else(Problem::unauthorized)
}

impl Users {
    /// Runs `work` on a thread where it may take long, a few at once.
    async fn hash<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let busy = || Problem::unavailable("too many people log in at once");
        let _waiting = self.waiting.try_acquire().map_err(|_| busy())?;
        let _hashing = self.hashing.acquire().await.map_err(|_| busy())?;
        tokio::task::spawn_blocking(work).await.map_err(|_| busy())
    }
}

fn insert_session(
    transaction: &rusqlite::Transaction<'_>,
    token: &str,
    user_id: i64,
) -> Result<(), Problem> {
    let now = now_ms();
    transaction.execute("delete from sessions where expires_ms <= ?", [now])?;
    let expires = now + SESSION_SECONDS * 1000;
    let sql = "insert into sessions (token, user_id, expires_ms) values (?, ?, ?)";
    transaction.execute(sql, params![token, user_id, expires])?;
    Ok(())
}

fn session_cookie(token: &str) -> String {
    format!("{SESSION_COOKIE}={token}; Path=/; Max-Age={SESSION_SECONDS}; HttpOnly; SameSite=Lax")
}

/// Only what an order page needs: something before and after one `@`, no blanks.
///
/// # Errors
/// 422 with what is expected.
pub fn check_email(email: &str) -> Result<(), Problem> {
    let parts = email.split_once('@');
    let good = parts.is_some_and(|(name, host)| {
        !name.is_empty() && host.contains('.') && !host.contains('@') && !host.starts_with('.')
    });
    if good && email.len() <= TEXT_BYTES_MAX && !email.contains(char::is_whitespace) {
        return Ok(());
    }
    Err(Problem::invalid("`email` looks like name@host.example"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_are_found_among_others() {
        let mut headers = HeaderMap::new();
        headers.append(COOKIE, "a=1; shop_session=xyz; b=2".parse().unwrap());
        headers.append(COOKIE, "c=3".parse().unwrap());
        assert_eq!(cookie(&headers, "shop_session"), Some("xyz"));
        assert_eq!(cookie(&headers, "c"), Some("3"));
        assert_eq!(cookie(&headers, "session"), None);
    }

    #[test]
    fn emails() {
        for good in ["a@b.c", "mary.ann+x@shop.example"] {
            assert!(check_email(good).is_ok(), "{good}");
        }
        for bad in ["", "a", "@b.c", "a@b", "a@b@c.d", "a b@c.d", "a@.c"] {
            assert!(check_email(bad).is_err(), "{bad}");
        }
        let longest = format!("{}@b.cd", "a".repeat(TEXT_BYTES_MAX - 5));
        assert!(check_email(&longest).is_ok());
        assert!(check_email(&format!("a{longest}")).is_err());
    }
}
