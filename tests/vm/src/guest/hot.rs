// SPDX-License-Identifier: MIT OR Apache-2.0
//! Drives that are plugged in and pulled while the system runs. Their images and slots are in `host/drives.rs`.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::thread;
use std::time::Duration;

use serde_json::json;

use super::case::skip;
use super::debug_kernel;
use super::flash::{Flash, find, find_ready};
use super::monitor::{order, try_order};
use super::wait::{Poll, wait_until};

/// Offsets in the configuration space of a PCI device: where its list of capabilities begins, and where in the one for PCI
/// Express the control register of the slot is.
const CAPABILITIES: u64 = 0x34;
const PCI_EXPRESS: u16 = 0x10;
const SLOT_CONTROL: u64 = 0x18;

/// Power of the slot, and its lamp, off.
const POWER_OFF: u16 = (1 << 10) | (3 << 8);

/// The slot tells of what happens in it.
const INTERRUPT: u16 = 1 << 5;

/// A drive in a slot, with serial number `hotN`; pulled on drop.
pub(crate) struct Hot {
    number: u32,
    drive: Option<Flash>,
    slot: Option<Slot>,
}

impl Hot {
    /// Plugs drive N into slot N and waits until it is there; to be called before anything is set up.
    #[track_caller]
    pub(crate) fn plug(number: u32) -> Self {
        if debug_kernel::runs() {
            // The kernel's driver of slots takes two of its own locks in both orders, and lockdep ends with its first report.
            skip("lockdep would stop at the kernel's own driver of slots");
        }
        let mut hot = Self {
            number,
            drive: None,
            slot: None,
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
        wait_until("the drive is there", || {
            self.drive = find_ready(&id);
            self.drive.is_some()
        });
        self.slot = Some(Slot::of(self.drive()));
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
        order(
            "device_del",
            json!({"id": self.id()}),
            Some("DEVICE_DELETED"),
        );
        self.gone();
    }

    /// Takes the drive out unannounced: from one moment to the next nothing answers in its slot. What is done `meanwhile`
    /// is done before the kernel learns of it. See [`Self::gone`].
    #[track_caller]
    pub(crate) fn tear_out<T>(&self, meanwhile: impl FnOnce() -> T) -> T {
        let slot = self.slot.as_ref().expect("the drive is in a slot");
        let now = slot.control();
        // With the power off QEMU takes the drive out. The kernel is to learn of it when the power is on again: else it would
        // take it for its own doing.
        slot.set_control((now | POWER_OFF) & !INTERRUPT);
        let done = meanwhile();
        slot.set_control(now);
        done
    }

    /// Waits until the kernel has let the drive go, and has its slot ready for another.
    #[track_caller]
    pub(crate) fn gone(&mut self) {
        wait_until("the drive is gone", || {
            let slot = self.slot.as_ref();
            let off = slot.is_none_or(|slot| slot.control() & POWER_OFF == POWER_OFF);
            off && find(&self.id()).is_none()
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
    /// The slot that a drive is in.
    #[track_caller]
    fn of(drive: &Flash) -> Self {
        let device = format!("/sys/block/{}/device/device", drive.name);
        let device = fs::canonicalize(&device).unwrap_or_else(|why| panic!("{device}: {why}"));
        let config = device.join("../config");
        let opened = OpenOptions::new().read(true).write(true).open(&config);
        let config = opened.unwrap_or_else(|why| panic!("{}: {why}", config.display()));
        let mut slot = Self { config, place: 0 };
        let mut place = slot.read(CAPABILITIES) & 0xff;
        while slot.read(place.into()) & 0xff != PCI_EXPRESS {
            place = slot.read(place.into()) >> 8;
            assert!(place != 0, "the port of a drive is none of PCI Express");
        }
        slot.place = u64::from(place) + SLOT_CONTROL;
        slot
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
}
