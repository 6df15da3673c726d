//! A file (or standard output) that is written by a thread of its own, so that no reactor ever
//! waits for a disk.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread;

/// Blocks that may wait for the disk; beyond, blocks are dropped and counted.
const BLOCKS_MAX: usize = 64;

/// A cheap handle to the writing thread, which ends when the last handle is dropped.
#[derive(Clone)]
pub struct Sink {
    queue: SyncSender<Vec<u8>>,
    dropped_bytes: Arc<AtomicU64>,
}

impl Sink {
    /// Appends to the file at `path`, creating it.
    ///
    /// # Errors
    /// When the file cannot be opened, or the system refuses a thread.
    pub fn to_file(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        Self::start(Output::File(file))
    }

    /// Writes to standard output.
    ///
    /// # Errors
    /// When the system refuses a thread.
    pub fn to_stdout() -> io::Result<Self> {
        Self::start(Output::Stdout)
    }

    fn start(output: Output) -> io::Result<Self> {
        let (queue, blocks) = sync_channel(BLOCKS_MAX);
        let dropped_bytes = Arc::new(AtomicU64::new(0));
        let dropped = Arc::clone(&dropped_bytes);
        thread::Builder::new()
            .name("sink".to_owned())
            .spawn(move || run(output, &blocks, &dropped))?;
        Ok(Self { queue, dropped_bytes })
    }

    /// Hands over a block of whole lines; never waits. Dropped, and counted, when the disk is
    /// [`BLOCKS_MAX`] blocks behind.
    pub fn write(&self, block: Vec<u8>) {
        if let Err(TrySendError::Full(block) | TrySendError::Disconnected(block)) =
            self.queue.try_send(block)
        {
            self.dropped_bytes.fetch_add(block.len() as u64, Ordering::Relaxed);
        }
    }

    /// Bytes that were dropped because the disk was too slow or refused them.
    pub fn dropped_bytes(&self) -> u64 {
        self.dropped_bytes.load(Ordering::Relaxed)
    }
}

enum Output {
    File(File),
    Stdout,
}

fn run(mut output: Output, blocks: &Receiver<Vec<u8>>, dropped: &AtomicU64) {
    while let Ok(block) = blocks.recv() {
        let written = match &mut output {
            Output::File(file) => file.write_all(&block),
            Output::Stdout => io::stdout().lock().write_all(&block),
        };
        if written.is_err() {
            dropped.fetch_add(block.len() as u64, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_reach_the_file_in_order() {
        let path = std::env::temp_dir().join(format!("sink-{}", std::process::id()));
        let sink = Sink::to_file(&path).unwrap();
        sink.write(b"one\n".to_vec());
        sink.write(b"two\n".to_vec());
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
        while std::fs::read(&path).unwrap() != b"one\ntwo\n" {
            assert!(std::time::Instant::now() < deadline, "the blocks never came");
            thread::yield_now();
        }
        std::fs::remove_file(&path).unwrap();
        assert_eq!(sink.dropped_bytes(), 0);
    }

    #[test]
    fn a_full_queue_drops_the_next_block_and_counts_it() {
        let (queue, blocks) = sync_channel(1);
        let sink = Sink { queue, dropped_bytes: Arc::default() };
        sink.write(vec![1]);
        sink.write(vec![2, 3]);
        assert_eq!(sink.dropped_bytes(), 2);
        assert_eq!(blocks.recv().unwrap(), vec![1]);
    }
}
