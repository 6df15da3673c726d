//! Who may name whom: the code map in `ARCHITECTURE.md` against the manifests.
//!
//! The table there is the allow-list, so that the picture cannot drift from the build: a row
//! `` | `crates/edge`° | … | `model`, `http1` | `` says that the crate may depend on these rooms
//! and no other; `all` lifts that, and `°` marks a pure crate.
use std::collections::BTreeSet;

use super::manifest::{Dependency, Manifest};
use super::{Problem, Tree};

const MAP: &str = "ARCHITECTURE.md";
/// Where the rooms are; each folder in them with a manifest is one.
const BUILDINGS: &[&str] = &["crates/", "apps/", "xtask"];
/// What only `runtime` may name among the rooms in `crates/`: the outside world.
const OUTSIDE_WORLD: &[&str] = &[
    "async-std",
    "hyper",
    "hyper-util",
    "libc",
    "mio",
    "nix",
    "rustix",
    "smol",
    "socket2",
    "tokio",
    "tokio-util",
];
/// What a pure crate may not name either: chance.
const CHANCE: &[&str] = &["fastrand", "getrandom", "rand"];

/// A row of the code map.
#[derive(Debug)]
pub(super) struct Room {
    /// Such as `crates/edge`.
    pub path: String,
    pub pure: bool,
    may_name: BTreeSet<String>,
    may_name_all: bool,
    line: usize,
}

pub(super) fn check(tree: &Tree) -> Vec<Problem> {
    let rooms = rooms(tree);
    let mut problems = Vec::new();
    for room in &rooms {
        if !tree.has(&room.path) {
            let message = format!("there is no `{}`; remove the row or build it", room.path);
            problems.push(Problem::new(MAP, room.line, message));
        }
    }
    let names: BTreeSet<String> = manifests(tree).map(|(_, manifest)| manifest.name).collect();
    for (path, manifest) in manifests(tree) {
        let folder = path.trim_end_matches("/Cargo.toml");
        match rooms.iter().find(|room| room.path == folder) {
            Some(room) => direction(room, path, &manifest, &names, &mut problems),
            None => {
                let message = format!("add a row for `{folder}` to the code map in {MAP}");
                problems.push(Problem::new(path, 0, message));
            }
        }
        if !manifest.shares_lints {
            let message = "add `[lints]` with `workspace = true`";
            problems.push(Problem::new(path, 0, message));
        }
    }
    renamed_at_the_root(tree, &mut problems);
    thresholds(tree, &rooms, &mut problems);
    problems
}

/// The code map's rows.
pub(super) fn rooms(tree: &Tree) -> Vec<Room> {
    (1..).zip(tree.text(MAP).unwrap_or_default().lines()).filter_map(row).collect()
}

fn row((line, text): (usize, &str)) -> Option<Room> {
    let cells: Vec<&str> = text.trim().strip_prefix('|')?.split('|').map(str::trim).collect();
    let [first, _, names, ..] = cells.as_slice() else { return None };
    let (path, mark) = first.strip_prefix('`')?.split_once('`')?;
    Some(Room {
        path: path.trim_end_matches('/').to_owned(),
        pure: mark.contains('°'),
        may_name: names.split('`').skip(1).step_by(2).map(str::to_owned).collect(),
        may_name_all: *names == "all",
        line,
    })
}

fn manifests(tree: &Tree) -> impl Iterator<Item = (&str, Manifest)> {
    tree.texts()
        .filter(|(path, _)| path.ends_with("/Cargo.toml"))
        .filter(|(path, _)| BUILDINGS.iter().any(|building| path.starts_with(building)))
        .map(|(path, text)| (path, Manifest::parse(text)))
}

fn direction(
    room: &Room,
    path: &str,
    manifest: &Manifest,
    ours: &BTreeSet<String>,
    problems: &mut Vec<Problem>,
) {
    let shipped = room.path.starts_with("crates/");
    for Dependency { package, for_tests, line } in &manifest.dependencies {
        let message = if ours.contains(package) {
            if room.may_name_all || room.may_name.contains(package) {
                continue;
            }
            format!("`{}` may not name `{package}`; the code map in {MAP} says whom", manifest.name)
        } else if shipped && manifest.name != "runtime" && OUTSIDE_WORLD.contains(&package.as_str())
        {
            format!("only `runtime` may name `{package}`; use what `runtime` offers, or extend it")
        } else if room.pure && !for_tests && CHANCE.contains(&package.as_str()) {
            format!("a pure crate may not name `{package}`: chance is an input")
        } else {
            continue;
        };
        problems.push(Problem::new(path, *line, message));
    }
}

/// A renamed dependency would hide from [`direction`] behind `name.workspace = true`.
fn renamed_at_the_root(tree: &Tree, problems: &mut Vec<Problem>) {
    for (number, line) in (1..).zip(tree.text("Cargo.toml").unwrap_or_default().lines()) {
        if line.contains('{') && line.contains("package =") {
            let message = "do not rename a dependency; rules go by its name";
            problems.push(Problem::new("Cargo.toml", number, message));
        }
    }
}

