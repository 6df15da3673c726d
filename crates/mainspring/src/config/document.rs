//! The file as a whole: its sections, each read by its own function.

use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use model::ServiceName;

use super::check;
use super::diagnostic::Found;
use super::edge;
use super::keys::{self, SERVICE_COUNT_MAX};
use super::reader::Reader;
use super::route;
use super::service::{self, Placed};
use super::{Config, ListenConfig, LogConfig, LogFormat, NodeConfig, OnCrash};

/// Longest name of a node: a host name (RFC 1035 §2.3.4).
const NODE_NAME_BYTES_MAX: usize = 255;

/// Reads `text`. Relative folders start from `folder`.
pub(super) fn read(text: &str, folder: &Path, found: &mut Found) -> Option<Config> {
    let (table, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        let span = error.span().unwrap_or(0..0);
        found.error(span, format!("not valid TOML: {}", error.message()), "here", "");
    }
    for error in &errors {
        let place = error.span().map_or(0, |span| span.start);
        let before = text.get(..place).unwrap_or_default();
        found.trust_until(before.rfind('\n').map_or(0, |newline| newline + 1));
    }
    let file = Reader::open(&keys::FILE, table.get_ref(), "the file".to_owned(), 0..0, found);
    let node = read_node(&file, folder, found);
    let listen = read_listen(&file, found);
    let services = read_services(&file, folder, found);
    check::services(&services.read, listen.as_ref(), found);
    let log = read_log(&file, found);
    let limits = edge::read_limits(&file, found);
    let forwarding = edge::read_forwarding(&file, found);
    let body_bytes_max = limits.as_ref().map_or(u64::MAX, |limits| limits.body_bytes_max);
    let routes = route::read(&file, &services.names, body_bytes_max, found);
    // Routes that lead to services with errors would be told to lead nowhere.
    if !found.has_errors() {
        route::check_together(&routes, &services.names, found);
    }
    let (log, limits) = (log?, limits?);
    let services = services.read.into_iter().map(|placed| (placed.spec.name.clone(), placed.spec));
    Some(Config {
        node: node?,
        listen: listen?,
        services: services.collect(),
        routes: routes.into_iter().map(|placed| placed.spec).collect(),
        edge: edge::policy(limits, forwarding?, &log),
        log,
    })
}

/// The services of a file.
#[derive(Default)]
struct Services {
    /// Those that could be read.
    read: Vec<Placed>,
    /// The names of all, those with errors included: what leads to them is no second error.
    names: Vec<ServiceName>,
}

/// `[node] data` of a file that may be wrong otherwise.
pub(super) fn data_folder(text: &str, folder: &Path) -> PathBuf {
    let (table, _) = DeTable::parse_recoverable(text);
    let mut found = Found::default();
    let file = Reader::open(&keys::FILE, table.get_ref(), "the file".to_owned(), 0..0, &mut found);
    let data = with_section(&file, "node", &keys::NODE, &mut found, |reader, found| {
        reader.text("data", found)
    });
    folder.join(data.unwrap_or_else(|| "data".to_owned()))
}

