//! Starting a process inside its group, with nothing of it ever outside.

use std::ffi::OsStr;
use std::fmt;
use std::fs::{self, File};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::process::{Resource, Rlimit, Signal};

use super::child::Process;
use super::group::Group;

/// What to start and how.
#[derive(Debug)]
pub struct Launch<'a> {
    /// The program and its arguments; the first must be there.
    pub words: &'a [String],
    /// Working folder; also what a program with a `/` in its name is relative to.
    pub dir: &'a Path,
    /// The whole environment.
    pub env: &'a [(String, String)],
    /// Where standard output goes.
    pub stdout: File,
    /// Where standard error goes.
    pub stderr: File,
    /// Ceilings.
    pub limits: ResourceLimits,
    /// Whether the kernel kills it when the calling thread ends. Reaches this process alone.
    pub dies_with_us: bool,
}

/// Ceilings of setrlimit(2); `None` leaves what we were started with ourselves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ResourceLimits {
    /// Open files of each process.
    pub open_files: Option<u64>,
    /// Processes and threads of the user as a whole. Not kept for root.
    pub processes: Option<u64>,
}

/// Why a process was not started.
#[derive(Debug)]
pub enum LaunchError {
    /// There is no such program.
    NotFound {
        /// As it was written.
        program: String,
        /// Where it was looked for.
        looked_in: Vec<PathBuf>,
    },
    /// There is a file, but it cannot be run.
    NotExecutable(PathBuf),
    /// There is no such working folder.
    NoFolder(PathBuf),
    /// The system refused.
    Io(io::Error),
}

impl Launch<'_> {
    /// Starts it in `group`, in a session of its own.
    ///
    /// # Errors
    /// With what to do about it.
    pub fn start(self, group: &Group) -> Result<Process, LaunchError> {
        if !self.dir.is_dir() {
            return Err(LaunchError::NoFolder(self.dir.to_owned()));
        }
        let name = self.words.first().map_or("", String::as_str);
        let program = self.find(name)?;
        let mut command = Command::new(program);
        command.arg0(name).args(self.words.iter().skip(1)).current_dir(self.dir);
        command.env_clear().envs(self.env.iter().map(|(name, value)| (name, value)));
        let (marker, value) = group.marker();
        command.env(marker, value);
        command.stdin(Stdio::null()).stdout(self.stdout).stderr(self.stderr);
        let entrance = group.entrance().map_err(LaunchError::Io)?;
        let (limits, dies_with_us) = (self.limits, self.dies_with_us);
        let descriptors = crate::descriptors::inherited().filter(|_| limits.open_files.is_none());
        let prepare = move || {
            rustix::process::setsid()?;
            if let Some(entrance) = &entrance {
                rustix::io::write(entrance.as_fd(), b"0")?;
            }
            if let Some(inherited) = &descriptors {
                rustix::process::setrlimit(Resource::Nofile, *inherited)?;
            }
            limit(Resource::Nofile, limits.open_files)?;
            limit(Resource::Nproc, limits.processes)?;
            if dies_with_us {
                rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
            }
            Ok(())
        };
        #[expect(unsafe_code, reason = "nothing else runs code between fork and exec")]
        // SAFETY: the closure makes system calls alone. It neither allocates nor locks, which is
        // all that is forbidden in a forked child of a process with threads.
        unsafe {
            command.pre_exec(prepare);
        }
        let child = command.spawn().map_err(LaunchError::Io)?;
        // `child` is dropped without a wait: the pidfd is what we wait on.
        Process::of_child(child.id()).map_err(LaunchError::Io)
    }

    fn find(&self, name: &str) -> Result<PathBuf, LaunchError> {
        let candidates: Vec<PathBuf> = if name.contains('/') {
            vec![self.dir.join(name)]
        } else {
            let path = self.env.iter().find(|(variable, _)| variable == "PATH");
            let path = path.map_or("/usr/local/bin:/usr/bin:/bin", |(_, value)| value.as_str());
            std::env::split_paths(OsStr::new(path))
                .map(|folder| self.dir.join(folder).join(name))
                .collect()
        };
        let executable = |path: &&PathBuf| {
            fs::metadata(path)
                .is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
        };
        if let Some(found) = candidates.iter().find(executable) {
            return Ok(found.clone());
        }
        match candidates.iter().find(|path| path.exists()) {
            Some(there) => Err(LaunchError::NotExecutable(there.clone())),
            None => {
                let folders = candidates.iter().filter_map(|path| path.parent());
                let looked_in = folders.map(Path::to_owned).collect();
                Err(LaunchError::NotFound { program: name.to_owned(), looked_in })
            }
        }
    }
}

fn limit(resource: Resource, wanted: Option<u64>) -> rustix::io::Result<()> {
    let Some(wanted) = wanted else { return Ok(()) };
    // Without privilege the hard limit can be lowered, never raised: take as much as there is.
    let hard = rustix::process::getrlimit(resource).maximum;
    let new = Rlimit { current: Some(wanted), maximum: Some(wanted) };
    match rustix::process::setrlimit(resource, new) {
        Err(rustix::io::Errno::PERM) => {
            rustix::process::setrlimit(resource, Rlimit { current: hard, maximum: hard })
        }
        other => other,
    }
}

impl fmt::Display for LaunchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound { program, looked_in } => {
                let folders: Vec<String> =
                    looked_in.iter().map(|folder| folder.display().to_string()).collect();
                write!(f, "there is no program {program:?}; looked in {}", folders.join(", "))
            }
            Self::NotExecutable(path) => {
                write!(f, "{} is not executable: chmod +x it", path.display())
            }
            Self::NoFolder(path) => write!(f, "there is no folder {}", path.display()),
            Self::Io(error) => write!(f, "the system refused to start it: {error}"),
        }
    }
}

impl std::error::Error for LaunchError {}
