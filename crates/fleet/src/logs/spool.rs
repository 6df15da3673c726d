//! The file that one output of one process goes to, read behind it.
//!
//! A file and not a pipe: when Mainspring dies, the program writes on and notices nothing, and the
//! next Mainspring reads on where this one stopped. The read part is given back to the disk.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::cutter::LineCutter;

/// Read at most so much of one spool before the others have their turn.
const TURN_BYTES: usize = 256 * 1024;

/// Give the disk its blocks back after so much was read.
const FREE_EVERY_BYTES: u64 = 1024 * 1024;

#[derive(Debug)]
pub(super) struct Spool {
    path: PathBuf,
    file: File,
    /// Where the next unread byte is.
    at: u64,
    freed: u64,
    cutter: LineCutter,
    /// Where reading goes on after a crash of ours, as eight bytes.
    position: File,
}

impl Spool {
    /// Opens the spool at `path`, made if it does not exist, from where it was last read.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let file =
            OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path)?;
        let position = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(position_path(path))?;
        let mut stored = [0; 8];
        let at = match position.read_exact_at(&mut stored, 0) {
            Ok(()) => u64::from_le_bytes(stored),
            Err(_) => 0,
        };
        // Shorter than what was read: it was truncated after that.
        let at = if at > file.metadata()?.len() { 0 } else { at };
        let path = path.to_owned();
        Ok(Self { path, file, at, freed: 0, cutter: LineCutter::default(), position })
    }

    /// Reads what is new, at most one turn's worth. Whether there may be more.
    pub(super) fn read(&mut self, line: impl FnMut(String)) -> io::Result<bool> {
        let mut buffer = vec![0; TURN_BYTES];
        let bytes = self.file.read_at(&mut buffer, self.at)?;
        if bytes == 0 {
            return Ok(false);
        }
        self.at += bytes as u64;
        self.cutter.feed(buffer.get(..bytes).unwrap_or_default(), line);
        Ok(bytes == TURN_BYTES)
    }

    /// The lines given so far are in the log file: they need not be read again.
    pub(super) fn keep_position(&mut self) -> io::Result<()> {
        let done = self.at - self.cutter.begun_bytes() as u64;
        if done.saturating_sub(self.freed) >= FREE_EVERY_BYTES {
            let free = runtime::process::free_read_part(&self.file, done)?;
            self.freed = free;
            if free < done {
                // The file was truncated, with it the line that is begun; the cutter has that.
                self.at = free;
                return self.position.write_all_at(&free.to_le_bytes(), 0);
            }
        }
        self.position.write_all_at(&done.to_le_bytes(), 0)
    }

    /// The process is gone: gives the line that was never ended.
    pub(super) fn end(&mut self, line: impl FnMut(String)) {
        self.cutter.end(line);
    }

    /// Removes the files.
    pub(super) fn remove(self) {
        let _ = fs::remove_file(position_path(&self.path));
        let _ = fs::remove_file(&self.path);
    }
}

fn position_path(path: &Path) -> PathBuf {
    path.with_extension(match path.extension().and_then(|extension| extension.to_str()) {
        Some("err") => "err-read",
        Some(_) | None => "out-read",
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn read_all(spool: &mut Spool) -> Vec<String> {
        let mut lines = Vec::new();
        while spool.read(|line| lines.push(line)).unwrap() {}
        lines
    }

    #[test]
    fn reading_goes_on_where_it_stopped_and_a_begun_line_is_not_lost() {
        let path =
            std::env::temp_dir().join(format!("mainspring-spool-{}.out", std::process::id()));
        let mut spool = Spool::open(&path).unwrap();
        let mut writer = OpenOptions::new().append(true).open(&path).unwrap();
        writer.write_all(b"one\ntwo\nthr").unwrap();
        assert_eq!(read_all(&mut spool), ["one", "two"]);
        spool.keep_position().unwrap();
        drop(spool);
        writer.write_all(b"ee\n").unwrap();
        let mut spool = Spool::open(&path).unwrap();
        assert_eq!(read_all(&mut spool), ["three"]);
        spool.remove();
        assert!(!path.exists());
    }

    #[test]
    fn what_was_read_leaves_the_disk_and_nothing_is_lost() {
        use std::os::unix::fs::MetadataExt;
        let path = std::env::temp_dir().join(format!("mainspring-hole-{}.out", std::process::id()));
        let mut spool = Spool::open(&path).unwrap();
        let mut writer = OpenOptions::new().append(true).open(&path).unwrap();
        let (mut written, mut seen) = (0u32, 0u32);
        for _ in 0..64 {
            let mut chunk = String::new();
            for _ in 0..4_096 {
                chunk.push_str(&format!("line {written:026}\n")); // 32 bytes.
                written += 1;
            }
            writer.write_all(chunk.as_bytes()).unwrap();
            for line in read_all(&mut spool) {
                assert_eq!(line, format!("line {seen:026}"));
                seen += 1;
            }
            spool.keep_position().unwrap();
        }
        assert_eq!(seen, written);
        let on_disk = fs::metadata(&path).unwrap().blocks() * 512;
        assert!(on_disk <= 2 * FREE_EVERY_BYTES, "{on_disk} bytes of 8 MiB are still on disk");
        spool.remove();
    }
}
