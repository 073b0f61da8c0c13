// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which drive each name of a file led to while the device that is wanted there was on it. With it the
//! plan knows a drive again that comes back under other numbers, and one that only has the name of another.
//! The daemon keeps one; `shunt apply`, whose plan a person can read before, needs none.

use std::collections::BTreeMap;

use super::row;
use crate::{
    config::{DriveName, Wanted},
    machine::{Drive, Found, Identity, Machine},
    model::{Device, State, Target},
};

/// What names led to, for each device that has them: one of two that share a name may have been mapped
/// anew when that led elsewhere.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Memory(BTreeMap<DriveName, BTreeMap<String, Seen>>);

/// A drive as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    /// Its numbers.
    pub(super) number: (u32, u32),
    /// What told it from others.
    pub(super) identity: Identity,
}

impl Memory {
    /// Takes in which drives the names of the files lead to. One that a device is on is surest; a name
    /// that is new here is taken as it is, but not where a device is on something that had it before.
    pub fn learn(&mut self, wanted: &[Wanted], present: &[Device], machine: &dyn Machine) {
        for wanted in wanted {
            let Some(device) = present.iter().find(|device| device.name == wanted.name) else {
                continue;
            };
            for (number, row) in wanted.targets.iter().enumerate() {
                let Found::Drive(drive) = machine.find(&row.drive) else {
                    continue;
                };
                let target = device.targets.get(number);
                let seen = if target.is_some_and(|target| row::is_on(&drive, target)) {
                    Some(Seen::from(&drive))
                } else if let Some(seen) = self.of_device(&wanted.name).of(&row.drive) {
                    Some(seen.clone())
                } else {
                    had_the_name(present, &row.drive, &drive)
                };
                if let Some(seen) = seen {
                    let of_name = self.0.entry(row.drive.clone()).or_default();
                    of_name.insert(wanted.name.clone(), seen);
                }
            }
        }
    }

    /// Forgets the names that are in no file any more.
    pub fn retain(&mut self, wanted: &[Wanted]) {
        let rows = || wanted.iter().flat_map(|wanted| &wanted.targets);
        self.0
            .retain(|name, _| rows().any(|row| row.drive == *name));
    }

    /// What a device goes by.
    pub(super) fn of_device<'a>(&'a self, device: &'a str) -> Known<'a> {
        Known {
            memory: self,
            device,
        }
    }
}

/// What is known of names as one device has them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known<'a> {
    memory: &'a Memory,
    device: &'a str,
}

impl<'a> Known<'a> {
    /// What a name led to, for this device or else for another.
    pub(super) fn of(&self, name: &DriveName) -> Option<&'a Seen> {
        let devices = self.memory.0.get(name)?;
        devices.get(self.device).or_else(|| devices.values().next())
    }

    /// Whether a name leads to another drive than it did, or to one of which that cannot be told.
    pub(super) fn is_stranger(&self, name: &DriveName, drive: &Drive) -> bool {
        self.of(name).is_some_and(|seen| {
            let one_number = seen.number == drive.number();
            let sequences = (seen.identity.sequence, drive.identity.sequence);
            if let (true, (Some(before), Some(now))) = (one_number, sequences) {
                if before == now {
                    return false;
                }
            }
            let there_still = || one_number && !seen.identity.is_of_another_disk(&drive.identity);
            let same = seen.identity.is_same(&drive.identity);
            !same.unwrap_or_else(there_still)
        })
    }
}

/// What a name leads to that is new, by what devices say of it: if one is on a drive that had it, that
/// one; if one has lost it, nothing.
fn had_the_name(present: &[Device], name: &DriveName, drive: &Drive) -> Option<Seen> {
    let mut targets = present.iter().flat_map(|device| &device.targets);
    let DriveName::Path(path) = name else {
        return Some(Seen::from(drive));
    };
    match targets.find(|target| target.path == *path) {
        Some(target) if target.state == State::Lost => None,
        Some(target) if !row::is_on(drive, target) => Some(Seen {
            number: target.number(),
            identity: Identity {
                sequence: Some(target.diskseq),
                ..Identity::default()
            },
        }),
        _ => Some(Seen::from(drive)),
    }
}

impl Seen {
    /// Whether a target is on it, or was, and not on a drive that had its numbers before or has them now.
    pub(super) fn had(&self, target: &Target) -> bool {
        let sequence = self.identity.sequence;
        self.number == target.number() && sequence.is_none_or(|seen| seen == target.diskseq)
    }
}

impl From<&Drive> for Seen {
    fn from(drive: &Drive) -> Self {
        Self {
            number: drive.number(),
            identity: drive.identity.clone(),
        }
    }
}
