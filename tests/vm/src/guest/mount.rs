// SPDX-License-Identifier: MIT OR Apache-2.0
//! A mounted file system; unmounted on drop.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::thread;

use nix::mount::{MsFlags, mount, umount};

use super::command::run;

/// The folder that all mount points are in.
pub(crate) const MOUNTS: &str = "/run/mnt";

/// Appends to a file, down to the drive.
pub(crate) fn append(file: &Path) -> io::Result<()> {
    let mut file = OpenOptions::new().append(true).open(file)?;
    file.write_all(&[1; 4096])?;
    file.sync_all()
}

/// A mounted file system.
pub(crate) struct Mount {
    folder: PathBuf,
}

impl Mount {
    /// Mounts a device with ext4.
    #[track_caller]
    pub(crate) fn ext4(device: &str) -> Self {
        Self::with("ext4", device, MsFlags::empty(), None)
    }

    /// Mounts a device with ext4 to read only.
    #[track_caller]
    pub(crate) fn ext4_to_read(device: &str) -> Self {
        Self::with("ext4", device, MsFlags::MS_RDONLY, None)
    }

    /// Mounts a device with ext4 and leaves encryption to the block layer.
    #[track_caller]
    pub(crate) fn ext4_encrypted_inline(device: &str) -> Self {
        Self::with("ext4", device, MsFlags::empty(), Some("inlinecrypt"))
    }

    /// Mounts a device with a file system of this kind.
    #[track_caller]
    pub(crate) fn of(kind: &str, device: &str) -> Self {
        run(&format!("modprobe {kind}"));
        Self::with(kind, device, MsFlags::empty(), None)
    }

    #[track_caller]
    fn with(kind: &str, device: &str, flags: MsFlags, options: Option<&str>) -> Self {
        let folder = Path::new(MOUNTS).join(device.trim_start_matches('/').replace('/', "-"));
        fs::create_dir_all(&folder).expect("/run takes folders");
        if let Err(why) = mount(Some(device), &folder, Some(kind), flags, options) {
            panic!("mount {device}: {why}");
        }
        Self { folder }
    }

    /// Where it is mounted.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        if let Err(why) = umount(&self.folder) {
            assert!(
                thread::panicking(),
                "unmount {}: {why}",
                self.folder.display()
            );
            eprintln!("unmount {}: {why}", self.folder.display());
        }
    }
}
