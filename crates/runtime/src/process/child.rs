//! A process held by a pidfd: its number can never come to mean another.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, kill_process_group, pidfd_open,
    pidfd_send_signal, waitid,
};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::procfs;

/// A running process. Dropping it leaves it running.
#[derive(Debug)]
pub struct Process {
    identity: Identity,
    pidfd: OwnedFd,
    /// Whether it is our child, so that its exit status comes to us.
    is_child: bool,
}

/// What a process can be found again by, after a crash of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Its number.
    pub pid: u32,
    /// Ticks from boot to its start.
    pub start_ticks: u64,
    /// Which boot.
    pub boot_id: String,
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// By itself, with this status.
    Status(i32),
    /// By a signal.
    Signal(i32),
    /// Its status went to another parent.
    Unknown,
}

impl Process {
    pub(super) fn of_child(pid: u32) -> io::Result<Self> {
        // It cannot be another: nobody waits for it before we do.
        let pidfd = open(pid)?;
        let start_ticks = procfs::stat(pid).map_or(0, |stat| stat.start_ticks);
        let identity = Identity { pid, start_ticks, boot_id: procfs::boot_id() };
        Ok(Self { identity, pidfd, is_child: true })
    }

    /// The process of that identity, if it still runs.
    pub fn find(identity: &Identity) -> Option<Self> {
        if identity.boot_id != procfs::boot_id() {
            return None;
        }
        // Opened first and checked then: what is checked is what is held.
        let pidfd = open(identity.pid).ok()?;
        let stat = procfs::stat(identity.pid)?;
        let same = stat.start_ticks == identity.start_ticks && !matches!(stat.state, b'Z' | b'X');
        same.then(|| Self { identity: identity.clone(), pidfd, is_child: false })
    }

    /// What it can be found again by.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Its number.
    pub fn pid(&self) -> u32 {
        self.identity.pid
    }

    /// SIGTERM to its process group: a shell's children should hear it too.
    pub fn terminate(&self) {
        // Until a child is waited for its number is its own; of an adopted one we look again.
        let same = procfs::stat(self.pid())
            .is_some_and(|stat| stat.start_ticks == self.identity.start_ticks);
        let told =
            same && raw(self.pid()).is_some_and(|p| kill_process_group(p, Signal::TERM).is_ok());
        if !told {
            let _ = pidfd_send_signal(self.pidfd.as_fd(), Signal::TERM);
        }
    }

    /// SIGKILL to it alone; see [`super::Group::kill`] for the family.
    pub fn kill(&self) {
        let _ = pidfd_send_signal(self.pidfd.as_fd(), Signal::KILL);
    }

    /// Waits for its end. May be dropped half-way and called again. Must be called on a reactor.
    ///
    /// # Errors
    /// When the reactor refuses the descriptor.
    pub async fn ended(&self) -> io::Result<Ended> {
        #[expect(
            unsafe_code,
            reason = "the only way to watch a descriptor that tokio has no type for"
        )]
        // SAFETY: the borrowed descriptor stays open and the same for as long as `watched` lives.
        let watched =
            unsafe { AsyncFd::register_with_interest(self.pidfd.as_fd(), Interest::READABLE) };
        let watched = watched.map_err(io::Error::from)?;
        // pidfd_open(2): readable once the process has ended.
        let _guard = watched.readable().await?;
        if !self.is_child {
            return Ok(Ended::Unknown);
        }
        let status = waitid(WaitId::PidFd(self.pidfd.as_fd()), WaitIdOptions::EXITED);
        Ok(match status {
            Ok(Some(status)) => match (status.exit_status(), status.terminating_signal()) {
                (Some(code), _) => Ended::Status(code),
                (None, Some(signal)) => Ended::Signal(signal),
                (None, None) => Ended::Unknown,
            },
            Ok(None) | Err(_) => Ended::Unknown,
        })
    }
}

/// Takes the status of a dead child that nobody waits for.
pub(super) fn reap(pid: u32) {
    if let Some(pid) = raw(pid) {
        let _ = waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOHANG);
    }
}

/// SIGKILL by number, for processes that were found by number.
pub(super) fn kill(pid: u32) {
    if let Some(pid) = raw(pid) {
        let _ = rustix::process::kill_process(pid, Signal::KILL); // It may be gone already.
    }
}

fn open(pid: u32) -> io::Result<OwnedFd> {
    let pid = raw(pid).ok_or(io::ErrorKind::InvalidInput)?;
    Ok(pidfd_open(pid, PidfdFlags::empty())?)
}

fn raw(pid: u32) -> Option<Pid> {
    i32::try_from(pid).ok().and_then(Pid::from_raw)
}
