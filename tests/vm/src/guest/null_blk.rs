// SPDX-License-Identifier: MIT OR Apache-2.0
//! Drives of the kernel's in memory, gone on drop: one that stores nothing and is fast, for cases with many operations, and
//! one that can be taken out in an orderly way, as no emulated drive can.

use std::fs;
use std::path::Path;

use super::command::{attempt, run};
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

/// A drive that stores what is written.
pub(crate) struct NullDrive(String);

const CONFIG: &str = "/sys/kernel/config";
const FOLDER: &str = "/sys/kernel/config/nullb/shunt";

impl NullDrive {
    /// Makes one of so many MiB.
    #[track_caller]
    pub(crate) fn make(mib: u32) -> Self {
        run("modprobe null_blk nr_devices=0");
        if !Path::new(CONFIG).join("nullb").exists() {
            run(&format!("mount -t configfs configfs {CONFIG}"));
        }
        fs::create_dir(FOLDER).unwrap_or_else(|why| panic!("{FOLDER}: {why}"));
        // If the rest fails, it goes again.
        let mut drive = Self(String::new());
        for (file, value) in [("size", mib), ("memory_backed", 1), ("power", 1)] {
            drive.set(file, value);
        }
        let number = fs::read_to_string(format!("{FOLDER}/index")).expect("it has a number");
        let named = ["shunt".to_owned(), format!("nullb{}", number.trim())];
        let mut nodes = named.iter().map(|name| format!("/dev/{name}"));
        let path = nodes.find(|path| Path::new(path).exists());
        let path = path.unwrap_or_else(|| panic!("no drive came of {FOLDER}"));
        wait_until("the drive can be opened", || fs::File::open(&path).is_ok());
        drive.0 = path;
        drive
    }

    /// Its device node.
    pub(crate) fn path(&self) -> &str {
        &self.0
    }

    /// Has the kernel give it up, as its driver does when the drive is no longer wanted: until then it works.
    #[track_caller]
    pub(crate) fn take_out(&self) {
        self.set("power", 0);
    }

    #[track_caller]
    fn set(&self, file: &str, value: u32) {
        let file = format!("{FOLDER}/{file}");
        fs::write(&file, value.to_string()).unwrap_or_else(|why| panic!("{file}: {why}"));
    }
}

impl Drop for NullDrive {
    fn drop(&mut self) {
        // If it cannot go, the next case that wants one says so.
        let _ = fs::remove_dir(FOLDER);
        let _ = attempt(&["modprobe", "-r", "null_blk"]);
    }
}
