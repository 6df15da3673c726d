//! `[service.NAME]`: what to run, how much of it, and how to see that it works.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use model::ServiceName;
use orchestrator::{
    BackOff, CommandLine, CommandProblem, DeployPolicy, EnvValue, HealthCheck, Limits, Probe,
    ProgramSpec, ServiceSpec, Source, StatusRange,
};
use toml::de::{DeTable, DeValue};

use super::diagnostic::Found;
use super::keys::{self, ENV_COUNT_MAX, REPLICA_COUNT_MAX};
use super::reader::{Entry, Reader, Value, as_integer, as_text};

/// Longest name of an environment variable or a secret.
const VARIABLE_BYTES_MAX: usize = 255;

/// Variables that Mainspring sets itself.
const OWN_VARIABLES: [&str; 4] = ["PORT", "NODE", "REPLICA", "REPLICA_INDEX"];

/// A service with the places that later checks point to.
pub(super) struct Placed {
    pub(super) spec: ServiceSpec,
    /// The name in the section's header.
    pub(super) name: Range<usize>,
    /// Each entry of `needs`, in order.
    pub(super) needs: Vec<Range<usize>>,
    /// Each entry of `at`, in order.
    pub(super) at: Vec<Range<usize>>,
}

/// Reads one service. Nothing when too little of it is right to go on; then why is in `found`.
pub(super) fn read(
    name: ServiceName,
    place: Range<usize>,
    table: &DeTable<'_>,
    folder: &Path,
    found: &mut Found,
) -> Option<Placed> {
    let label = format!("[service.{name}]");
    let reader = Reader::open(&keys::SERVICE, table, label, place.clone(), found);
    let (needs, need_places) = read_needs(&reader, found);
    let at = reader.addresses("at", found);
    let run = reader.entry("run");
    if run.is_none() && at.is_none() {
        let title = format!("{} needs `run` or `at`", reader.label);
        let label = "neither is there";
        let help = "write run = \"command\" for a program that Mainspring runs, or at = [\"127.0.0.1:5001\"] for one that somebody else runs";
        found.error(place.clone(), title, label, help);
    }
    if let (Some(run), Some(_)) = (&run, &at) {
        let title = format!("{} has both `run` and `at`", reader.label);
        let help = "keep `run` if Mainspring runs it, `at` if somebody else does";
        found.error(run.key.clone(), title, "keep one of the two", help);
    }
    let program = read_program(&reader, run, folder, found);
    let external = at.is_some();
    if external {
        refuse_for_external(&reader, found);
    }
    let health = read_health(&reader, external, found);
    let (source, at) = match (program, at) {
        (Some(program), None) => (Source::Program(program), Vec::new()),
        // Without an address something was wrong with each, and has been told.
        (None, Some(at)) if at.is_empty() => return None,
        (None, Some(at)) => {
            let (addresses, places) = at.into_iter().unzip();
            (Source::External(addresses), places)
        }
        (Some(_), Some(_)) | (None, None) => return None,
    };
    let spec = ServiceSpec { name, source, health, needs };
    Some(Placed { spec, name: place, needs: need_places, at })
}

/// A program's command line as the file has it.
fn read_command(
    reader: &Reader<'_>,
    name: &str,
    value: &Value<'_>,
    found: &mut Found,
) -> Option<CommandLine> {
    let (value, in_shell) = match value.get_ref() {
        DeValue::Table(table) if table.len() == 1 => {
            match table.iter().find(|(key, _)| key.get_ref() == "shell") {
                Some((_, script)) => (script, true),
                None => (value, false),
            }
        }
        _ => (value, false),
    };
    let text = match as_text(value.get_ref()) {
        Ok(text) => text,
        Err(_) => {
            let help = "write a command line in quotes, or { shell = \"…\" }";
            reader.wrong(name, value.span(), help, found);
            return None;
        }
    };
    let split = if in_shell { CommandLine::shell(&text) } else { CommandLine::split(&text) };
    match split {
        Ok(command) => Some(command),
        Err(CommandProblem { at, message }) => {
            // The text's own start is one quote after the value's; an escape before the problem
            // moves it, so the whole value is marked unless the text stands there as it is.
            let span = value.span();
            let plain = span.len() == text.len() + 2;
            let from = span.start + 1 + at.min(text.len());
            let place = if plain && at < text.len() { from..span.end - 1 } else { span };
            reader.wrong(name, place, &message, found);
            None
        }
    }
}

