// SPDX-License-Identifier: MIT OR Apache-2.0
//! Taking a flash drive out of the running system, as a pulled plug does, and bringing it back.

use std::fs;
use std::thread;

use super::flash::{Flash, find, find_ready, flash};
use super::sysfs;
use super::wait::wait_until;

/// A flash drive that is out of the system; brought back on drop.
pub(crate) struct Removed {
    number: u32,
}

impl Removed {
    /// Takes the drive with serial number `flashN` away. Returns once the kernel has let it go.
    #[track_caller]
    pub(crate) fn take(number: u32) -> Self {
        let file = format!("{}/device/remove", controller(number));
        fs::write(&file, "1").unwrap_or_else(|why| panic!("{file}: {why}"));
        assert!(find(&serial(number)).is_none(), "the drive is still there");
        Self { number }
    }

    /// Brings it back; it may have another name now.
    #[track_caller]
    pub(crate) fn bring_back(self) -> Flash {
        let number = self.number;
        drop(self);
        flash(number)
    }
}

impl Drop for Removed {
    fn drop(&mut self) {
        if thread::panicking() {
            return;
        }
        fs::write("/sys/bus/pci/rescan", "1").expect("the PCI bus can be scanned");
        wait_until("the drive is back", || {
            find_ready(&serial(self.number)).is_some()
        });
    }
}

/// Folder of the controller of the drive with serial number `flashN`.
#[track_caller]
fn controller(number: u32) -> String {
    let folders = sysfs::names("/sys/class/nvme");
    let mut folders = folders
        .into_iter()
        .map(|name| format!("/sys/class/nvme/{name}"));
    folders
        .find(|folder| has_serial(folder, number))
        .unwrap_or_else(|| panic!("there is no controller with serial flash{number}"))
}

fn has_serial(folder: &str, number: u32) -> bool {
    sysfs::read(&format!("{folder}/serial")) == Some(serial(number))
}

fn serial(number: u32) -> String {
    format!("flash{number}")
}
