// SPDX-License-Identifier: MIT OR Apache-2.0
//! A person who reads a file and looks at the drives, and so knows which one each row means.

use std::collections::BTreeMap;

use super::{
    DEVICES, File, NAMES,
    drives::{Content, Drives},
};
use crate::model::{Device, State};

/// A file, and what its names mean.
#[derive(Clone, Debug)]
pub(super) struct Reader {
    pub(super) file: File,
    /// For a device and a name: the drive that it was on by this name, or that the name led to when it
    /// was first seen for a device that is there.
    meant: BTreeMap<(usize, usize), Content>,
}

impl Reader {
    pub(super) fn of(file: &File) -> Self {
        Self {
            file: file.clone(),
            meant: BTreeMap::new(),
        }
    }

    /// Who looks at what all names lead to.
    pub(super) fn who_looked(file: &File, drives: &Drives) -> Self {
        let rows =
            (0..DEVICES.len()).flat_map(|device| (0..NAMES.len()).map(move |name| (device, name)));
        let meant = rows.filter_map(|row| Some((row, drives.named(row.1)?)));
        Self {
            file: file.clone(),
            meant: meant.collect(),
        }
    }

    /// Takes another file. A name that it has, too, means what it meant.
    pub(super) fn takes(&mut self, file: &File) {
        self.file = file.clone();
        let entries = || file.0.iter().flatten();
        self.meant
            .retain(|(_, name), _| entries().any(|entry| entry.rows.contains(name)));
    }

    /// The name of a row.
    pub(super) fn name(&self, device: usize, row: usize) -> Option<usize> {
        self.file.0[device].as_ref()?.rows.get(row).copied()
    }

    /// What a name means for a device, if that is known.
    pub(super) fn meant(&self, device: usize, name: usize) -> Option<Content> {
        let own = self.meant.get(&(device, name));
        let all = || (0..DEVICES.len()).find_map(|other| self.meant.get(&(other, name)));
        own.or_else(all).copied()
    }

    /// Looks at what the names lead to.
    pub(super) fn look(&mut self, devices: &[Device], drives: &Drives) {
        for (number, entry) in self.file.0.iter().enumerate() {
            let device = devices.iter().find(|device| device.name == DEVICES[number]);
            let (Some(entry), Some(device)) = (entry, device) else {
                continue;
            };
            for (row, name) in entry.rows.iter().enumerate() {
                let Some(leads_to) = drives.named(*name) else {
                    continue;
                };
                let target = device.targets.get(row);
                let is_on = target.and_then(|target| drives.of_target(target)) == Some(leads_to);
                let meant = match self.meant(number, *name) {
                    _ if is_on => Some(leads_to),
                    Some(meant) => Some(meant),
                    None => {
                        let mut targets = devices.iter().flat_map(|device| &device.targets);
                        match targets.find(|target| target.path == NAMES[*name]) {
                            Some(target) if target.state == State::Lost => None,
                            Some(target) => drives.of_target(target),
                            None => Some(leads_to),
                        }
                    }
                };
                self.meant
                    .extend(meant.map(|meant| ((number, *name), meant)));
            }
        }
    }
}
