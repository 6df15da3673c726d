//! `[[route]]`: which requests go where.

use std::collections::BTreeMap;
use std::ops::Range;

use gateway::{
    Balance, HeaderMatch, HostMatch, InvalidPattern, PathMatch, RouteField, RoutePolicy, RouteSpec,
    Router, WEIGHT_MAX,
};
use model::ServiceName;
use toml::de::{DeTable, DeValue};

use super::check::unknown_service;
use super::diagnostic::{Diagnostic, Found, Severity};
use super::keys::{self, HEADER_MATCH_COUNT_MAX, ROUTE_COUNT_MAX};
use super::reader::{Reader, Value, as_integer, as_text};

/// Longest name of a route: it stands in every line of metrics about it.
const ROUTE_NAME_BYTES_MAX: usize = 200;

/// A route with the places that later checks point to.
pub(super) struct Placed {
    pub(super) spec: RouteSpec,
    /// The name, when the file gives it one.
    given_name: Option<Range<usize>>,
    /// Each of these, or the route's header when it has none.
    path: Range<usize>,
    methods: Range<usize>,
    to: Range<usize>,
}

impl Placed {
    fn place_of(&self, field: RouteField) -> Range<usize> {
        match field {
            RouteField::Name => self.given_name.clone().unwrap_or_else(|| self.path.clone()),
            RouteField::Path => self.path.clone(),
            RouteField::Methods => self.methods.clone(),
            RouteField::To => self.to.clone(),
        }
    }
}

/// Reads all routes. One in which something is wrong is left out; then why is in `found`.
pub(super) fn read(
    file: &Reader<'_>,
    services: &[ServiceName],
    body_bytes_max: u64,
    found: &mut Found,
) -> Vec<Placed> {
    let Some(entry) = file.entry("route") else { return Vec::new() };
    let DeValue::Array(list) = entry.value.get_ref() else {
        file.wrong("route", entry.value.span(), "write a section `[[route]]`", found);
        return Vec::new();
    };
    if list.len() > ROUTE_COUNT_MAX {
        let help = format!("write at most {ROUTE_COUNT_MAX} routes");
        file.wrong("route", entry.key, &help, found);
        return Vec::new();
    }
    let mut routes = Vec::new();
    for item in list.iter() {
        match item.get_ref() {
            DeValue::Table(table) => {
                routes.extend(read_route(table, item.span(), services, body_bytes_max, found));
            }
            _ => file.wrong("route", item.span(), "write a section `[[route]]`", found),
        }
    }
    name_all(&mut routes, found);
    routes
}

/// The router's own opinion on all routes together: duplicates and the like.
pub(super) fn check_together(routes: &[Placed], services: &[ServiceName], found: &mut Found) {
    let specs: Vec<RouteSpec> = routes.iter().map(|route| route.spec.clone()).collect();
    for problem in Router::build(specs, services).err().unwrap_or_default() {
        let place =
            |index: usize| routes.get(index).map_or(0..0, |route| route.place_of(problem.field));
        let name = routes.get(problem.index).map_or("", |route| route.spec.name.as_str());
        let related = problem.other.map(|other| (place(other), "the other route".to_owned()));
        found.add(Diagnostic {
            severity: Severity::Error,
            span: Some(place(problem.index)),
            title: format!("route {name:?} cannot be used"),
            label: problem.message.clone(),
            help: None,
            related,
        });
    }
}

fn read_route(
    table: &DeTable<'_>,
    place: Range<usize>,
    services: &[ServiceName],
    body_bytes_max: u64,
    found: &mut Found,
) -> Option<Placed> {
    let reader = Reader::open(&keys::ROUTE, table, "[[route]]".to_owned(), place.clone(), found);
    let host = read_host(&reader, found);
    let path = read_path(&reader, found);
    let methods = read_methods(&reader, found);
    let headers = read_headers(&reader, found);
    let to = read_to(&reader, services, found);
    let policy = read_policy(&reader, body_bytes_max, found);
    let name = reader.text("name", found);
    if let Some(name) = &name {
        let usable = !name.trim().is_empty() && !name.chars().any(char::is_control);
        if !usable || name.len() > ROUTE_NAME_BYTES_MAX || name.starts_with("door:") {
            let help = format!(
                "write 1 to {ROUTE_NAME_BYTES_MAX} bytes without control characters, not \
                 beginning with `door:`"
            );
            reader.wrong("name", reader.place_of("name"), &help, found);
        }
    }
    let given_name = name.as_ref().map(|_| reader.place_of("name"));
    let (host, path) = (host?, path?);
    let name = name.unwrap_or_else(|| default_name(&host, &path, &methods));
    let spec = RouteSpec { name, host, path, methods, headers, to: to?, policy: policy? };
    let place_of = |name| reader.place_of(name);
    let (path, methods, to) = (place_of("path"), place_of("methods"), place_of("to"));
    Some(Placed { spec, given_name, path, methods, to })
}