/// A section of the file whose keys all have defaults: read as an empty one when it is absent.
pub(super) fn with_section<T>(
    file: &Reader<'_>,
    name: &'static str,
    section: &'static keys::Section,
    found: &mut Found,
    read: impl FnOnce(&Reader<'_>, &mut Found) -> T,
) -> T {
    if let Some(reader) = file.section(name, format!("[{name}]"), found) {
        return read(&reader, found);
    }
    let empty = DeTable::new();
    read(&Reader::open(section, &empty, format!("[{name}]"), 0..0, found), found)
}

fn read_node(file: &Reader<'_>, folder: &Path, found: &mut Found) -> Option<NodeConfig> {
    with_section(file, "node", &keys::NODE, found, |reader, found| {
        let name = reader.text("name", found).unwrap_or_else(host_name);
        if name.is_empty()
            || name.len() > NODE_NAME_BYTES_MAX
            || name.contains(|c: char| c.is_control() || c.is_whitespace())
        {
            let help = format!("write 1 to {NODE_NAME_BYTES_MAX} characters without white space");
            reader.wrong("name", reader.place_of("name"), &help, found);
        }
        let cores = reader.integer("cores", found).and_then(|cores| usize::try_from(cores).ok());
        let on_crash = match reader.choice("on-crash", found) {
            Some("stop") => OnCrash::Stop,
            Some(_) | None => OnCrash::Keep,
        };
        let data = folder.join(reader.text("data", found)?);
        Some(NodeConfig { name, data, region: reader.text("region", found), on_crash, cores })
    })
}

fn read_listen(file: &Reader<'_>, found: &mut Found) -> Option<ListenConfig> {
    with_section(file, "listen", &keys::LISTEN, found, |reader, found| {
        let http = reader.addresses("http", found);
        let console = reader.address("console", found);
        let (http, console) = (http?, console?);
        let mut taken = vec![(console, "console")];
        for (address, place) in &http {
            let clash = taken.iter().find(|(other, _)| clashes(*address, *other));
            if let Some((other, door)) = clash {
                let title = format!("two doors at port {}", address.port());
                let label = format!("`{door}` has {other}");
                found.error(place.clone(), title, label, "give each door a port of its own");
            }
            taken.push((*address, "http"));
        }
        let http = http.into_iter().map(|(address, _)| address).collect();
        Some(ListenConfig { http, console })
    })
}

/// Whether two doors cannot both be open. Port 0 is any free one, so it never clashes.
fn clashes(one: std::net::SocketAddr, other: std::net::SocketAddr) -> bool {
    let same_port = one.port() == other.port() && one.port() != 0;
    let same_family = one.is_ipv4() == other.is_ipv4();
    let all = one.ip().is_unspecified() || other.ip().is_unspecified();
    same_port && ((same_family && all) || one.ip() == other.ip())
}

fn read_services(file: &Reader<'_>, folder: &Path, found: &mut Found) -> Services {
    let mut services = Services::default();
    let Some(entry) = file.entry("service") else { return services };
    let DeValue::Table(table) = entry.value.get_ref() else {
        file.wrong("service", entry.value.span(), "write a section `[service.NAME]`", found);
        return services;
    };
    if table.len() > SERVICE_COUNT_MAX {
        let help = format!("write at most {SERVICE_COUNT_MAX} services");
        file.wrong("service", entry.key, &help, found);
        return services;
    }
    for (name, value) in table.iter() {
        let place = name.span();
        match (ServiceName::new(name.get_ref()), value.get_ref()) {
            (Err(problem), _) => {
                found.error(place, "wrong name of a service", problem.to_string(), "");
            }
            (Ok(name), DeValue::Table(table)) => {
                services.names.push(name.clone());
                services.read.extend(service::read(name, place, table, folder, found));
            }
            (Ok(name), _) => {
                let title = format!("`{name}` of [service] is not a section");
                found.error(value.span(), title, format!("write `[service.{name}]`"), "");
            }
        }
    }
    services.names.sort();
    services
}

fn read_log(file: &Reader<'_>, found: &mut Found) -> Option<LogConfig> {
    with_section(file, "log", &keys::LOG, found, |reader, found| {
        let access = reader.boolean("access", found);
        let access_sample = reader.share("access-sample", found);
        let format = match reader.choice("format", found) {
            Some("json") => LogFormat::Json,
            Some(_) | None => LogFormat::Text,
        };
        let file_bytes = reader.size("file-bytes", found);
        let file_count = reader.integer("file-count", found);
        Some(LogConfig {
            access: access?,
            access_sample: access_sample?,
            format,
            file_bytes: file_bytes?,
            file_count: usize::try_from(file_count?).ok()?,
        })
    })
}

/// The machine's name, for a node that was given none.
fn host_name() -> String {
    let kernel = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = kernel.trim();
    if name.is_empty() { "node".to_owned() } else { name.to_owned() }
}
