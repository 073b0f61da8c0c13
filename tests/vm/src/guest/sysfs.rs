// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reading what the kernel shows of block devices in sysfs.

use std::fs;

/// The text of a file without its newline, if it can be read.
pub(crate) fn read(path: &str) -> Option<String> {
    fs::read_to_string(path)
        .ok()
        .map(|text| text.trim_end().to_owned())
}

/// The number in a file.
#[track_caller]
pub(crate) fn number(path: &str) -> u64 {
    let text = read(path).unwrap_or_else(|| panic!("cannot read {path}"));
    text.trim()
        .parse()
        .unwrap_or_else(|_| panic!("{path} holds {text:?}, which is no number"))
}

/// Names in a folder, sorted; none if there is no such folder.
pub(crate) fn names(folder: &str) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// The figures of a disk in /proc/diskstats, which /sys/block/NAME/stat shows without the names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct DiskStats {
    pub(crate) reads: u64,
    pub(crate) read_bytes: u64,
    pub(crate) writes: u64,
    /// Writes that became part of another one, and are not counted as writes.
    pub(crate) merged_writes: u64,
    pub(crate) write_bytes: u64,
    pub(crate) in_flight: u64,
    pub(crate) discards: u64,
    pub(crate) discard_bytes: u64,
    pub(crate) flushes: u64,
}

impl DiskStats {
    /// The figures of `name`, a disk.
    #[track_caller]
    pub(crate) fn of(name: &str) -> Self {
        let path = format!("/sys/block/{name}/stat");
        let text = read(&path).unwrap_or_else(|| panic!("cannot read {path}"));
        let fields: Vec<u64> = text
            .split_whitespace()
            .map(|field| field.parse().expect("figures are numbers"))
            .collect();
        Self {
            reads: fields[0],
            read_bytes: fields[2] * 512,
            writes: fields[4],
            merged_writes: fields[5],
            write_bytes: fields[6] * 512,
            in_flight: fields[8],
            discards: fields[11],
            discard_bytes: fields[13] * 512,
            flushes: fields[15],
        }
    }

    /// What came since `earlier`; the figure of the moment stays as it is.
    pub(crate) fn since(self, earlier: Self) -> Self {
        Self {
            reads: self.reads - earlier.reads,
            read_bytes: self.read_bytes - earlier.read_bytes,
            writes: self.writes - earlier.writes,
            merged_writes: self.merged_writes - earlier.merged_writes,
            write_bytes: self.write_bytes - earlier.write_bytes,
            in_flight: self.in_flight,
            discards: self.discards - earlier.discards,
            discard_bytes: self.discard_bytes - earlier.discard_bytes,
            flushes: self.flushes - earlier.flushes,
        }
    }
}
