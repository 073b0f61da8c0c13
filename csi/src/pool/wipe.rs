// SPDX-License-Identifier: MIT OR Apache-2.0
//! Zeroes what is freed, so that no tenant reads another's data: only then it is given out again. A thread of its own does it;
//! a driver that is killed begins again where it was.

use std::{
    fs::{File, OpenOptions},
    path::Path,
};

use nix::{
    errno::Errno,
    fcntl::{FallocateFlags, fallocate},
};
use shunt::model::DriveId;
use tonic::Status;

use super::{Pool, disk, layout::Kind};

/// Bytes that are zeroed by one call: so much is done again at most if the process is stopped.
const STEP: u64 = 64 << 20;

/// Zeroes all that is freed on the drives of all pools, and gives it back to them.
///
/// # Errors
/// In words, of the first drive that refuses; the others are done.
pub(crate) fn all(pool: &Pool) -> Result<(), String> {
    let mut failed = None;
    for drive in pool.drives().0 {
        for entry in &drive.table.entries {
            if entry.kind != Kind::Freed {
                continue;
            }
            let done = zero(&drive.path, drive.id, entry.start, entry.length)
                .map_err(|why| format!("{}: {why}", drive.path.display()))
                .and_then(|()| take_back(pool, &drive.table.id, entry.start, entry.length));
            match done {
                Ok(()) => log::info!(
                    "{}: zeroed {} bytes at {}",
                    drive.path.display(),
                    entry.length,
                    entry.start
                ),
                Err(why) => {
                    failed.get_or_insert(why);
                }
            }
        }
    }
    failed.map_or(Ok(()), Err)
}

/// Removes the entry of a place that is zeroed from its drive's table.
fn take_back(pool: &Pool, id: &str, start: u64, length: u64) -> Result<(), String> {
    let done = pool.change(|drives| {
        let drive = drives.0.iter_mut().find(|drive| drive.table.id == id);
        let entries = drive.map(|drive| &mut drive.table.entries);
        let entries = entries.ok_or_else(|| Status::unavailable("the drive is gone"))?;
        entries.retain(|entry| {
            (&entry.kind, entry.start, entry.length) != (&Kind::Freed, start, length)
        });
        Ok(())
    });
    done.map_err(|why| why.message().to_owned())
}

/// Zeroes a place of a drive for good. The drive does it itself, where it can.
fn zero(path: &Path, id: DriveId, start: u64, length: u64) -> std::io::Result<()> {
    let file = OpenOptions::new().write(true).open(path)?;
    // Another drive may have the name by now.
    let name = path
        .strip_prefix("/dev")
        .unwrap_or(path)
        .to_string_lossy()
        .replace('/', "!");
    if disk::of(&name).is_none_or(|found| found.id != id) {
        return Err(std::io::Error::other("it is another drive by now"));
    }
    let mut at = start;
    let end = start.saturating_add(length);
    while at < end {
        let step = STEP.min(end - at);
        zero_step(&file, at, step)?;
        at += step;
    }
    file.sync_all()
}

fn zero_step(file: &File, at: u64, length: u64) -> std::io::Result<()> {
    let sized = |number: u64| i64::try_from(number).map_err(std::io::Error::other);
    let (at, length) = (sized(at)?, sized(length)?);
    let order = |flags| {
        fallocate(
            file,
            flags | FallocateFlags::FALLOC_FL_KEEP_SIZE,
            at,
            length,
        )
    };
    match order(FallocateFlags::FALLOC_FL_PUNCH_HOLE) {
        // The drive has no order for it: the kernel writes zeroes.
        Err(Errno::EOPNOTSUPP) => Ok(order(FallocateFlags::FALLOC_FL_ZERO_RANGE)?),
        done => Ok(done?),
    }
}
