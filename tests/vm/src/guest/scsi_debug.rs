// SPDX-License-Identifier: MIT OR Apache-2.0
//! A SCSI disk in memory, by the kernel's own emulation; gone on drop.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::Duration;

use super::command::{attempt, run};
use super::sysfs;
use super::wait::Poll;

/// The loaded module, with one disk.
pub(crate) struct ScsiDebug {
    path: String,
}

impl ScsiDebug {
    /// Loads it with these parameters: `dev_size_mb=16` and the like.
    #[track_caller]
    pub(crate) fn load(parameters: &str) -> Self {
        run("modprobe sd_mod");
        run(&format!("modprobe scsi_debug {parameters}"));
        let found = Poll::for_at_most(Duration::from_secs(20)).until(|| {
            let disks = sysfs::names("/sys/block").into_iter();
            let is_it = |disk: &String| {
                sysfs::read(&format!("/sys/block/{disk}/device/model"))
                    .is_some_and(|model| model.trim() == "scsi_debug")
            };
            disks.filter(|disk| disk.starts_with("sd")).find(is_it)
        });
        let disk = found.unwrap_or_else(|| panic!("no disk came of scsi_debug {parameters}"));
        Self {
            path: format!("/dev/{disk}"),
        }
    }

    /// Has the kernel give the disk up.
    #[track_caller]
    pub(crate) fn delete(&self) {
        let file = format!("/sys/block/{}/device/delete", self.name());
        fs::write(&file, "1").unwrap_or_else(|why| panic!("{file}: {why}"));
    }

    /// Has it take so long for each command from now on: less than a second, as it wants it.
    #[track_caller]
    pub(crate) fn slow_down(&self, each: Duration) {
        const FILE: &str = "/sys/bus/pseudo/drivers/scsi_debug/ndelay";
        // It refuses that while it has commands.
        let slower = Poll::for_at_most(Duration::from_secs(5))
            .until(|| fs::write(FILE, each.as_nanos().to_string()).ok());
        slower.unwrap_or_else(|| panic!("{FILE} takes no {each:?}"));
    }

    /// Has it answer the next command with this code that it knows no such command.
    #[track_caller]
    pub(crate) fn reject(&self, opcode: u8) {
        const DEBUG: &str = "/sys/kernel/debug";
        let folder = format!("{DEBUG}/scsi_debug");
        if !Path::new(&folder).exists() {
            run(&format!("mount -t debugfs debugfs {DEBUG}"));
        }
        let device = format!("/sys/block/{}/device", self.name());
        let device = fs::canonicalize(&device).unwrap_or_else(|why| panic!("{device}: {why}"));
        let address = device.file_name().expect("a device has a name");
        let file = format!("{folder}/{}/error", address.to_string_lossy());
        // A failure, once: no status of host or driver; check condition, illegal request, invalid command.
        let failure = format!("2 -1 {opcode:#x} 0 0 0x2 0x5 0x20 0");
        fs::write(&file, failure).unwrap_or_else(|why| panic!("{file}: {why}"));
    }

    /// Its name in /sys/block.
    pub(crate) fn name(&self) -> &str {
        self.path.trim_start_matches("/dev/")
    }

    /// Its device node.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }
}

impl Drop for ScsiDebug {
    fn drop(&mut self) {
        let ended = attempt(&["modprobe", "-r", "scsi_debug"]);
        if ended.code != Some(0) {
            assert!(
                thread::panicking(),
                "modprobe -r scsi_debug: {}",
                ended.stderr
            );
            eprintln!("modprobe -r scsi_debug: {}", ended.stderr.trim());
        }
    }
}
