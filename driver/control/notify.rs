// SPDX-License-Identifier: GPL-2.0-only

//! Notifications of group `config`: what became of a device.
//!
//! Called by the handlers while they hold the right to change the devices, so that sequence numbers
//! leave in order. A notification that cannot be sent never fails a command; the gap in the numbers
//! tells the listener to dump.

use super::{FAMILY, encode};
use crate::{
    device::Device,
    uapi::{Reason, cmd, device as attr, group},
};
use core::sync::atomic::{AtomicU64, Ordering};
use kernel::prelude::*;

/// Room for the sequence number and the reason.
const NOTIFICATION_ROOM: usize = 32;

/// Numbers the notifications.
pub(super) struct Notifier {
    seq: AtomicU64,
}

impl Notifier {
    /// The first notification will have the number 1.
    pub(super) fn new() -> Self {
        Self {
            seq: AtomicU64::new(0),
        }
    }

    /// Tells the listeners of `device`. May sleep.
    pub(super) fn send(&self, device: &Device, reason: Reason) {
        let seq = self.seq.fetch_add(1, Ordering::Relaxed) + 1;
        if !FAMILY.has_listeners(group::CONFIG_INDEX) {
            return;
        }
        match self.try_send(device, reason, seq) {
            Ok(()) => {}
            // The last listener left meanwhile.
            Err(error) if error == ESRCH => {}
            Err(error) => pr_warn!(
                "notification {seq} of shunt{} was not sent: {error:?}\n",
                device.id()
            ),
        }
    }

    fn try_send(&self, device: &Device, reason: Reason, seq: u64) -> Result {
        let room = encode::device_room(device) + NOTIFICATION_ROOM;
        let mut message = FAMILY.notification(cmd::DEVICE_NTF, seq as u32, room)?;
        let mut writer = message.writer();
        encode::device(&mut writer, device)?;
        writer.uint(attr::SEQ, seq)?;
        writer.u32(attr::REASON, reason as u32)?;
        FAMILY.multicast(message, group::CONFIG_INDEX)
    }
}
