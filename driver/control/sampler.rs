// SPDX-License-Identifier: GPL-2.0-only

//! Statistics to group `stats`, again and again while somebody listens.
//!
//! The first listener starts the rounds; the round that finds nobody ends them. So with no listener
//! no timer runs. Nothing here is on the way of an I/O.

use super::{Control, FAMILY, encode};
use crate::{
    error::Refused,
    kernel_ext::{
        clock::{monotonic_ns, sleep_us},
        net::genl::Message,
        work::Run,
    },
    registry::Key,
    uapi::{INTERVAL_DEFAULT, cmd, group, sample},
};
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use kernel::prelude::*;

/// Room in a message for the statistics of several devices, in bytes.
const ROOM: usize = 12 * 1024;

/// Time from one message of a round to the next, in µs: a listener with the default receive buffer
/// keeps up with a thousand devices.
const PAUSE: u64 = 1000;

/// Sends the rounds.
pub(super) struct Sampler {
    interval_ms: AtomicU32,
    seq: AtomicU64,
    dropped: AtomicU64,
}

impl Sampler {
    /// Nothing has been sent.
    pub(super) fn new() -> Self {
        Self {
            interval_ms: AtomicU32::new(INTERVAL_DEFAULT),
            seq: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
        }
    }

    /// Time from one round to the next, in ms.
    pub(super) fn interval_ms(&self) -> u32 {
        self.interval_ms.load(Ordering::Relaxed)
    }

    /// Changes the time from one round to the next, once the present one is over.
    pub(super) fn set_interval_ms(&self, ms: u32) {
        self.interval_ms.store(ms, Ordering::Relaxed);
    }

    /// Sends one round. Sleeps.
    fn round(&self, control: &Control) {
        let mut message = self.begin(ROOM);
        let mut from = 0;
        while let Some(id) = control.registry.next_id(from) {
            from = id + 1;
            let key = Key::id(id);
            let fits = message
                .as_mut()
                .is_some_and(|m| write(control, &key, m).is_ok());
            if !fits {
                self.send(message.take());
                sleep_us(PAUSE);
                // One device alone may need more than the usual room.
                message = self.begin(encode::STATS_ROOM);
                if let Some(message) = &mut message {
                    // If it has gone meanwhile, there is nothing to tell of it.
                    let _ = write(control, &key, message);
                }
            }
        }
        self.send(message);
    }

    fn begin(&self, room: usize) -> Option<Message> {
        let seq = self.seq.fetch_add(1, Ordering::Relaxed) + 1;
        let begun = FAMILY
            .notification(cmd::STATS_NTF, seq as u32, room)
            .map_err(Error::from)
            .and_then(|mut message| {
                let mut writer = message.writer();
                writer.uint(sample::SEQ, seq)?;
                writer.uint(sample::TIME, monotonic_ns())?;
                writer.uint(sample::DROPPED, self.dropped.load(Ordering::Relaxed))?;
                writer.u32(sample::INTERVAL, self.interval_ms())?;
                Ok(message)
            });
        if begun.is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        begun.ok()
    }

    fn send(&self, message: Option<Message>) {
        let sent = message.map_or(Ok(()), |m| FAMILY.multicast(m, group::STATS_INDEX));
        // Without listeners nothing is lost.
        if sent.is_err_and(|error| error != ESRCH) {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn write(control: &Control, key: &Key, message: &mut Message) -> Result<(), Refused> {
    control.registry.with(key, |device| {
        let mut writer = message.writer();
        writer.nest(sample::DEVICE, |writer| encode::stats(writer, device))?;
        Ok(())
    })
}

impl Run for Sampler {
    fn run(&self) -> Option<u32> {
        if !FAMILY.has_listeners(group::STATS_INDEX) {
            return None;
        }
        FAMILY.with(|control| self.round(control));
        Some(self.interval_ms())
    }
}
