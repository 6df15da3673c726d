//! What the usual files of a project say about how it runs.

use std::path::Path;

use serde_json::Value;

use super::{Program, read_file};

/// Members of a Cargo workspace that are looked at.
const MEMBER_COUNT_MAX: usize = 200;

/// `Procfile`: a name and a command a line.
pub(super) fn procfile(text: &str) -> Vec<Program> {
    let mut programs = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.starts_with('#')) {
        let Some((name, command)) = line.split_once(':') else { continue };
        let mut program = Program::new(name.trim(), command.trim().to_owned());
        program.is_web = name.trim() == "web";
        if name.trim() == "release" {
            program.replicas = Some(0);
            program.notes.push("Runs once before a release: start it by hand.".to_owned());
        }
        if !command.trim().is_empty() {
            programs.push(program);
        }
    }
    programs
}

/// `package.json`: its `start` script, or else `dev` or `serve`.
pub(super) fn package_json(folder: &Path, text: &str) -> Result<Option<Program>, String> {
    let package: Value =
        serde_json::from_str(text).map_err(|error| format!("not JSON: {error}"))?;
    let script = |name: &str| package.get("scripts")?.get(name)?.as_str();
    let tool = [("pnpm-lock.yaml", "pnpm"), ("yarn.lock", "yarn"), ("bun.lock", "bun")]
        .into_iter()
        .find(|(lock, _)| folder.join(lock).exists())
        .map_or("npm", |(_, tool)| tool);
    let name = package.get("name").and_then(Value::as_str).unwrap_or("web");
    // A scope such as @shop/web is the owner's, not the program's.
    let name = name.rsplit('/').next().unwrap_or(name);
    let web = |run: String, note: String| {
        let mut program = Program::new(name, run);
        program.is_web = true;
        program.notes.push(note);
        Some(program)
    };
    if let Some(chosen) = ["start", "serve", "dev"].into_iter().find(|name| script(name).is_some())
    {
        let runs = script(chosen).unwrap_or_default().replace('\n', " ");
        return Ok(web(
            format!("{tool} run {chosen}"),
            format!("The script {chosen:?} runs: {runs}"),
        ));
    }
    let main = package.get("main").and_then(Value::as_str);
    let server = main.or_else(|| folder.join("server.js").exists().then_some("server.js"));
    Ok(server.and_then(|file| web(format!("node {file}"), "There is no start script.".to_owned())))
}

/// Django, FastAPI, Flask, or a plain `main.py` or `app.py`.
pub(super) fn python(folder: &Path) -> Option<Program> {
    let has = |name: &str| folder.join(name).exists();
    let listed = ["requirements.txt", "pyproject.toml"];
    if !has("manage.py") && !listed.iter().any(|name| has(name)) {
        return None;
    }
    let wanted: String = listed
        .iter()
        .filter_map(|name| read_file(&folder.join(name)))
        .collect::<Vec<_>>()
        .join("\n")
        .to_ascii_lowercase();
    let interpreter = if has(".venv/bin/python") { ".venv/bin/python" } else { "python3" };
    let module = ["main", "app", "server"].into_iter().find(|name| has(&format!("{name}.py")));
    let own =
        || folder.file_name().map_or("app".into(), |name| name.to_string_lossy().into_owned());
    let web = |run: String, note: &str| {
        let mut program = Program::new(&own(), run);
        program.is_web = true;
        program.notes.push(note.to_owned());
        Some(program)
    };
    match module {
        _ if has("manage.py") => web(
            format!("{interpreter} manage.py runserver --noreload 127.0.0.1:$PORT"),
            "Django's own server is for development: gunicorn is better for users.",
        ),
        Some(module) if wanted.contains("fastapi") || wanted.contains("uvicorn") => web(
            format!("{interpreter} -m uvicorn {module}:app --host 127.0.0.1 --port $PORT"),
            "FastAPI behind uvicorn; the application is taken to be called `app`.",
        ),
        Some(module) if wanted.contains("flask") => web(
            format!("{interpreter} -m flask --app {module} run --host 127.0.0.1 --port $PORT"),
            "Flask's own server is for development: gunicorn is better for users.",
        ),
        Some(module) => {
            web(format!("{interpreter} {module}.py"), "It must listen on the port in $PORT.")
        }
        None => None,
    }
}

/// The binaries of a Cargo package or workspace.
pub(super) fn cargo(folder: &Path, text: &str) -> Result<Vec<Program>, String> {
    let manifest: toml::Table =
        text.parse().map_err(|error: toml::de::Error| format!("not TOML: {}", error.message()))?;
    let mut programs = binaries(folder, &manifest);
    let workspace = manifest.get("workspace").and_then(|it| it.get("members"));
    let members = workspace.and_then(toml::Value::as_array).cloned().unwrap_or_default();
    for member in members.iter().filter_map(toml::Value::as_str).take(MEMBER_COUNT_MAX) {
        for path in expand(folder, member) {
            let Some(text) = read_file(&path.join("Cargo.toml")) else { continue };
            if let Ok(manifest) = text.parse::<toml::Table>() {
                programs.extend(binaries(&path, &manifest));
            }
        }
    }
    Ok(programs)
}

/// The binaries of one package: `[[bin]]`, and `src/main.rs` under the package's own name.
fn binaries(folder: &Path, manifest: &toml::Table) -> Vec<Program> {
    let name_of = |table: &toml::Value| Some(table.get("name")?.as_str()?.to_owned());
    let listed = manifest.get("bin").and_then(toml::Value::as_array);
    let mut names: Vec<String> =
        listed.map(|bins| bins.iter().filter_map(name_of).collect()).unwrap_or_default();
    let package = manifest.get("package").and_then(name_of);
    if let Some(name) = package.filter(|_| names.is_empty() && folder.join("src/main.rs").exists())
    {
        names.push(name);
    }
    let program = |name: String| {
        let mut program = Program::new(&name, format!("target/release/{name}"));
        program.is_web = true;
        program.notes.push("Build it first: cargo build --release".to_owned());
        program
    };
    names.into_iter().map(program).collect()
}

/// `crates/*` → the folders that it names, in order. Other patterns name themselves.
fn expand(folder: &Path, member: &str) -> Vec<std::path::PathBuf> {
    let Some(parent) = member.strip_suffix("/*") else { return vec![folder.join(member)] };
    let Ok(entries) = std::fs::read_dir(folder.join(parent)) else { return Vec::new() };
    let mut folders: Vec<_> =
        entries.take(MEMBER_COUNT_MAX).filter_map(|entry| Some(entry.ok()?.path())).collect();
    folders.sort();
    folders
}
