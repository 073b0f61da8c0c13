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
        remove(&serial(number));
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
        look();
        wait_until("the drive is back", || {
            find_ready(&serial(self.number)).is_some()
        });
    }
}

/// Takes the drive with this serial number away. Returns once the kernel has let it go.
#[track_caller]
pub(super) fn remove(serial: &str) {
    let file = format!("{}/device/remove", controller(serial));
    fs::write(&file, "1").unwrap_or_else(|why| panic!("{file}: {why}"));
    assert!(find(serial).is_none(), "the drive is still there");
}

/// Has the kernel look for drives that it does not know.
#[track_caller]
pub(super) fn look() {
    fs::write("/sys/bus/pci/rescan", "1").expect("the PCI bus can be scanned");
}

/// Folder of the controller of the drive with this serial number.
#[track_caller]
fn controller(serial: &str) -> String {
    let folders = sysfs::names("/sys/class/nvme");
    let mut folders = folders
        .into_iter()
        .map(|name| format!("/sys/class/nvme/{name}"));
    folders
        .find(|folder| sysfs::read(&format!("{folder}/serial")).as_deref() == Some(serial))
        .unwrap_or_else(|| panic!("there is no controller with serial {serial}"))
}

fn serial(number: u32) -> String {
    format!("flash{number}")
}
