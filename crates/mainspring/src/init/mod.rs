//! `mainspring init`: a first configuration from what a folder contains.
//!
//! It reads the files that projects have anyway, writes down what runs and where requests go, and
//! says in comments what it is not sure of. What it writes always passes `mainspring check`.

mod compose;
mod detect;
mod yaml;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use model::ServiceName;
use orchestrator::CommandLine;

use crate::config;

/// Largest project file that is read.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Most services that are written down.
const PROGRAM_COUNT_MAX: usize = 50;

/// Names of compose files, in the order in which they are preferred.
const COMPOSE_FILES: [&str; 4] =
    ["compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml"];

/// A first configuration.
#[derive(Clone, Debug)]
pub struct First {
    /// Its text.
    pub text: String,
    /// What it was made from, a line each.
    pub findings: Vec<String>,
    path: PathBuf,
}

/// Why there is no first configuration.
#[derive(Debug)]
pub enum InitError {
    /// The folder is none, or cannot be read.
    Folder(PathBuf, io::Error),
    /// There is a configuration already.
    Exists(PathBuf),
    /// It cannot be written.
    Write(PathBuf, io::Error),
    /// Nothing was found; the lines say what was there but not understood.
    Nothing(PathBuf, Vec<String>),
    /// What was made of it does not pass our own check.
    Unusable(String),
}

/// A program that was found.
#[derive(Clone, Debug)]
struct Program {
    name: String,
    run: String,
    dir: Option<String>,
    env: BTreeMap<String, String>,
    needs: Vec<String>,
    replicas: Option<u32>,
    /// Whether requests go to it.
    is_web: bool,
    notes: Vec<String>,
}

impl Program {
    fn new(name: &str, run: String) -> Self {
        Self {
            name: name.to_owned(),
            run,
            dir: None,
            env: BTreeMap::new(),
            needs: Vec::new(),
            replicas: None,
            is_web: false,
            notes: Vec::new(),
        }
    }
}

/// Looks at `folder` and writes a configuration, in memory.
///
/// # Errors
/// When there is nothing to make it from.
pub fn look(folder: &Path) -> Result<First, InitError> {
    let unreadable = |error| InitError::Folder(folder.to_owned(), error);
    std::fs::read_dir(folder).map_err(unreadable)?;
    let folder = std::path::absolute(folder).map_err(unreadable)?;
    let (mut programs, findings, left_out) = find(&folder);
    if programs.is_empty() {
        return Err(InitError::Nothing(folder, left_out));
    }
    programs.truncate(PROGRAM_COUNT_MAX);
    name_all(&mut programs);
    let text = write_down(&programs, &left_out);
    let path = folder.join(config::FILE_NAME);
    if let Err(problems) = config::load_text(&path, &text) {
        return Err(InitError::Unusable(problems.render(false)));
    }
    Ok(First { text, findings, path })
}

impl First {
    /// Writes it into the folder; never over another.
    ///
    /// # Errors
    /// When there is one already, or the folder cannot be written.
    pub fn write(&self) -> Result<PathBuf, InitError> {
        let file = OpenOptions::new().write(true).create_new(true).open(&self.path);
        let written = file.and_then(|mut file| file.write_all(self.text.as_bytes()));
        match written {
            Ok(()) => Ok(self.path.clone()),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                Err(InitError::Exists(self.path.clone()))
            }
            Err(error) => Err(InitError::Write(self.path.clone(), error)),
        }
    }
}

/// Programs, what they were found by, and what was seen but cannot be run.
fn find(folder: &Path) -> (Vec<Program>, Vec<String>, Vec<String>) {
    let (mut findings, mut left_out) = (Vec::new(), Vec::new());
    let mut told = |file: &str, programs: &[Program]| {
        let names: Vec<&str> = programs.iter().map(|program| program.name.as_str()).collect();
        if !names.is_empty() {
            findings.push(format!("{file}: {}", names.join(", ")));
        }
    };
    let compose = COMPOSE_FILES
        .into_iter()
        .find_map(|name| Some((name, compose::read(name, &read_file(&folder.join(name))?))));
    let mut from_compose = Vec::new();
    if let Some((name, compose)) = compose {
        told(name, &compose.programs);
        from_compose = compose.programs;
        left_out.extend(compose.left_out);
    }
    // A Procfile says outright what runs; then a compose file does; the rest is guessed.
    if let Some(text) = read_file(&folder.join("Procfile")) {
        let programs = detect::procfile(&text);
        if !programs.is_empty() {
            told("Procfile", &programs);
            return (programs, findings, left_out);
        }
        left_out.push("Procfile has no line `name: command`".to_owned());
    }
    if !from_compose.is_empty() {
        return (from_compose, findings, left_out);
    }
    let mut programs = Vec::new();
    let mut take = |file: &str, found: Result<Vec<Program>, String>| match found {
        Ok(found) => {
            told(file, &found);
            programs.extend(found);
        }
        Err(why) => left_out.push(format!("{file} is {why}")),
    };
    if let Some(text) = read_file(&folder.join("package.json")) {
        let found = detect::package_json(folder, &text);
        take("package.json", found.map(|program| program.into_iter().collect()));
    }
    take("Python", Ok(detect::python(folder).into_iter().collect()));
    if let Some(text) = read_file(&folder.join("Cargo.toml")) {
        take("Cargo.toml", detect::cargo(folder, &text));
    }
    (programs, findings, left_out)
}

