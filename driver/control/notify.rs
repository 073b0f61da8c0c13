// SPDX-License-Identifier: GPL-2.0-only

//! Notifications of group `config`: what became of a device.
//!
//! Called by the handlers while they hold the right to change the devices, and by [`super::lost`].
//! The lock of the number is held until the message has left, so that numbers leave in order; it is
//! taken after all others. A notification that cannot be sent never fails a command; the error of
//! the socket, and the gap in the numbers, tell the listener to dump.

use super::{FAMILY, encode};
use crate::{
    device::Device,
    kernel_ext::clock::monotonic_ns,
    uapi::{Reason, cmd, device as attr, group},
};
use kernel::{new_mutex, prelude::*, sync::Mutex};

/// Room for what a notification has beyond the device.
const NOTIFICATION_ROOM: usize = 80;

struct Sent {
    /// Number of the last notification.
    seq: u64,
    /// Those that could not be sent.
    dropped: u64,
}

/// Numbers the notifications.
#[pin_data]
pub(super) struct Notifier {
    #[pin]
    sent: Mutex<Sent>,
}

impl Notifier {
    /// The first notification will have the number 1.
    pub(super) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            sent <- new_mutex!(Sent { seq: 0, dropped: 0 }),
        })
    }

    /// Tells the listeners of `device`, and how many operations `failed`. Sleeps.
    pub(super) fn send(&self, device: &Device, reason: Reason, failed: Option<u64>) {
        let mut sent = self.sent.lock();
        sent.seq += 1;
        if !FAMILY.has_listeners(group::CONFIG_INDEX) {
            return;
        }
        match try_send(device, reason, failed, &sent) {
            Ok(()) => {}
            // The last listener left meanwhile.
            Err(error) if error == ESRCH => {}
            Err(_) => {
                sent.dropped += 1;
                // The next number, which would show the gap, may be long in coming.
                FAMILY.tell_loss(group::CONFIG_INDEX);
            }
        }
    }
}

fn try_send(device: &Device, reason: Reason, failed: Option<u64>, sent: &Sent) -> Result {
    let room = encode::device_room(device) + NOTIFICATION_ROOM;
    let mut message = FAMILY.notification(cmd::DEVICE_NTF, sent.seq as u32, room)?;
    let mut writer = message.writer();
    encode::device(&mut writer, device)?;
    writer.uint(attr::SEQ, sent.seq)?;
    writer.uint(attr::TIME, monotonic_ns())?;
    writer.uint(attr::DROPPED, sent.dropped)?;
    writer.u32(attr::REASON, reason as u32)?;
    if let Some(failed) = failed {
        writer.uint(attr::FAILED, failed)?;
    }
    FAMILY.multicast(message, group::CONFIG_INDEX)
}
