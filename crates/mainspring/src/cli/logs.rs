//! `mainspring logs`: what programs wrote, once or as they write it.

use clap::Args;
use console::api::{LogLine, LogQuery, LogStream};

use super::output::{self, Tone};
use super::remote::{Patience, Target, encode};
use super::{DONE, Failure, Outcome, Output};

/// Longest server-sent event that is taken: a log line is far shorter.
const EVENT_BYTES_MAX: usize = 4 << 20;

#[derive(Args, Clone, Debug)]
pub(super) struct LogsArgs {
    /// A service, or a replica such as orders.3; absent: all
    service: Option<String>,
    /// Go on with each line as it is written
    #[arg(short, long)]
    follow: bool,
    /// How many of the newest lines
    #[arg(short = 'n', long = "lines", value_name = "N", default_value_t = LogQuery::TAIL_DEFAULT,
          value_parser = clap::value_parser!(u32).range(0..=i64::from(LogQuery::TAIL_MAX)))]
    lines: u32,
    /// Only lines with this text, in any case
    #[arg(long, value_name = "TEXT")]
    contains: Option<String>,
    /// Print JSON for programs, one line each
    #[arg(long)]
    json: bool,
}

/// Cuts a stream of bytes into the data of server-sent events (WHATWG HTML §9.2.6).
#[derive(Debug, Default)]
struct Events {
    bytes: Vec<u8>,
}

/// `mainspring logs`.
pub(super) fn logs(target: &Target, args: &LogsArgs, output: Output) -> Outcome {
    let remote = target.connect(Patience::Short)?;
    let mut query = format!("?tail={}", args.lines);
    if let Some(name) = &args.service {
        // Names of services have no dot, so `orders.3` can only be a replica.
        let key = if name.contains('.') { "replica" } else { "service" };
        query.push_str(&format!("&{key}={}", encode(name)));
    }
    if let Some(text) = args.contains.as_ref().filter(|text| !text.is_empty()) {
        query.push_str(&format!("&contains={}", encode(text)));
    }
    if !args.follow {
        let lines: Vec<LogLine> = remote.get(&format!("/logs{query}"))?;
        for line in &lines {
            output.write(&show(line, args.json, output));
        }
        return Ok(DONE);
    }
    let mut stream = remote.open(&format!("/logs/stream{query}"))?;
    let mut events = Events::default();
    loop {
        let chunk = stream.chunk().map_err(|_| went_away())?.ok_or_else(went_away)?;
        events.bytes.extend_from_slice(&chunk);
        while let Some(data) = events.next() {
            let Ok(line) = serde_json::from_str::<LogLine>(&data) else { continue };
            if !output.write_on(&show(&line, args.json, output)) {
                return Ok(DONE);
            }
        }
        if events.bytes.len() > EVENT_BYTES_MAX {
            return Err(Failure::failed("the node sends something that is not a log"));
        }
    }
}

fn went_away() -> Failure {
    Failure::failed("the node went away")
}

fn show(line: &LogLine, json: bool, output: Output) -> String {
    if json {
        return serde_json::to_string(line).map_or_else(|_| String::new(), |text| text + "\n");
    }
    let tone = match line.stream {
        LogStream::Stdout => Tone::Plain,
        LogStream::Stderr => Tone::Uneasy,
    };
    let time = output.paint(Tone::Faint, &output::time(line.time_unix_ms));
    let replica = output.paint(tone, &line.replica);
    format!("{time} {replica} {}\n", line.text)
}

impl Events {
    /// The data of the next whole event that has any.
    fn next(&mut self) -> Option<String> {
        loop {
            let end = self.bytes.windows(2).position(|pair| pair == b"\n\n")? + 2;
            let event: Vec<u8> = self.bytes.drain(..end).collect();
            let event = String::from_utf8_lossy(&event);
            let data: Vec<&str> = event
                .lines()
                .filter_map(|line| line.strip_prefix("data:"))
                .map(|data| data.strip_prefix(' ').unwrap_or(data))
                .collect();
            if !data.is_empty() {
                return Some(data.join("\n"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_cut_whatever_the_chunks() {
        let text = ": hello\n\nevent: line\ndata: {\"a\":1}\n\ndata: x\ndata: y\n\n";
        for size in 1..text.len() {
            let mut events = Events::default();
            let mut seen = Vec::new();
            for chunk in text.as_bytes().chunks(size) {
                events.bytes.extend_from_slice(chunk);
                seen.extend(std::iter::from_fn(|| events.next()));
            }
            assert_eq!(seen, ["{\"a\":1}", "x\ny"], "{size}");
        }
    }
}
