// SPDX-License-Identifier: MIT OR Apache-2.0
//! A file system over two drives, mounted; unmounted on drop.

use std::fs;
use std::thread;

use super::command::{attempt, run};
use super::mount::MOUNTS;

/// The file system.
pub(crate) struct WideFs {
    folder: String,
}

impl WideFs {
    /// Btrfs, each block on both drives.
    #[track_caller]
    pub(crate) fn btrfs(drives: &[String]) -> Self {
        run("modprobe btrfs");
        let (one, two) = (&drives[0], &drives[1]);
        run(&format!(
            "mkfs.btrfs --quiet --force --data=raid1 --metadata=raid1 {one} {two}"
        ));
        Self::mount("btrfs", one, &format!("device={one},device={two}"))
    }

    /// XFS, with its log on the second drive.
    #[track_caller]
    pub(crate) fn xfs(drives: &[String]) -> Self {
        let (one, two) = (&drives[0], &drives[1]);
        run(&format!("mkfs.xfs -q -f -l logdev={two} {one}"));
        Self::mount("xfs", one, &format!("logdev={two}"))
    }

    #[track_caller]
    fn mount(kind: &str, drive: &str, options: &str) -> Self {
        let folder = format!("{MOUNTS}/wide");
        fs::create_dir_all(&folder).expect("/run takes folders");
        run(&format!("mount -t {kind} -o {options} {drive} {folder}"));
        Self { folder }
    }

    /// A file in it.
    pub(crate) fn path(&self) -> String {
        format!("{}/file", self.folder)
    }
}

impl Drop for WideFs {
    fn drop(&mut self) {
        let ended = attempt(&["umount", &self.folder]);
        assert!(
            ended.code == Some(0) || thread::panicking(),
            "umount: {}",
            ended.stderr
        );
    }
}