/// The text of a file that is there, is text, and is not too large.
fn read_file(path: &Path) -> Option<String> {
    let mut text = String::new();
    File::open(path).ok()?.take(FILE_BYTES_MAX + 1).read_to_string(&mut text).ok()?;
    (text.len() as u64 <= FILE_BYTES_MAX).then_some(text)
}

/// Gives each a name that may be one, no two alike, and `needs` the same names.
fn name_all(programs: &mut [Program]) {
    let mut taken = BTreeSet::new();
    let mut renamed = BTreeMap::new();
    for program in &mut *programs {
        let base = usable_name(&program.name);
        let mut name = base.clone();
        let mut number = 1;
        while !taken.insert(name.clone()) {
            number += 1;
            name = format!("{base}-{number}");
        }
        renamed.insert(program.name.clone(), name.clone());
        program.name = name;
    }
    for program in programs {
        let (needs, own) = (std::mem::take(&mut program.needs), program.name.clone());
        let known = needs.iter().filter_map(|need| renamed.get(need)).filter(|need| **need != own);
        program.needs = known.cloned().collect();
        program.needs.dedup();
    }
}

/// The nearest name that [`ServiceName`] accepts.
fn usable_name(name: &str) -> String {
    const KEPT_MAX: usize = 40; // Leaves room for a number.
    let lower = name.to_ascii_lowercase();
    let mapped: String =
        lower.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let start = mapped.trim_start_matches(|c: char| !c.is_ascii_lowercase());
    let kept: String = start.chars().take(KEPT_MAX).collect();
    let kept = kept.trim_end_matches('-').to_owned();
    if ServiceName::new(&kept).is_ok() { kept } else { "app".to_owned() }
}

/// The file.
fn write_down(programs: &[Program], left_out: &[String]) -> String {
    let mut text = "\
# Written by `mainspring init`. Check it with `mainspring check`, start it with `mainspring up`.
# Every setting, with its default, is in docs/config.md.

[listen]
http = \"127.0.0.1:8080\"         # 0.0.0.0 instead of 127.0.0.1 lets other machines in
console = \"127.0.0.1:7070\"
"
    .to_owned();
    for program in programs {
        text.push_str(&section(program));
    }
    let mut web = programs.iter().filter(|program| program.is_web);
    // Without one that is known to answer requests, the first is the best guess.
    let first = web.next().or(programs.first());
    if let Some(first) = first {
        text.push_str("\n# Requests that no other route takes.\n");
        text.push_str(&format!("[[route]]\npath = \"/**\"\nto = {}\n", quoted(&first.name)));
    }
    for program in web {
        let path = quoted(&format!("/{}/**", program.name));
        text.push_str(&format!("\n[[route]]\npath = {path}\nto = {}\n", quoted(&program.name)));
    }
    if !left_out.is_empty() {
        text.push_str("\n# Found, but not run by this configuration:\n");
        for line in left_out {
            text.push_str(&format!("#   {}\n", one_line(line)));
        }
    }
    text
}

fn section(program: &Program) -> String {
    let mut text = "\n".to_owned();
    for note in &program.notes {
        text.push_str(&format!("# {}\n", one_line(note)));
    }
    text.push_str(&format!("[service.{}]\n", program.name));
    // What only a shell can do is given to one.
    if CommandLine::split(&program.run).is_ok() {
        text.push_str(&format!("run = {}\n", quoted(&program.run)));
    } else {
        text.push_str(&format!("run = {{ shell = {} }}\n", quoted(&program.run)));
    }
    if let Some(dir) = &program.dir {
        text.push_str(&format!("dir = {}\n", quoted(dir)));
    }
    if let Some(replicas) = program.replicas {
        text.push_str(&format!("replicas = {replicas}\n"));
    }
    if !program.needs.is_empty() {
        let needs: Vec<String> = program.needs.iter().map(|need| quoted(need)).collect();
        text.push_str(&format!("needs = [{}]\n", needs.join(", ")));
    }
    if program.is_web {
        text.push_str(
            "# health = \"/health\"           # better than \"the port accepts a connection\"\n",
        );
    } else {
        text.push_str("health = false                # it is not known to listen on $PORT\n");
    }
    if !program.env.is_empty() {
        text.push_str("# Passwords and keys belong into `mainspring secret set NAME`, and here { secret = \"NAME\" }.\n");
        text.push_str(&format!("[service.{}.env]\n", program.name));
        for (name, value) in &program.env {
            text.push_str(&format!("{} = {}\n", quoted(name), quoted(value)));
        }
    }
    text
}

/// A text as TOML has it.
fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

impl fmt::Display for InitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(path, error) => {
                write!(f, "cannot look into the folder {}: {error}", path.display())
            }
            Self::Exists(path) => write!(
                f,
                "{} is there already and stays as it is; see another proposal with \
                 `mainspring init --print`",
                path.display()
            ),
            Self::Write(path, error) => write!(f, "cannot write {}: {error}", path.display()),
            Self::Nothing(folder, seen) => {
                write!(
                    f,
                    "found nothing to run in {}: looked for Procfile, {}, package.json, \
                     manage.py, requirements.txt, pyproject.toml and Cargo.toml",
                    folder.display(),
                    COMPOSE_FILES.join(", ")
                )?;
                seen.iter().try_for_each(|line| write!(f, "\n  {line}"))?;
                f.write_str("\n  docs/config.md shows how to write a configuration by hand")
            }
            Self::Unusable(problems) => {
                write!(f, "cannot make a configuration of what was found:\n{problems}")
            }
        }
    }
}

impl std::error::Error for InitError {}

#[cfg(test)]
mod tests;
