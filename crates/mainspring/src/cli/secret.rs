//! `mainspring secret`: set, list, remove.

use std::io::{self, IsTerminal as _, Read as _};

use clap::{Args, Subcommand};
use console::api::{SecretStatus, SecretValue};

use super::output::{self, Cell, Table, Tone};
use super::remote::{Patience, Target, encode};
use super::{DONE, Failure, Outcome, Output};

/// Largest secret.
const SECRET_BYTES_MAX: u64 = 64 << 10;

#[derive(Args, Clone, Debug)]
pub(super) struct SecretArgs {
    #[command(subcommand)]
    command: SecretCommand,
}

#[derive(Subcommand, Clone, Debug)]
enum SecretCommand {
    /// Set a secret. Its value is read from standard input, so that neither the shell's history
    /// nor the list of processes shows it
    Set {
        /// The name, as in env = { KEY = { secret = "NAME" } }
        name: String,
    },
    /// List the names of the secrets; nothing shows their values
    List {
        /// Print JSON for programs
        #[arg(long)]
        json: bool,
    },
    /// Forget a secret
    Remove {
        /// The name
        name: String,
    },
}

/// Runs one of the three.
pub(super) fn secret(target: &Target, args: &SecretArgs, output: Output) -> Outcome {
    let remote = target.connect(Patience::Short)?;
    match &args.command {
        SecretCommand::Set { name } => {
            let value = read_value(name, output)?;
            let path = format!("/secrets/{}", encode(name));
            let status: SecretStatus = remote.send("PUT", &path, &SecretValue { value })?;
            let users = match status.used_by.as_slice() {
                [] => "no service uses it yet".to_owned(),
                users => {
                    format!("used by {}; `mainspring deploy` gives it to them", users.join(", "))
                }
            };
            output.line(&format!("{} set: {users}", status.name));
        }
        SecretCommand::List { json } => {
            let secrets: Vec<SecretStatus> = remote.get("/secrets")?;
            if *json {
                output.json(&secrets);
            } else if secrets.is_empty() {
                output.line("no secrets; set one with `mainspring secret set NAME`");
            } else {
                let mut table = Table::new(&["SECRET", "SET", "USED BY"]);
                for secret in &secrets {
                    let set = Cell::text(output::ago(secret.updated_unix_ms)).in_tone(Tone::Faint);
                    let users = Cell::text(secret.used_by.join(", "));
                    table.row(vec![Cell::text(&secret.name), set, users]);
                }
                output.write(&output.table(&table));
            }
        }
        SecretCommand::Remove { name } => {
            let status: SecretStatus = remote.delete(&format!("/secrets/{}", encode(name)))?;
            output.line(&format!("{} removed", status.name));
        }
    }
    Ok(DONE)
}

fn read_value(name: &str, output: Output) -> Result<String, Failure> {
    let stdin = io::stdin();
    if stdin.is_terminal() {
        output.note(&format!(
            "type the value of {name}, then Enter and Ctrl-D (it is shown as you type)"
        ));
    }
    let mut value = String::new();
    let read = stdin.lock().take(SECRET_BYTES_MAX + 2).read_to_string(&mut value);
    read.map_err(|error| Failure::failed(format!("cannot read the value: {error}")))?;
    // A line end comes from `echo` or the Enter key, not from the secret.
    let value = value
        .strip_suffix('\n')
        .map_or(value.as_str(), |line| line.strip_suffix('\r').unwrap_or(line));
    if value.is_empty() {
        return Err(Failure::wrong(format!(
            "the value is empty: write it to standard input, such as `mainspring secret set {name} < file`"
        )));
    }
    if value.len() as u64 > SECRET_BYTES_MAX {
        return Err(Failure::wrong(format!("a secret has at most {SECRET_BYTES_MAX} bytes")));
    }
    Ok(value.to_owned())
}
