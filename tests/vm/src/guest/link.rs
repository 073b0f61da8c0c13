// SPDX-License-Identifier: MIT OR Apache-2.0
//! A link to a drive by what it says of itself, as udev makes it, and the word that it is there; gone on drop.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

const FOLDER: &str = "/dev/disk/by-id";

/// A link that may lead to one drive after another.
pub(crate) struct Link {
    path: String,
}

impl Link {
    /// A link of this name that leads to a drive in /dev, which may be missing.
    #[track_caller]
    pub(crate) fn to(disk: &str, name: &str) -> Self {
        fs::create_dir_all(FOLDER).expect("/dev takes folders");
        let link = Self {
            path: format!("{FOLDER}/{name}"),
        };
        link.lead_to(disk);
        link
    }

    /// Its path.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// Lets it lead to a drive, and lets those who listen know, as `udevadm trigger` does.
    #[track_caller]
    pub(crate) fn lead_to(&self, disk: &str) {
        let _ = fs::remove_file(&self.path);
        symlink(Path::new("/dev").join(disk), &self.path).expect("/dev takes links");
        // A drive that is missing has nothing to tell.
        let _ = fs::write(format!("/sys/block/{disk}/uevent"), "change");
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}