fn read_host(reader: &Reader<'_>, found: &mut Found) -> Option<HostMatch> {
    if reader.entry("host").is_none() {
        return Some(HostMatch::Any);
    }
    let text = reader.text("host", found)?;
    usable(HostMatch::parse(&text), reader, "host", found)
}

fn read_path(reader: &Reader<'_>, found: &mut Found) -> Option<PathMatch> {
    let Some(entry) = reader.entry("path") else { return Some(PathMatch::Any) };
    let parsed = match regex_of(entry.value) {
        Some(regex) => PathMatch::regex(&regex),
        None => match as_text(entry.value.get_ref()) {
            Ok(text) => PathMatch::parse(&text),
            Err(_) => {
                let help = "write a text such as \"/orders/**\", or { regex = \"…\" }";
                reader.wrong("path", entry.value.span(), help, found);
                return None;
            }
        },
    };
    usable(parsed, reader, "path", found)
}

/// What the gateway read, or its own words on why not.
fn usable<T>(
    parsed: Result<T, InvalidPattern>,
    reader: &Reader<'_>,
    name: &str,
    found: &mut Found,
) -> Option<T> {
    match parsed {
        Ok(value) => Some(value),
        Err(problem) => {
            reader.wrong(name, reader.place_of(name), &in_one_line(&problem), found);
            None
        }
    }
}

/// A problem without the picture that the regular-expression parser draws: we draw our own.
fn in_one_line(problem: &InvalidPattern) -> String {
    let text = problem.to_string();
    let mut lines = text.lines();
    let (first, last) = (lines.next().unwrap_or_default(), lines.next_back());
    let Some(last) = last else { return text };
    let first = first.trim_end_matches("regex parse error:").trim_end();
    format!("{first} {}", last.trim_start_matches("error: "))
}

/// The text of `{ regex = "…" }`.
fn regex_of(value: &Value<'_>) -> Option<String> {
    let DeValue::Table(table) = value.get_ref() else { return None };
    let (key, regex) = table.iter().next().filter(|_| table.len() == 1)?;
    let text = as_text(regex.get_ref()).ok().filter(|_| key.get_ref() == "regex")?;
    Some(text.into_owned())
}

fn read_methods(reader: &Reader<'_>, found: &mut Found) -> Vec<String> {
    let mut methods: Vec<String> = Vec::new();
    for (method, place) in reader.texts("methods", found) {
        let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        if method.is_empty() || !method.bytes().all(token) {
            reader.wrong("methods", place, "write a method such as \"GET\"", found);
        } else if method.bytes().any(|byte| byte.is_ascii_lowercase()) {
            let help = format!("methods are case-sensitive: write \"{}\"", method.to_uppercase());
            reader.wrong("methods", place, &help, found);
        } else if methods.contains(&method) {
            reader.wrong("methods", place, "this method is there twice", found);
        } else {
            methods.push(method);
        }
    }
    methods
}

fn read_headers(reader: &Reader<'_>, found: &mut Found) -> Vec<HeaderMatch> {
    let Some(entry) = reader.entry("headers") else { return Vec::new() };
    let DeValue::Table(table) = entry.value.get_ref() else {
        let help = "write a table: headers = { x-beta = \"1\", accept = { regex = \"…\" } }";
        reader.wrong("headers", entry.value.span(), help, found);
        return Vec::new();
    };
    if table.len() > HEADER_MATCH_COUNT_MAX {
        let help = format!("write at most {HEADER_MATCH_COUNT_MAX} headers");
        reader.wrong("headers", entry.key, &help, found);
        return Vec::new();
    }
    let mut headers = Vec::new();
    for (name, value) in table.iter() {
        let text = name.get_ref().as_ref();
        let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        if text.is_empty() || !text.bytes().all(token) {
            let help = format!("{text:?} is not the name of a header (RFC 9110 §5.1)");
            reader.wrong("headers", name.span(), &help, found);
            continue;
        }
        let parsed = match (value.get_ref(), regex_of(value)) {
            (_, Some(regex)) => HeaderMatch::matches(text, &regex),
            (DeValue::Boolean(true), None) => Ok(HeaderMatch::present(text)),
            (DeValue::String(want), None) => Ok(HeaderMatch::equals(text, want)),
            _ => {
                let help = "write the value as a text, true for any value, or { regex = \"…\" }";
                reader.wrong("headers", value.span(), help, found);
                continue;
            }
        };
        match parsed {
            Ok(header) => headers.push(header),
            Err(problem) => reader.wrong("headers", value.span(), &in_one_line(&problem), found),
        }
    }
    headers
}

