//! The rows that the shop really stored, read by its own tool straight from its files.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};

use serde::Deserialize;

use crate::demo::place::Place;

/// One stored order.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Row {
    pub(super) reference: String,
    pub(super) status: String,
    /// The replica that stored it.
    pub(super) replica: String,
    /// How often a request with this reference reached the orders program.
    pub(super) arrivals: u32,
    /// How often a request to charge it reached the payments program.
    pub(super) charge_requests: u32,
    pub(super) charged: bool,
}

/// Every stored order by its reference.
pub(super) type Ledger = BTreeMap<String, Row>;

/// Reads the ledger.
///
/// # Errors
/// What the shop's tool said.
pub(super) fn read(place: &Place) -> Result<Ledger, String> {
    let mut command = Command::new(&place.programs.shop);
    command.arg("ledger").arg("--data").arg(place.shop_data()).stdin(Stdio::null());
    let output = command.output().map_err(|error| format!("cannot read the ledger: {error}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("cannot read the ledger: {}", said.trim()));
    }
    parse(&String::from_utf8_lossy(&output.stdout))
}

fn parse(text: &str) -> Result<Ledger, String> {
    let mut ledger = Ledger::new();
    for line in text.lines() {
        let row: Row = serde_json::from_str(line)
            .map_err(|error| format!("the ledger has a line that is none: {error}: {line}"))?;
        if let Some(twice) = ledger.insert(row.reference.clone(), row) {
            return Err(format!("the order {} is stored twice", twice.reference));
        }
    }
    Ok(ledger)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = r#"{"reference":"a","status":"paid","total_cents":5,"replica":"orders.1",
        "version":"v1","arrivals":1,"charge_requests":1,"charged":true,"refunded":false}"#;

    #[test]
    fn rows_are_read_and_doubles_refused() {
        let line = LINE.replace('\n', "");
        let ledger = parse(&line).unwrap();
        assert_eq!(ledger["a"].status, "paid");
        assert!(parse(&format!("{line}\n{line}")).unwrap_err().contains("stored twice"));
        assert!(parse("nonsense").is_err());
    }
}
