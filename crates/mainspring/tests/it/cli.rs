//! Commands that need no node, and what the others say when there is none.

use std::path::Path;

use crate::place::Place;

const SMALL: &str = "[service.web]\nrun = \"web\"\n[[route]]\npath = \"/**\"\nto = \"web\"\n";

/// Cases of `testdata/cli.txt`: `$ arguments`, then exit code and both outputs.
#[test]
fn what_commands_say() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/cli.txt");
    let transcript = std::fs::read_to_string(&path).unwrap();
    let place = Place::new(SMALL);
    std::fs::write(place.path().join("wrong.toml"), "[service.web]\nrum = \"web\"\n").unwrap();
    let mut fresh = String::new();
    for line in transcript.lines().filter(|line| line.starts_with("$ ")) {
        let arguments: Vec<&str> = line.trim_start_matches("$ ").split(' ').collect();
        let said = place.run(&arguments);
        fresh.push_str(&format!("{line}\n[{}]\n{}{}\n", said.code, said.out, said.err));
    }
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &fresh).unwrap();
    }
    assert_eq!(transcript, fresh, "run with UPDATE=1 and read the difference");
}

#[test]
fn the_pages_in_docs_are_fresh() {
    let place = Place::new("");
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    for page in ["config", "cli"] {
        const BEGIN: &str = "<!-- made by `mainspring reference`; do not edit below -->\n";
        let path = docs.join(format!("{page}.md"));
        let text = std::fs::read_to_string(&path).unwrap();
        let (prose, _) = text.split_once(BEGIN).expect("the line that begins the made part");
        let fresh = format!("{prose}{BEGIN}\n{}", place.run(&["reference", page]).out);
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&path, &fresh).unwrap();
        }
        assert!(text == fresh, "docs/{page}.md is stale: run with UPDATE=1");
    }
}

#[test]
fn check_as_json_has_every_place() {
    let place = Place::new("[service.web]\nrum = \"web\"\n[[route]]\nto = \"wed\"\n");
    let said = place.run(&["check", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!((said.code, &json["valid"]), (2, &serde_json::json!(false)));
    let places: Vec<_> = json["problems"]
        .as_array()
        .unwrap()
        .iter()
        .map(|problem| (problem["line"].as_u64().unwrap(), problem["column"].as_u64().unwrap()))
        .collect();
    assert_eq!(places, [(1, 10), (2, 1), (4, 6)]);
}

#[test]
fn init_writes_once_and_what_it_writes_is_fine() {
    let place = Place::new("");
    std::fs::remove_file(place.path().join("mainspring.toml")).unwrap();
    std::fs::write(place.path().join("Procfile"), "web: node web.js\n").unwrap();
    assert_eq!(place.run(&["init"]).code, 0);
    assert_eq!(place.run(&["check"]).code, 0);
    let again = place.run(&["init"]);
    assert_eq!(again.code, 1);
    assert!(again.err.contains("is there already and stays as it is"), "{}", again.err);
}

#[test]
fn completions_and_the_manual_are_written() {
    let place = Place::new("");
    for shell in ["bash", "zsh", "fish"] {
        assert!(place.run(&["completions", shell]).out.contains("mainspring"));
    }
    let manual = place.run(&["man"]).out;
    assert!(manual.starts_with(".ie") || manual.contains(".TH mainspring"), "{manual:.200}");
}
