// SPDX-License-Identifier: MIT OR Apache-2.0
//! Drives that a request hands to the kernel: open files, so that what a name leads to, and whether the sender may have it, is
//! settled once, in the sender's own process.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::{
        fd::AsRawFd,
        unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt},
    },
    sync::Arc,
};

use nix::libc::{
    self, EACCES, EMFILE, ENFILE, ENODEV, ENOENT, ENOTBLK, ENOTDIR, ENXIO, EROFS, O_NOCTTY,
    O_NONBLOCK,
};

use shunt_logic::{errno::Errno, refusal::TargetError};

use crate::{error::Refusal, model::DriveId};

/// A drive that stays open until its request is answered; every clone is the same file.
#[derive(Clone, Debug, Default)]
pub struct OpenDrive {
    /// None in memory.
    file: Option<Arc<File>>,
    id: Option<DriveId>,
}

impl OpenDrive {
    /// Opens a drive, for writing, too, if the sender may write to it: the kernel says whether it needs that.
    ///
    /// # Errors
    /// Why it cannot be opened, in the words in which the kernel refuses a drive.
    pub fn open(path: &str) -> Result<Self, Refusal> {
        let open = |write| {
            OpenOptions::new()
                .read(true)
                .write(write)
                // What is no drive must not keep us waiting.
                .custom_flags(O_NONBLOCK | O_NOCTTY)
                .open(path)
        };
        let is_drive = std::fs::metadata(path).map(|found| found.file_type().is_block_device());
        let opened = match is_drive {
            Ok(true) => open(true).or_else(|why| match why.raw_os_error() {
                Some(EACCES | EROFS) => open(false),
                _ => Err(why),
            }),
            Ok(false) => Err(io::Error::from_raw_os_error(ENOTBLK)),
            Err(why) => Err(why),
        };
        let identified = opened.and_then(|file| Ok((id_of(&file)?, file)));
        match identified {
            Ok((id, file)) => Ok(Self {
                file: Some(Arc::new(file)),
                id: Some(id),
            }),
            Err(why) => Err(refusal(why.raw_os_error().unwrap_or(ENXIO))),
        }
    }

    /// A drive in memory.
    pub fn in_memory(id: DriveId) -> Self {
        let id = Some(id);
        Self { file: None, id }
    }

    /// Which drive was opened, whatever its path leads to by now; none if that is not known.
    pub fn id(&self) -> Option<DriveId> {
        self.id
    }

    /// Number of the descriptor; none in memory.
    pub fn number(&self) -> Option<u32> {
        let file = self.file.as_ref()?;
        u32::try_from(file.as_raw_fd()).ok()
    }
}

/// Which drive a file is, by what sysfs says of its numbers now. A disk that had them when somebody looked
/// before the file was opened, and has them after it, had them when it was opened: no disk gets a sequence
/// number again.
fn id_of(file: &File) -> io::Result<DriveId> {
    let number = file.metadata()?.rdev();
    let (major, minor) = (libc::major(number), libc::minor(number));
    let place = format!("/sys/dev/block/{major}:{minor}");
    // A partition has none of its own.
    let files = ["diskseq", "../diskseq"].map(|file| format!("{place}/{file}"));
    let diskseq = files.iter().find_map(|file| {
        let text = fs::read_to_string(file).ok()?;
        text.trim().parse().ok()
    });
    Ok(DriveId {
        major,
        minor,
        diskseq,
    })
}

/// Why a path cannot be opened as a drive. What the kernel refuses as well is said in its words.
pub(crate) fn refusal(errno: i32) -> Refusal {
    let kernel = |errno: i32| TargetError::Backing(Errno::of(errno)).to_string();
    let text = match errno {
        ENOENT | ENOTDIR => "no such path".to_owned(),
        EMFILE | ENFILE => "more open files than the system allows (ulimit -n)".to_owned(),
        EROFS => kernel(EACCES),
        ENODEV => kernel(ENXIO),
        _ => kernel(errno),
    };
    Refusal::new(errno, text).of("drive")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(path: &str) -> (i32, Option<String>) {
        let refusal = OpenDrive::open(path).expect_err("it is no drive");
        (refusal.errno, refusal.text)
    }

    #[test]
    fn what_is_no_drive_is_refused_in_the_words_of_the_kernel() {
        assert_eq!(
            refused("/dev/null"),
            (ENOTBLK, Some("not a block device".into()))
        );
        assert_eq!(refused("/"), (ENOTBLK, Some("not a block device".into())));
        assert_eq!(refused("/no/such"), (ENOENT, Some("no such path".into())));
        assert_eq!(
            refused("/dev/null/x"),
            (ENOTDIR, Some("no such path".into()))
        );
    }
}
