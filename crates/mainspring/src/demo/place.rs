//! The demo's folder: free ports, the launchers of the programs, and the configuration.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::Voice;
use super::shop::Programs;

/// Ports that are tried first, so that the addresses are those of the documentation.
const HTTP_PORT: u16 = 8080;
const CONSOLE_PORT: u16 = 7070;
/// Ports after those that are tried before any free one is taken.
const PORTS_TRIED_MAX: u16 = 20;

/// One program of the shop as the demo runs it.
struct Member {
    name: &'static str,
    needs: &'static [&'static str],
    /// Paths that lead to it.
    paths: &'static [&'static str],
    methods: &'static [&'static str],
}

const MEMBERS: &[Member] = &[
    Member { name: "storefront", needs: &[], paths: &["/**"], methods: &[] },
    Member { name: "catalogue", needs: &[], paths: &["/api/catalogue/**"], methods: &["GET"] },
    Member { name: "users", needs: &[], paths: &["/api/users/**"], methods: &[] },
    Member { name: "cart", needs: &["catalogue"], paths: &["/api/cart/**"], methods: &[] },
    Member { name: "payments", needs: &[], paths: &["/api/payments/network"], methods: &[] },
    Member {
        name: "orders",
        needs: &["catalogue", "cart", "users", "payments"],
        paths: &["/api/orders/**"],
        methods: &[],
    },
];

/// Everything that one demo owns on disk, and where it answers.
pub(super) struct Place {
    pub(super) folder: PathBuf,
    pub(super) programs: Programs,
    pub(super) http: SocketAddr,
    pub(super) console: SocketAddr,
    temporary: bool,
}

/// One release of a program: what a launcher starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Release {
    pub(super) version: &'static str,
    /// Never reports healthy.
    pub(super) broken: bool,
}

impl Place {
    /// Makes the folder, chooses ports, writes launchers and configuration.
    ///
    /// # Errors
    /// What cannot be written.
    pub(super) fn prepare(
        dir: Option<&Path>,
        programs: Programs,
        any_port: bool,
        voice: Voice<'_>,
    ) -> Result<Place, String> {
        let temporary = dir.is_none();
        let folder = match dir {
            Some(dir) => std::path::absolute(dir).map_err(|error| error.to_string())?,
            None => {
                let name = format!("mainspring-demo-{}", std::process::id());
                std::env::temp_dir().join(name)
            }
        };
        let cannot = |error: std::io::Error| format!("cannot use {}: {error}", folder.display());
        if folder.join("mainspring.toml").exists() {
            return Err(format!(
                "{} has a mainspring.toml already: name an empty folder",
                folder.display()
            ));
        }
        fs::create_dir_all(folder.join("programs")).map_err(cannot)?;
        let (http, console) = if any_port {
            (free_port(0)?, free_port(0)?)
        } else {
            (choose("http", HTTP_PORT, voice)?, choose("console", CONSOLE_PORT, voice)?)
        };
        let place = Place { folder, programs, http, console, temporary };
        for member in MEMBERS {
            place.release(member.name, Release { version: "v1", broken: false })?;
        }
        place.write_config(&place.config())?;
        Ok(place)
    }

    /// The configuration file.
    pub(super) fn config_path(&self) -> PathBuf {
        self.folder.join("mainspring.toml")
    }

    /// The folder with the shop's SQLite files.
    pub(super) fn shop_data(&self) -> PathBuf {
        self.folder.join("shop")
    }

    /// Puts `text` in place of the configuration, at once.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(super) fn write_config(&self, text: &str) -> Result<(), String> {
        replace(&self.config_path(), text, 0o644)
    }

    /// Puts a release of a program in place: what the next start of it runs.
    ///
    /// # Errors
    /// The launcher cannot be written.
    pub(super) fn release(&self, program: &str, release: Release) -> Result<(), String> {
        let broken = if release.broken { " SHOP_BROKEN=health" } else { "" };
        let text = format!(
            "#!/bin/sh\n\
             # The release of {program} that the next start runs. Change it, then: \
             mainspring deploy {program}\n\
             SHOP_VERSION={}{broken} exec {} {program}\n",
            release.version,
            shell_quote(&self.programs.shop),
        );
        replace(&self.launcher(program), &text, 0o755)
    }

    /// Lets a second service start what a first one starts.
    ///
    /// # Errors
    /// The launcher cannot be written.
    pub(super) fn copy_launcher(&self, from: &str, to: &str) -> Result<(), String> {
        let path = self.launcher(from);
        let text = fs::read_to_string(&path)
            .map_err(|error| format!("cannot read {}: {error}", path.display()))?;
        replace(&self.launcher(to), &text, 0o755)
    }

    /// The configuration of the whole shop.
    pub(super) fn config(&self) -> String {
        let mut text = format!(
            "# Winding Lane, a shop of ordinary programs. Change something, then:\n\
             #   mainspring plan -c FILE     what it would do\n\
             #   mainspring reload -c FILE   do it\n\n\
             [node]\nname = \"demo\"\ndata = {}\n\n\
             [listen]\nhttp = \"{}\"\nconsole = \"{}\"\n",
            toml_text(&self.folder.join("data").to_string_lossy()),
            self.http,
            self.console,
        );
        for member in MEMBERS {
            text.push_str(&self.section(member.name, &self.launcher(member.name), member.needs));
            for path in member.paths {
                text.push_str(&route(path, member.methods, member.name));
            }
        }
        if let Some(reviews) = &self.programs.reviews {
            let run = format!("{} {}", shell_quote(&reviews.python), shell_quote(&reviews.script));
            text.push_str(&self.section_running("reviews", &run, &[]));
            text.push_str(&route("/api/reviews/**", &[], "reviews"));
        }
        text
    }

    /// A section for one more program that a launcher starts.
    pub(super) fn section(&self, name: &str, launcher: &Path, needs: &[&str]) -> String {
        self.section_running(name, &shell_quote(launcher), needs)
    }

    fn section_running(&self, name: &str, run: &str, needs: &[&str]) -> String {
        let data = toml_text(&self.shop_data().to_string_lossy());
        let needs: Vec<String> = needs.iter().map(|need| format!("\"{need}\"")).collect();
        format!(
            "\n[service.{name}]\n\
             run = {}\n\
             replicas = 2\n\
             needs = [{}]\n\
             env = {{ SHOP_DATA = {data} }}\n\
             health = {{ http = \"/health\", interval = \"500ms\", timeout = \"1s\", fall = 2 }}\n\
             deploy = {{ deadline = \"5s\" }}\n",
            toml_text(run),
            needs.join(", "),
        )
    }

    /// The file that starts a program of the shop.
    pub(super) fn launcher(&self, program: &str) -> PathBuf {
        self.folder.join("programs").join(program)
    }

    /// Removes the folder, if it was only lent.
    pub(super) fn leave(&self, voice: Voice<'_>) {
        if !self.temporary {
            return;
        }
        if let Err(error) = fs::remove_dir_all(&self.folder) {
            (voice.note)(&format!("{} is left behind: {error}", self.folder.display()));
        }
    }
}

