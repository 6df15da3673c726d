//! What one program is told at its start: flags first, then environment variables, then defaults.

use std::path::PathBuf;

/// What `shop --help` prints.
pub const USAGE: &str = "\
usage: shop PROGRAM [--port N] [--data DIR] [--version TEXT] [--<name>-url URL]...

programs: storefront, catalogue, users, cart, orders, payments, all (in one process)
          ledger (prints every stored order as JSON lines, then ends)

environment, used where a flag is absent:
  PORT                   port on 127.0.0.1; 0 or none takes a free one and prints it
  SHOP_DATA              folder of the SQLite files (default ./shop-data)
  SHOP_VERSION           text shown in every answer (default: the package's version)
  MAINSPRING_<NAME>_URL  where the other programs answer
  REPLICA                number of this copy, shown in answers (default: the process id)
  SHOP_BROKEN            `start`: exit at once; `health`: never report healthy";

/// One program of the shop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    All,
    Cart,
    Catalogue,
    Orders,
    Payments,
    Storefront,
    Users,
}

impl Service {
    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Service::All => "all",
            Service::Cart => "cart",
            Service::Catalogue => "catalogue",
            Service::Orders => "orders",
            Service::Payments => "payments",
            Service::Storefront => "storefront",
            Service::Users => "users",
        }
    }
}

/// What this process was asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    Ledger,
    Serve(Service),
}

impl Program {
    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Program::Ledger => "ledger",
            Program::Serve(service) => service.name(),
        }
    }
}

/// How a build can be made to fail on purpose, to try out a roll-back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    No,
    Start,
    Health,
}

/// Where the other programs answer. `None` means that nobody said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Neighbours {
    pub catalogue: Option<String>,
    pub users: Option<String>,
    pub cart: Option<String>,
    pub payments: Option<String>,
}

/// Everything one program is told at its start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    pub program: Program,
    pub port: u16,
    pub data: PathBuf,
    pub version: String,
    pub replica: String,
    pub neighbours: Neighbours,
    pub broken: Broken,
}

impl Options {
    /// Reads flags and environment. `Ok(None)` means that help was asked for.
    ///
    /// # Errors
    /// A sentence that names the flag or variable and what it should be.
    pub fn parse(
        arguments: &[String],
        environment: impl Fn(&str) -> Option<String>,
    ) -> Result<Option<Options>, String> {
        let mut arguments = arguments.iter();
        let Some(program) = arguments.next() else { return Err("no program named".into()) };
        if matches!(program.as_str(), "-h" | "--help" | "help") {
            return Ok(None);
        }
        let program = parse_program(program)?;
        let mut flags = Vec::new();
        while let Some(flag) = arguments.next() {
            if matches!(flag.as_str(), "-h" | "--help") {
                return Ok(None);
            }
            let known = FLAGS.iter().find(|(name, _)| name == flag);
            let Some((_, variable)) = known else { return Err(format!("unknown flag `{flag}`")) };
            let Some(value) = arguments.next() else {
                return Err(format!("`{flag}` needs a value"));
            };
            flags.push((*variable, value.clone()));
        }
        let value = |variable: &str| {
            let flag = flags.iter().rev().find(|(name, _)| *name == variable);
            flag.map(|(_, value)| value.clone()).or_else(|| environment(variable))
        };
        Ok(Some(Options {
            program,
            port: parse_port(value("PORT"))?,
            data: value("SHOP_DATA").unwrap_or_else(|| "shop-data".into()).into(),
            version: value("SHOP_VERSION").unwrap_or_else(|| env!("CARGO_PKG_VERSION").into()),
            replica: match value("REPLICA") {
                Some(replica) => format!("{}.{replica}", program.name()),
                None => format!("pid-{}", std::process::id()),
            },
            neighbours: Neighbours {
                catalogue: value("MAINSPRING_CATALOGUE_URL"),
                users: value("MAINSPRING_USERS_URL"),
                cart: value("MAINSPRING_CART_URL"),
                payments: value("MAINSPRING_PAYMENTS_URL"),
            },
            broken: parse_broken(value("SHOP_BROKEN"))?,
        }))
    }
}

/// Every flag and the environment variable that it stands before.
const FLAGS: &[(&str, &str)] = &[
    ("--port", "PORT"),
    ("--data", "SHOP_DATA"),
    ("--version", "SHOP_VERSION"),
    ("--catalogue-url", "MAINSPRING_CATALOGUE_URL"),
    ("--users-url", "MAINSPRING_USERS_URL"),
    ("--cart-url", "MAINSPRING_CART_URL"),
    ("--payments-url", "MAINSPRING_PAYMENTS_URL"),
];

const SERVICES: &[Service] = &[
    Service::All,
    Service::Cart,
    Service::Catalogue,
    Service::Orders,
    Service::Payments,
    Service::Storefront,
    Service::Users,
];

fn parse_program(name: &str) -> Result<Program, String> {
    if name == "ledger" {
        return Ok(Program::Ledger);
    }
    let service = SERVICES.iter().find(|service| service.name() == name);
    service.map(|service| Program::Serve(*service)).ok_or_else(|| format!("no program `{name}`"))
}

fn parse_port(text: Option<String>) -> Result<u16, String> {
    let Some(text) = text else { return Ok(0) };
    text.parse().map_err(|_| format!("port `{text}` is not a number from 0 to 65535"))
}

fn parse_broken(text: Option<String>) -> Result<Broken, String> {
    match text.as_deref() {
        None | Some("") => Ok(Broken::No),
        Some("start") => Ok(Broken::Start),
        Some("health") => Ok(Broken::Health),
        Some(other) => Err(format!("SHOP_BROKEN is `{other}`; it can be `start` or `health`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &str, environment: &[(&str, &str)]) -> Result<Option<Options>, String> {
        let arguments: Vec<String> = arguments.split_whitespace().map(String::from).collect();
        Options::parse(&arguments, |name| {
            let found = environment.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).to_string())
        })
    }

    #[test]
    fn flags_stand_before_environment() {
        let environment = [("PORT", "5000"), ("MAINSPRING_CART_URL", "http://a")];
        let options = parse("orders --port 6000", &environment).unwrap().unwrap();
        assert_eq!(options.port, 6000);
        assert_eq!(options.neighbours.cart.as_deref(), Some("http://a"));
        assert_eq!(options.program, Program::Serve(Service::Orders));
    }

    #[test]
    fn mistakes_are_named() {
        for (arguments, want) in [
            ("", "no program named"),
            ("shoes", "no program `shoes`"),
            ("cart --prot 1", "unknown flag `--prot`"),
            ("cart --port", "`--port` needs a value"),
            ("cart --port 65536", "port `65536` is not a number from 0 to 65535"),
        ] {
            assert_eq!(parse(arguments, &[]).unwrap_err(), want);
        }
        let broken = parse("cart", &[("SHOP_BROKEN", "yes")]).unwrap_err();
        assert_eq!(broken, "SHOP_BROKEN is `yes`; it can be `start` or `health`");
    }
}
