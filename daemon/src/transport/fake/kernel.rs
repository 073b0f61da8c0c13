// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the fake is behind its lock: the table, who listens, and what the test has ordered.

use std::{collections::BTreeMap, time::Duration};

use nix::libc::{EPERM, ERANGE};
use shunt_uapi::{INTERVAL_DEFAULT, INTERVAL_MAX, INTERVAL_MIN, cmd};

use super::{layout::Drive, mailbox::Mailbox, table::Table};
use crate::{
    error::{Error, Refusal, Result},
    model::{Device, Notification, Reason, Sample},
    wire::{Message, event, stats},
};

/// Notifications that a listener may leave untaken unless [`Fake::set_room`](super::Fake::set_room) says otherwise.
pub(super) const ROOM: usize = 1000;

/// What the fake is behind its lock.
#[derive(Debug)]
pub(super) struct Kernel {
    pub(super) loaded: bool,
    pub(super) version: Option<String>,
    pub(super) privileged: bool,
    pub(super) table: Table,
    pub(super) sequence: u64,
    pub(super) listeners: Vec<Mailbox>,
    pub(super) samples: Samples,
    /// Who waits for the module.
    pub(super) waiters: Vec<Mailbox>,
    pub(super) room: usize,
    pub(super) interruptions: u32,
    pub(super) lose_next: bool,
    /// What paths lead to once they were opened.
    pub(super) turning: BTreeMap<String, Drive>,
    /// Whether all drives have their names.
    pub(super) settled: bool,
}

/// What is sent to group `stats`.
#[derive(Debug)]
pub(super) struct Samples {
    pub(super) sequence: u64,
    pub(super) dropped: u64,
    pub(super) interval: Duration,
    pub(super) listeners: Vec<Mailbox>,
}

impl Default for Samples {
    fn default() -> Self {
        Self {
            sequence: 0,
            dropped: 0,
            interval: Duration::from_millis(INTERVAL_DEFAULT.into()),
            listeners: Vec::new(),
        }
    }
}

impl Default for Kernel {
    fn default() -> Self {
        Self {
            loaded: true,
            version: Some(env!("CARGO_PKG_VERSION").to_owned()),
            privileged: true,
            table: Table::default(),
            sequence: 0,
            listeners: Vec::new(),
            samples: Samples::default(),
            waiters: Vec::new(),
            room: ROOM,
            interruptions: 0,
            lose_next: false,
            turning: BTreeMap::new(),
            settled: true,
        }
    }
}

impl Kernel {
    pub(super) fn notify(&mut self, reason: Reason, device: Device) {
        self.notify_with(reason, device, None);
    }

    pub(super) fn notify_with(&mut self, reason: Reason, device: Device, failed: Option<u64>) {
        self.sequence += 1;
        if std::mem::take(&mut self.lose_next) {
            return;
        }
        let notification = Notification {
            sequence: self.sequence,
            reason,
            failed,
            device,
        };
        // What is in the table came in over the wire, so it fits in a message.
        if let Ok(message) = event::encode(&notification) {
            self.listeners
                .retain(|listener| listener.deliver(&message, self.room));
        }
    }

    pub(super) fn send_samples(&mut self) {
        let samples = &mut self.samples;
        samples.listeners.retain(Mailbox::is_open);
        if samples.listeners.is_empty() {
            return;
        }
        samples.sequence += 1;
        if std::mem::take(&mut self.lose_next) {
            samples.dropped += 1;
            return;
        }
        let ids: Vec<u32> = self.table.devices().map(|device| device.id).collect();
        let sample = Sample {
            sequence: samples.sequence,
            time: self.table.time(),
            dropped: samples.dropped,
            interval: samples.interval,
            devices: ids.iter().filter_map(|id| self.table.stats(*id)).collect(),
        };
        if let Ok(message) = stats::encode_sample(&sample) {
            for listener in &samples.listeners {
                listener.deliver(&message, self.room);
            }
        }
    }

    /// Answers stats-set: the interval that holds now.
    pub(super) fn set_interval(&mut self, wanted: Option<Duration>) -> Result<Message> {
        if let Some(wanted) = wanted {
            let range = u128::from(INTERVAL_MIN)..=u128::from(INTERVAL_MAX);
            if !range.contains(&wanted.as_millis()) {
                return Err(refused(ERANGE));
            }
            self.samples.interval = wanted;
        }
        Ok(stats::set_interval(Some(self.samples.interval)))
    }

    pub(super) fn check(&self, command: u8) -> Result<()> {
        if !self.loaded {
            return Err(Error::NotLoaded);
        }
        if !self.privileged && !matches!(command, cmd::STATS_GET | cmd::STATS_NTF | cmd::MODULE_GET)
        {
            return Err(refused(EPERM));
        }
        Ok(())
    }
}

/// A refusal that tells no more than its number.
pub(super) fn refused(errno: i32) -> Error {
    Error::Refused(Refusal {
        errno,
        ..Refusal::default()
    })
}