/// One `[[route]]` section.
pub(super) fn route(path: &str, methods: &[&str], to: &str) -> String {
    let methods: Vec<String> = methods.iter().map(|method| format!("\"{method}\"")).collect();
    let methods = if methods.is_empty() {
        String::new()
    } else {
        format!("methods = [{}]\n", methods.join(", "))
    };
    format!(
        "\n[[route]]\npath = \"{path}\"\n{methods}to = \"{to}\"\nbalance = \"least-connections\"\n"
    )
}

/// The wanted port, or one near it that is free; says so where it is another.
fn choose(what: &str, wanted: u16, voice: Voice<'_>) -> Result<SocketAddr, String> {
    let near = (wanted..=wanted.saturating_add(PORTS_TRIED_MAX)).find_map(|p| free_port(p).ok());
    let address = near.map_or_else(|| free_port(0), Ok)?;
    if address.port() != wanted {
        let port = address.port();
        (voice.note)(&format!("port {wanted} is in use: {what} takes {port} instead"));
    }
    Ok(address)
}

/// The port, if nobody has it; 0 asks for any.
fn free_port(port: u16) -> Result<SocketAddr, String> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let listener = TcpListener::bind(address).map_err(|error| format!("{address}: {error}"))?;
    listener.local_addr().map_err(|error| error.to_string())
}

/// Writes beside and renames, so that nobody ever reads half of it.
fn replace(path: &Path, text: &str, mode: u32) -> Result<(), String> {
    let beside = path.with_extension("new");
    let write = || {
        fs::write(&beside, text)?;
        fs::set_permissions(&beside, fs::Permissions::from_mode(mode))?;
        fs::rename(&beside, path)
    };
    write().map_err(|error| format!("cannot write {}: {error}", path.display()))
}

/// A word for a shell, whatever is in it.
fn shell_quote(path: &Path) -> String {
    format!("'{}'", path.to_string_lossy().replace('\'', "'\\''"))
}

/// A text as TOML writes it.
fn toml_text(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::shop::Reviews;

    fn place(reviews: bool) -> Place {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 8080));
        let reviews = reviews
            .then(|| Reviews { python: "/usr/bin/python3".into(), script: "/a 'b'.py".into() });
        Place {
            folder: "/tmp/it's a \"demo\"".into(),
            programs: Programs { shop: "/opt/shop".into(), reviews },
            http: address,
            console: SocketAddr::from((Ipv4Addr::LOCALHOST, 7070)),
            temporary: false,
        }
    }

    #[test]
    fn the_configuration_is_good_whatever_the_folder_is_called() {
        for reviews in [false, true] {
            let place = place(reviews);
            let config = crate::config::load_text(&place.config_path(), &place.config());
            let config = config.unwrap_or_else(|why| panic!("{}", why.render(false)));
            assert_eq!(config.services.len(), MEMBERS.len() + usize::from(reviews));
        }
    }

    #[test]
    fn a_port_in_use_is_left_to_its_owner() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = taken.local_addr().unwrap().port();
        let said = std::sync::Mutex::new(Vec::new());
        let note = |text: &str| said.lock().unwrap().push(text.to_owned());
        let voice = Voice { line: &note, note: &note };
        let chosen = choose("http", port, voice).unwrap();
        assert_ne!(chosen.port(), port);
        let want = format!("port {port} is in use: http takes {} instead", chosen.port());
        assert_eq!(*said.lock().unwrap(), [want]);
    }

    #[test]
    fn a_folder_with_a_configuration_is_not_touched() {
        let folder = std::env::temp_dir().join(format!("mainspring-place-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("mainspring.toml"), "mine").unwrap();
        let programs = Programs { shop: "/opt/shop".into(), reviews: None };
        let silent = |_: &str| {};
        let voice = Voice { line: &silent, note: &silent };
        assert!(Place::prepare(Some(&folder), programs, true, voice).is_err());
        assert_eq!(fs::read_to_string(folder.join("mainspring.toml")).unwrap(), "mine");
        fs::remove_dir_all(&folder).unwrap();
    }
}
