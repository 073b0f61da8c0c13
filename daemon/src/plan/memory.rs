// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which drive each name of the files led to while a device was on it. With it the plan knows a drive
//! again that comes back under other numbers, and one that only has the name of another. The daemon
//! keeps one; `shunt apply`, whose plan a person can read before, needs none.

use std::collections::BTreeMap;

use super::row;
use crate::{
    config::{DriveName, Wanted},
    machine::{Drive, Found, Identity, Machine},
    model::Device,
};

/// What names led to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Memory(BTreeMap<DriveName, Seen>);

/// A drive as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    /// Its numbers.
    pub(super) number: (u32, u32),
    /// What told it from others.
    pub(super) identity: Identity,
}

impl Memory {
    /// Takes in the drives that devices are on by the names of the files. A name that leads elsewhere
    /// than to the drive of its device teaches nothing.
    pub fn learn(&mut self, wanted: &[Wanted], present: &[Device], machine: &dyn Machine) {
        for wanted in wanted {
            let Some(device) = present.iter().find(|device| device.name == wanted.name) else {
                continue;
            };
            for (row, target) in wanted.targets.iter().zip(&device.targets) {
                let Found::Drive(drive) = machine.find(&row.drive) else {
                    continue;
                };
                if row::is_on(&drive, target) && !self.contradicts(&row.drive, &drive) {
                    self.0.insert(row.drive.clone(), Seen::from(&drive));
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

    /// What a name led to, if it is known.
    pub(super) fn of(&self, name: &DriveName) -> Option<&Seen> {
        self.0.get(name)
    }

    /// Whether a drive has the numbers of the one that the name led to and is another: that one went,
    /// and the kernel's word of it is still to be read.
    pub(super) fn contradicts(&self, name: &DriveName, drive: &Drive) -> bool {
        self.of(name).is_some_and(|seen| {
            seen.number == drive.number() && seen.identity.is_of_another_disk(&drive.identity)
        })
    }

    /// Whether a name leads to another drive than it did, or to one of which that cannot be told.
    pub(super) fn is_stranger(&self, name: &DriveName, drive: &Drive) -> bool {
        self.of(name).is_some_and(|seen| {
            let same = seen.identity.is_same(&drive.identity);
            !same.unwrap_or(seen.number == drive.number())
        })
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