fn read_to(
    reader: &Reader<'_>,
    services: &[ServiceName],
    found: &mut Found,
) -> Option<Vec<(ServiceName, u32)>> {
    let Some(entry) = reader.entry("to") else {
        let help = match services.first() {
            Some(first) => format!("add to = \"{first}\""),
            None => "add to = \"service\", and a section [service.…]".to_owned(),
        };
        found.error(reader.place.clone(), "[[route]] needs `to`", "it leads nowhere", help);
        return None;
    };
    let known = |name: &str, place: Range<usize>, found: &mut Found| {
        let service = services.iter().find(|service| service.as_str() == name).cloned();
        if service.is_none() {
            let title = format!("this route leads to an unknown service `{}`", name.escape_debug());
            let label = unknown_service(name, services.iter().map(ServiceName::as_str));
            found.error(place, title, label, "");
        }
        service
    };
    match entry.value.get_ref() {
        DeValue::String(name) => {
            known(name, entry.value.span(), found).map(|service| vec![(service, 1)])
        }
        DeValue::Table(weights) => {
            let mut to = Vec::new();
            for (name, weight) in weights.iter() {
                let service = known(name.get_ref(), name.span(), found);
                match as_integer(weight.get_ref(), 0, u64::from(WEIGHT_MAX)) {
                    Ok(weight) => {
                        let weight = u32::try_from(weight).unwrap_or(WEIGHT_MAX);
                        to.extend(service.map(|service| (service, weight)));
                    }
                    Err(help) => reader.wrong("to", weight.span(), &help, found),
                }
            }
            if weights.is_empty() || (!to.is_empty() && to.iter().all(|(_, weight)| *weight == 0)) {
                let help = "give at least one service a weight above 0";
                reader.wrong("to", entry.value.span(), help, found);
            }
            Some(to)
        }
        _ => {
            let help = "write a service's name, or weights: { orders = 90, orders-v2 = 10 }";
            reader.wrong("to", entry.value.span(), help, found);
            None
        }
    }
}

fn read_policy(reader: &Reader<'_>, body_bytes_max: u64, found: &mut Found) -> Option<RoutePolicy> {
    let balance = match reader.choice("balance", found) {
        Some("least-connections") => Balance::LeastConnections,
        Some(_) | None => Balance::RoundRobin,
    };
    let connect_timeout = reader.duration("connect-timeout", found);
    let response_header_timeout = reader.duration("response-timeout", found);
    let total_timeout = reader.duration("timeout", found);
    let idle_timeout = reader.duration("idle-timeout", found);
    let retries = reader.integer("retries", found);
    let own_body_bytes = reader.size("body-bytes", found);
    let preserve_host = reader.boolean("preserve-host", found);
    Some(RoutePolicy {
        balance,
        connect_timeout: connect_timeout?,
        response_header_timeout: response_header_timeout?,
        total_timeout,
        idle_timeout: idle_timeout?,
        retries: u32::try_from(retries?).ok()?,
        body_bytes_max: own_body_bytes.unwrap_or(body_bytes_max),
        preserve_host: preserve_host?,
    })
}

/// What a route without a name is called.
fn default_name(host: &HostMatch, path: &PathMatch, methods: &[String]) -> String {
    let host = match host {
        HostMatch::Any => String::new(),
        HostMatch::Exact(_) | HostMatch::Wildcard(_) => host.to_string(),
    };
    let path = match path {
        PathMatch::Any => "/**".to_owned(),
        PathMatch::Pattern(_) | PathMatch::Regex(..) => path.to_string(),
    };
    let mut name = match methods {
        [] => format!("{host}{path}"),
        methods => format!("{} {host}{path}", methods.join(",")),
    };
    while name.len() > ROUTE_NAME_BYTES_MAX {
        name.pop();
    }
    name
}

/// Makes names unique: metrics and the console tell routes apart by them.
fn name_all(routes: &mut [Placed], found: &mut Found) {
    let mut taken: BTreeMap<String, Option<Range<usize>>> = BTreeMap::new();
    for route in routes.iter().filter(|route| route.given_name.is_some()) {
        let (name, place) = (route.spec.name.clone(), route.given_name.clone());
        if let Some(Some(first)) = taken.get(&name) {
            found.add(Diagnostic {
                severity: Severity::Error,
                span: place,
                title: format!("two routes are called {name:?}"),
                label: "the second of them".to_owned(),
                help: Some("give each a name of its own".to_owned()),
                related: Some((first.clone(), "the first".to_owned())),
            });
        } else {
            taken.insert(name, place);
        }
    }
    for route in routes.iter_mut().filter(|route| route.given_name.is_none()) {
        let plain = route.spec.name.clone();
        let mut number = 1;
        while taken.contains_key(&route.spec.name) {
            number += 1;
            route.spec.name = format!("{plain} ({number})");
        }
        taken.insert(route.spec.name.clone(), None);
    }
}
