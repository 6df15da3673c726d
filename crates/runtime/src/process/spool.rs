//! Files that programs append to and we read behind them.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;

use rustix::fs::{FallocateFlags, fallocate, ftruncate};

/// Holes are punched in whole blocks.
const BLOCK_BYTES: u64 = 4096;

/// Gives the disk back what was read of `file`, up to `read_bytes` from its start, without
/// disturbing those who append to it. Returns the position from which to read on.
///
/// Where the file system cannot punch holes, the file is truncated instead, if all of it was read.
/// A line written between the last read and that truncation is lost; holes lose nothing.
///
/// # Errors
/// When the system refuses both.
pub fn free_read_part(file: &File, read_bytes: u64) -> io::Result<u64> {
    let whole = read_bytes / BLOCK_BYTES * BLOCK_BYTES;
    if whole == 0 {
        return Ok(read_bytes);
    }
    let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    match fallocate(file.as_fd(), flags, 0, whole) {
        Ok(()) => Ok(read_bytes),
        Err(_) if file.metadata()?.len() == read_bytes => {
            ftruncate(file.as_fd(), 0)?;
            Ok(0)
        }
        Err(error) => Err(error.into()),
    }
}
