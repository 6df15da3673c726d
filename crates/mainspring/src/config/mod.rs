//! The configuration file: reading it, telling everything that is wrong with it, and comparing two.
//!
//! Reading order: `keys` (the table of every key), `reader` (takes values by that table),
//! `document` (the file as a whole), `service`, `route`, `check` (what must hold between sections),
//! then `plan` (what a changed file would do) and `last_good`.

mod check;
mod diagnostic;
mod document;
mod edge;
mod keys;
mod last_good;
pub mod plan;
mod reader;
mod reference;
mod route;
mod service;
mod value;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use gateway::{EdgePolicy, RetryPolicy, RouteSpec};
use model::ServiceName;
use orchestrator::ServiceSpec;

pub use diagnostic::{DIAGNOSTIC_COUNT_MAX, Diagnostic, DiagnosticRecord, Diagnostics, Severity};
pub use last_good::LastGood;
pub use reference::reference;
pub use value::{show_duration, show_size};

/// The file that is read when none is named.
pub const FILE_NAME: &str = "mainspring.toml";

/// Largest configuration file.
pub const CONFIG_BYTES_MAX: usize = 4 << 20;

/// Everything that the file says, with defaults filled in and checked as a whole.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// `[node]`.
    pub node: NodeConfig,
    /// `[listen]`.
    pub listen: ListenConfig,
    /// `[service.…]`.
    pub services: BTreeMap<ServiceName, ServiceSpec>,
    /// `[[route]]`, in the order of the file.
    pub routes: Vec<RouteSpec>,
    /// `[limits]`, `[proxy]` and what `[log]` says of the access log.
    pub edge: EdgePolicy,
    /// `[log]`.
    pub log: LogConfig,
}

/// `[node]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeConfig {
    /// What this machine is called.
    pub name: String,
    /// Mainspring's own folder.
    pub data: PathBuf,
    /// Where the machine is.
    pub region: Option<String>,
    /// What becomes of programs when Mainspring dies.
    pub on_crash: OnCrash,
    /// Threads that carry traffic; nothing means one for each core.
    pub cores: Option<usize>,
}

/// What becomes of programs when Mainspring itself dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnCrash {
    /// They run on, and the next start takes them over.
    Keep,
    /// They are ended.
    Stop,
}

/// `[listen]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenConfig {
    /// Where clients come in.
    pub http: Vec<SocketAddr>,
    /// Console and admin API.
    pub console: SocketAddr,
}

/// `[log]`.
#[derive(Clone, Debug, PartialEq)]
pub struct LogConfig {
    /// Whether there is an access log.
    pub access: bool,
    /// Share of requests without a server error that it holds, from 0 to 1.
    pub access_sample: f64,
    /// How lines of programs are kept.
    pub format: LogFormat,
    /// Size at which a log file is put aside.
    pub file_bytes: u64,
    /// Files kept of each log.
    pub file_count: usize,
}

/// How lines of programs are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Time, replica, line.
    Text,
    /// One JSON object a line.
    Json,
}

impl Config {
    /// The services as the gateway sees them, ordered by name.
    pub fn gateway_services(&self) -> Vec<gateway::ServiceSpec> {
        let spec = |name: &ServiceName| gateway::ServiceSpec {
            name: name.clone(),
            retry: RetryPolicy::default(),
        };
        self.services.keys().map(spec).collect()
    }
}

/// The data folder that the file at `path` names, or the default when it names none.
///
/// A file with errors still says where its node runs: to ask that node is most wanted just then.
pub fn data_folder(path: &Path) -> PathBuf {
    let text = read_text(path).unwrap_or_default();
    document::data_folder(&text, &folder_of(path))
}

/// Whether a variable may stand in `env`: `init` writes only those.
pub(crate) fn is_usable_variable(name: &str, value: &str) -> bool {
    service::check_variable(name).is_ok() && !value.contains('\0')
}

/// Reads and checks the file at `path`.
///
/// # Errors
/// Everything that is wrong with it, at once.
pub fn load(path: &Path) -> Result<Config, Diagnostics> {
    read(path).map(|(config, _)| config)
}

/// As [`load`], with what is not wrong but probably not meant.
///
/// # Errors
/// Everything that is wrong with it, at once.
pub fn read(path: &Path) -> Result<(Config, Diagnostics), Diagnostics> {
    let text = read_text(path)?;
    read_text_as(path, &text)
}

/// Checks `text` as if it stood at `path`, which messages name and relative folders start from.
///
/// # Errors
/// Everything that is wrong with it, at once.
pub fn load_text(path: &Path, text: &str) -> Result<Config, Diagnostics> {
    read_text_as(path, text).map(|(config, _)| config)
}

/// The text of a configuration file.
///
/// # Errors
/// When it cannot be read, is too large, or is not text.
pub fn read_text(path: &Path) -> Result<String, Diagnostics> {
    let shown = path.display().to_string();
    let unreadable = |title: String, help: &str| Diagnostics::unreadable(&shown, title, help);
    let not_there = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => unreadable(
            format!("there is no file {shown}"),
            "name another with -c FILE, or let `mainspring init` write one",
        ),
        _ => unreadable(format!("cannot read {shown}: {error}"), "check the path and its rights"),
    };
    let file = File::open(path).map_err(not_there)?;
    let mut bytes = Vec::new();
    let limit = u64::try_from(CONFIG_BYTES_MAX).unwrap_or(u64::MAX);
    file.take(limit + 1).read_to_end(&mut bytes).map_err(not_there)?;
    if bytes.len() > CONFIG_BYTES_MAX {
        let most = show_size(limit);
        let title = format!("{shown} has more than {most}");
        return Err(unreadable(title, "is this the right file?"));
    }
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let before = error.as_bytes().get(..at).unwrap_or_default();
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        let title = format!("{shown} is not UTF-8 text: byte {at}, in line {line}");
        unreadable(title, "save it as UTF-8")
    })
}

/// As [`load_text`], with what is not wrong but probably not meant.
///
/// # Errors
/// Everything that is wrong with it, at once.
pub fn read_text_as(path: &Path, text: &str) -> Result<(Config, Diagnostics), Diagnostics> {
    let shown = path.display().to_string();
    let mut found = diagnostic::Found::default();
    let config = document::read(text, &folder_of(path), &mut found);
    let failed = found.has_errors();
    let diagnostics = Diagnostics::new(&shown, text, found);
    match config {
        Some(config) if !failed => Ok((config, diagnostics)),
        Some(_) | None => Err(diagnostics),
    }
}

/// Where relative folders start from: absolute, so that a later change of the working folder moves
/// nothing.
fn folder_of(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    absolute.parent().unwrap_or(Path::new("/")).to_owned()
}

#[cfg(test)]
mod tests;
