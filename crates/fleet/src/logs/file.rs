//! A service's log files: written in JSON or text, set aside when full, read from their end.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use model::{ReplicaId, ServiceName};
use serde::{Deserialize, Serialize};

use crate::api::{LogFormat, LogLine, LogQuery, LogStream};
use crate::stamp;

/// Bytes read at a time from the end of a file.
const BLOCK_BYTES: usize = 64 * 1024;

/// The files of one service; `orders.log` is written, `orders.log.1` is the one before it.
#[derive(Debug)]
pub(super) struct LogFile {
    path: PathBuf,
    file: File,
    bytes: u64,
    format: LogFormat,
    bytes_max: u64,
    files_max: u32,
    batch: Vec<u8>,
}

/// One line of a JSON log file.
#[derive(Serialize, Deserialize)]
struct Record<'a> {
    time: String,
    replica: String,
    stream: LogStream,
    #[serde(borrow)]
    text: std::borrow::Cow<'a, str>,
}

impl LogFile {
    pub(super) fn open(
        logs: &Path,
        service: &ServiceName,
        format: LogFormat,
        bytes_max: u64,
        files_max: u32,
    ) -> io::Result<Self> {
        let folder = logs.join(service.as_str());
        fs::create_dir_all(&folder)?;
        let path = folder.join(format!("{service}.log"));
        let file = append(&path)?;
        let bytes = file.metadata()?.len();
        Ok(Self { path, file, bytes, format, bytes_max, files_max, batch: Vec::new() })
    }

    /// Adds `line` to the batch; begins a new file if it does not fit into this one.
    pub(super) fn add(&mut self, line: &LogLine) {
        let before = self.batch.len();
        encode(line, self.format, &mut self.batch);
        let bytes = self.bytes.saturating_add(self.batch.len() as u64);
        if bytes > self.bytes_max && self.bytes.saturating_add(before as u64) > 0 {
            let line = self.batch.split_off(before);
            // What fails here stays in the batch and fails again in `flush`, which says so.
            let _ = self.flush().and_then(|()| self.set_aside());
            self.batch.extend_from_slice(&line);
        }
    }

    /// Writes the batch; afterwards its lines are in the file.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        if self.batch.is_empty() {
            return Ok(());
        }
        self.file.write_all(&self.batch)?;
        self.bytes = self.bytes.saturating_add(self.batch.len() as u64);
        self.batch.clear();
        Ok(())
    }

    fn set_aside(&mut self) -> io::Result<()> {
        // From the oldest on, each takes the next one's place; the last falls off.
        for index in (1..self.files_max).rev() {
            let from = numbered(&self.path, index);
            if from.exists() {
                fs::rename(from, numbered(&self.path, index + 1))?;
            }
        }
        if self.files_max == 0 {
            fs::remove_file(&self.path)?;
        } else {
            fs::rename(&self.path, numbered(&self.path, 1))?;
        }
        self.file = append(&self.path)?;
        self.bytes = 0;
        Ok(())
    }
}

/// The newest lines of `service` that `query` wants, oldest first.
pub(super) fn read_tail(
    logs: &Path,
    service: &ServiceName,
    files_max: u32,
    query: &LogQuery,
) -> io::Result<Vec<LogLine>> {
    let path = logs.join(service.as_str()).join(format!("{service}.log"));
    let mut newest_first = Vec::new();
    let paths = std::iter::once(path.clone()).chain((1..=files_max).map(|i| numbered(&path, i)));
    for path in paths {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        read_backwards(file, |raw| {
            let line = decode(raw).filter(|line| query.wants(line));
            newest_first.extend(line);
            newest_first.len() < query.tail
        })?;
        if newest_first.len() >= query.tail {
            break;
        }
    }
    newest_first.reverse();
    Ok(newest_first)
}

/// Gives the lines of `file` from the last to the first, until `more` says no.
fn read_backwards(mut file: File, mut more: impl FnMut(&[u8]) -> bool) -> io::Result<()> {
    let mut at = file.seek(SeekFrom::End(0))?;
    let mut tail: Vec<u8> = Vec::new();
    while at > 0 {
        let bytes = usize::try_from(at).unwrap_or(BLOCK_BYTES).min(BLOCK_BYTES);
        at -= bytes as u64;
        file.seek(SeekFrom::Start(at))?;
        let mut block = vec![0; bytes];
        file.read_exact(&mut block)?;
        block.extend_from_slice(&tail);
        // The first line of a block may have begun before it.
        let first_end = match at {
            0 => 0,
            _ => block.iter().position(|byte| *byte == b'\n').map_or(block.len(), |end| end + 1),
        };
        let (begun, whole) = block.split_at(first_end);
        for line in whole.split(|byte| *byte == b'\n').rev().filter(|line| !line.is_empty()) {
            if !more(line) {
                return Ok(());
            }
        }
        tail = begun.to_vec();
    }
    Ok(())
}

