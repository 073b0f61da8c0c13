// SPDX-License-Identifier: MIT OR Apache-2.0
//! Device-mapper devices, to put below and above ours; removed on drop.

use std::thread;

use super::command::{attempt, run, run_with_input};
use super::flash::Flash;

/// A device-mapper device.
pub(crate) struct Dm {
    name: String,
    program: &'static [&'static str],
}

/// dmsetup that makes its nodes itself, as all cases have it.
const ALONE: &[&str] = &["dmsetup"];

/// dmsetup that leaves them to udev, and waits for it.
const WITH_UDEV: &[&str] = &["env", "--unset=DM_DISABLE_UDEV", "dmsetup"];

impl Dm {
    /// Makes a device with this table, one target a line.
    #[track_caller]
    pub(crate) fn create(name: &str, table: &str) -> Self {
        Self::create_by(ALONE, name, table)
    }

    /// The whole of a device, where udev runs: it makes the links.
    #[track_caller]
    pub(crate) fn linear_with_udev(name: &str, path: &str, bytes: u64) -> Self {
        Self::create_by(WITH_UDEV, name, &linear(path, bytes))
    }

    #[track_caller]
    fn create_by(program: &'static [&'static str], name: &str, table: &str) -> Self {
        run("modprobe dm_mod");
        run_with_input(&[program, &["create", name]].concat(), table);
        Self {
            name: name.to_owned(),
            program,
        }
    }

    /// The whole of a drive with sectors in `bad` (512 bytes each) ending every I/O with an error.
    #[track_caller]
    pub(crate) fn with_bad_sectors(name: &str, drive: &Flash, bad: std::ops::Range<u64>) -> Self {
        let (path, sectors) = (&drive.path, drive.bytes / 512);
        let (start, end) = (bad.start, bad.end);
        let table = format!(
            "0 {start} linear {path} 0\n{start} {} error\n{end} {} linear {path} {end}\n",
            end - start,
            sectors - end
        );
        Self::create(name, &table)
    }

    /// The whole of a device.
    #[track_caller]
    pub(crate) fn linear(name: &str, path: &str, bytes: u64) -> Self {
        Self::create(name, &linear(path, bytes))
    }

    /// Its device node.
    pub(crate) fn path(&self) -> String {
        format!("/dev/mapper/{}", self.name)
    }

    /// Holds new I/O back.
    #[track_caller]
    pub(crate) fn suspend(&self) {
        run(&format!(
            "dmsetup suspend --noflush --nolockfs {}",
            self.name
        ));
    }

    /// Lets I/O go on.
    #[track_caller]
    pub(crate) fn resume(&self) {
        run(&format!("dmsetup resume {}", self.name));
    }

    /// Replaces its table.
    #[track_caller]
    pub(crate) fn reload(&self, table: &str) {
        run_with_input(&[self.program, &["reload", &self.name]].concat(), table);
        self.suspend();
        self.resume();
    }
}

impl Drop for Dm {
    fn drop(&mut self) {
        let ended = attempt(&[self.program, &["remove", "--retry", &self.name]].concat());
        if ended.code != Some(0) {
            assert!(
                thread::panicking(),
                "dmsetup remove {}: {}",
                self.name,
                ended.stderr.trim()
            );
            eprintln!("dmsetup remove {}: {}", self.name, ended.stderr.trim());
        }
    }
}

fn linear(path: &str, bytes: u64) -> String {
    format!("0 {} linear {path} 0\n", bytes / 512)
}
