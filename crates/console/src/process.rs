//! What the kernel says about this process, for the `process_…` metrics.

use std::fs;

/// Ticks a second in `/proc/self/stat`: the kernel's user interface fixes it (USER_HZ).
const TICKS_PER_SECOND: f64 = 100.0;

/// Readings of this process; what the kernel does not tell is zero.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct ProcessReading {
    pub(crate) cpu_seconds: f64,
    pub(crate) resident_bytes: u64,
    pub(crate) virtual_bytes: u64,
    pub(crate) thread_count: u64,
    pub(crate) open_fds: u64,
    pub(crate) max_fds: u64,
    pub(crate) start_unix_seconds: f64,
}

/// Reads `/proc/self`.
pub(crate) fn read() -> ProcessReading {
    let mut reading = usage();
    reading.open_fds = fs::read_dir("/proc/self/fd").map_or(0, |entries| entries.count() as u64);
    reading.max_fds = max_fds(&text("/proc/self/limits"));
    reading
}

/// The same without file descriptors, which are costly to count.
pub(crate) fn usage() -> ProcessReading {
    let mut reading = parse(&text("/proc/self/stat"), &text("/proc/stat"));
    reading.resident_bytes = resident_bytes(&text("/proc/self/status"));
    reading
}

fn text(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// `stat` is proc_pid_stat(5); `system` is proc_stat(5) for the time of boot.
fn parse(stat: &str, system: &str) -> ProcessReading {
    // The name in parentheses may hold spaces and parentheses itself.
    let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let fields = fields.split_ascii_whitespace().collect::<Vec<_>>();
    // Numbered as in the manual, where field 3 follows the name.
    let field = |number: usize| -> u64 {
        fields.get(number - 3).and_then(|text| text.parse().ok()).unwrap_or(0)
    };
    let boot = system.lines().find_map(|line| line.strip_prefix("btime "));
    let boot: f64 = boot.and_then(|text| text.trim().parse().ok()).unwrap_or(0.0);
    ProcessReading {
        cpu_seconds: (field(14) + field(15)) as f64 / TICKS_PER_SECOND,
        virtual_bytes: field(23),
        thread_count: field(20),
        start_unix_seconds: boot + field(22) as f64 / TICKS_PER_SECOND,
        ..ProcessReading::default()
    }
}

/// From proc_pid_status(5), because `stat` counts pages and does not say how large they are.
fn resident_bytes(status: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_ascii_whitespace().next());
    kib.and_then(|text| text.parse::<u64>().ok()).map_or(0, |kib| kib * 1024)
}

fn max_fds(limits: &str) -> u64 {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    let soft = line.and_then(|line| line.split_ascii_whitespace().next());
    soft.and_then(|text| text.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_behind_a_strange_name() {
        let stat = "42 (a) b (c) S 1 42 42 0 -1 4194560 100 0 0 0 150 50 0 0 20 0 7 0 1000 \
                    8192000 500 18446744073709551615";
        let reading = parse(stat, "cpu 1\nbtime 1700000000\n");
        assert_eq!(reading.cpu_seconds, 2.0);
        assert_eq!(reading.thread_count, 7);
        assert_eq!(reading.virtual_bytes, 8_192_000);
        assert_eq!(resident_bytes("Name:\tx\nVmRSS:\t    2000 kB\n"), 2_048_000);
        assert_eq!(reading.start_unix_seconds, 1_700_000_010.0);
        assert_eq!(parse("", ""), ProcessReading::default());
    }

    #[test]
    fn this_process_has_memory_and_files() {
        let reading = read();
        assert!(reading.resident_bytes > 100_000 && reading.open_fds >= 3, "{reading:?}");
        assert!(reading.max_fds >= reading.open_fds, "{reading:?}");
        assert!(reading.start_unix_seconds > 1_600_000_000.0, "{reading:?}");
    }
}
