// SPDX-License-Identifier: MIT OR Apache-2.0
//! Drives and devices of the fake, and the rules by which the kernel takes or refuses a request.

use std::{collections::BTreeMap, time::Duration};

use nix::libc::{
    E2BIG, EBUSY, EEXIST, EINVAL, EIO, ELOOP, ENODEV, ENOENT, ENOTBLK, EOPNOTSUPP, ERANGE, ESTALE,
};
use shunt_uapi::{NAME_MAX, SIZE_SHIFT, TARGETS_MAX};

use crate::{
    error::Refusal,
    model::{
        Bucket, Capabilities, Device, DeviceCaps, DeviceChange, DeviceSpec, Op, OpStats, Selector,
        State, Stats, StatsMode, Target, TargetSpec, capability,
    },
    name,
};

use super::layout::{Drive, Layout};

/// What a rule is found to be: kept, or broken.
pub(super) type Checked<T> = Result<T, Refusal>;

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

pub(super) fn refuse<T>(errno: i32, text: impl Into<String>) -> Checked<T> {
    Err(Refusal::new(errno, text))
}

/// Refuses a part of the request.
pub(super) fn refuse_part<T>(errno: i32, word: &str, text: impl Into<String>) -> Checked<T> {
    Err(Refusal::new(errno, text).of(word))
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

    pub(super) fn find(&self, selector: &Selector) -> Checked<&Device> {
        let (found, unknown) = match selector {
            Selector::Id(id) | Selector::Exactly { id, .. } => (
                self.entries.get(id).map(|entry| &entry.device),
                format!("no device has the id {id}"),
            ),
            Selector::Name(name) => (
                self.devices().find(|device| device.name == *name),
                "no device has that name".to_owned(),
            ),
        };
        let word = match selector {
            Selector::Name(_) => "name",
            _ => "id",
        };
        let found = found.map_or_else(|| refuse_part(ENODEV, word, unknown), Ok)?;
        match selector {
            Selector::Exactly { generation, .. } if *generation != found.generation => refuse_part(
                ESTALE,
                "generation",
                format!(
                    "the device has generation {}, not {generation}",
                    found.generation
                ),
            ),
            _ => Ok(found),
        }
    }

    /// What a device can do, as far as the fake knows: the size of its blocks.
    pub(super) fn caps(&self, selector: &Selector) -> Checked<DeviceCaps> {
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

    pub(super) fn create(&mut self, spec: &DeviceSpec) -> Checked<Device> {
        check_name(&spec.name)?;
        if let Ok(other) = self.find(&Selector::name(&spec.name)) {
            let disk = other.disk_name();
            return refuse_part(EEXIST, "name", format!("{disk} has that name already"));
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

    pub(super) fn change(&mut self, selector: &Selector, change: &DeviceChange) -> Checked<Device> {
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
            return refuse_part(ENODEV, "id", format!("no device has the id {id}"));
        };
        match change {
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

    fn retarget(&mut self, id: u32, targets: &[TargetSpec], stripe: Option<u64>) -> Checked<()> {
        let layout = self.layout(targets, stripe, Some(id))?;
        let Some(entry) = self.entries.get_mut(&id) else {
            return Ok(());
        };
        let device = &mut entry.device;
        if layout.size < device.size {
            let (table, size) = (layout.size, device.size);
            let text = format!("the table has {table} bytes, the device {size}");
            return refuse(ERANGE, text);
        }
        if layout.logical_block_size > device.logical_block_size {
            let text = "the device has promised a smaller logical block, which the table lacks";
            return refuse(EOPNOTSUPP, text);
        }
        device.size = layout.size;
        device.targets = layout.targets;
        device.stripe = stripe;
        entry.wanted = targets.to_vec();
        Ok(())
    }

    /// The table that `targets` make, for a new device or for `user`, whose own bytes it may have.
    fn layout(
        &self,
        targets: &[TargetSpec],
        stripe: Option<u64>,
        user: Option<u32>,
    ) -> Checked<Layout> {
        if targets.is_empty() {
            return refuse(EINVAL, "the device's target is missing");
        }
        if targets.len() > TARGETS_MAX as usize {
            let text = format!("a table has at most {TARGETS_MAX} targets");
            return refuse_part(E2BIG, "target", text);
        }
        let layout = Layout::new(targets, stripe, |path| self.drive(path))?;
        for device in self.devices().filter(|device| Some(device.id) != user) {
            layout.check_free(device)?;
        }
        match user {
            Some(user) if self.stands_on(&layout.targets, user) => {
                refuse(ELOOP, "leads back to the device itself")
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

    pub(super) fn delete(&mut self, selector: &Selector, force: bool) -> Checked<Device> {
        let device = self.find(selector)?.clone();
        let open = self
            .entries
            .get_mut(&device.id)
            .map(|entry| &mut entry.open);
        if let Some(attempts) = open.filter(|attempts| **attempts > 0 && !force) {
            *attempts = attempts.saturating_sub(1);
            return refuse(EBUSY, format!("{} is open", device.disk_name()));
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

    pub(super) fn drive(&self, path: &str) -> Checked<Drive> {
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
            Some(None) => refuse_part(ENOTBLK, "drive", "not a block device"),
            None => refuse_part(ENOENT, "drive", "no such path"),
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

fn check_name(name: &str) -> Checked<()> {
    if name.len() > NAME_MAX as usize {
        // The kernel looks at the length before the module does, in words of its own.
        return refuse_part(ERANGE, "name", "Attribute failed policy validation (name)");
    }
    match name::wrong(name) {
        Some(why) => refuse_part(EINVAL, "name", why),
        None => Ok(()),
    }
}
