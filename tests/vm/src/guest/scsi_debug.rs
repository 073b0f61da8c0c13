// SPDX-License-Identifier: MIT OR Apache-2.0
//! A SCSI disk in memory, by the kernel's own emulation; gone on drop.

use std::fs::{self, File};
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
        Self { path: find() }
    }

    /// Has the kernel find the disk again that it gave up; it may have another name now.
    #[track_caller]
    pub(crate) fn bring_back(&mut self) {
        for host in sysfs::names("/sys/class/scsi_host") {
            let folder = format!("/sys/class/scsi_host/{host}");
            if sysfs::read(&format!("{folder}/proc_name")).as_deref() == Some("scsi_debug") {
                fs::write(format!("{folder}/scan"), "- - -").expect("a host can be scanned");
            }
        }
        self.path = find();
    }

    /// Has the kernel give the disk up.
    #[track_caller]
    pub(crate) fn delete(&self) {
        let disk = self.path.trim_start_matches("/dev/");
        let file = format!("/sys/block/{disk}/device/delete");
        fs::write(&file, "1").unwrap_or_else(|why| panic!("{file}: {why}"));
    }

    /// Its device node.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }
}

/// The device node of the disk, once it is there.
#[track_caller]
fn find() -> String {
    let found = Poll::for_at_most(Duration::from_secs(20)).until(|| {
        let disks = sysfs::names("/sys/block").into_iter();
        let is_it = |disk: &String| {
            sysfs::read(&format!("/sys/block/{disk}/device/model"))
                .is_some_and(|model| model.trim() == "scsi_debug")
        };
        let mut disks = disks.filter(|disk| disk.starts_with("sd"));
        let path = disks.find(is_it).map(|disk| format!("/dev/{disk}"));
        // Its node is there before it can be opened.
        path.filter(|path| File::open(path).is_ok())
    });
    found.expect("a disk came of scsi_debug")
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
