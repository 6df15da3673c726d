//! The configuration as a whole: what it says, what is told about a wrong one, and that the key
//! table holds together.

use std::path::Path;
use std::time::Duration;

use orchestrator::{BackOff, DeployPolicy, HealthCheck, ProgramSpec, Source};

use super::keys::{Fallback, Kind, SECTIONS, Section};
use super::*;

fn read(text: &str) -> Config {
    load_text(Path::new("/srv/app/mainspring.toml"), text)
        .unwrap_or_else(|problems| panic!("{}", problems.render(false)))
}

fn told(text: &str) -> String {
    match read_text_as(Path::new("/srv/app/mainspring.toml"), text) {
        Ok((_, warnings)) if warnings.is_empty() => "fine\n".to_owned(),
        Ok((_, warnings)) => warnings.render(false),
        Err(problems) => problems.render(false),
    }
}

#[test]
fn an_empty_file_is_a_node_with_defaults() {
    let config = read("");
    assert_eq!(config.node.data, Path::new("/srv/app/data"));
    assert_eq!(config.listen.http, ["0.0.0.0:8080".parse().unwrap()]);
    assert_eq!(config.listen.console, "127.0.0.1:7070".parse().unwrap());
    assert!(config.services.is_empty() && config.routes.is_empty());
    assert_eq!(config.edge, EdgePolicy::default(), "the table and the gateway agree on defaults");
}

#[test]
fn a_service_without_settings_has_the_orchestrators_defaults() {
    let short = read("[service.a]\nrun = \"a\"\n");
    // Every sub-table opened and left empty must say the same as none.
    let long = read(
        "[service.a]\nrun = \"a\"\nhealth = { tcp = true }\n[service.a.deploy]\n\
         [service.a.back-off]\n[service.a.limits]\n",
    );
    for config in [short, long] {
        let spec = &config.services["a"];
        assert_eq!(spec.health, Some(HealthCheck::default()));
        let Source::Program(program) = &spec.source else { panic!("{spec:?}") };
        let defaults =
            ProgramSpec { dir: Some("/srv/app".into()), ..ProgramSpec::new(program.run.clone()) };
        assert_eq!(*program, defaults);
        assert_eq!(program.deploy, DeployPolicy::default());
        assert_eq!(program.back_off, BackOff::default());
    }
}

#[test]
fn a_route_without_settings_has_the_gateways_defaults() {
    let config = read("[service.a]\nrun = \"a\"\n[[route]]\nto = \"a\"\n");
    assert_eq!(config.routes[0].policy, gateway::RoutePolicy::default());
    assert_eq!(config.routes[0].name, "/**");
}

#[test]
fn every_setting_arrives() {
    let config = read(include_str!("../../testdata/everything.toml"));
    assert_eq!(config.node.name, "n1");
    assert_eq!(config.node.on_crash, OnCrash::Stop);
    assert_eq!(config.node.cores, Some(2));
    assert_eq!(config.listen.http.len(), 2);
    let Source::Program(orders) = &config.services["orders"].source else { panic!() };
    assert_eq!((orders.replicas, orders.limits.cpu_millis), (3, Some(1500)));
    assert_eq!(orders.limits.memory_bytes, Some(512 << 20));
    assert_eq!(orders.dir.as_deref(), Some(Path::new("/srv/app/apps/orders")));
    assert_eq!(
        orders.deploy,
        DeployPolicy { surge: 2, deadline: Duration::from_secs(90), attempts: 5 }
    );
    let health = config.services["orders"].health.as_ref().unwrap();
    assert_eq!((health.rise, health.fall, health.timeout), (2, 4, Duration::from_millis(500)));
    let route = &config.routes[0];
    assert_eq!((route.name.as_str(), route.headers.len(), route.methods.len()), ("orders", 3, 2));
    assert_eq!(route.policy.balance, gateway::Balance::LeastConnections);
    assert_eq!(route.policy.body_bytes_max, 1 << 20);
    assert_eq!(config.routes[1].to.len(), 2);
    assert_eq!(config.routes[1].policy.body_bytes_max, 5 << 20, "that of [limits]");
    assert_eq!(config.edge.limits.head_bytes_max, 16 << 10);
    assert_eq!(config.edge.retry_after_seconds, 3);
    assert_eq!(config.edge.access_log_millionths, 250_000);
    assert_eq!(config.edge.forwarding.via.as_deref(), Some("edge-1"));
    assert_eq!((config.log.format, config.log.file_count), (LogFormat::Json, 9));
}

#[test]
fn every_key_of_the_table_is_in_the_file_that_sets_everything() {
    let everything = include_str!("../../testdata/everything.toml");
    for section in SECTIONS {
        for key in section.keys.iter().filter(|key| !matches!(key.kind, Kind::Later(_))) {
            assert!(everything.contains(key.name), "{} {}", section.title, key.name);
        }
    }
}