fn read_program(
    reader: &Reader<'_>,
    run: Option<Entry<'_>>,
    folder: &Path,
    found: &mut Found,
) -> Option<ProgramSpec> {
    // Everything is read before the command decides, so that all errors are told at once.
    let replicas = read_replicas(reader, found);
    let dir = reader.text("dir", found).map_or(folder.to_owned(), |dir| folder.join(dir));
    let env = read_env(reader, found);
    let limits = read_limits(reader, found);
    let deploy = read_deploy(reader, found);
    let back_off = read_back_off(reader, found);
    let stop_grace = reader.duration("stop-grace", found);
    let drain_grace = reader.duration("drain-grace", found);
    let run = read_command(reader, "run", run?.value, found)?;
    let defaults = ProgramSpec::new(run);
    Some(ProgramSpec {
        dir: Some(dir),
        env,
        replicas: replicas.unwrap_or(defaults.replicas),
        limits,
        stop_grace: stop_grace.unwrap_or(defaults.stop_grace),
        drain_grace: drain_grace.unwrap_or(defaults.drain_grace),
        deploy,
        back_off,
        ..defaults
    })
}

/// Keys that only make sense for a program of ours.
fn refuse_for_external(reader: &Reader<'_>, found: &mut Found) {
    let ours =
        ["replicas", "dir", "env", "stop-grace", "drain-grace", "limits", "deploy", "back-off"];
    for name in ours {
        if let Some(entry) = reader.entry(name) {
            let title = format!("`{name}` has no effect in {}", reader.label);
            let label = "somebody else runs this service";
            found.error(entry.key, title, label, "remove it, or write `run` instead of `at`");
        }
    }
    if let Some(entry) = reader.entry("needs") {
        let title = format!("`needs` has no effect in {}", reader.label);
        found.error(entry.key, title, "somebody else starts this service", "remove it");
    }
}

fn read_needs(reader: &Reader<'_>, found: &mut Found) -> (Vec<ServiceName>, Vec<Range<usize>>) {
    let mut names = Vec::new();
    let mut places = Vec::new();
    for (text, place) in reader.texts("needs", found) {
        match ServiceName::new(&text) {
            Ok(name) if names.contains(&name) => {
                reader.wrong("needs", place, "this name is there twice", found);
            }
            Ok(name) => {
                names.push(name);
                places.push(place);
            }
            Err(problem) => reader.wrong("needs", place, &problem.to_string(), found),
        }
    }
    (names, places)
}

fn read_replicas(reader: &Reader<'_>, found: &mut Found) -> Option<u32> {
    const RULE: &str = "write a whole number, or { min = 1, max = 4 }";
    let value = reader.entry("replicas")?.value;
    let count = |value: &Value<'_>, found: &mut Found| {
        let count = as_integer(value.get_ref(), 0, REPLICA_COUNT_MAX);
        match count.map(u32::try_from) {
            Ok(Ok(count)) => Some(count),
            Ok(Err(_)) => None,
            Err(help) => {
                reader.wrong("replicas", value.span(), &help, found);
                None
            }
        }
    };
    let DeValue::Table(table) = value.get_ref() else {
        return match value.get_ref() {
            DeValue::Integer(_) => count(value, found),
            _ => {
                reader.wrong("replicas", value.span(), RULE, found);
                None
            }
        };
    };
    let part = |name: &str| table.iter().find(|(key, _)| key.get_ref() == name);
    let (Some((_, min)), Some((_, max)), 2) = (part("min"), part("max"), table.len()) else {
        reader.wrong("replicas", value.span(), RULE, found);
        return None;
    };
    let (low, high) = (count(min, found)?, count(max, found)?);
    if low > high {
        let help = format!("max is less than min: write max = {low} or more");
        reader.wrong("replicas", max.span(), &help, found);
    } else if low < high {
        found.warning(
            max.span(),
            format!("{} runs {low} replicas", reader.label),
            "scaling by itself is not in this version yet: `min` is used",
        );
    }
    Some(low)
}

fn read_env(reader: &Reader<'_>, found: &mut Found) -> BTreeMap<String, EnvValue> {
    let mut variables = BTreeMap::new();
    let Some(entry) = reader.entry("env") else { return variables };
    let DeValue::Table(table) = entry.value.get_ref() else {
        let help = "write a table: env = { LOG = \"info\", KEY = { secret = \"name\" } }";
        reader.wrong("env", entry.value.span(), help, found);
        return variables;
    };
    if table.len() > ENV_COUNT_MAX {
        let help = format!("write at most {ENV_COUNT_MAX} variables");
        reader.wrong("env", entry.key, &help, found);
        return variables;
    }
    for (name, value) in table.iter() {
        if let Err(help) = check_variable(name.get_ref()) {
            reader.wrong("env", name.span(), &help, found);
        }
        match read_variable(value) {
            Ok(read) => {
                variables.insert(name.get_ref().as_ref().to_owned(), read);
            }
            Err(help) => reader.wrong("env", value.span(), &help, found),
        }
    }
    variables
}

