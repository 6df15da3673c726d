//! Reading `/proc` and control group files (proc(5), Documentation/admin-guide/cgroup-v2.rst).

use std::fs;
use std::path::Path;
use std::time::Duration;

/// Clock ticks per second in `/proc/…/stat`. USER_HZ is 100 on every architecture that we run on.
const TICKS_PER_SECOND: u64 = 100;

/// Bytes read of a small kernel file at most.
const SMALL_FILE_BYTES_MAX: usize = 1024 * 1024;

/// What `/proc/<pid>/stat` says of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProcessStat {
    /// Its state's letter; `Z` and `X` are dead.
    pub state: u8,
    /// Its parent.
    pub parent: u32,
    /// Its process group.
    pub group: u32,
    /// Its session.
    pub session: u32,
    /// CPU time of itself and of its children that ended and were waited for.
    pub cpu: Duration,
    /// Ticks from boot to its start: with the number, its identity.
    pub start_ticks: u64,
}

/// Parses the text of `/proc/<pid>/stat`; `None` when it is not one.
pub fn parse_stat(text: &[u8]) -> Option<ProcessStat> {
    // The second field is the program's name in parentheses and may hold anything, even `) (`.
    let after_name = text.iter().rposition(|byte| *byte == b')')?;
    let rest = std::str::from_utf8(text.get(after_name + 1..)?).ok()?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    // proc(5) counts from 1 and the state is field 3, here index 0.
    let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
    let short = |field: usize| u32::try_from(number(field)?).ok();
    let mut ticks = 0u64;
    for field in 14..=17 {
        ticks = ticks.saturating_add(number(field)?);
    }
    Some(ProcessStat {
        state: *fields.first()?.as_bytes().first()?,
        parent: short(4)?,
        group: short(5)?,
        session: short(6)?,
        cpu: Duration::from_millis(ticks.saturating_mul(1_000 / TICKS_PER_SECOND)),
        start_ticks: number(22)?,
    })
}

/// CPU time in the text of a control group's `cpu.stat`.
pub fn parse_cpu_stat(text: &str) -> Option<Duration> {
    let usage = text.lines().find_map(|line| line.strip_prefix("usage_usec "))?;
    usage.trim().parse().ok().map(Duration::from_micros)
}

/// This boot's name: process numbers and start ticks mean nothing in another.
pub fn boot_id() -> String {
    let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    text.trim().to_owned()
}

pub(super) fn stat(pid: u32) -> Option<ProcessStat> {
    parse_stat(&fs::read(format!("/proc/{pid}/stat")).ok()?)
}

/// All process numbers now.
pub(super) fn all_pids() -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect()
}

/// The value of `name` in the environment that `pid` was started with.
pub(super) fn environment_value(pid: u32, name: &str) -> Option<String> {
    let block = fs::read(format!("/proc/{pid}/environ")).ok()?;
    let entry = block.split(|byte| *byte == 0).find_map(|entry| {
        entry.strip_prefix(name.as_bytes())?.strip_prefix(b"=").map(<[u8]>::to_vec)
    })?;
    String::from_utf8(entry).ok()
}

/// (private, shared) resident bytes of `pid`.
pub(super) fn resident(pid: u32) -> Option<(u64, u64)> {
    let text = fs::read_to_string(format!("/proc/{pid}/statm")).ok()?;
    let mut pages = text.split_ascii_whitespace().skip(1).map(|field| field.parse::<u64>().ok());
    let (resident, shared) = (pages.next()??, pages.next()??);
    let page_bytes = rustix::param::page_size() as u64;
    let private = resident.saturating_sub(shared);
    Some((private.saturating_mul(page_bytes), shared.saturating_mul(page_bytes)))
}

/// Numbers, one a line, as in `cgroup.procs`.
pub(super) fn numbers(path: &Path) -> Vec<u32> {
    let text = fs::read_to_string(path).unwrap_or_default();
    let bounded = text.get(..SMALL_FILE_BYTES_MAX).unwrap_or(&text);
    bounded.lines().filter_map(|line| line.trim().parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_does_not_confuse() {
        let text = b"42 (a) R (b) S 7 42 40 0 -1 4194560 1 2 3 4 100 50 25 25 20 0 1 0 9876 1 2";
        let stat = parse_stat(text).unwrap();
        assert_eq!((stat.state, stat.parent, stat.group, stat.session), (b'S', 7, 42, 40));
        assert_eq!(stat.cpu, Duration::from_secs(2));
        assert_eq!(stat.start_ticks, 9876);
    }

    #[test]
    fn what_is_not_a_stat_is_none() {
        for text in [&b""[..], b")", b"1 (x)", b"1 (x) S 1", b"1 (x) S a b c", b"\xff)\xff"] {
            assert_eq!(parse_stat(text), None);
        }
    }

    #[test]
    fn our_own_stat_parses() {
        let stat = stat(std::process::id()).unwrap();
        assert!(stat.start_ticks > 0);
        assert!(resident(std::process::id()).unwrap().0 > 0);
    }

    #[test]
    fn cpu_time_of_a_control_group() {
        let text = "usage_usec 1500000\nuser_usec 1\n";
        assert_eq!(parse_cpu_stat(text), Some(Duration::from_millis(1_500)));
        assert_eq!(parse_cpu_stat("user_usec 1\n"), None);
    }
}
