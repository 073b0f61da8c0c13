// SPDX-License-Identifier: MIT OR Apache-2.0
//! Direct I/O, past the page cache: one call is one bio as long as it is short.

use std::fs::{File, OpenOptions};
use std::io;
use std::ops::{Deref, DerefMut, Range};
use std::os::unix::fs::{FileExt, OpenOptionsExt};

use nix::fcntl::OFlag;

const ALIGN: usize = 4096;

/// Memory that direct I/O accepts.
pub(crate) struct Buffer {
    memory: Vec<u8>,
    used: Range<usize>,
}

impl Buffer {
    /// Zeroes.
    pub(crate) fn zeroed(length: usize) -> Self {
        let memory = vec![0; length + ALIGN];
        let start = memory.as_ptr().align_offset(ALIGN);
        Self {
            memory,
            used: start..start + length,
        }
    }

    /// Bytes that tell seeds and places apart: no two sectors of any two seeds are the same.
    pub(crate) fn pattern(seed: u64, length: usize) -> Self {
        let mut buffer = Self::zeroed(length);
        for (index, word) in buffer.chunks_exact_mut(8).enumerate() {
            let mixed = ((seed << 40) | index as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            word.copy_from_slice(&(mixed ^ (mixed >> 29)).to_le_bytes());
        }
        buffer
    }
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.memory[self.used.clone()]
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.memory[self.used.clone()]
    }
}

/// An open block device.
pub(crate) struct Direct {
    file: File,
    path: String,
}

impl Direct {
    /// Opens a device for reading and writing.
    #[track_caller]
    pub(crate) fn open(path: &str) -> Self {
        Self::open_with(path, OFlag::empty())
    }

    /// Opens a device for reading and writing with one more flag, such as `O_DSYNC`.
    #[track_caller]
    pub(crate) fn open_with(path: &str, flag: OFlag) -> Self {
        Self::try_open_with(path, flag).unwrap_or_else(|why| panic!("open {path}: {why}"))
    }

    /// Opens a device for reading and writing, if it can be.
    pub(crate) fn try_open(path: &str) -> io::Result<Self> {
        Self::try_open_with(path, OFlag::empty())
    }

    fn try_open_with(path: &str, flag: OFlag) -> io::Result<Self> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags((OFlag::O_DIRECT | flag).bits())
            .open(path)?;
        Ok(Self {
            file,
            path: path.to_owned(),
        })
    }

    /// Opens a device for reading.
    #[track_caller]
    pub(crate) fn open_to_read(path: &str) -> Self {
        match OpenOptions::new()
            .read(true)
            .custom_flags(OFlag::O_DIRECT.bits())
            .open(path)
        {
            Ok(file) => Self {
                file,
                path: path.to_owned(),
            },
            Err(why) => panic!("open {path}: {why}"),
        }
    }

    /// Reads; gives fewer bytes than asked for at the end of the device.
    pub(crate) fn try_read(&self, offset: u64, length: usize) -> io::Result<Buffer> {
        let mut buffer = Buffer::zeroed(length);
        let read = self.file.read_at(&mut buffer, offset)?;
        buffer.used.end = buffer.used.start + read;
        Ok(buffer)
    }

    /// Writes; gives how many bytes were taken.
    pub(crate) fn try_write(&self, offset: u64, bytes: &[u8]) -> io::Result<usize> {
        self.file.write_at(bytes, offset)
    }

    /// Reads, which has to work in full.
    #[track_caller]
    pub(crate) fn read(&self, offset: u64, length: usize) -> Buffer {
        match self.try_read(offset, length) {
            Ok(buffer) if buffer.len() == length => buffer,
            Ok(buffer) => panic!(
                "read of {length} bytes at {offset} of {} gave {}",
                self.path,
                buffer.len()
            ),
            Err(why) => panic!("read of {length} bytes at {offset} of {}: {why}", self.path),
        }
    }

    /// Writes, which has to work in full.
    #[track_caller]
    pub(crate) fn write(&self, offset: u64, bytes: &Buffer) {
        let length = bytes.len();
        match self.try_write(offset, bytes) {
            Ok(written) if written == length => {}
            Ok(written) => panic!(
                "write of {length} bytes at {offset} of {} took {written}",
                self.path
            ),
            Err(why) => panic!(
                "write of {length} bytes at {offset} of {}: {why}",
                self.path
            ),
        }
    }

    /// Flushes the write cache of the device.
    pub(crate) fn flush(&self) -> io::Result<()> {
        self.file.sync_all()
    }
}

/// The CRC of a range of a device, read past the page cache.
#[track_caller]
pub(crate) fn checksum(path: &str, range: Range<u64>) -> u32 {
    const CHUNK: u64 = 1 << 20;
    let device = Direct::open_to_read(path);
    let mut hash = crc32fast::Hasher::new();
    let mut offset = range.start;
    while offset < range.end {
        let length = CHUNK.min(range.end - offset);
        hash.update(&device.read(offset, length as usize));
        offset += length;
    }
    hash.finalize()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_two_sectors_of_two_patterns_are_the_same() {
        let patterns = [Buffer::pattern(1, 1 << 20), Buffer::pattern(2, 1 << 20)];
        let sectors: HashSet<&[u8]> = patterns
            .iter()
            .flat_map(|pattern| pattern.chunks(512))
            .collect();
        assert_eq!(sectors.len(), 2 * 2048);
    }

    #[test]
    fn a_buffer_stays_aligned_when_it_moves() {
        let buffer = Buffer::pattern(3, 8192);
        let moved = Box::new(buffer);
        assert_eq!(moved.as_ptr().align_offset(ALIGN), 0);
        assert_eq!(moved.len(), 8192);
    }
}
