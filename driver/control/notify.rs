// SPDX-License-Identifier: GPL-2.0-only

//! Notifications of group `config`: what became of a device.
//!
//! Called by the handlers while they hold the right to change the devices, and by [`super::lost`].
//! The lock of the number is held until the message has left, so that numbers leave in order; it is
//! taken after all others. A notification that cannot be sent never fails a command; the gap in the
//! numbers tells the listener to dump.

use super::{FAMILY, encode};
use crate::{
    device::Device,
    uapi::{Reason, cmd, device as attr, group},
};
use kernel::{new_mutex, prelude::*, sync::Mutex};

/// Room for the sequence number, the reason, and what failed.
const NOTIFICATION_ROOM: usize = 48;

/// Numbers the notifications.
#[pin_data]
pub(super) struct Notifier {
    #[pin]
    seq: Mutex<u64>,
}

impl Notifier {
    /// The first notification will have the number 1.
    pub(super) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            seq <- new_mutex!(0),
        })
    }

    /// Tells the listeners of `device`, and how many operations `failed`. Sleeps.
    pub(super) fn send(&self, device: &Device, reason: Reason, failed: Option<u64>) {
        let mut seq = self.seq.lock();
        *seq += 1;
        if !FAMILY.has_listeners(group::CONFIG_INDEX) {
            return;
        }
        match try_send(device, reason, failed, *seq) {
            Ok(()) => {}
            // The last listener left meanwhile.
            Err(error) if error == ESRCH => {}
            Err(error) => pr_warn!(
                "notification {} of shunt{} was not sent: {error:?}\n",
                *seq,
                device.id()
            ),
        }
    }
}

fn try_send(device: &Device, reason: Reason, failed: Option<u64>, seq: u64) -> Result {
    let room = encode::device_room(device) + NOTIFICATION_ROOM;
    let mut message = FAMILY.notification(cmd::DEVICE_NTF, seq as u32, room)?;
    let mut writer = message.writer();
    encode::device(&mut writer, device)?;
    writer.uint(attr::SEQ, seq)?;
    writer.u32(attr::REASON, reason as u32)?;
    if let Some(failed) = failed {
        writer.uint(attr::FAILED, failed)?;
    }
    FAMILY.multicast(message, group::CONFIG_INDEX)
}
