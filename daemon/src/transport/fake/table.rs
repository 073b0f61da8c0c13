// SPDX-License-Identifier: MIT OR Apache-2.0
//! Drives and devices of the fake, and the rules by which the kernel takes or refuses a request.

use std::{collections::BTreeMap, time::Duration};

use nix::libc::{EIO, ENOENT, ENOTBLK};
use shunt_logic::{
    errno::Errno,
    name,
    promises::Promises,
    refusal::{Refused, TargetError},
};
use shunt_uapi::{SIZE_SHIFT, TARGETS_MAX};

use crate::model::{
    Bucket, Capabilities, Device, DeviceCaps, DeviceChange, DeviceSpec, Op, OpStats, Selector,
    State, Stats, StatsMode, Target, TargetSpec, capability,
};

use super::layout::{Drive, Layout};

/// Major number that the devices have as backing devices of others.
pub(super) const SHUNT_MAJOR: u32 = 240;

/// Sequence numbers of their disks begin here.
const OWN_DISKS: u64 = 1 << 32;

/// Drives, devices and their figures.
#[derive(Debug, Default)]
pub(super) struct Table {
    /// What is at each path; none for what is not a block device.
    paths: BTreeMap<String, Option<Drive>>,
    entries: BTreeMap<u32, Entry>,
    generation: u64,
    /// Serial and sequence number of the disk that has each number, and of which disk came last.
    disks: BTreeMap<(u32, u32), (Option<u64>, u64)>,
    diskseq: u64,
    time: u64,
}

/// A device with what the messages do not tell of it.
#[derive(Debug)]
struct Entry {
    device: Device,
    /// The table as it was asked for; one without a length grows with its drive.
    wanted: Vec<TargetSpec>,
    /// Whether it was frozen, if it is suspended.
    suspended: Option<bool>,
    /// Attempts to unmap it that will find it open.
    open: u32,
    stats: [OpStats; Op::ALL.len()],
}

impl Entry {
    /// Brings the state up to date; a loss is shown before a suspension.
    fn settle(&mut self) {
        let mut targets = self.device.targets.iter();
        self.device.state = if targets.any(|target| target.state == State::Lost) {
            State::Lost
        } else if self.suspended.is_some() {
            State::Suspended
        } else {
            State::Live
        };
    }
}

impl Table {
    /// Puts a drive at a path. It is the one that is there already if it has the numbers and the serial
    /// number of that.
    pub(super) fn add_drive(&mut self, path: &str, drive: Drive) {
        let disk = self.disks.entry((drive.major, drive.minor));
        let disk = disk.or_insert((drive.serial, 0));
        if disk.1 == 0 || disk.0 != drive.serial {
            self.diskseq += 1;
            *disk = (drive.serial, self.diskseq);
        }
        let diskseq = disk.1;
        self.paths
            .insert(path.to_owned(), Some(Drive { diskseq, ..drive }));
    }

    pub(super) fn describe_drive(&mut self, path: &str, serial: u64) {
        let Some(Some(drive)) = self.paths.get_mut(path) else {
            return;
        };
        drive.serial = Some(serial);
        if let Some(disk) = self.disks.get_mut(&(drive.major, drive.minor)) {
            disk.0 = Some(serial);
        }
    }

    pub(super) fn add_file(&mut self, path: &str) {
        self.paths.insert(path.to_owned(), None);
    }

    /// The paths at which there is something.
    #[cfg(feature = "config")]
    pub(super) fn paths(&self) -> impl Iterator<Item = &str> {
        self.paths.keys().map(String::as_str)
    }

    /// Takes a drive away and returns the devices that lost it.
    pub(super) fn remove_drive(&mut self, path: &str) -> Vec<Device> {
        let Some(Some(drive)) = self.paths.remove(path) else {
            return Vec::new();
        };
        self.disks.remove(&(drive.major, drive.minor));
        let mut lost = Vec::new();
        for entry in self.entries.values_mut() {
            let targets = &mut entry.device.targets;
            let mut hit = false;
            for target in targets.iter_mut().filter(|target| drive.is(target)) {
                target.state = State::Lost;
                hit = true;
            }
            if hit {
                entry.settle();
                lost.push(entry.device.clone());
            }
        }
        lost
    }

