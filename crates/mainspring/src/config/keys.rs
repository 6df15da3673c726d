//! Every key of the file in one table. Reading, suggestions and `docs/config.md` all come from it,
//! so that none can say something else than the others.

use std::time::Duration;

/// What a key holds, and between which bounds.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// Any text.
    Text,
    /// A folder or file; a relative one is meant from the folder of the configuration file.
    Folder,
    /// `true` or `false`.
    Boolean,
    /// A whole number.
    Integer { min: u64, max: u64 },
    /// A number that may have a fraction.
    Number { min: f64, max: f64 },
    /// A text such as `"10s"`.
    Duration { min: Duration, max: Duration },
    /// A text such as `"512MiB"`, or a whole number of bytes.
    Size { min: u64, max: u64 },
    /// A text such as `"70%"`.
    Share,
    /// One of a few words.
    Choice(&'static [&'static str]),
    /// `"address:port"`.
    Address,
    /// One `"address:port"` or a list of them.
    Addresses { count_max: usize },
    /// A list of texts.
    Texts { count_max: usize },
    /// A table with keys of its own.
    Section(&'static Section),
    /// Tables under names that the user chooses.
    Named(&'static Section),
    /// A list of tables.
    List(&'static Section),
    /// Several shapes, read by a function of its own; the text says which.
    Shapes(&'static str),
    /// Belongs to a part of Mainspring that this version does not have. Setting it is an error,
    /// so that nobody believes that it works.
    Later(&'static str),
}

/// One key.
#[derive(Clone, Copy, Debug)]
pub(super) struct Key {
    /// As it is written.
    pub(super) name: &'static str,
    /// What it holds.
    pub(super) kind: Kind,
    /// The value when it is absent, as it would be written, without quotes; or why there is none.
    pub(super) default: Fallback,
    /// What it does: sentences, one per line in the documentation.
    pub(super) about: &'static str,
}

/// What holds when a key is absent.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fallback {
    /// This text, read by the key's own kind.
    Value(&'static str),
    /// Nothing: the text says what that means.
    Absent(&'static str),
    /// It must be there.
    Required,
}

/// A table of keys.
#[derive(Debug)]
pub(super) struct Section {
    /// As the documentation heads it.
    pub(super) title: &'static str,
    /// What it is for.
    pub(super) about: &'static str,
    /// Its keys, in the order of the documentation.
    pub(super) keys: &'static [Key],
}

impl Section {
    /// The key of that name.
    pub(super) fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name)
    }
}

/// Names, so that the table below reads like the documentation.
const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

const DAY: Duration = seconds(86_400);
const MILLISECOND: Duration = Duration::from_millis(1);
const GIB: u64 = 1 << 30;
const TIB: u64 = 1 << 40;

/// Most replicas of one service on one node: each has a process, a port and log files.
pub(super) const REPLICA_COUNT_MAX: u64 = orchestrator::REPLICAS_MAX as u64;
/// Most services of one file.
pub(super) const SERVICE_COUNT_MAX: usize = 1_000;
/// Most routes of one file.
pub(super) const ROUTE_COUNT_MAX: usize = 20_000;
/// Most addresses of one service that somebody else runs.
pub(super) const ADDRESS_COUNT_MAX: usize = 1_000;
/// Most environment variables of one service.
pub(super) const ENV_COUNT_MAX: usize = 1_000;
/// Most header conditions of one route.
pub(super) const HEADER_MATCH_COUNT_MAX: usize = 16;

/// Shorthand for the table.
const fn key(name: &'static str, kind: Kind, default: Fallback, about: &'static str) -> Key {
    Key { name, kind, default, about }
}

/// A key of a later version.
const fn later(name: &'static str, about: &'static str) -> Key {
    key(name, Kind::Later(about), Fallback::Absent("not in this version"), about)
}

use Fallback::{Absent, Required, Value};

/// The whole file.
pub(super) static FILE: Section = Section {
    title: "The file",
    about: "A TOML file, `mainspring.toml` unless `-c` names another.",
    keys: &[
        key("node", Kind::Section(&NODE), Absent("all its keys have defaults"), "This machine."),
        key("listen", Kind::Section(&LISTEN), Absent("all its keys have defaults"), "The doors."),
        key("service", Kind::Named(&SERVICE), Absent("no services"), "Your programs, by name."),
        key("route", Kind::List(&ROUTE), Absent("no routes"), "Which requests go where."),
        key(
            "limits",
            Kind::Section(&LIMITS),
            Absent("all its keys have defaults"),
            "Bounds on what clients may do.",
        ),
        key(
            "proxy",
            Kind::Section(&PROXY),
            Absent("all its keys have defaults"),
            "Headers that proxies exchange.",
        ),
        key(
            "log",
            Kind::Section(&LOG),
            Absent("all its keys have defaults"),
            "Access log and program logs.",
        ),
        later("keyspace", "caches and databases that speak the Redis protocol"),
        later("topic", "streams that speak the Kafka protocol"),
        later("queue", "queues that speak AMQP 0-9-1"),
        later("bucket", "object storage that speaks S3"),
        later("auth", "authentication at the gateway"),
        later("tls", "certificates and HTTPS"),
        later("dns", "answering DNS"),
        later("database", "routing to PostgreSQL"),
    ],
};

/// `[node]`.
pub(super) static NODE: Section = Section {
    title: "[node]",
    about: "This machine.",
    keys: &[
        key(
            "name",
            Kind::Text,
            Absent("the host name"),
            "The node's name in logs, in `$NODE` and in the console.",
        ),
        key(
            "data",
            Kind::Folder,
            Value("data"),
            "The folder that Mainspring keeps its own files in: logs, state, secrets, the last good configuration.\nIt belongs to one running node.",
        ),
        key("region", Kind::Text, Absent("no region"), "Where the machine is; shown by `status`."),
        key(
            "on-crash",
            Kind::Choice(&["keep", "stop"]),
            Value("keep"),
            "What becomes of your programs when Mainspring itself dies: `keep` lets them run, and the next start takes them over; `stop` ends them.",
        ),
        key(
            "cores",
            Kind::Integer { min: 1, max: 1024 },
            Absent("all cores"),
            "Threads that carry traffic, each with its own connections.",
        ),
    ],
};

/// `[listen]`.
pub(super) static LISTEN: Section = Section {
    title: "[listen]",
    about: "The doors: where Mainspring listens.\nPort 0 takes any free port; `status` shows which.",
    keys: &[
        key(
            "http",
            Kind::Addresses { count_max: 16 },
            Value("0.0.0.0:8080"),
            "Where clients come in, HTTP/1.1.\nOne address or a list.",
        ),
        key(
            "console",
            Kind::Address,
            Value("127.0.0.1:7070"),
            "The console, the admin API under `/api/v1`, `/metrics`, `/healthz` and `/readyz`.\nOutside of loopback it asks for the token in the data folder.",
        ),
        later("https", "HTTPS"),
        later("redis", "the Redis protocol"),
        later("kafka", "the Kafka protocol"),
        later("amqp", "AMQP 0-9-1"),
        later("s3", "S3"),
        later("postgres", "PostgreSQL"),
        later("dns", "DNS"),
        later("proxy", "a forward proxy"),
        later("cluster", "other nodes"),
    ],
};

/// `[service.NAME]`.
pub(super) static SERVICE: Section = Section {
    title: "[service.NAME]",
    about: "A program that Mainspring runs (`run`), or one that somebody else runs (`at`).\nA name has 1 to 63 lower-case letters, digits and hyphens, and begins with a letter.",
    keys: &[
        key(
            "run",
            Kind::Shapes("a command line, or `{ shell = \"…\" }`"),
            Absent("then `at` is needed"),
            "The program and its arguments, split like a shell does but without a shell; `$PORT` and other variables are filled in.\nWrite `{ shell = \"a | b\" }` where you do want `sh`.",
        ),
        key(
            "at",
            Kind::Addresses { count_max: ADDRESS_COUNT_MAX },
            Absent("then `run` is needed"),
            "Addresses of a service that somebody else runs.",
        ),
        key(
            "replicas",
            Kind::Shapes("a whole number from 0 to 1000, or `{ min = 1, max = 4 }`"),
            Value("1"),
            "How many of it run.\nWith `{ min, max }` this version runs `min`: scaling by itself comes later.",
        ),
        key(
            "dir",
            Kind::Folder,
            Absent("the folder of the configuration file"),
            "The program's working folder.",
        ),
        key(
            "env",
            Kind::Shapes("a table of texts or `{ secret = \"name\" }`"),
            Absent("none beyond those that Mainspring sets"),
            "Environment variables.\nA secret is set with `mainspring secret set NAME` and never shown.",
        ),
        key(
            "needs",
            Kind::Texts { count_max: SERVICE_COUNT_MAX },
            Absent("none"),
            "Services that must be ready before this one starts.",
        ),
        key(
            "health",
            Kind::Shapes("a path, a table, or `false`"),
            Absent("`{ tcp = true }` with `run`, no check with `at`"),
            "How Mainspring knows that a replica works: `\"/health\"` is short for `{ http = \"/health\" }`; `false` takes every running replica for healthy.",
        ),
        key(
            "stop-grace",
            Kind::Duration { min: Duration::ZERO, max: seconds(3600) },
            Value("10s"),
            "Time between SIGTERM and SIGKILL.",
        ),
        key(
            "drain-grace",
            Kind::Duration { min: Duration::ZERO, max: seconds(3600) },
            Value("30s"),
            "The longest that requests in hand are waited for between the last new request and SIGTERM.",
        ),
        key("limits", Kind::Section(&SERVICE_LIMITS), Absent("none"), "Bounds on each replica."),
        key(
            "deploy",
            Kind::Section(&DEPLOY),
            Absent("all its keys have defaults"),
            "How a new version takes over.",
        ),
        key(
            "back-off",
            Kind::Section(&BACK_OFF),
            Absent("all its keys have defaults"),
            "How long a program that keeps crashing is left alone.",
        ),
        later("scale", "scaling by itself"),
        later("schedule", "programs that run by the clock"),
    ],
};

/// `health = { … }`.
pub(super) static HEALTH: Section = Section {
    title: "health = { … }",
    about: "Name exactly one of `http`, `tcp` and `exec`.",
    keys: &[
        key(
            "http",
            Kind::Text,
            Absent("another check is named"),
            "A path that must answer with a status from 200 to 399.",
        ),
        key(
            "expect",
            Kind::Shapes("a status such as `204`, or `\"200-299\"`"),
            Value("200-399"),
            "Statuses that count as healthy, with `http`.",
        ),
        key("host", Kind::Text, Absent("the address"), "The `Host` to send, with `http`."),
        key(
            "tcp",
            Kind::Boolean,
            Absent("another check is named"),
            "`true`: the port must accept a connection.",
        ),
        key(
            "exec",
            Kind::Text,
            Absent("another check is named"),
            "A command line that must exit with 0.",
        ),
        key(
            "interval",
            Kind::Duration { min: Duration::from_millis(50), max: seconds(3600) },
            Value("2s"),
            "Time between checks; until the first good one they come faster.",
        ),
        key(
            "timeout",
            Kind::Duration { min: MILLISECOND, max: seconds(600) },
            Value("2s"),
            "A check that takes longer has failed.",
        ),
        key(
            "rise",
            Kind::Integer { min: 1, max: 100 },
            Value("1"),
            "Good checks in a row that make a replica healthy.",
        ),
        key(
            "fall",
            Kind::Integer { min: 1, max: 100 },
            Value("3"),
            "Bad checks in a row that take it out of traffic; one that did not answer at all is ended and replaced.",
        ),
        key(
            "grace",
            Kind::Duration { min: Duration::ZERO, max: DAY },
            Value("60s"),
            "How long a new replica may take to its first good check before it is replaced.",
        ),
        key(
            "replace-after",
            Kind::Duration { min: Duration::ZERO, max: DAY },
            Value("30s"),
            "How long a replica that answers badly is left running before it is replaced.",
        ),
    ],
};

/// `[service.NAME.limits]`.
pub(super) static SERVICE_LIMITS: Section = Section {
    title: "[service.NAME.limits]",
    about: "Bounds on each replica.\n`status` says by which means of the machine they are held.",
    keys: &[
        key(
            "cpu",
            Kind::Number { min: 0.01, max: 1024.0 },
            Absent("no bound"),
            "Cores: 0.5 is half of one.",
        ),
        key(
            "memory",
            Kind::Size { min: 1 << 20, max: 64 * TIB },
            Absent("no bound"),
            "Memory; a replica that needs more is ended and named so.",
        ),
        key(
            "open-files",
            Kind::Integer { min: 16, max: 1 << 20 },
            Absent("the machine's"),
            "Open files and connections.",
        ),
        key(
            "processes",
            Kind::Integer { min: 1, max: 1 << 20 },
            Absent("the machine's"),
            "Processes and threads.",
        ),
    ],
};

/// `[service.NAME.deploy]`.
pub(super) static DEPLOY: Section = Section {
    title: "[service.NAME.deploy]",
    about: "How a new version takes over from the old one.",
    keys: &[
        key(
            "surge",
            Kind::Integer { min: 1, max: REPLICA_COUNT_MAX },
            Value("1"),
            "Replicas beyond the wanted number while old and new run side by side.",
        ),
        key(
            "deadline",
            Kind::Duration { min: seconds(1), max: DAY },
            Value("60s"),
            "A deploy in which no new replica became healthy for this long is taken back, and the old ones stay.",
        ),
        key(
            "attempts",
            Kind::Integer { min: 1, max: 100 },
            Value("2"),
            "New replicas that may die before the deploy is taken back.",
        ),
    ],
};

/// `[service.NAME.back-off]`.
pub(super) static BACK_OFF: Section = Section {
    title: "[service.NAME.back-off]",
    about: "How long a program that crashed is left alone: not at all after the first time, then `first`, doubling up to `longest`, each give or take a quarter.",
    keys: &[
        key(
            "first",
            Kind::Duration { min: MILLISECOND, max: seconds(3600) },
            Value("250ms"),
            "After the second crash in a row.",
        ),
        key(
            "longest",
            Kind::Duration { min: MILLISECOND, max: DAY },
            Value("30s"),
            "Never longer than this.",
        ),
        key(
            "reset-after",
            Kind::Duration { min: MILLISECOND, max: DAY },
            Value("10s"),
            "A replica that ran this long has not crashed in a row.",
        ),
    ],
};

/// `[[route]]`.
pub(super) static ROUTE: Section = Section {
    title: "[[route]]",
    about: "Which requests go where.\nThe most specific route wins, whatever its place in the file: `docs/proxy.md` has the order.",
    keys: &[
        key(
            "name",
            Kind::Text,
            Absent("host and path"),
            "The route's name in metrics, logs and the console; no two are equal.",
        ),
        key(
            "host",
            Kind::Text,
            Absent("any host"),
            "A host name, or `*.example.com` for the names below it.",
        ),
        key(
            "path",
            Kind::Shapes("a text, or `{ regex = \"…\" }`"),
            Absent("any path"),
            "`/cart` exactly, `/cart/**` that and all below, `/img/*.png` with `*` inside a segment, or a regular expression over the whole path.",
        ),
        key(
            "methods",
            Kind::Texts { count_max: 16 },
            Absent("any method"),
            "Methods, in capital letters.",
        ),
        key(
            "headers",
            Kind::Shapes("a table of texts, `true`, or `{ regex = \"…\" }`"),
            Absent("any headers"),
            "Headers that the request must have: with that value, with any value (`true`), or matching.",
        ),
        key(
            "to",
            Kind::Shapes("a service's name, or a table of weights"),
            Required,
            "The service, or several with their shares: `{ orders = 90, orders-v2 = 10 }`.",
        ),
        key(
            "balance",
            Kind::Choice(&["round-robin", "least-connections"]),
            Value("round-robin"),
            "Which replica gets the next request.",
        ),
        key(
            "timeout",
            Kind::Duration { min: MILLISECOND, max: DAY },
            Absent("no bound on the whole"),
            "The longest that a whole request may take, answer included; beyond: 504.",
        ),
        key(
            "connect-timeout",
            Kind::Duration { min: MILLISECOND, max: seconds(600) },
            Value("2s"),
            "The longest that connecting to a replica may take.",
        ),
        key(
            "response-timeout",
            Kind::Duration { min: MILLISECOND, max: DAY },
            Value("60s"),
            "The longest until the head of the answer; beyond: 504.",
        ),
        key(
            "retries",
            Kind::Integer { min: 0, max: 10 },
            Value("2"),
            "Further replicas to try when one failed before a byte of its answer; `docs/proxy.md` says which requests may be repeated.",
        ),
        key(
            "idle-timeout",
            Kind::Duration { min: MILLISECOND, max: DAY },
            Value("300s"),
            "The longest without a byte in either direction, of bodies and of upgraded connections such as WebSockets.",
        ),
        key(
            "preserve-host",
            Kind::Boolean,
            Value("true"),
            "Whether the service gets the client's `Host`; else its own address.",
        ),
        key(
            "body-bytes",
            Kind::Size { min: 0, max: 1024 * TIB },
            Absent("`body-bytes` of `[limits]`"),
            "Largest request body; beyond: 413.",
        ),
        later("limit", "rate limits"),
        later("auth", "authentication at the gateway"),
        later("cache", "caching of answers"),
        later("idempotency", "idempotency keys"),
        later("mirror", "copying of requests to a second service"),
        later("canary", "moving traffic step by step"),
    ],
};

/// `[limits]`.
pub(super) static LIMITS: Section = Section {
    title: "[limits]",
    about: "Bounds on what clients may do.\nNothing that a client sends is held without one.",
    keys: &[
        key(
            "header-bytes",
            Kind::Size { min: 1024, max: 1 << 20 },
            Value("32KiB"),
            "Largest head of a request, request line included; beyond: 431 and close.",
        ),
        key(
            "header-count",
            Kind::Integer { min: 1, max: 1000 },
            Value("100"),
            "Most header fields; beyond: 431 and close.",
        ),
        key(
            "uri-bytes",
            Kind::Size { min: 64, max: 1 << 20 },
            Value("8KiB"),
            "Longest request target; beyond: 414 and close.",
        ),
        key(
            "body-bytes",
            Kind::Size { min: 0, max: 1024 * TIB },
            Value("16GiB"),
            "Largest request body; beyond: 413. Bodies are streamed, never held.",
        ),
        key(
            "trailer-bytes",
            Kind::Size { min: 0, max: 1 << 20 },
            Value("8KiB"),
            "Largest trailer section after a chunked body; beyond: 431 and close.",
        ),
        key(
            "connections",
            Kind::Integer { min: 1, max: 10_000_000 },
            Value("50000"),
            "Client connections in all; beyond, new ones are closed with 503.",
        ),
        key(
            "connections-per-ip",
            Kind::Integer { min: 1, max: 10_000_000 },
            Value("10000"),
            "Client connections from one address; beyond, new ones are closed with 429.",
        ),
        key(
            "header-timeout",
            Kind::Duration { min: MILLISECOND, max: seconds(600) },
            Value("10s"),
            "Longest time from the first byte of a head to its last.",
        ),
        key(
            "idle-timeout",
            Kind::Duration { min: MILLISECOND, max: DAY },
            Value("75s"),
            "Longest time that a kept connection may wait for its next request.",
        ),
        key(
            "body-rate-min",
            Kind::Size { min: 0, max: GIB },
            Value("256B"),
            "Fewest bytes a second of a request's body; slower: 408 and close.\n0 is no bound.",
        ),
        key(
            "body-rate-grace",
            Kind::Duration { min: Duration::ZERO, max: seconds(3600) },
            Value("10s"),
            "How long a body may be slower than that.",
        ),
        key(
            "retry-after",
            Kind::Duration { min: seconds(1), max: seconds(3600) },
            Value("1s"),
            "What `Retry-After` says in answers with 503, in whole seconds.",
        ),
    ],
};

/// `[proxy]`.
pub(super) static PROXY: Section = Section {
    title: "[proxy]",
    about: "Headers that proxies exchange.",
    keys: &[
        key(
            "trusted",
            Kind::Texts { count_max: 1000 },
            Absent("nobody"),
            "Networks such as `\"10.0.0.0/8\"` whose `X-Forwarded-*`, `Forwarded` and `X-Request-Id` are believed; from all others they are replaced.",
        ),
        key(
            "x-forwarded",
            Kind::Boolean,
            Value("true"),
            "Tell services the client by `X-Forwarded-For`, `-Proto` and `-Host`.",
        ),
        key("forwarded", Kind::Boolean, Value("false"), "Tell it by `Forwarded` (RFC 7239) too."),
        key(
            "via",
            Kind::Text,
            Absent("no `Via`"),
            "Add a `Via` line with this name (RFC 9110 §7.6.3).",
        ),
    ],
};

/// `[log]`.
pub(super) static LOG: Section = Section {
    title: "[log]",
    about: "What is written down.",
    keys: &[
        key(
            "access",
            Kind::Boolean,
            Value("true"),
            "Write the access log, `access.log` in the data folder's `logs`: one JSON line a request.",
        ),
        key(
            "access-sample",
            Kind::Share,
            Value("100%"),
            "The share of requests with a status below 500 that is written; errors always are.",
        ),
        key(
            "format",
            Kind::Choice(&["text", "json"]),
            Value("text"),
            "How lines of your programs are kept.",
        ),
        key(
            "file-bytes",
            Kind::Size { min: 64 << 10, max: TIB },
            Value("16MiB"),
            "A log file that reaches this size is put aside and a new one begun.",
        ),
        key(
            "file-count",
            Kind::Integer { min: 1, max: 1000 },
            Value("5"),
            "Files kept of each log.",
        ),
    ],
};

/// Every section, in the order of the documentation.
pub(super) static SECTIONS: [&Section; 12] = [
    &FILE,
    &NODE,
    &LISTEN,
    &SERVICE,
    &HEALTH,
    &SERVICE_LIMITS,
    &DEPLOY,
    &BACK_OFF,
    &ROUTE,
    &LIMITS,
    &PROXY,
    &LOG,
];
