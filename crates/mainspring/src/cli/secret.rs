//! `mainspring secret`: set, list, remove.

use std::fs::File;
use std::io::{self, IsTerminal as _, Read as _};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::{Args, Subcommand};
use console::api::{SecretStatus, SecretValue};
use fleet::{FleetError, Secrets};

use super::output::{self, Cell, Table, Tone};
use super::remote::{Patience, Remote, Target, encode};
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

/// Where secrets are kept: by the running node, or in the data folder while none runs, so that a
/// first start finds them.
enum Keeper {
    Node(Remote),
    Folder(Box<Secrets>, #[expect(dead_code, reason = "held to keep nodes from starting")] File),
}

/// Runs one of the three.
pub(super) fn secret(target: &Target, args: &SecretArgs, output: Output) -> Outcome {
    // Read before anything is locked: people take their time.
    let value = match &args.command {
        SecretCommand::Set { name } => Some(read_value(name, output)?),
        SecretCommand::List { .. } | SecretCommand::Remove { .. } => None,
    };
    let mut keeper = match target.idle_folder() {
        Some(data) => open_folder(&data)?,
        None => Keeper::Node(target.connect(Patience::Short)?),
    };
    match &args.command {
        SecretCommand::Set { name } => {
            let value = value.unwrap_or_default();
            set(&mut keeper, name, value, output)?;
        }
        SecretCommand::List { json } => list(&keeper, *json, output)?,
        SecretCommand::Remove { name } => {
            match &mut keeper {
                Keeper::Node(remote) => {
                    let path = format!("/secrets/{}", encode(name));
                    let _: SecretStatus = remote.delete(&path)?;
                }
                Keeper::Folder(secrets, _) => secrets.remove(name).map_err(|e| failed(&e))?,
            }
            output.line(&format!("{name} removed"));
        }
    }
    Ok(DONE)
}

fn set(keeper: &mut Keeper, name: &str, value: String, output: Output) -> Result<(), Failure> {
    let told = match keeper {
        Keeper::Node(remote) => {
            let path = format!("/secrets/{}", encode(name));
            let status: SecretStatus = remote.send("PUT", &path, &SecretValue { value })?;
            match status.used_by.as_slice() {
                [] => "no service uses it yet".to_owned(),
                users => {
                    format!("used by {}; `mainspring deploy` gives it to them", users.join(", "))
                }
            }
        }
        Keeper::Folder(secrets, _) => {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            let unix_ms = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
            secrets.set(name, &value, unix_ms).map_err(|error| failed(&error))?;
            "kept for the next start".to_owned()
        }
    };
    output.line(&format!("{name} set: {told}"));
    Ok(())
}

fn list(keeper: &Keeper, json: bool, output: Output) -> Result<(), Failure> {
    let secrets: Vec<SecretStatus> = match keeper {
        Keeper::Node(remote) => remote.get("/secrets")?,
        Keeper::Folder(secrets, _) => {
            let status = |(name, updated_unix_ms): (&str, u64)| SecretStatus {
                name: name.to_owned(),
                updated_unix_ms,
                used_by: Vec::new(),
            };
            secrets.names().map(status).collect()
        }
    };
    if json {
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
    Ok(())
}

/// The secrets of a data folder, with the lock that a node would hold.
fn open_folder(data: &Path) -> Result<Keeper, Failure> {
    let cannot = |error: std::io::Error| {
        Failure::failed(format!("cannot use the data folder {}: {error}", data.display()))
    };
    std::fs::create_dir_all(data).map_err(cannot)?;
    let lock = File::options().create(true).append(true).open(data.join("lock")).map_err(cannot)?;
    if lock.try_lock().is_err() {
        return Err(Failure::failed(format!(
            "a node is starting or ending in {}: try again in a moment",
            data.display()
        )));
    }
    let secrets = Secrets::open(data).map_err(|error| failed(&error))?;
    Ok(Keeper::Folder(Box::new(secrets), lock))
}

fn failed(error: &FleetError) -> Failure {
    Failure::failed(error.to_string())
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
