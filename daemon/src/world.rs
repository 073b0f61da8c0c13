// SPDX-License-Identifier: MIT OR Apache-2.0
//! The devices as they were last heard of, and what a message or a new list changes about them.
//! The monitor keeps one. Pure.

use std::collections::BTreeMap;

use crate::model::{Device, Notification, Reason, State};

/// Something that happened to a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// What happened.
    pub reason: Reason,
    /// The device after it, or as it was last known if it is gone.
    pub device: Device,
    /// Operations that failed because a backing device was lost, if the kernel told.
    pub failed: Option<u64>,
}

impl Change {
    /// A change that was found by comparing lists.
    fn new(reason: Reason, device: Device) -> Self {
        Self {
            reason,
            device,
            failed: None,
        }
    }
}

/// The devices that are known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct World {
    devices: BTreeMap<u32, Device>,
}

impl World {
    /// The devices in the order of their numbers.
    pub fn devices(&self) -> impl Iterator<Item = &Device> {
        self.devices.values()
    }

    /// Takes a device in as an answer told it.
    pub fn learn(&mut self, device: Device) {
        self.devices.insert(device.id, device);
    }

    /// Takes in that a device is gone, if it is known.
    pub fn forget(&mut self, device: &Device) {
        let known = self.devices.get(&device.id);
        if known.is_some_and(|known| known.generation == device.generation) {
            self.devices.remove(&device.id);
        }
    }

    /// Takes a notification in. None if it tells nothing new: it may be about something that the
    /// list made after it already showed.
    pub fn apply(&mut self, notification: Notification) -> Option<Change> {
        let Notification {
            reason,
            device,
            failed,
            ..
        } = notification;
        let known = self
            .devices
            .get(&device.id)
            .filter(|known| known.generation == device.generation);
        match (reason, known) {
            (Reason::Destroyed, None) => return None,
            (Reason::Destroyed, Some(_)) => {
                self.devices.remove(&device.id);
            }
            // It went before the list was made; had it come since, that would have been told first.
            (Reason::Changed | Reason::Lost, None) => return None,
            (_, Some(known)) if *known == device => return None,
            _ => {
                self.devices.insert(device.id, device.clone());
            }
        }
        Some(Change {
            reason,
            device,
            failed,
        })
    }

    /// Takes a complete list in. Returns what differs from what was known: first the devices that
    /// went, then those that came or changed, each in the order of their numbers.
    pub fn replace(&mut self, devices: Vec<Device>) -> Vec<Change> {
        let now: BTreeMap<u32, Device> = devices.into_iter().map(|d| (d.id, d)).collect();
        let same = |device: &Device, others: &BTreeMap<u32, Device>| {
            others
                .get(&device.id)
                .is_some_and(|other| other.generation == device.generation)
        };
        let gone = self
            .devices
            .values()
            .filter(|device| !same(device, &now))
            .map(|device| Change::new(Reason::Destroyed, device.clone()));
        let come = now.values().filter_map(|device| {
            let reason = match self.devices.get(&device.id) {
                Some(before) if before == device => return None,
                Some(before) if before.generation == device.generation => {
                    if device.state == State::Lost && before.state != State::Lost {
                        Reason::Lost
                    } else {
                        Reason::Changed
                    }
                }
                _ => Reason::Created,
            };
            Some(Change::new(reason, device.clone()))
        });
        let changes = gone.chain(come).collect();
        self.devices = now;
        changes
    }
}

#[cfg(test)]
mod tests;