pub(super) fn encode(line: &LogLine, format: LogFormat, out: &mut Vec<u8>) {
    let time = stamp::format(line.time_unix_ms);
    match format {
        LogFormat::Json => {
            let record = Record {
                time,
                replica: line.replica.to_string(),
                stream: line.stream,
                text: line.text.as_str().into(),
            };
            // A record of strings always serialises; if not, the line is better than nothing.
            match serde_json::to_vec(&record) {
                Ok(json) => out.extend_from_slice(&json),
                Err(_) => out.extend_from_slice(line.text.as_bytes()),
            }
        }
        LogFormat::Text => {
            let (replica, stream) = (&line.replica, stream_word(line.stream));
            out.extend_from_slice(format!("{time} {replica} {stream} {}", line.text).as_bytes());
        }
    }
    out.push(b'\n');
}

/// Reads a line in either format, as the format may have been changed between two files; `None`
/// for what is neither (a torn last line after a power cut).
pub fn decode(raw: &[u8]) -> Option<LogLine> {
    if raw.starts_with(b"{") {
        let record: Record = serde_json::from_slice(raw).ok()?;
        return Some(LogLine {
            time_unix_ms: stamp::parse(&record.time)?,
            replica: replica_id(&record.replica)?,
            stream: record.stream,
            text: record.text.into_owned(),
        });
    }
    let mut parts = std::str::from_utf8(raw).ok()?.splitn(4, ' ');
    let time_unix_ms = stamp::parse(parts.next()?)?;
    let replica = replica_id(parts.next()?)?;
    let stream = match parts.next()? {
        "stdout" => LogStream::Stdout,
        "stderr" => LogStream::Stderr,
        _ => return None,
    };
    Some(LogLine { time_unix_ms, replica, stream, text: parts.next()?.to_owned() })
}

pub(crate) fn replica_id(text: &str) -> Option<ReplicaId> {
    let (service, number) = text.rsplit_once('.')?;
    Some(ReplicaId { service: ServiceName::new(service).ok()?, number: number.parse().ok()? })
}

fn stream_word(stream: LogStream) -> &'static str {
    match stream {
        LogStream::Stdout => "stdout",
        LogStream::Stderr => "stderr",
    }
}

fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).mode(0o640).open(path)
}

fn numbered(path: &Path, index: u32) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{index}"));
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(number: u32, text: &str) -> LogLine {
        let service = ServiceName::new("web").unwrap();
        LogLine {
            time_unix_ms: 1_795_334_399_999,
            replica: ReplicaId { service, number },
            stream: LogStream::Stderr,
            text: text.to_owned(),
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        for text in ["", "plain", " two  spaces ", "quote \" and \\u{1b}", "{\"json\":1}", "ä€"]
        {
            for format in [LogFormat::Json, LogFormat::Text] {
                let mut out = Vec::new();
                encode(&line(7, text), format, &mut out);
                assert_eq!(
                    decode(out.strip_suffix(b"\n").unwrap()),
                    Some(line(7, text)),
                    "{format:?}"
                );
            }
        }
        assert_eq!(decode(b"{\"time\":\"2026"), None);
        assert_eq!(decode(b"2026-11-22T08:09:10.123Z web.1 stdin x"), None);
    }

    #[test]
    fn files_are_set_aside_at_the_limit_and_read_as_one() {
        let folder = std::env::temp_dir().join(format!("mainspring-log-{}", std::process::id()));
        let service = ServiceName::new("web").unwrap();
        let mut one = Vec::new();
        encode(&line(1, "line 00"), LogFormat::Text, &mut one);
        let bytes_max = one.len() as u64 * 10; // Ten lines fit, the eleventh does not.
        let mut log = LogFile::open(&folder, &service, LogFormat::Text, bytes_max, 2).unwrap();
        for index in 0..35 {
            log.add(&line(1, &format!("line {index:02}")));
            log.flush().unwrap();
        }
        let query = LogQuery { tail: 100, ..LogQuery::default() };
        let lines = read_tail(&folder, &service, 2, &query).unwrap();
        // 5 in the newest file, 10 in each of the two kept; the first ten fell off.
        let texts: Vec<String> = lines.into_iter().map(|line| line.text).collect();
        let want: Vec<String> = (10..35).map(|index| format!("line {index:02}")).collect();
        assert_eq!(texts, want);
        let few = LogQuery { tail: 7, contains: Some("LINE 2".into()), ..LogQuery::default() };
        let lines = read_tail(&folder, &service, 2, &few).unwrap();
        assert_eq!(lines.first().unwrap().text, "line 23");
        assert_eq!(lines.len(), 7);
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn lines_longer_than_a_block_are_read_backwards_whole() {
        let path = std::env::temp_dir().join(format!("mainspring-back-{}", std::process::id()));
        let long = "x".repeat(BLOCK_BYTES * 2 + 17);
        fs::write(&path, format!("first\n{long}\nlast\n")).unwrap();
        let mut lines = Vec::new();
        read_backwards(File::open(&path).unwrap(), |raw| {
            lines.push(String::from_utf8(raw.to_vec()).unwrap());
            true
        })
        .unwrap();
        assert_eq!(lines, ["last".to_owned(), long, "first".to_owned()]);
        fs::remove_file(path).unwrap();
    }
}
