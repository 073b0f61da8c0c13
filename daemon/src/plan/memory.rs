// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which drive each name of the files led to while a device was on it. With it the plan knows a drive
//! again that comes back under other numbers, and one that only has the name of another. The daemon
//! keeps one; `shunt apply`, whose plan a person can read before, needs none.

use std::collections::BTreeMap;

use super::row;
use crate::{
    config::{DriveName, Wanted},
    machine::{Drive, Found, Identity, Machine},
    model::{Device, State},
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
    /// Takes in which drives the names of the files lead to. One that a device is on is surest; a name
    /// that is new here is taken as it is, but not where a device is on something that had it before.
    pub fn learn(&mut self, wanted: &[Wanted], present: &[Device], machine: &dyn Machine) {
        for wanted in wanted {
            let Some(device) = present.iter().find(|device| device.name == wanted.name) else {
                continue;
            };
            for (row, target) in wanted.targets.iter().zip(&device.targets) {
                let Found::Drive(drive) = machine.find(&row.drive) else {
                    continue;
                };
                if row::is_on(&drive, target) {
                    if !self.contradicts(&row.drive, &drive) {
                        self.0.insert(row.drive.clone(), Seen::from(&drive));
                    }
                } else if self.of(&row.drive).is_none() {
                    let seen = had_the_name(present, &row.drive);
                    self.0.extend(
                        seen.unwrap_or_else(|| Some(Seen::from(&drive)))
                            .map(|seen| (row.drive.clone(), seen)),
                    );
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
            let there_still = || {
                seen.number == drive.number() && !seen.identity.is_of_another_disk(&drive.identity)
            };
            !same.unwrap_or_else(there_still)
        })
    }
}

/// What devices say of a name that leads elsewhere now: none if they do not have it, else the drive that
/// had it, if that is there still.
fn had_the_name(present: &[Device], name: &DriveName) -> Option<Option<Seen>> {
    let DriveName::Path(path) = name else {
        return None;
    };
    let mut targets = present.iter().flat_map(|device| &device.targets);
    let target = targets.find(|target| target.path == *path)?;
    let seen = Seen {
        number: target.number(),
        identity: Identity::default(),
    };
    Some(Some(seen).filter(|_| target.state != State::Lost))
}

impl From<&Drive> for Seen {
    fn from(drive: &Drive) -> Self {
        Self {
            number: drive.number(),
            identity: drive.identity.clone(),
        }
    }
}
