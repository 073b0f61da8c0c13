// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the drives of a load hold once the power is gone, as seen without the module: by its rule where a byte of a
//! device is, and by the tools of ext4.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::super::tool::run;
use super::super::{Result, because};
use crate::crash::{BLOCK, DRIVE, Load, OFFSET, STRIPE, WRITERS, file_name};

/// Bytes of one stripe of one drive.
const CHUNK: usize = STRIPE as usize;

/// The blocks of a load.
pub(super) enum Image {
    /// The device.
    Device(Vec<u8>),
    /// The files of its writers.
    Files(Vec<Vec<u8>>),
}

impl Image {
    /// Opens the drives of a load; an error is a file system that is not whole.
    pub(super) fn open(load: &Load, drives: &[Vec<u8>], folder: &Path) -> Result<Self> {
        let device = join(drives);
        match load.has_file_system() {
            true => files(&device, folder).map(Self::Files),
            false => Ok(Self::Device(device)),
        }
    }

    /// The block at this byte of the device, or of the writer's file; `None` past its end.
    pub(super) fn block(&self, writer: u64, place: u64) -> Option<&[u8]> {
        let bytes = match self {
            Self::Device(device) => device,
            Self::Files(files) => files.get(writer as usize)?,
        };
        bytes.get(place as usize..)?.get(..BLOCK)
    }
}

/// The bytes of a device that is striped over these drives.
fn join(drives: &[Vec<u8>]) -> Vec<u8> {
    let rows = (OFFSET as usize..DRIVE as usize).step_by(CHUNK);
    let chunks = rows.flat_map(|row| drives.iter().map(move |drive| &drive[row..row + CHUNK]));
    chunks.flatten().copied().collect()
}

/// So many drives with the bytes of a device that is striped over them.
fn spread(device: &[u8], count: usize) -> Vec<Vec<u8>> {
    let mut drives = vec![vec![0; DRIVE as usize]; count];
    for (index, chunk) in device.chunks(CHUNK).enumerate() {
        let start = OFFSET as usize + index / count * CHUNK;
        drives[index % count][start..start + chunk.len()].copy_from_slice(chunk);
    }
    drives
}

/// The drives of a load as they are at first: blank, or with an empty ext4.
pub(super) fn first(load: &Load, folder: &Path) -> Result<Vec<Vec<u8>>> {
    if !load.has_file_system() {
        return Ok(spread(&[], load.drives));
    }
    let image = folder.join("empty.ext4");
    let bytes = (DRIVE - OFFSET) * load.drives as u64;
    let file = fs::File::create(&image).and_then(|file| file.set_len(bytes));
    file.map_err(because(image.display()))?;
    let options = "lazy_itable_init=0,lazy_journal_init=0";
    tool(
        &["mkfs.ext4", "-q", "-F", "-b", "4096", "-E", options],
        &image,
        &[0],
    )?;
    let device = fs::read(&image).map_err(because(image.display()))?;
    Ok(spread(&device, load.drives))
}

/// The files of the writers, once the journal is replayed, as a mount would do; what is then left has to be in order.
fn files(device: &[u8], folder: &Path) -> Result<Vec<Vec<u8>>> {
    let image = folder.join("left.ext4");
    fs::write(&image, device).map_err(because(image.display()))?;
    tool(&["e2fsck", "-y", "-E", "journal_only"], &image, &[0, 1])?;
    tool(&["e2fsck", "-f", "-n"], &image, &[0])?;
    let file = |writer| {
        let copy = folder.join("copy");
        let dump = format!("dump {} {}", file_name(writer), copy.display());
        tool(&["debugfs", "-R", &dump], &image, &[0])?;
        fs::read(&copy).map_err(because(copy.display()))
    };
    (0..WRITERS).map(file).collect()
}

/// Runs a tool of ext4 on an image, which has to end with one of these statuses.
fn tool(words: &[&str], image: &Path, good: &[i32]) -> Result<()> {
    run(Command::new(words[0]).args(&words[1..]).arg(image), good)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_spread_over_drives_is_joined_to_the_same() {
        for count in 1..4 {
            let bytes = (DRIVE - OFFSET) as usize * count;
            let device: Vec<u8> = (0..bytes).map(|byte| (byte / 512 % 251) as u8).collect();
            let drives = spread(&device, count);
            assert_eq!(drives.len(), count);
            assert!(join(&drives) == device);
        }
    }
}
