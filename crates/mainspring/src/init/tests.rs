//! Folders as projects have them, and the configurations that are made of them.

use std::path::PathBuf;

use super::*;

/// A folder with these files, gone when dropped.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str, files: &[(&str, &str)]) -> Self {
        let path =
            std::env::temp_dir().join(format!("mainspring-init-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        for (file, text) in files {
            let file = path.join(file);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, text).unwrap();
        }
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// What is made of these files must pass the check and have these lines.
fn check(name: &str, files: &[(&str, &str)], want: &[&str]) {
    let folder = Folder::new(name, files);
    let first = look(&folder.0).unwrap_or_else(|error| panic!("{error}"));
    for line in want {
        assert!(first.text.lines().any(|have| have == *line), "{line}\n\n{}", first.text);
    }
    let path = first.write().unwrap();
    assert!(config::load(&path).is_ok());
    assert!(matches!(first.write(), Err(InitError::Exists(_))), "never over another");
}

#[test]
fn a_procfile() {
    check(
        "procfile",
        &[("Procfile", "web: node web.js -p $PORT\nworker: a | b\nrelease: migrate\n# no\n")],
        &[
            "[service.web]",
            "run = \"node web.js -p $PORT\"",
            "run = { shell = \"a | b\" }",
            "replicas = 0",
            "to = \"web\"",
        ],
    );
}

#[test]
fn a_package_with_a_start_script() {
    let package = r#"{ "name": "@shop/Web App", "scripts": { "dev": "x", "start": "node s.js" } }"#;
    check(
        "npm",
        &[("package.json", package), ("yarn.lock", "")],
        &[
            "[service.web-app]",
            "run = \"yarn run start\"",
            "# The script \"start\" runs: node s.js",
        ],
    );
}

#[test]
fn python_of_several_kinds() {
    check(
        "django",
        &[("manage.py", ""), ("requirements.txt", "Django==5\n")],
        &["run = \"python3 manage.py runserver --noreload 127.0.0.1:$PORT\""],
    );
    check(
        "fastapi",
        &[("main.py", ""), ("pyproject.toml", "dependencies = [\"FastAPI\"]")],
        &["run = \"python3 -m uvicorn main:app --host 127.0.0.1 --port $PORT\""],
    );
    check(
        "flask",
        &[("app.py", ""), ("requirements.txt", "flask"), (".venv/bin/python", "")],
        &["run = \".venv/bin/python -m flask --app app run --host 127.0.0.1 --port $PORT\""],
    );
    check("plain", &[("app.py", ""), ("requirements.txt", "")], &["run = \"python3 app.py\""]);
}

#[test]
fn cargo_packages_and_workspaces() {
    check(
        "cargo",
        &[
            ("Cargo.toml", "[workspace]\nmembers = [\"crates/*\", \"tool\"]\n"),
            ("crates/a/Cargo.toml", "[package]\nname = \"a\"\n"),
            ("crates/a/src/main.rs", ""),
            ("crates/lib/Cargo.toml", "[package]\nname = \"lib\"\n"),
            ("tool/Cargo.toml", "[package]\nname = \"tool\"\n[[bin]]\nname = \"tool-x\"\n"),
        ],
        &["run = \"target/release/a\"", "run = \"target/release/tool-x\"", "path = \"/tool-x/**\""],
    );
}

#[test]
fn a_compose_file_with_images() {
    let compose = "\
services:
  api:
    build: { context: api }
";
    let folder = Folder::new("compose-beyond", &[("compose.yml", compose)]);
    let told = look(&folder.0).unwrap_err().to_string();
    assert!(told.contains("line 3 has a mapping in braces"), "{told}");
    check(
        "compose",
        &[(
            "docker-compose.yml",
            "\
services:
  Api_1:
    build:
      context: ./api
    command: [\"node\", \"a b.js\"]
    ports: [\"8080:3000\"]
    environment:
      - LOG=info
      - PORT=3000
      - MAINSPRING_X=1
    depends_on: [cache, worker]
  worker:
    build: .
    command: work --hard
  cache:
    image: redis:7
  web:
    build: .
",
        )],
        &[
            "[service.api-1]",
            "run = \"node 'a b.js'\"",
            "dir = \"./api\"",
            "needs = [\"worker\"]",
            "\"LOG\" = \"info\"",
            "# The compose file had its port 8080:3000: make it listen on $PORT.",
            "#   cache is the image redis:7: a later version of Mainspring is the cache itself.",
            "#   web: docker-compose.yml does not say its command; take it from its Dockerfile",
            "to = \"api-1\"",
        ],
    );
}

#[test]
fn names_are_made_usable_and_unique() {
    for (name, want) in [("Web App", "web-app"), ("9lives", "lives"), ("ß", "app"), ("a--", "a")] {
        assert_eq!(usable_name(name), want);
    }
    check(
        "names",
        &[("Procfile", "Web: a\nweb: b\nß: c\n")],
        &["[service.web]", "[service.web-2]", "[service.app]"],
    );
}

#[test]
fn an_unknown_folder_says_what_was_looked_for() {
    let folder = Folder::new("empty", &[("notes.txt", "x"), ("package.json", "{")]);
    let told = look(&folder.0).unwrap_err().to_string();
    for want in ["Procfile", "package.json is not JSON", "docs/config.md"] {
        assert!(told.contains(want), "{told}");
    }
    assert!(look(&folder.0.join("not-there")).is_err());
}

#[test]
fn hostile_values_stay_values() {
    let package = "{\"name\": \"x\", \"scripts\": {\"start\": \"a\\n[service.evil]\\nrun = 'b'\"}}";
    let folder = Folder::new("hostile", &[("package.json", package)]);
    let first = look(&folder.0).unwrap();
    let config = config::load_text(&folder.0.join("mainspring.toml"), &first.text).unwrap();
    assert_eq!(config.services.len(), 1);
}