#[test]
fn every_section_is_documented_once_and_every_default_is_a_value() {
    let mut opened: Vec<*const Section> = vec![std::ptr::from_ref(SECTIONS[0])];
    for section in SECTIONS {
        for key in section.keys {
            if let Kind::Section(inner) | Kind::Named(inner) | Kind::List(inner) = key.kind {
                opened.push(std::ptr::from_ref(inner));
            }
            assert!(!key.about.is_empty() && section.key(key.name).is_some());
            if let Fallback::Value(text) = key.default {
                let fine = match key.kind {
                    Kind::Duration { min, max } => {
                        value::duration(text).is_ok_and(|it| (min..=max).contains(&it))
                    }
                    Kind::Size { min, max } => {
                        value::size(text).is_ok_and(|it| (min..=max).contains(&it))
                    }
                    Kind::Integer { min, max } => {
                        text.parse().is_ok_and(|it: u64| (min..=max).contains(&it))
                    }
                    Kind::Choice(words) => words.contains(&text),
                    Kind::Address | Kind::Addresses { .. } => value::address(text).is_ok(),
                    Kind::Share => value::share(text).is_ok(),
                    Kind::Boolean => text.parse::<bool>().is_ok(),
                    _ => true,
                };
                assert!(fine, "{} {}", section.title, key.name);
            }
        }
    }
    // `health` has several shapes, so the table cannot say that it opens a section.
    let listed = SECTIONS.iter().filter(|section| !section.title.starts_with("health"));
    assert_eq!(listed.count(), opened.len());
    assert!(
        SECTIONS
            .iter()
            .all(|it| it.title.starts_with("health") || opened.contains(&std::ptr::from_ref(*it)))
    );
}

#[test]
fn what_is_told_about_wrong_files() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/config_errors.txt");
    let transcript = std::fs::read_to_string(&path).unwrap();
    let mut fresh = String::new();
    for case in transcript.split("\n====\n").filter(|case| !case.trim().is_empty()) {
        let (text, _) = case.split_once("\n----\n").unwrap_or((case, ""));
        let told = told(text).replace("/srv/app/", "");
        fresh.push_str(&format!("{text}\n----\n{}\n====\n", told.trim_end()));
    }
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &fresh).unwrap();
    }
    assert_eq!(transcript, fresh, "run with UPDATE=1 and read the difference");
}

#[test]
fn limits_are_exact() {
    let services = |count: usize| {
        (0..count)
            .map(|number| format!("[service.s{number}]\nat = \"127.0.0.1:1\"\n"))
            .collect::<String>()
    };
    assert_eq!(read(&services(keys::SERVICE_COUNT_MAX)).services.len(), keys::SERVICE_COUNT_MAX);
    assert!(told(&services(keys::SERVICE_COUNT_MAX + 1)).contains("at most 1000 services"));
    let replicas = |count: u64| told(&format!("[service.a]\nrun = \"a\"\nreplicas = {count}\n"));
    assert_eq!(replicas(keys::REPLICA_COUNT_MAX), "fine\n");
    assert!(replicas(keys::REPLICA_COUNT_MAX + 1).contains("from 0 to 1000"));
    let headers = |count: usize| {
        let list: Vec<String> = (0..count).map(|number| format!("h{number} = true")).collect();
        told(&format!(
            "[service.a]\nrun = \"a\"\n[[route]]\nto = \"a\"\nheaders = {{ {} }}\n",
            list.join(", ")
        ))
    };
    assert_eq!(headers(keys::HEADER_MATCH_COUNT_MAX), "fine\n");
    assert!(headers(keys::HEADER_MATCH_COUNT_MAX + 1).contains("at most 16 headers"));
}

#[test]
fn twenty_thousand_routes_are_read() {
    let routes = |count: usize| {
        let mut text = "[service.a]\nat = \"127.0.0.1:1\"\n".to_owned();
        text.extend(
            (0..count).map(|number| format!("[[route]]\npath = \"/{number}\"\nto = \"a\"\n")),
        );
        text
    };
    assert_eq!(read(&routes(keys::ROUTE_COUNT_MAX)).routes.len(), keys::ROUTE_COUNT_MAX);
    assert!(told(&routes(keys::ROUTE_COUNT_MAX + 1)).contains("at most 20000 routes"));
}

#[test]
fn a_file_that_is_too_large_or_not_text_is_refused() {
    let folder = std::env::temp_dir().join(format!("mainspring-config-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join(FILE_NAME);
    let write = |bytes: &[u8]| std::fs::write(&path, bytes).unwrap();
    write(&vec![b'#'; CONFIG_BYTES_MAX]);
    assert!(load(&path).is_ok());
    write(&vec![b'#'; CONFIG_BYTES_MAX + 1]);
    assert!(load(&path).unwrap_err().render(false).contains("more than 4MiB"));
    write(b"a = 1\nb = \"\xff\"\n");
    assert!(load(&path).unwrap_err().render(false).contains("byte 11, in line 2"));
    std::fs::remove_dir_all(&folder).unwrap();
    assert!(load(&path).unwrap_err().render(false).contains("mainspring init"));
}

#[test]
fn the_data_folder_is_found_in_a_file_with_errors() {
    let folder = std::env::temp_dir().join(format!("mainspring-data-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join(FILE_NAME);
    for (text, want) in
        [("[node]\ndata = \"x\"\nnope = 1\n[[[", "x"), ("[node]\ndata = 7\n", "data"), ("", "data")]
    {
        std::fs::write(&path, text).unwrap();
        assert_eq!(data_folder(&path), folder.join(want), "{text}");
    }
    std::fs::remove_dir_all(&folder).unwrap();
}
