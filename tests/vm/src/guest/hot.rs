// SPDX-License-Identifier: MIT OR Apache-2.0
//! Drives that are plugged in and pulled while the system runs. Their images and slots are in `host/drives.rs`.
//!
//! On a stock kernel the driver of slots, pciehp, sees to what it is told of. On the debug kernel nobody drives them: pciehp
//! takes two of its own locks in both orders, and lockdep ends with its first report. So the case looks for what is
//! there, and takes away what is gone, by sysfs; the NVMe driver and all above it meet the same.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::thread;
use std::time::Duration;

use serde_json::json;

use super::debug_kernel;
use super::flash::{Flash, find, find_ready};
use super::monitor::{order, try_order};
use super::removal;
use super::sysfs;
use super::wait::{Poll, wait_until};

/// Offset in the configuration space of a PCI device, where its list of capabilities begins, and what the one for PCI
/// Express has as its first byte.
const CAPABILITIES: u64 = 0x34;
const PCI_EXPRESS: u16 = 0x10;

/// Offsets in that capability: what kind of port it is, the number of its slot (from bit 3 on), the slot's control register.
const FLAGS: u64 = 0x02;
const SLOT_NUMBER: u64 = 0x16;
const SLOT_CONTROL: u64 = 0x18;

/// The port has a slot.
const HAS_SLOT: u16 = 1 << 8;

/// Power of the slot, and its lamp: off, and what the lamp is when it is on.
const POWER_OFF: u16 = (1 << 10) | (3 << 8);
const POWER_ON: u16 = 1 << 8;

/// The slot tells of what happens in it.
const INTERRUPT: u16 = 1 << 5;

/// A drive in a slot, with serial number `hotN`; pulled on drop.
pub(crate) struct Hot {
    number: u32,
    drive: Option<Flash>,
    slot: Slot,
}

impl Hot {
    /// Plugs drive N into slot N and waits until it is there; to be called before anything is set up.
    #[track_caller]
    pub(crate) fn plug(number: u32) -> Self {
        let mut hot = Self {
            number,
            drive: None,
            slot: Slot::of(number),
        };
        hot.plug_again();
        hot
    }

    /// Plugs it in after it was pulled; it may have another name now.
    #[track_caller]
    pub(crate) fn plug_again(&mut self) {
        let id = self.id();
        let device = json!({
            "driver": "nvme",
            "id": id,
            "drive": id,
            "serial": id,
            "bus": format!("slot{}", self.number),
        });
        if debug_kernel::runs() {
            self.slot.power_on();
        }
        // What was torn out still has its image for a moment.
        let mut refusal = String::new();
        let plugged = Poll::for_at_most(Duration::from_secs(20)).until(|| {
            try_order("device_add", device.clone(), None)
                .map_err(|why| refusal = why)
                .ok()
        });
        assert!(
            plugged.is_some(),
            "QEMU does not plug the drive in: {refusal}"
        );
        if debug_kernel::runs() {
            removal::look();
        }
        wait_until("the drive is there", || {
            self.drive = find_ready(&id);
            self.drive.is_some()
        });
    }

    /// The drive.
    #[track_caller]
    pub(crate) fn drive(&self) -> &Flash {
        self.drive.as_ref().expect("the drive is plugged in")
    }

    /// Asks for the drive, as one does who presses the button beside it; returns once it is out. The kernel lets 5 s pass
    /// before it gives it up, for those who change their mind.
    #[track_caller]
    pub(crate) fn pull(&mut self) {
        if debug_kernel::runs() {
            removal::remove(&self.id());
            self.slot.power_off();
        } else {
            order(
                "device_del",
                json!({"id": self.id()}),
                Some("DEVICE_DELETED"),
            );
        }
        self.gone();
    }

    /// Takes the drive out unannounced: from one moment to the next nothing answers in its slot. What is done `meanwhile`
    /// is done before the kernel learns of it. See [`Self::gone`].
    #[track_caller]
    pub(crate) fn tear_out<T>(&self, meanwhile: impl FnOnce() -> T) -> T {
        let before = self.slot.control();
        // With the power off QEMU takes the drive out. The kernel is to learn of it when the power is on again: else it would
        // take it for its own doing.
        self.slot.set_control((before | POWER_OFF) & !INTERRUPT);
        let done = meanwhile();
        if debug_kernel::runs() {
            removal::remove(&self.id());
        } else {
            self.slot.set_control(before);
        }
        done
    }

    /// Waits until the kernel has let the drive go, and has its slot ready for another.
    #[track_caller]
    pub(crate) fn gone(&mut self) {
        wait_until("the drive is gone", || {
            self.slot.control() & POWER_OFF == POWER_OFF && find(&self.id()).is_none()
        });
        self.drive = None;
    }

    fn id(&self) -> String {
        format!("hot{}", self.number)
    }
}

impl Drop for Hot {
    fn drop(&mut self) {
        if self.drive.is_none() || thread::panicking() {
            return;
        }
        self.tear_out(|| ());
        self.gone();
    }
}

/// The control register of a slot, in the configuration space of its port.
struct Slot {
    config: File,
    place: u64,
}

impl Slot {
    /// Slot N of `host/drives.rs`.
    #[track_caller]
    fn of(number: u32) -> Self {
        let devices = sysfs::names("/sys/bus/pci/devices").into_iter();
        let mut slots = devices.filter_map(|device| {
            let config = format!("/sys/bus/pci/devices/{device}/config");
            let opened = OpenOptions::new().read(true).write(true).open(&config);
            let config = opened.unwrap_or_else(|why| panic!("{config}: {why}"));
            let mut slot = Self { config, place: 0 };
            let mut place = slot.read(CAPABILITIES) & 0xff;
            while place != 0 && slot.read(place.into()) & 0xff != PCI_EXPRESS {
                place = slot.read(place.into()) >> 8;
            }
            let begin = u64::from(place);
            let is_it = place != 0
                && slot.read(begin + FLAGS) & HAS_SLOT != 0
                && slot.read(begin + SLOT_NUMBER) >> 3 == number as u16 + 1;
            slot.place = begin + SLOT_CONTROL;
            is_it.then_some(slot)
        });
        slots
            .next()
            .unwrap_or_else(|| panic!("there is no slot {number}"))
    }

    #[track_caller]
    fn read(&self, place: u64) -> u16 {
        let mut word = [0; 2];
        let read = self.config.read_exact_at(&mut word, place);
        read.expect("a configuration space can be read");
        u16::from_le_bytes(word)
    }

    #[track_caller]
    fn control(&self) -> u16 {
        self.read(self.place)
    }

    #[track_caller]
    fn set_control(&self, value: u16) {
        let written = self.config.write_all_at(&value.to_le_bytes(), self.place);
        written.expect("a configuration space can be written");
    }

    #[track_caller]
    fn power_on(&self) {
        self.set_control((self.control() & !POWER_OFF) | POWER_ON);
    }

    #[track_caller]
    fn power_off(&self) {
        self.set_control(self.control() | POWER_OFF);
    }
}
