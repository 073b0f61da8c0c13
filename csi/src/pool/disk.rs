// SPDX-License-Identifier: MIT OR Apache-2.0
//! The disks of this machine, as sysfs has them, and whether the table of one may have changed.

use std::{
    fs::{self, File, OpenOptions},
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use nix::libc::O_NONBLOCK;
use shunt::model::DriveId;

/// Disks that are in no pool: our own devices, memory, what has a tray or a motor.
const NEVER: [&str; 5] = ["shunt", "ram", "zram", "sr", "fd"];

/// Bytes of the header of a table that say all that the table has: a checksum of the entries is in it.
const HEADER: usize = 92;

const MAGIC: &[u8] = b"EFI PART";

/// A disk.
#[derive(Clone, Debug)]
pub(crate) struct Disk {
    pub(crate) path: PathBuf,
    pub(crate) id: DriveId,
    /// Size and logical block size in bytes.
    pub(crate) size: u64,
    pub(crate) sector: u64,
}

/// Both headers of a table: with these the same, the table is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fingerprint([Vec<u8>; 2]);

/// All disks that may be in a pool. What something else than a shunt device holds, such as a path of multipath, is not: its
/// table would be seen twice.
pub(crate) fn all() -> Vec<Disk> {
    let mut names: Vec<String> = names(Path::new("/sys/block"));
    names.sort();
    let is_one = |name: &String| !NEVER.iter().any(|never| name.starts_with(never));
    names
        .into_iter()
        .filter(is_one)
        .filter_map(|name| of(&name))
        .collect()
}

/// A disk by its name in sysfs.
pub(crate) fn of(name: &str) -> Option<Disk> {
    let folder = Path::new("/sys/block").join(name);
    let text = |file: &str| {
        let text = fs::read_to_string(folder.join(file)).ok()?;
        Some(text.trim().to_owned())
    };
    if !names(&folder.join("holders"))
        .iter()
        .all(|holder| holder.starts_with("shunt"))
    {
        return None;
    }
    let number = text("dev")?;
    let (major, minor) = number.split_once(':')?;
    let id = DriveId {
        major: major.parse().ok()?,
        minor: minor.parse().ok()?,
        diskseq: text("diskseq").and_then(|text| text.parse().ok()),
    };
    let size = text("size")?.parse::<u64>().ok()?.checked_mul(512)?;
    let sector: u64 = text("queue/logical_block_size")?.parse().ok()?;
    let path = Path::new("/dev").join(name.replace('!', "/"));
    (size > 0 && sector > 0).then_some(Disk {
        path,
        id,
        size,
        sector,
    })
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect()
}

impl Disk {
    /// What tells whether the table has changed; none without a table.
    pub(crate) fn fingerprint(&self) -> Option<Fingerprint> {
        let file = open(&self.path).ok()?;
        let header = |at: u64| {
            let mut bytes = vec![0; HEADER];
            file.read_exact_at(&mut bytes, at).ok()?;
            Some(bytes)
        };
        let last = (self.size / self.sector)
            .checked_sub(1)?
            .checked_mul(self.sector)?;
        let headers = [header(self.sector)?, header(last)?];
        let has_one = headers.iter().any(|bytes| bytes.starts_with(MAGIC));
        has_one.then_some(Fingerprint(headers))
    }
}

fn open(path: &Path) -> std::io::Result<File> {
    OpenOptions::new()
        .read(true)
        .custom_flags(O_NONBLOCK)
        .open(path)
}