/// The nearest `clippy.toml` replaces the root's: pure crates must have one, all alike, and every
/// copy must repeat the root's lines.
fn thresholds(tree: &Tree, rooms: &[Room], problems: &mut Vec<Problem>) {
    let root = tree.text("clippy.toml").unwrap_or_default();
    let mut first: Option<(&str, &str)> = None;
    for room in rooms.iter().filter(|room| room.pure) {
        let path = format!("{}/clippy.toml", room.path);
        match (tree.text(&path), first) {
            (None, _) => {
                let message = "a pure crate needs one that bans clocks, files, sockets, threads";
                problems.push(Problem::new(&path, 0, message));
            }
            (Some(text), None) => first = Some((&room.path, text)),
            (Some(text), Some((other, known))) => {
                if text != known {
                    let message = format!("differs from {other}/clippy.toml; keep them alike");
                    problems.push(Problem::new(&path, 0, message));
                }
            }
        }
    }
    for (path, text) in tree.texts().filter(|(path, _)| path.ends_with("/clippy.toml")) {
        for line in root.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            if !text.lines().any(|own| own == line) {
                let message = format!("repeat the root's `{line}`, which this file replaces");
                problems.push(Problem::new(path, 0, message));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARCHITECTURE: &str = "\
| room | responsibility | may name |
| --- | --- | --- |
| `crates/model`° | nouns | nobody |
| `crates/runtime` | the outside world | `model` |
| `crates/edge` | the data plane | `model`, `runtime` |
| `crates/mainspring` | the binary | all |
";
    const LINTS: &str = "[lints]\nworkspace = true\n";

    /// Checks a small house in which the given files replace or join those that are right.
    fn check_house(changed: &[(&str, &str)]) -> Vec<String> {
        let manifest = |name: &str, rest: &str| {
            format!("[package]\nname = \"{name}\"\n[dependencies]\n{rest}{LINTS}")
        };
        let (model, runtime) = (manifest("model", ""), manifest("runtime", "tokio = \"1\"\n"));
        let edge = manifest("edge", "runtime.workspace = true\n");
        let mainspring = manifest("mainspring", "edge.workspace = true\n");
        let mut files = vec![
            (MAP, ARCHITECTURE),
            ("Cargo.toml", "[workspace.dependencies]\nedge = { path = \"crates/edge\" }\n"),
            ("clippy.toml", "too-many = 70\n"),
            ("crates/model/clippy.toml", "too-many = 70\nbans = []\n"),
            ("crates/model/Cargo.toml", &model),
            ("crates/runtime/Cargo.toml", &runtime),
            ("crates/edge/Cargo.toml", &edge),
            ("crates/mainspring/Cargo.toml", &mainspring),
        ];
        files.extend(changed);
        check(&Tree::of(&files)).iter().map(ToString::to_string).collect()
    }

    fn finds(changed: &[(&str, &str)], want: &str) {
        let found = check_house(changed);
        assert!(found.len() == 1 && found[0].contains(want), "{found:?}");
    }

    #[test]
    fn a_house_in_order_has_no_problem() {
        assert_eq!(check_house(&[]), Vec::<String>::new());
    }

    #[test]
    fn a_room_that_names_one_above_it_is_found() {
        let text =
            format!("[package]\nname = \"edge\"\n[dependencies]\nmainspring = \"1\"\n{LINTS}");
        finds(
            &[("crates/edge/Cargo.toml", &text)],
            "Cargo.toml:4: `edge` may not name `mainspring`",
        );
    }

    #[test]
    fn the_outside_world_belongs_to_runtime() {
        let text = format!("[package]\nname = \"edge\"\n[dependencies]\ntokio = \"1\"\n{LINTS}");
        finds(&[("crates/edge/Cargo.toml", &text)], "only `runtime` may name `tokio`");
        let text = "[workspace.dependencies]\nsteps = { package = \"tokio\", version = \"1\" }\n";
        finds(&[("Cargo.toml", text)], "Cargo.toml:2: do not rename");
    }

    #[test]
    fn chance_is_kept_from_pure_crates() {
        let text = format!("[package]\nname = \"model\"\n[dependencies]\nrand = \"1\"\n{LINTS}");
        finds(&[("crates/model/Cargo.toml", &text)], "may not name `rand`");
    }

    #[test]
    fn the_map_and_the_rooms_are_the_same() {
        let text = format!("[package]\nname = \"cellar\"\n{LINTS}");
        finds(&[("crates/cellar/Cargo.toml", &text)], "add a row for `crates/cellar`");
        let map = format!("{ARCHITECTURE}| `crates/attic` | nothing | nobody |\n");
        finds(&[(MAP, &map)], "ARCHITECTURE.md:7: there is no `crates/attic`");
    }

    #[test]
    fn lints_and_thresholds_are_shared() {
        finds(&[("crates/edge/Cargo.toml", "[package]\nname = \"edge\"\n")], "add `[lints]`");
        finds(&[("crates/model/clippy.toml", "too-many = 90\n")], "repeat the root's `too-many");
        let map = ARCHITECTURE.replace("runtime`", "runtime`°");
        finds(&[(MAP, &map)], "crates/runtime/clippy.toml: a pure crate needs one");
        let other = ("crates/runtime/clippy.toml", "too-many = 70\n");
        finds(&[(MAP, &map), other], "differs from crates/model/clippy.toml");
    }
}
