// SPDX-License-Identifier: MIT OR Apache-2.0
//! Drives and devices of the fake, and the rules by which the kernel takes or refuses a request.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
    time::Duration,
};

use nix::libc::{EBUSY, EEXIST, EINVAL, ENODEV, ENOENT, ENOTBLK, EOPNOTSUPP, ERANGE};
use shunt_uapi::{NAME_MAX, TARGETS_MAX};

use crate::{
    error::Refusal,
    model::{
        Device, DeviceSpec, Op, OpStats, QueueMode, Selector, State, Stats, StatsMode, Target,
        TargetSpec,
    },
};

type Checked<T> = Result<T, Refusal>;

/// A backing device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drive {
    /// Major number.
    pub major: u32,
    /// Minor number; drives with the same numbers are one drive at several paths.
    pub minor: u32,
    /// Size in bytes.
    pub size: u64,
    /// Smallest I/O in bytes.
    pub logical_block_size: u32,
}

impl Drive {
    /// A drive of `size` bytes with blocks of 512 bytes.
    pub fn new(major: u32, minor: u32, size: u64) -> Self {
        Self {
            major,
            minor,
            size,
            logical_block_size: 512,
        }
    }

    fn is(&self, target: &Target) -> bool {
        (self.major, self.minor) == (target.major, target.minor)
    }
}

/// Drives, devices and their figures.
#[derive(Debug, Default)]
pub(super) struct Table {
    /// What is at each path; none for what is not a block device.
    paths: BTreeMap<String, Option<Drive>>,
    devices: BTreeMap<u32, Device>,
    open: BTreeSet<u32>,
    stats: BTreeMap<u32, [OpStats; Op::ALL.len()]>,
    generation: u64,
    time: u64,
}

fn refuse<T>(errno: i32, text: impl Into<String>) -> Checked<T> {
    Err(Refusal {
        errno,
        text: Some(text.into()),
        attribute: None,
    })
}

impl Table {
    pub(super) fn add_drive(&mut self, path: &str, drive: Drive) {
        self.paths.insert(path.to_owned(), Some(drive));
    }

    pub(super) fn add_file(&mut self, path: &str) {
        self.paths.insert(path.to_owned(), None);
    }

    /// Takes a drive away and returns the devices that lost it.
    pub(super) fn remove_drive(&mut self, path: &str) -> Vec<Device> {
        let Some(Some(drive)) = self.paths.remove(path) else {
            return Vec::new();
        };
        let mut lost = Vec::new();
        for device in self.devices.values_mut() {
            let mut hit = false;
            for target in device.targets.iter_mut().filter(|target| drive.is(target)) {
                target.state = State::Lost;
                hit = true;
            }
            if hit {
                device.state = State::Lost;
                lost.push(device.clone());
            }
        }
        lost
    }

    pub(super) fn set_open(&mut self, id: u32, open: bool) {
        if open {
            self.open.insert(id);
        } else {
            self.open.remove(&id);
        }
    }

    pub(super) fn advance(&mut self, time: Duration) {
        self.time += u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    }

    pub(super) fn clear(&mut self) {
        self.devices.clear();
        self.open.clear();
        self.stats.clear();
        self.generation = 0;
    }

    pub(super) fn devices(&self) -> impl Iterator<Item = &Device> {
        self.devices.values()
    }

    pub(super) fn find(&self, selector: &Selector) -> Checked<&Device> {
        let (found, unknown) = match selector {
            Selector::Id(id) => (self.devices.get(id), format!("no device has the id {id}")),
            Selector::Name(name) => (
                self.devices.values().find(|device| device.name == *name),
                "no device has that name".to_owned(),
            ),
        };
        found.map_or_else(|| refuse(ENODEV, unknown), Ok)
    }

    pub(super) fn create(&mut self, spec: &DeviceSpec) -> Checked<Device> {
        check_name(&spec.name)?;
        if spec.queue == QueueMode::Mq {
            return refuse(EOPNOTSUPP, "queue mode mq is not supported yet");
        }
        if spec.targets.is_empty() {
            return refuse(EINVAL, "the device's target is missing");
        }
        if spec.targets.len() > TARGETS_MAX as usize {
            return refuse(EINVAL, format!("more than {TARGETS_MAX} targets"));
        }
        if let Ok(other) = self.find(&Selector::name(&spec.name)) {
            let disk = other.disk_name();
            return refuse(EEXIST, format!("{disk} has that name already"));
        }
        let mut drives = Vec::new();
        for target in &spec.targets {
            drives.push(self.drive(&target.path)?);
        }
        let block = drives.iter().map(|drive| drive.logical_block_size).max();
        let logical_block_size = block.unwrap_or(512);
        let (mut targets, mut size) = (Vec::new(), 0);
        for (wanted, drive) in spec.targets.iter().zip(drives) {
            let range = check_range(wanted, &drive, logical_block_size)?;
            self.check_overlap(&targets, &drive, &range)?;
            let length = range.end - range.start;
            targets.push(Target {
                path: wanted.path.clone(),
                major: drive.major,
                minor: drive.minor,
                start: size,
                offset: range.start,
                length,
                state: State::Live,
            });
            size += length;
        }
        self.generation += 1;
        let id = (0..).find(|id| !self.devices.contains_key(id));
        let device = Device {
            id: id.unwrap_or(u32::MAX),
            name: spec.name.clone(),
            state: State::Live,
            queue: spec.queue,
            stats: spec.stats,
            read_only: spec.read_only,
            size,
            logical_block_size,
            targets,
            generation: self.generation,
        };
        self.stats.insert(device.id, Default::default());
        self.devices.insert(device.id, device.clone());
        Ok(device)
    }

