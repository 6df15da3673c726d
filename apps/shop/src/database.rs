//! One SQLite file per program, shared by all of its copies on one machine.
//!
//! Write-ahead logging lets readers and one writer work at once; writers of several processes
//! wait for each other up to [`BUSY_TIMEOUT`]. `synchronous = NORMAL` means that a killed process
//! loses nothing that it answered, and that a power cut may lose the last moments.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::sync::Semaphore;

use crate::problem::Problem;

/// How long a writer waits for the writer of another process.
pub const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Calls that may wait for the connection at once. Beyond: 503.
pub const CALLS_WAITING_MAX: usize = 256;
/// How often the change to write-ahead logging is tried while other copies do the same.
const WAL_ATTEMPTS_MAX: u32 = 50;

/// A handle to the file; cheap to clone.
#[derive(Clone, Debug)]
pub struct Database {
    connection: Arc<Mutex<Connection>>,
    waiting: Arc<Semaphore>,
}

impl Database {
    /// Opens `folder/name.sqlite`, creating folder, file and `schema` where they are missing.
    ///
    /// # Errors
    /// A sentence with the path and the reason.
    pub fn open(folder: &Path, name: &str, schema: &str) -> Result<Database, String> {
        let path = folder.join(format!("{name}.sqlite"));
        let explain = |why: String| format!("cannot use {}: {why}", path.display());
        std::fs::create_dir_all(folder).map_err(|error| explain(error.to_string()))?;
        let connection = open_connection(&path, schema).map_err(|why| explain(why.to_string()))?;
        Ok(Database {
            connection: Arc::new(Mutex::new(connection)),
            waiting: Arc::new(Semaphore::new(CALLS_WAITING_MAX)),
        })
    }

    /// Runs `work` in one write transaction, on a thread where waiting is allowed.
    /// It commits when `work` returns `Ok` and changes nothing when it returns `Err`.
    ///
    /// # Errors
    /// What `work` returned, 500 where the database failed, 503 where too many calls wait.
    pub async fn write<T, F>(&self, work: F) -> Result<T, Problem>
    where
        T: Send + 'static,
        F: FnOnce(&Transaction<'_>) -> Result<T, Problem> + Send + 'static,
    {
        self.call(move |connection| {
            // Immediate: a read that later writes could not wait for another process's write.
            let transaction =
                connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let value = work(&transaction)?;
            transaction.commit()?;
            Ok(value)
        })
        .await
    }

    /// Runs `work`, which only reads.
    ///
    /// # Errors
    /// As [`Database::write`].
    pub async fn read<T, F>(&self, work: F) -> Result<T, Problem>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Problem> + Send + 'static,
    {
        self.call(move |connection| work(connection)).await
    }

    async fn call<T, F>(&self, work: F) -> Result<T, Problem>
    where
        T: Send + 'static,
        F: FnOnce(&mut Connection) -> Result<T, Problem> + Send + 'static,
    {
        let Ok(permit) = self.waiting.clone().try_acquire_owned() else {
            return Err(Problem::unavailable("too many requests wait for the database"));
        };
        let connection = self.connection.clone();
        let call = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            // A panic in another call rolled its transaction back: the connection is still good.
            let mut connection = connection.lock().unwrap_or_else(PoisonError::into_inner);
            work(&mut connection)
        });
        call.await.unwrap_or_else(|failure| {
            eprintln!("database call: {failure}");
            let status = axum::http::StatusCode::INTERNAL_SERVER_ERROR;
            Err(Problem::new(status, "internal", "this answer failed; the log says why"))
        })
    }
}

/// Milliseconds since 1970, for columns that people read.
pub fn now_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// `bytes` random bytes as lower-case hex: session tokens and references that nobody can guess.
pub fn random_hex<const BYTES: usize>() -> Result<String, Problem> {
    let mut random = [0u8; BYTES];
    getrandom::fill(&mut random).map_err(|error| {
        let status = axum::http::StatusCode::INTERNAL_SERVER_ERROR;
        Problem::new(status, "random", format!("the system gave no random bytes: {error}"))
    })?;
    Ok(random.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn open_connection(path: &Path, schema: &str) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    // The change of journal does not wait for other processes as ordinary writes do.
    let mut attempt = 0;
    while let Err(error) = connection.pragma_update(None, "journal_mode", "wal") {
        attempt += 1;
        if attempt == WAL_ATTEMPTS_MAX {
            return Err(error);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    connection.pragma_update(None, "synchronous", "normal")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    let script = format!("begin immediate; {schema} commit;");
    connection.execute_batch(&script)?;
    Ok(connection)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> std::path::PathBuf {
        let folder = std::env::temp_dir().join(format!("shop-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        folder
    }

    #[tokio::test]
    async fn a_failed_write_changes_nothing() {
        let folder = folder("rollback");
        let database =
            Database::open(&folder, "t", "create table if not exists t (n integer);").unwrap();
        let failed: Result<(), Problem> = database
            .write(|transaction| {
                transaction.execute("insert into t values (1)", [])?;
                Err(Problem::invalid("no"))
            })
            .await;
        assert_eq!(failed.unwrap_err().kind, "invalid");
        let count: i64 = database
            .read(
                |connection| Ok(connection.query_row("select count(*) from t", [], |r| r.get(0))?),
            )
            .await
            .unwrap();
        assert_eq!(count, 0);
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn two_connections_open_one_file_at_once() {
        let folder = folder("twice");
        let threads: Vec<_> = (0..8)
            .map(|_| {
                let folder = folder.clone();
                std::thread::spawn(move || {
                    Database::open(&folder, "t", "create table if not exists t (n integer);")
                })
            })
            .collect();
        for thread in threads {
            thread.join().unwrap().unwrap();
        }
        std::fs::remove_dir_all(folder).unwrap();
    }
}
