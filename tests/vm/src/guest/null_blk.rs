// SPDX-License-Identifier: MIT OR Apache-2.0
//! Drives of the kernel's in memory, gone on drop: one that stores nothing and is fast, for cases with many operations, and
//! one that can be taken out in an orderly way, as no emulated drive can.

use std::fs;

use super::command::{attempt, run};
use super::configfs;
use super::wait::wait_until;

/// The loaded module, with one drive.
pub(crate) struct NullBlk;

impl NullBlk {
    /// Loads it with these parameters: `irqmode=1` and the like.
    #[track_caller]
    pub(crate) fn load(parameters: &str) -> Self {
        run(&format!("modprobe null_blk nr_devices=1 {parameters}"));
        Self
    }

    /// Its device node.
    pub(crate) fn path(&self) -> &'static str {
        "/dev/nullb0"
    }
}

impl Drop for NullBlk {
    fn drop(&mut self) {
        // If it cannot go, the next case that wants one says so.
        let _ = attempt(&["modprobe", "-r", "null_blk"]);
    }
}

/// A drive that stores what is written and can discard it.
pub(crate) struct NullDrive {
    /// Its folder is called as its node.
    node: String,
}

const FOLDERS: &str = "/sys/kernel/config/nullb";

impl NullDrive {
    /// Makes one of so many MiB.
    #[track_caller]
    pub(crate) fn make(mib: u32) -> Self {
        Self::make_named("shunt", mib)
    }

    /// Makes one of so many MiB, with this name in /dev. Each has the lowest number that is free.
    #[track_caller]
    pub(crate) fn make_named(name: &str, mib: u32) -> Self {
        Self::make_with(name, mib, &[])
    }

    /// Makes one of so many MiB, with zones of so many.
    #[track_caller]
    pub(crate) fn make_zoned(mib: u32, zone_mib: u32) -> Self {
        Self::make_with("shunt", mib, &[("zoned", 1), ("zone_size", zone_mib)])
    }

    #[track_caller]
    fn make_with(name: &str, mib: u32, more: &[(&str, u32)]) -> Self {
        run("modprobe null_blk nr_devices=0");
        configfs::mount_for("nullb");
        // If the rest fails, it goes again.
        let drive = Self {
            node: format!("/dev/{name}"),
        };
        let folder = drive.folder();
        fs::create_dir(&folder).unwrap_or_else(|why| panic!("{folder}: {why}"));
        let first = [("size", mib), ("memory_backed", 1), ("discard", 1)];
        for (file, value) in first.iter().chain(more).chain(&[("power", 1)]) {
            drive.set(file, *value);
        }
        wait_until("the drive can be opened", || {
            fs::File::open(drive.path()).is_ok()
        });
        drive
    }

    /// Its device node.
    pub(crate) fn path(&self) -> &str {
        &self.node
    }

    /// Has the kernel give it up, as its driver does when the drive is no longer wanted: until then it works.
    #[track_caller]
    pub(crate) fn take_out(&self) {
        self.set("power", 0);
    }

    /// Has the kernel take it up again, with what was stored.
    #[track_caller]
    pub(crate) fn bring_back(&self) {
        self.set("power", 1);
    }

    #[track_caller]
    fn set(&self, file: &str, value: u32) {
        let file = format!("{}/{file}", self.folder());
        fs::write(&file, value.to_string()).unwrap_or_else(|why| panic!("{file}: {why}"));
    }

    /// Its folder, with a file for each setting.
    pub(crate) fn folder(&self) -> String {
        self.node.replacen("/dev", FOLDERS, 1)
    }
}

impl Drop for NullDrive {
    fn drop(&mut self) {
        // If it cannot go, the next case that wants one says so. The module goes with the last.
        let _ = fs::remove_dir(self.folder());
        let _ = attempt(&["modprobe", "-r", "null_blk"]);
    }
}