/// Whether a name may stand in `env`.
///
/// # Errors
/// Why it may not, as one clause.
pub(super) fn check_variable(name: &str) -> Result<(), String> {
    let usable = |c: char| !c.is_control() && c != '=' && !c.is_whitespace();
    if name.is_empty() || name.len() > VARIABLE_BYTES_MAX || !name.chars().all(usable) {
        return Err(format!(
            "a variable's name has 1 to {VARIABLE_BYTES_MAX} bytes without white space and `=`"
        ));
    }
    if OWN_VARIABLES.contains(&name) || name.starts_with("MAINSPRING_") {
        return Err(format!("Mainspring sets {name} itself: choose another name"));
    }
    Ok(())
}

fn read_variable(value: &Value<'_>) -> Result<EnvValue, String> {
    if let DeValue::Table(table) = value.get_ref() {
        let secret = table.iter().find(|(key, _)| key.get_ref() == "secret");
        let (Some((_, name)), 1) = (secret, table.len()) else {
            return Err("write a text or { secret = \"name\" }".to_owned());
        };
        let name = as_text(name.get_ref())?;
        let usable = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if name.is_empty() || name.len() > VARIABLE_BYTES_MAX || !name.chars().all(usable) {
            return Err("a secret's name has letters, digits, `-`, `_` and `.`".to_owned());
        }
        return Ok(EnvValue::Secret(name.into_owned()));
    }
    let text = as_text(value.get_ref())?;
    if text.contains('\0') {
        return Err("an environment variable cannot hold a NUL byte".to_owned());
    }
    Ok(EnvValue::Plain(text.into_owned()))
}

fn read_limits(reader: &Reader<'_>, found: &mut Found) -> Limits {
    let Some(reader) = reader.section("limits", format!("`limits` of {}", reader.label), found)
    else {
        return Limits::default();
    };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the key table bounds it to 10 to 1,024,000 thousandths"
    )]
    let cpu_millis = reader.number("cpu", found).map(|cores| (cores * 1000.0).round() as u32);
    Limits {
        cpu_millis,
        memory_bytes: reader.size("memory", found),
        open_files: reader.integer("open-files", found),
        processes: reader.integer("processes", found),
    }
}

fn read_deploy(reader: &Reader<'_>, found: &mut Found) -> DeployPolicy {
    let defaults = DeployPolicy::default();
    let Some(reader) = reader.section("deploy", format!("`deploy` of {}", reader.label), found)
    else {
        return defaults;
    };
    DeployPolicy {
        surge: small(reader.integer("surge", found), defaults.surge),
        deadline: reader.duration("deadline", found).unwrap_or(defaults.deadline),
        attempts: small(reader.integer("attempts", found), defaults.attempts),
    }
}

fn read_back_off(reader: &Reader<'_>, found: &mut Found) -> BackOff {
    let defaults = BackOff::default();
    let Some(reader) = reader.section("back-off", format!("`back-off` of {}", reader.label), found)
    else {
        return defaults;
    };
    let read = BackOff {
        first: reader.duration("first", found).unwrap_or(defaults.first),
        longest: reader.duration("longest", found).unwrap_or(defaults.longest),
        reset_after: reader.duration("reset-after", found).unwrap_or(defaults.reset_after),
    };
    if read.longest < read.first {
        let help = "`longest` is shorter than `first`";
        reader.wrong("longest", reader.place_of("longest"), help, found);
    }
    read
}

/// The check, or nothing when there is none.
fn read_health(reader: &Reader<'_>, external: bool, found: &mut Found) -> Option<HealthCheck> {
    let default = if external { None } else { Some(HealthCheck::default()) };
    let Some(entry) = reader.entry("health") else { return default };
    let probe_alone = |probe| Some(HealthCheck { probe, ..HealthCheck::default() });
    match entry.value.get_ref() {
        DeValue::String(path) => match check_path(path) {
            Ok(()) => probe_alone(Probe::http(path)),
            Err(help) => {
                reader.wrong("health", entry.value.span(), &help, found);
                default
            }
        },
        DeValue::Boolean(false) => None,
        DeValue::Table(table) => {
            let label = format!("`health` of {}", reader.label);
            let inner = Reader::open(&keys::HEALTH, table, label, entry.key, found);
            read_health_table(&inner, external, found)
        }
        _ => {
            let help = "write a path such as \"/health\", or { http = …, interval = … }, or false";
            reader.wrong("health", entry.value.span(), help, found);
            default
        }
    }
}

