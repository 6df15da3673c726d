//! What is read about programs: command lines, their output, our own files about them, `/proc`.

use bolero::check;
use fleet::{LINE_BYTES_MAX, LineCutter, State, decode_log_line, harmless};
use orchestrator::CommandLine;
use runtime::process::{parse_cpu_stat, parse_stat};

/// A line that splits has words, splits again the same after a trip to disk, and points into
/// itself when it does not split.
#[test]
fn command_line() {
    check!().with_type::<String>().for_each(|text| match CommandLine::split(text) {
        Ok(line) => {
            let words = line.expand(|_| Some("x".to_owned())).expect("every variable is set");
            assert!(!words.is_empty());
            assert!(words.iter().all(|word| !word.contains('\0')));
            let stored = serde_json::to_vec(&line).expect("it can be stored");
            let read: CommandLine = serde_json::from_slice(&stored).expect("and read again");
            assert_eq!(read, line);
        }
        Err(problem) => assert!(text.is_char_boundary(problem.at.min(text.len()))),
    });
}

/// However a stream is cut, its lines are the same, bounded and harmless.
#[test]
fn output() {
    check!().with_type::<(Vec<u8>, u8)>().for_each(|(bytes, size)| {
        let lines = |size: usize| {
            let (mut cutter, mut lines) = (LineCutter::default(), Vec::new());
            for chunk in bytes.chunks(size) {
                cutter.feed(chunk, |line| lines.push(line));
            }
            cutter.end(|line| lines.push(line));
            lines
        };
        let whole = lines(bytes.len().max(1));
        assert_eq!(whole, lines(usize::from(*size).max(1)));
        let plain = |c: char| c == '\t' || !c.is_control();
        assert!(whole.iter().all(|line| line.chars().all(plain)));
        // Each byte becomes at most the eight characters that spell it out.
        assert!(whole.iter().all(|line| line.chars().count() <= LINE_BYTES_MAX * 8));
    });
}

/// Made harmless once is harmless.
#[test]
fn harmless_stays() {
    check!().with_type::<Vec<u8>>().for_each(|bytes| {
        let once = harmless(bytes);
        assert_eq!(harmless(once.as_bytes()), once);
    });
}

/// Any bytes are a log line, a state file, a `/proc` file, or refused.
#[test]
fn any_bytes() {
    check!().with_type::<Vec<u8>>().for_each(|bytes| {
        let _ = decode_log_line(bytes);
        let _ = State::parse(bytes);
        let _ = parse_stat(bytes);
        let _ = parse_cpu_stat(&String::from_utf8_lossy(bytes));
    });
}

/// Nearly right `/proc/<pid>/stat` lines give what was put in.
#[test]
fn stat() {
    check!().with_type::<(String, u32, [u32; 4], u64)>().for_each(
        |(name, parent, ticks, start)| {
            let [a, b, c, d] = ticks.map(|ticks| ticks % 1_000);
            let text = format!(
                "1 ({name}) S {parent} 2 3 0 -1 0 0 0 0 0 {a} {b} {c} {d} 20 0 1 0 {start} 0"
            );
            let stat = parse_stat(text.as_bytes()).expect("it is one");
            assert_eq!((stat.parent, stat.start_ticks), (*parent, *start));
            assert_eq!(stat.cpu.as_millis(), u128::from(a + b + c + d) * 10);
        },
    );
}
