//! The ledger: every stored order and charge, for somebody who counts from outside.

use std::io::Write;
use std::path::Path;

use rusqlite::{Connection, OpenFlags, OptionalExtension};
use serde_json::json;

use crate::database::BUSY_TIMEOUT;

/// Prints one JSON line per order: its status, how often a request for it arrived, and how often
/// one to charge its card did. Only reads.
///
/// # Errors
/// A sentence: a file is missing or damaged, or the output is closed.
pub fn print(folder: &Path) -> Result<(), String> {
    let mut lines = Vec::new();
    collect(folder, &mut lines).map_err(|why| format!("{}: {why}", folder.display()))?;
    let mut out = std::io::stdout().lock();
    out.write_all(&lines).and_then(|()| out.flush()).map_err(|error| error.to_string())
}

fn collect(folder: &Path, lines: &mut Vec<u8>) -> rusqlite::Result<()> {
    let orders = open(&folder.join("orders.sqlite"))?;
    let payments = open(&folder.join("payments.sqlite"))?;
    let mut charged =
        payments.prepare("select requests, refunded, verdict from payments where reference = ?")?;
    let mut statement = orders.prepare(
        "select reference, status, total_cents, replica, version,
           (select count(*) from arrivals where arrivals.reference = orders.reference)
         from orders order by created_ms, reference",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let reference: String = row.get(0)?;
        let charge = charged
            .query_row([&reference], |row| {
                Ok((row.get::<_, i64>(0)?, row.get::<_, bool>(1)?, row.get::<_, String>(2)?))
            })
            .optional()?;
        let (charge_requests, refunded, verdict) = charge.unwrap_or_default();
        let line = json!({
            "reference": reference,
            "status": row.get::<_, String>(1)?,
            "total_cents": row.get::<_, i64>(2)?,
            "replica": row.get::<_, String>(3)?,
            "version": row.get::<_, String>(4)?,
            "arrivals": row.get::<_, i64>(5)?,
            "charge_requests": charge_requests,
            "charged": verdict == "paid",
            "refunded": refunded,
        });
        lines.extend_from_slice(line.to_string().as_bytes());
        lines.push(b'\n');
    }
    Ok(())
}

fn open(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    Ok(connection)
}
