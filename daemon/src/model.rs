// SPDX-License-Identifier: MIT OR Apache-2.0
//! The things that shunt is about: devices, their targets, their statistics. Plain data, used by
//! every other module; sizes and offsets are bytes, times are nanoseconds.

use std::fmt;

pub use shunt_uapi::{Op, QueueMode, Reason, State, StatsMode};

use crate::units::Bytes;

/// A virtual block device as the kernel has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Number N of `/dev/shuntN`.
    pub id: u32,
    /// Unique name.
    pub name: String,
    /// What it does with I/O.
    pub state: State,
    /// How it takes I/O.
    pub queue: QueueMode,
    /// What it measures.
    pub stats: StatsMode,
    /// Whether writes are refused.
    pub read_only: bool,
    /// Size in bytes.
    pub size: u64,
    /// Smallest I/O that it takes, in bytes.
    pub logical_block_size: u32,
    /// Its table, in the order of its sectors.
    pub targets: Vec<Target>,
    /// Differs between any two devices of one loading of the module, also when one takes the id
    /// and the name of another.
    pub generation: u64,
}

impl Device {
    /// Path of the device node.
    pub fn path(&self) -> String {
        format!("/dev/{}", self.disk_name())
    }

    /// Name of the disk, as in `/sys/block`.
    pub fn disk_name(&self) -> String {
        format!("shunt{}", self.id)
    }
}

/// One line for people and logs: `vol0 (/dev/shunt0, 10 GiB, live) on /dev/sdb`.
impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, path, state) = (&self.name, self.path(), self.state.name());
        write!(f, "{name} ({path}, {}, {state}) on ", Bytes(self.size))?;
        match self.targets.as_slice() {
            [] => f.write_str("nothing"),
            [only] => f.write_str(&only.path),
            [first, rest @ ..] => write!(f, "{} and {} more", first.path, rest.len()),
        }
    }
}

/// One piece of the table of a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Path of the backing device, as given when it was mapped.
    pub path: String,
    /// Major number of the backing device.
    pub major: u32,
    /// Minor number of the backing device.
    pub minor: u32,
    /// Where the target begins in the device, in bytes.
    pub start: u64,
    /// Where the target begins in the backing device, in bytes.
    pub offset: u64,
    /// Length in bytes.
    pub length: u64,
    /// What this piece does with I/O.
    pub state: State,
}

/// A device that is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceSpec {
    /// Unique name, 1 to 63 bytes without slash, white space or control characters.
    pub name: String,
    /// How it takes I/O.
    pub queue: QueueMode,
    /// What it measures.
    pub stats: StatsMode,
    /// Whether writes are refused.
    pub read_only: bool,
    /// Its table, in the order of its sectors.
    pub targets: Vec<TargetSpec>,
}

impl DeviceSpec {
    /// A device over `targets` with the kernel's defaults: bio mode, full statistics, writable.
    pub fn new(name: impl Into<String>, targets: Vec<TargetSpec>) -> Self {
        Self {
            name: name.into(),
            queue: QueueMode::Bio,
            stats: StatsMode::Full,
            read_only: false,
            targets,
        }
    }
}

/// A target that is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetSpec {
    /// Path of the backing device.
    pub path: String,
    /// Where the target begins in the backing device, in bytes.
    pub offset: u64,
    /// Length in bytes; none for all from `offset` to the end of the backing device.
    pub length: Option<u64>,
}

impl TargetSpec {
    /// The whole of a backing device.
    pub fn whole(path: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            offset: 0,
            length: None,
        }
    }
}

/// How a request names a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selector {
    /// By the number N of `/dev/shuntN`.
    Id(u32),
    /// By its unique name.
    Name(String),
}

impl Selector {
    /// Names a device by its name.
    pub fn name(name: impl Into<String>) -> Self {
        Self::Name(name.into())
    }
}

/// Message of the kernel that a device came, changed or went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    /// Number in its multicast group; they follow one another without gaps.
    pub sequence: u64,
    /// Why it was sent.
    pub reason: Reason,
    /// The device as it is now, or as it was before it went.
    pub device: Device,
}

/// Statistics of one device; all but `in_flight` only grow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stats {
    /// Number of the device.
    pub id: u32,
    /// Name of the device.
    pub name: String,
    /// That of the device; figures of two generations are not to be compared.
    pub generation: u64,
    /// When the figures were read, in ns of `CLOCK_MONOTONIC`.
    pub time: u64,
    /// Operations that have begun and not ended; 0 unless the mode is full.
    pub in_flight: u64,
    /// Figures of each operation, in the order of [`Op::ALL`].
    pub ops: [OpStats; Op::ALL.len()],
}

impl Stats {
    /// The operations, each with its figures.
    pub fn each_op(&self) -> impl Iterator<Item = (Op, &OpStats)> {
        Op::ALL.into_iter().zip(&self.ops)
    }
}

/// Statistics of one operation of one device.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OpStats {
    /// Operations.
    pub ios: u64,
    /// Bytes that they covered.
    pub bytes: u64,
    /// Operations that ended with an error.
    pub errors: u64,
    /// How long they took.
    pub latency: Histogram,
}

/// Distribution of latencies, in ns.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Histogram {
    /// Sum of the latencies.
    pub sum: u64,
    /// Buckets that are not empty, in growing order of their bounds.
    pub buckets: Vec<Bucket>,
}

/// One bucket of a histogram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// Greatest value in the bucket, in ns; `u64::MAX` for the last one, which has no bound.
    pub le: u64,
    /// Values in this bucket alone.
    pub count: u64,
}
