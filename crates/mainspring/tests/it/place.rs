//! A folder with a configuration, and the binary run in it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

static COUNT: AtomicU32 = AtomicU32::new(0);

/// A folder of its own, gone when dropped.
pub(crate) struct Place(PathBuf);

/// What a command said, and its exit code.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Place {
    /// A folder with this `mainspring.toml`.
    pub(crate) fn new(config: &str) -> Self {
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("mainspring-it-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        let place = Self(path);
        place.write(config);
        place
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Writes another `mainspring.toml`.
    pub(crate) fn write(&self, config: &str) {
        std::fs::write(self.0.join("mainspring.toml"), config).unwrap();
    }

    /// The binary, ready to run here.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mainspring"));
        command.args(arguments).current_dir(&self.0).env_remove("MAINSPRING_TOKEN");
        command.stdin(Stdio::null());
        command
    }

    /// Runs it to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Said {
        self.said(self.command(arguments).output().unwrap())
    }

    /// What it said, with this folder's name taken out.
    pub(crate) fn said(&self, output: Output) -> Said {
        let plain = |bytes: &[u8]| {
            String::from_utf8_lossy(bytes).replace(&format!("{}/", self.0.display()), "")
        };
        let code = output.status.code().expect("it ended by itself");
        Said { code, out: plain(&output.stdout), err: plain(&output.stderr) }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