    pub(super) fn delete(&mut self, selector: &Selector) -> Checked<Device> {
        let device = self.find(selector)?.clone();
        if self.open.contains(&device.id) {
            return refuse(EBUSY, format!("{} is open", device.disk_name()));
        }
        self.devices.remove(&device.id);
        self.stats.remove(&device.id);
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
        let (Some(device), Some(stats)) = (self.devices.get(&id), self.stats.get_mut(&id)) else {
            return;
        };
        let figures = &mut stats[op as usize];
        if device.stats != StatsMode::Off {
            figures.ios += 1;
            figures.bytes += bytes;
        }
        if device.stats == StatsMode::Full {
            let nanos = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX);
            figures.errors += u64::from(failed);
            figures.latency.record(nanos);
        }
    }

    pub(super) fn stats(&self, id: u32) -> Option<Stats> {
        let (device, ops) = (self.devices.get(&id)?, self.stats.get(&id)?);
        Some(Stats {
            id,
            name: device.name.clone(),
            generation: device.generation,
            time: self.time,
            in_flight: 0,
            ops: ops.clone(),
        })
    }

    fn drive(&self, path: &str) -> Checked<Drive> {
        match self.paths.get(path) {
            Some(Some(drive)) => Ok(*drive),
            Some(None) => refuse(ENOTBLK, "not a block device"),
            None => refuse(ENOENT, "no such path"),
        }
    }

    /// No byte of a drive is in two targets, whichever devices they are of.
    fn check_overlap(&self, own: &[Target], drive: &Drive, range: &Range<u64>) -> Checked<()> {
        let overlaps = |other: &&Target| {
            drive.is(other) && range.start < other.offset + other.length && other.offset < range.end
        };
        if own.iter().any(|other| overlaps(&other)) {
            return refuse(EBUSY, "overlaps another target of the same device");
        }
        for device in self.devices.values() {
            if let Some(other) = device.targets.iter().find(overlaps) {
                let (disk, length, offset) = (device.disk_name(), other.length, other.offset);
                let text = format!("overlaps {disk}, which has {length} bytes from {offset} on");
                return refuse(EBUSY, text);
            }
        }
        Ok(())
    }
}

fn check_name(name: &str) -> Checked<()> {
    let forbidden = |byte: &u8| *byte == b'/' || *byte <= b' ' || *byte == 0x7f;
    if name.len() > NAME_MAX as usize {
        // The kernel looks at the length before the module does, in words of its own.
        return Err(Refusal {
            errno: ERANGE,
            text: Some("Attribute failed policy validation".into()),
            attribute: Some("name".into()),
        });
    }
    match name.bytes().find(forbidden) {
        _ if name.is_empty() => refuse(EINVAL, "the name is empty"),
        _ if matches!(name, "." | "..") => refuse(EINVAL, "the name is that of a folder"),
        Some(b'/') => refuse(EINVAL, "the name has a slash"),
        Some(byte) => refuse(
            EINVAL,
            format!("the name has white space or a control character, byte {byte}"),
        ),
        None => Ok(()),
    }
}

fn check_range(wanted: &TargetSpec, drive: &Drive, block: u32) -> Checked<Range<u64>> {
    let (offset, block, size) = (wanted.offset, u64::from(block), drive.size);
    let unaligned = |word: &str, value: u64| {
        let text = format!("{word} {value} is not a multiple of the logical block, {block}");
        refuse(EINVAL, text)
    };
    if offset % block != 0 {
        return unaligned("offset", offset);
    }
    let whole = size - size % block;
    if offset >= whole {
        let text = format!("offset {offset} is not below the drive's size, {size}");
        return refuse(ERANGE, text);
    }
    let room = whole - offset;
    let length = wanted.length.unwrap_or(room);
    if length == 0 {
        return refuse(EINVAL, "length 0 is too short");
    }
    if length % block != 0 {
        return unaligned("length", length);
    }
    if length > room {
        let text = format!("length {length} is above the {room} bytes from the offset on");
        return refuse(ERANGE, text);
    }
    Ok(offset..offset + length)
}
