// SPDX-License-Identifier: MIT OR Apache-2.0
//! File systems on devices of volumes: made, checked, grown, by the programs that come with them.

use std::{fs::File, os::unix::fs::FileExt, path::Path};

use crate::{program::Program, wanted::FsKind};

/// Where XFS says that mkfs is not done with it: a byte that is 1.
const XFS_IN_PROGRESS: u64 = 126;

/// What is on a device.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Content {
    Nothing,
    /// Its type, as blkid has it.
    Type(String),
}

/// Makes the file system on a device that has nothing on it, or checks what is there.
///
/// # Errors
/// In words: anything else on the device is left alone.
pub(crate) fn prepare(device: &str, kind: FsKind) -> Result<(), String> {
    match content(device)? {
        Content::Nothing => make(device, kind),
        Content::Type(found) if found == kind.name() => match kind {
            FsKind::Ext4 => check_ext4(device),
            // A driver that was killed left half of one, and nobody has used it.
            FsKind::Xfs if xfs_is_unfinished(device) => make(device, kind),
            // It recovers by itself when it is mounted.
            FsKind::Xfs => Ok(()),
        },
        Content::Type(found) => Err(format!(
            "there is {found} on the volume, and {} is wanted",
            kind.name()
        )),
    }
}

fn content(device: &str) -> Result<Content, String> {
    let found = Program::new("blkid")
        .args(["--probe", "--output", "export", device])
        .end()?;
    let value = |name: &str| {
        let mut lines = found.stdout.lines();
        lines.find_map(|line| {
            line.strip_prefix(name)?
                .strip_prefix('=')
                .map(str::to_owned)
        })
    };
    match found.code {
        Some(2) => Ok(Content::Nothing),
        Some(0) => {
            let what = value("TYPE").or_else(|| value("PTTYPE"));
            Ok(Content::Type(
                what.unwrap_or_else(|| "something".to_owned()),
            ))
        }
        // More than one file system: not for us to choose.
        Some(8) => Ok(Content::Type("more than one file system".to_owned())),
        _ => Err(found.why()),
    }
}

fn make(device: &str, kind: FsKind) -> Result<(), String> {
    // What is not in use of the volume is zeroes: there is nothing to discard.
    let program = match kind {
        FsKind::Ext4 => Program::new("mkfs.ext4").args(["-q", "-F", "-m", "0", "-E", "nodiscard"]),
        FsKind::Xfs => Program::new("mkfs.xfs").args(["-q", "-f", "-K"]),
    };
    program.arg(device).run().map(drop)
}

fn check_ext4(device: &str) -> Result<(), String> {
    let ended = Program::new("fsck.ext4").args(["-p", device]).end()?;
    match ended.code {
        // 1: it has mended something.
        Some(0 | 1) => Ok(()),
        _ => Err(ended.why()),
    }
}

fn xfs_is_unfinished(device: &str) -> bool {
    let mut byte = [0];
    let read = File::open(device).and_then(|file| file.read_exact_at(&mut byte, XFS_IN_PROGRESS));
    read.is_ok() && byte == [1]
}

/// Lets a mounted file system take up all of its device; one that does already stays as it is.
///
/// # Errors
/// In words.
pub(crate) fn grow(device: &str, mounted: &Path, kind: &str) -> Result<(), String> {
    let program = match kind {
        "ext4" => Program::new("resize2fs").arg(device),
        "xfs" => Program::new("xfs_growfs").arg("-d").arg(mounted),
        other => return Err(format!("a file system {other} is not grown here")),
    };
    program.run().map(drop)
}
