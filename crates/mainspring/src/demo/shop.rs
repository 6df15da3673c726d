//! The shop's programs: beside our own executable, or built from the checkout that we came from.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::Voice;

/// Where the checkout was when this program was compiled.
const COMPILED_IN: &str = env!("CARGO_MANIFEST_DIR");

/// What can be run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Programs {
    /// The executable with all programs of the shop.
    pub(super) shop: PathBuf,
    /// The Python program, where there is a Python that can run it.
    pub(super) reviews: Option<Reviews>,
}

/// A Python and the script that it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reviews {
    pub(super) python: PathBuf,
    pub(super) script: PathBuf,
}

/// Finds the programs, and builds them first where there is a checkout and a cargo.
///
/// # Errors
/// What is missing and how to get it.
pub(super) fn find(voice: Voice<'_>) -> Result<Programs, String> {
    let own = std::env::current_exe().map_err(|error| format!("who am I? {error}"))?;
    let beside = own.parent().map(|folder| folder.join("shop")).unwrap_or_default();
    let checkout = checkout(&own);
    let shop = match &checkout {
        Some(checkout) if cargo_answers() => build(checkout, &own, voice)?,
        Some(_) | None if beside.is_file() => beside,
        Some(_) | None => {
            return Err(format!(
                "the shop's programs are missing: there is no {}\n  build them in a checkout of \
                 Mainspring with `cargo build --release -p shop` and put `shop` there",
                beside.display()
            ));
        }
    };
    let scripts = [
        own.parent().map(|folder| folder.join("reviews.py")),
        checkout.map(|checkout| checkout.join("apps/shop/reviews/reviews.py")),
    ];
    let script = scripts.into_iter().flatten().find(|script| script.is_file());
    let reviews = match (python(), script) {
        (Some(python), Some(script)) => Some(Reviews { python, script }),
        (None, _) => {
            (voice.note)(
                "there is no Python 3 with SQLite here: the shop runs without its reviews \
                 (apt-get install python3 brings them)",
            );
            None
        }
        (Some(_), None) => {
            (voice.note)("reviews.py is not beside this program: the shop runs without reviews");
            None
        }
    };
    Ok(Programs { shop, reviews })
}

/// The folder of a checkout with the shop's sources: above our executable, or where we came from.
fn checkout(own: &Path) -> Option<PathBuf> {
    let compiled_in = Path::new(COMPILED_IN);
    let mut folders = own.ancestors().chain(compiled_in.ancestors());
    folders.find(|folder| folder.join("apps/shop/Cargo.toml").is_file()).map(Path::to_owned)
}

fn cargo() -> PathBuf {
    // Set by `cargo run`: the same toolchain that built us.
    std::env::var_os("CARGO").map_or_else(|| PathBuf::from("cargo"), PathBuf::from)
}

fn cargo_answers() -> bool {
    let mut command = Command::new(cargo());
    command.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// Builds the shop as we were built ourselves: same profile, same target folder.
fn build(checkout: &Path, own: &Path, voice: Voice<'_>) -> Result<PathBuf, String> {
    let profile = own.parent().and_then(Path::file_name).and_then(|name| name.to_str());
    let debug = profile == Some("debug");
    let mut command = Command::new(cargo());
    command.current_dir(checkout).args(["build", "--package", "shop"]);
    if !debug {
        command.arg("--release");
    }
    let mut target = checkout.join("target");
    if let Some(folder) = own.parent().and_then(Path::parent)
        && folder.join("CACHEDIR.TAG").is_file()
    {
        target = folder.to_owned();
    }
    command.arg("--target-dir").arg(&target);
    (voice.note)("building the shop's programs…");
    // Its progress is for the same eyes as ours; what it says is not a result.
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).status();
    let status = status.map_err(|error| format!("cannot run {}: {error}", cargo().display()))?;
    if !status.success() {
        return Err(format!("the shop does not build: cargo ended with {status}; see above"));
    }
    let shop = target.join(if debug { "debug" } else { "release" }).join("shop");
    if !shop.is_file() {
        return Err(format!("cargo built the shop, but there is no {}", shop.display()));
    }
    Ok(shop)
}

/// The real Python behind the name, so that no wrapper stands between us and the program.
fn python() -> Option<PathBuf> {
    let mut command = Command::new("python3");
    command.args(["-c", "import sqlite3, http.server, sys; print(sys.executable)"]);
    let output = command.stderr(Stdio::null()).stdin(Stdio::null()).output().ok()?;
    let path = String::from_utf8(output.stdout).ok()?;
    let path = PathBuf::from(path.trim());
    (output.status.success() && path.is_absolute()).then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checkout_is_found_from_the_sources() {
        let found = checkout(Path::new("/nowhere/at/all")).unwrap();
        assert!(found.join("apps/shop/reviews/reviews.py").is_file());
    }
}