fn read_health_table(
    reader: &Reader<'_>,
    external: bool,
    found: &mut Found,
) -> Option<HealthCheck> {
    let defaults = HealthCheck::default();
    let named: Vec<&str> =
        ["http", "tcp", "exec"].into_iter().filter(|name| reader.entry(name).is_some()).collect();
    if named.len() > 1 {
        let title = format!("{} names {} checks", reader.label, named.len());
        let help = "keep one of `http`, `tcp` and `exec`";
        found.error(reader.place.clone(), title, format!("{} are there", named.join(", ")), help);
    }
    let probe = match named.first() {
        Some(&"http") => read_http_probe(reader, found),
        Some(&"exec") => {
            if external {
                let help =
                    "it would run beside Mainspring, not beside the service: use http or tcp";
                reader.wrong("exec", reader.place_of("exec"), help, found);
            }
            reader
                .entry("exec")
                .and_then(|entry| read_command(reader, "exec", entry.value, found))
                .map(Probe::Exec)
        }
        _ => {
            if reader.boolean("tcp", found) == Some(false) {
                let help = "write true, or `health = false` for no check at all";
                reader.wrong("tcp", reader.place_of("tcp"), help, found);
            }
            Some(Probe::Tcp)
        }
    };
    for name in ["expect", "host"] {
        if let (Some(entry), false) = (reader.entry(name), named.contains(&"http")) {
            let title = format!("`{name}` of {} has no effect", reader.label);
            found.error(entry.key, title, "it belongs to `http`", "remove it or add `http`");
        }
    }
    Some(HealthCheck {
        probe: probe.unwrap_or(defaults.probe),
        interval: reader.duration("interval", found).unwrap_or(defaults.interval),
        timeout: reader.duration("timeout", found).unwrap_or(defaults.timeout),
        rise: small(reader.integer("rise", found), defaults.rise),
        fall: small(reader.integer("fall", found), defaults.fall),
        start_grace: reader.duration("grace", found).unwrap_or(defaults.start_grace),
        replace_after: reader.duration("replace-after", found).unwrap_or(defaults.replace_after),
    })
}

fn read_http_probe(reader: &Reader<'_>, found: &mut Found) -> Option<Probe> {
    let path = reader.text("http", found)?;
    if let Err(help) = check_path(&path) {
        reader.wrong("http", reader.place_of("http"), &help, found);
    }
    let host = reader.text("host", found);
    let plain = |c: char| c.is_ascii_graphic() && !matches!(c, '/' | '@' | '?' | '#');
    if let Some(host) = host.as_ref().filter(|host| host.is_empty() || !host.chars().all(plain)) {
        let help = format!("{host:?} is not a host name");
        reader.wrong("host", reader.place_of("host"), &help, found);
    }
    let mut expect = StatusRange::default();
    if let Some(entry) = reader.entry("expect") {
        match read_statuses(entry.value.get_ref()) {
            Some(range) => expect = range,
            None => {
                let help = "write a status such as 204, or a range such as \"200-299\"";
                reader.wrong("expect", entry.value.span(), help, found);
            }
        }
    }
    Some(Probe::Http { path, host, expect })
}

fn read_statuses(value: &DeValue<'_>) -> Option<StatusRange> {
    let status = |text: &str| text.trim().parse().ok().filter(|s| (100..=599).contains(s));
    let (first, last) = match value {
        DeValue::Integer(number) => (status(number.as_str())?, status(number.as_str())?),
        DeValue::String(text) => {
            let (first, last) = text.split_once('-').unwrap_or((text, text));
            (status(first)?, status(last)?)
        }
        _ => return None,
    };
    (first <= last).then_some(StatusRange { first, last })
}

fn check_path(path: &str) -> Result<(), String> {
    if !path.starts_with('/') {
        return Err(format!("a path begins with `/`: write \"/{}\"", path.escape_debug()));
    }
    if path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#') {
        Ok(())
    } else {
        Err("a path has no white space, `#` or letters beyond ASCII: write them as %20".to_owned())
    }
}

/// A number that the key table bounds to far less than 32 bits.
fn small(read: Option<u64>, default: u32) -> u32 {
    read.and_then(|number| u32::try_from(number).ok()).unwrap_or(default)
}
