//! What a compose file asks for: programs that can run here, and images that cannot.

use std::collections::BTreeMap;

use super::Program;
use super::yaml::{self, Yaml};

/// What was found in a compose file.
#[derive(Debug, Default)]
pub(super) struct Compose {
    /// Services with a command of their own.
    pub(super) programs: Vec<Program>,
    /// Sentences about the others, for comments.
    pub(super) left_out: Vec<String>,
}

/// Reads the text of a compose file called `file`.
pub(super) fn read(file: &str, text: &str) -> Compose {
    let mut compose = Compose::default();
    let document = match yaml::parse(text) {
        Ok(document) => document,
        Err(problem) => {
            compose.left_out.push(format!(
                "{file} was not read: line {} has {}, which init does not understand",
                problem.line, problem.what
            ));
            return compose;
        }
    };
    let Some(Yaml::Map(services)) = document.get("services") else {
        compose.left_out.push(format!("{file} has no `services`"));
        return compose;
    };
    for (name, service) in services {
        let image = service.get("image").and_then(Yaml::text);
        match (command(service), image) {
            (Some(run), None) => compose.programs.push(program(name, service, run)),
            (_, Some(image)) => compose.left_out.push(about_image(name, image)),
            (None, None) => compose.left_out.push(format!(
                "{name}: {file} does not say its command; take it from its Dockerfile"
            )),
        }
    }
    compose
}

fn program(name: &str, service: &Yaml, run: String) -> Program {
    let context = match service.get("build") {
        Some(build @ Yaml::Map(_)) => build.get("context").and_then(Yaml::text),
        Some(build) => build.text(),
        None => None,
    };
    let ports: Vec<&str> = service.get("ports").map(Yaml::texts).unwrap_or_default();
    let mut program = Program::new(name, run);
    program.dir = context.filter(|context| *context != ".").map(str::to_owned);
    program.is_web = !ports.is_empty();
    if let Some(port) = ports.first() {
        program
            .notes
            .push(format!("The compose file had its port {port}: make it listen on $PORT."));
    }
    program.env = environment(service);
    program.needs = match service.get("depends_on") {
        Some(Yaml::Map(entries)) => entries.iter().map(|(name, _)| name.clone()).collect(),
        Some(list) => list.texts().into_iter().map(str::to_owned).collect(),
        None => Vec::new(),
    };
    program
}

/// The command line, with words of a list quoted so that they stay whole.
fn command(service: &Yaml) -> Option<String> {
    let command = service.get("command").or_else(|| service.get("entrypoint"))?;
    match command {
        Yaml::Scalar(text) => Some(text.clone()).filter(|text| !text.is_empty()),
        Yaml::List(_) => {
            let words: Vec<String> = command.texts().into_iter().map(quote).collect();
            if words.is_empty() { None } else { Some(words.join(" ")) }
        }
        Yaml::Map(_) => None,
    }
}

fn quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@,+%$".contains(c);
    if word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

fn environment(service: &Yaml) -> BTreeMap<String, String> {
    let mut variables = BTreeMap::new();
    match service.get("environment") {
        Some(Yaml::Map(entries)) => {
            for (name, value) in entries {
                variables.insert(name.clone(), value.text().unwrap_or_default().to_owned());
            }
        }
        Some(list @ Yaml::List(_)) => {
            for text in list.texts() {
                let (name, value) = text.split_once('=').unwrap_or((text, ""));
                variables.insert(name.to_owned(), value.to_owned());
            }
        }
        Some(Yaml::Scalar(_)) | None => {}
    }
    // PORT and the like are set by Mainspring itself, and must be.
    variables.retain(|name, value| crate::config::is_usable_variable(name, value));
    variables
}

/// What stands in for an image, now or later.
fn about_image(name: &str, image: &str) -> String {
    let bare = image.rsplit('/').next().unwrap_or(image).split(':').next().unwrap_or(image);
    let later = match bare {
        "redis" | "valkey" | "memcached" => "a later version of Mainspring is the cache itself",
        "kafka" | "cp-kafka" | "redpanda" => "a later version speaks the Kafka protocol itself",
        "rabbitmq" => "a later version speaks AMQP itself",
        "minio" => "a later version speaks S3 itself",
        "nginx" | "haproxy" | "traefik" | "caddy" | "envoy" => "Mainspring's routes do what it did",
        _ => "run it as you do now, and name its address with `at` if requests go to it",
    };
    format!("{name} is the image {image}: {later}.")
}
