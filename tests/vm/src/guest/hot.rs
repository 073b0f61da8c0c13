// SPDX-License-Identifier: MIT OR Apache-2.0
//! Drives that are plugged in and pulled while the system runs. Their images and slots are in `host/drives.rs`.

use std::path::Path;

use serde_json::json;

use super::flash::{Flash, find};
use super::monitor::order;
use super::wait::wait_until;

/// A drive in a slot, with serial number `hotN`.
pub(crate) struct Hot {
    number: u32,
    drive: Option<Flash>,
}

impl Hot {
    /// Plugs drive N into slot N and waits until it is there.
    #[track_caller]
    pub(crate) fn plug(number: u32) -> Self {
        let mut hot = Self {
            number,
            drive: None,
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
        order("device_add", device, None);
        let is_there = |drive: &Flash| Path::new(&drive.path).exists() && drive.bytes > 0;
        wait_until("the drive is there", || {
            self.drive = find(&id).filter(is_there);
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
        order(
            "device_del",
            json!({"id": self.id()}),
            Some("DEVICE_DELETED"),
        );
        self.gone();
    }

    /// Waits until the kernel has let the drive go.
    #[track_caller]
    fn gone(&mut self) {
        wait_until("the drive is gone", || find(&self.id()).is_none());
        self.drive = None;
    }

    fn id(&self) -> String {
        format!("hot{}", self.number)
    }
}