    pub(super) fn set_open(&mut self, id: u32, attempts: u32) {
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.open = attempts;
        }
    }

    pub(super) fn is_frozen(&self, id: u32) -> bool {
        self.entries.get(&id).and_then(|entry| entry.suspended) == Some(true)
    }

    pub(super) fn advance(&mut self, time: Duration) {
        self.time += u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    }

    pub(super) fn time(&self) -> u64 {
        self.time
    }

    pub(super) fn clear(&mut self) {
        self.entries.clear();
        self.generation = 0;
    }

    pub(super) fn devices(&self) -> impl Iterator<Item = &Device> {
        self.entries.values().map(|entry| &entry.device)
    }

    pub(super) fn find(&self, selector: &Selector) -> Result<&Device, Refused> {
        let device = match selector {
            Selector::Id(id) | Selector::Exactly { id, .. } | Selector::AsSeen { id, .. } => {
                let entry = self.entries.get(id);
                &entry.ok_or(Refused::UnknownId(*id))?.device
            }
            Selector::Name(name) => {
                let mut devices = self.devices();
                let named = devices.find(|device| device.name == *name);
                named.ok_or(Refused::UnknownName)?
            }
        };
        match *selector {
            Selector::Exactly {
                generation: wanted, ..
            }
            | Selector::AsSeen {
                generation: wanted, ..
            } if wanted != device.generation => Err(Refused::Generation {
                wanted,
                generation: device.generation,
            }),
            Selector::AsSeen {
                table_number: wanted,
                ..
            } if wanted != device.table_number => Err(Refused::TableNumber {
                wanted,
                number: device.table_number,
            }),
            _ => Ok(device),
        }
    }

    /// What a device can do, as far as the fake knows: the size of its blocks.
    pub(super) fn caps(&self, selector: &Selector) -> Result<DeviceCaps, Refused> {
        let device = self.find(selector)?.clone();
        let blocks = |bytes: u32| {
            let pair = (capability::LOGICAL_BLOCK_SIZE, u64::from(bytes));
            Capabilities([pair].into())
        };
        let drives = device.targets.iter().map(|target| self.drive(&target.path));
        let targets = drives
            .map(|drive| {
                drive.map_or_else(
                    |_| Capabilities::default(),
                    |drive| blocks(drive.logical_block_size),
                )
            })
            .collect();
        Ok(DeviceCaps {
            capabilities: blocks(device.logical_block_size),
            targets,
            device,
        })
    }

    pub(super) fn create(&mut self, spec: &DeviceSpec) -> Result<Device, Refused> {
        name::check(spec.name.as_bytes())?;
        if let Ok(other) = self.find(&Selector::name(&spec.name)) {
            return Err(Refused::NameTaken(other.id));
        }
        let layout = self.layout(&spec.targets, spec.stripe, None)?;
        self.generation += 1;
        let id = (0..).find(|id| !self.entries.contains_key(id));
        let device = Device {
            id: id.unwrap_or(u32::MAX),
            name: spec.name.clone(),
            state: State::Live,
            queue: spec.queue,
            stats: spec.stats,
            read_only: spec.read_only,
            size: layout.size,
            logical_block_size: layout.logical_block_size,
            targets: layout.targets,
            stripe: spec.stripe,
            generation: self.generation,
            table_number: 1,
        };
        let entry = Entry {
            device: device.clone(),
            wanted: spec.targets.clone(),
            suspended: None,
            open: 0,
            stats: Default::default(),
        };
        self.entries.insert(device.id, entry);
        Ok(device)
    }

    pub(super) fn change(
        &mut self,
        selector: &Selector,
        change: &DeviceChange,
    ) -> Result<Device, Refused> {
        let id = self.find(selector)?.id;
        match change {
            DeviceChange::Retarget { targets, stripe } => self.retarget(id, targets, *stripe)?,
            DeviceChange::Resize => {
                if let Some(entry) = self.entries.get(&id) {
                    let (wanted, stripe) = (entry.wanted.clone(), entry.device.stripe);
                    self.retarget(id, &wanted, stripe)?;
                }
            }
            _ => {}
        }
        let Some(entry) = self.entries.get_mut(&id) else {
            return Err(Refused::UnknownId(id));
        };
        match change {
            DeviceChange::Suspend { freeze: true } if entry.suspended == Some(false) => {
                return Err(Refused::SuspendedUnfrozen);
            }
            DeviceChange::Suspend { freeze } => entry.suspended = entry.suspended.or(Some(*freeze)),
            DeviceChange::Resume => entry.suspended = None,
            DeviceChange::Settings { stats, read_only } => {
                let device = &mut entry.device;
                device.stats = stats.unwrap_or(device.stats);
                device.read_only = read_only.unwrap_or(device.read_only);
            }
            DeviceChange::Retarget { .. } | DeviceChange::Resize => {}
        }
        entry.settle();
        Ok(entry.device.clone())
    }

    fn retarget(
        &mut self,
        id: u32,
        targets: &[TargetSpec],
        stripe: Option<u64>,
    ) -> Result<(), Refused> {
        let layout = self.layout(targets, stripe, Some(id))?;
        let Some(entry) = self.entries.get_mut(&id) else {
            return Ok(());
        };
        let device = &mut entry.device;
        if layout.size < device.size {
            return Err(Refused::Shorter {
                table: layout.size,
                device: device.size,
            });
        }
        let promises = |logical_block| Promises {
            logical_block,
            ..Promises::default()
        };
        let promised = promises(device.logical_block_size);
        if let Some(what) = promises(layout.logical_block_size).lacks(&promised) {
            return Err(Refused::Promised(what));
        }
        device.size = layout.size;
        device.targets = layout.targets;
        device.stripe = stripe;
        device.table_number += 1;
        entry.wanted = targets.to_vec();
        Ok(())
    }

    /// The table that `targets` make, for a new device or for `user`, whose own bytes it may have.
    fn layout(
        &self,
        targets: &[TargetSpec],
        stripe: Option<u64>,
        user: Option<u32>,
    ) -> Result<Layout, Refused> {
        if targets.is_empty() {
            return Err(Refused::Missing("device's target"));
        }
        if targets.len() > TARGETS_MAX as usize {
            return Err(Refused::TooManyTargets);
        }
        let old = user.and_then(|user| self.entries.get(&user));
        let old = old.map(|entry| &entry.device);
        let drive = |path: &str| {
            let found = self.drive(path);
            found.map_err(|errno| TargetError::Backing(Errno::of(errno)))
        };
        let layout = Layout::new(targets, stripe, old, drive)?;
        for device in self.devices().filter(|device| Some(device.id) != user) {
            layout.check_free(device)?;
        }
        match user {
            Some(user) if self.stands_on(&layout.targets, user) => {
                Err(TargetError::LeadsBack.at(0))
            }
            _ => Ok(layout),
        }
    }

    /// Whether a table stands on device `user`. No table ever stood on its own device, so the walk
    /// down ends.
    fn stands_on(&self, targets: &[Target], user: u32) -> bool {
        let mut below = targets.iter().filter(|target| target.major == SHUNT_MAJOR);
        below.any(|target| {
            target.minor == user
                || self
                    .entries
                    .get(&target.minor)
                    .is_some_and(|entry| self.stands_on(&entry.device.targets, user))
        })
    }

    /// The disks from a backing device down to a device, both included.
    #[cfg(feature = "config")]
    pub(super) fn way_down(&self, major: u32, minor: u32, id: u32) -> Option<Vec<String>> {
        let entry = self.entries.get(&minor).filter(|_| major == SHUNT_MAJOR)?;
        let disk = entry.device.disk_name();
        if minor == id {
            return Some(vec![disk]);
        }
        let mut targets = entry.device.targets.iter();
        let mut way = targets.find_map(|target| self.way_down(target.major, target.minor, id))?;
        way.insert(0, disk);
        Some(way)
    }

    /// Whether a device is open, and not only for a moment.
    #[cfg(feature = "config")]
    pub(super) fn is_open(&self, id: u32) -> bool {
        self.entries
            .get(&id)
            .is_some_and(|entry| entry.open == u32::MAX)
    }

    pub(super) fn delete(&mut self, selector: &Selector, force: bool) -> Result<Device, Refused> {
        let device = self.find(selector)?.clone();
        let open = self
            .entries
            .get_mut(&device.id)
            .map(|entry| &mut entry.open);
        if let Some(attempts) = open.filter(|attempts| **attempts > 0 && !force) {
            *attempts = attempts.saturating_sub(1);
            return Err(Refused::Open(device.id));
        }
        self.entries.remove(&device.id);
        Ok(device)
    }

    pub(super) fn complete(
        &mut self,
        id: u32,
        op: Op,
        bytes: u64,
        latency: Duration,
        failed: bool,
    ) {
        let Some(Entry { device, stats, .. }) = self.entries.get_mut(&id) else {
            return;
        };
        let figures = &mut stats[op as usize];
        if device.stats != StatsMode::Off {
            figures.ios += 1;
            figures.bytes += bytes;
        }
        if device.stats == StatsMode::Full {
            let nanos = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX);
            figures.latency.record(nanos);
            figures.peak = figures.peak.max(1);
            record_size(&mut figures.sizes, bytes);
            if failed {
                figures.errors += 1;
                *figures.errors_by.entry(EIO as u32).or_default() += 1;
            }
        }
    }

    pub(super) fn stats(&self, id: u32) -> Option<Stats> {
        let Entry { device, stats, .. } = self.entries.get(&id)?;
        Some(Stats {
            id,
            name: device.name.clone(),
            generation: device.generation,
            time: self.time,
            in_flight: 0,
            ops: stats.clone(),
        })
    }

    /// What a path leads to; else the number of the error with which it cannot be opened.
    pub(super) fn drive(&self, path: &str) -> Result<Drive, i32> {
        let mut devices = self.devices();
        if let Some(device) = devices.find(|device| device.path() == path) {
            return Ok(Drive {
                logical_block_size: device.logical_block_size,
                diskseq: OWN_DISKS + device.generation,
                ..Drive::new(SHUNT_MAJOR, device.id, device.size)
            });
        }
        match self.paths.get(path) {
            Some(Some(drive)) => Ok(*drive),
            Some(None) => Err(ENOTBLK),
            None => Err(ENOENT),
        }
    }
}

fn record_size(sizes: &mut Vec<Bucket>, bytes: u64) {
    let le = bytes.next_power_of_two().max(1 << SIZE_SHIFT);
    match sizes.binary_search_by_key(&le, |bucket| bucket.le) {
        Ok(index) => sizes[index].count += 1,
        Err(index) => sizes.insert(index, Bucket { le, count: 1 }),
    }
}
