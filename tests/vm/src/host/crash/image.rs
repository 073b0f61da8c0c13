// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the drives of a load hold once the power is gone, as seen without the module: by its rule where a byte of a
//! device is, and by the tools of ext4.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::super::{Result, because};
use crate::crash::{BLOCK, DRIVE, Load, OFFSET, STRIPE, WRITERS, file_name};

/// The blocks of a load.
pub(super) enum Image {
    /// The drives that it is striped over.
    Drives(Vec<Vec<u8>>),
    /// The files of its writers.
    Files(Vec<Vec<u8>>),
}

impl Image {
    /// Opens the drives of a load; an error is a file system that is not whole.
    pub(super) fn open(load: &Load, drives: Vec<Vec<u8>>, folder: &Path) -> Result<Self> {
        match (load.has_file_system(), drives.as_slice()) {
            (true, [drive]) => files(drive, folder).map(Self::Files),
            (true, _) => Err("a file system is on one drive".to_owned()),
            (false, _) => Ok(Self::Drives(drives)),
        }
    }

    /// The block at this byte of the device, or of the writer's file; `None` past its end.
    pub(super) fn block(&self, writer: u64, place: u64) -> Option<&[u8]> {
        let (bytes, start) = match self {
            Self::Files(files) => (files.get(writer as usize)?, place),
            Self::Drives(drives) => {
                let (stripe, count) = (place / STRIPE, drives.len() as u64);
                let start = OFFSET + stripe / count * STRIPE + place % STRIPE;
                (&drives[(stripe % count) as usize], start)
            }
        };
        bytes.get(start as usize..)?.get(..BLOCK)
    }
}

/// A drive that holds nothing.
pub(super) fn blank() -> Vec<u8> {
    vec![0; DRIVE as usize]
}

/// A drive with an empty ext4 where the device of a load begins.
pub(super) fn with_file_system(folder: &Path) -> Result<Vec<u8>> {
    let image = folder.join("empty.ext4");
    let file = fs::File::create(&image).and_then(|file| file.set_len(DRIVE - OFFSET));
    file.map_err(because(image.display()))?;
    let options = "lazy_itable_init=0,lazy_journal_init=0";
    tool(
        &["mkfs.ext4", "-q", "-F", "-b", "4096", "-E", options],
        &image,
        &[0],
    )?;
    let mut drive = blank();
    let bytes = fs::read(&image).map_err(because(image.display()))?;
    drive[OFFSET as usize..].copy_from_slice(&bytes);
    Ok(drive)
}

/// The files of the writers, once the journal is replayed, as a mount would do; what is then left has to be in order.
fn files(drive: &[u8], folder: &Path) -> Result<Vec<Vec<u8>>> {
    let image = folder.join("left.ext4");
    fs::write(&image, &drive[OFFSET as usize..]).map_err(because(image.display()))?;
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
    let ended = Command::new(words[0])
        .args(&words[1..])
        .arg(image)
        .output()
        .map_err(because(format!(
            "{} (run this by scripts/in-sysroot)",
            words[0]
        )))?;
    match ended.status.code() {
        Some(code) if good.contains(&code) => Ok(()),
        _ => Err(format!(
            "{}: {}: {}{}",
            words.join(" "),
            ended.status,
            String::from_utf8_lossy(&ended.stdout).trim(),
            String::from_utf8_lossy(&ended.stderr).trim()
        )),
    }
}
