// SPDX-License-Identifier: MIT OR Apache-2.0
//! The things that shunt is about: devices, their targets, their statistics. Plain data, used by
//! every other module; sizes and offsets are bytes, times are nanoseconds.

use std::fmt;

pub use shunt_uapi::{Op, Reason};

use crate::{units::Bytes, words::shown};

mod caps;
mod drive_id;
mod stats;
mod values;

pub use caps::{Capabilities, DeviceCaps, capability};
pub use drive_id::DriveId;
pub use stats::{Bucket, Histogram, OpStats, Sample, Stats};
pub use values::{QueueMode, State, StatsMode};

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
    /// Length of a chunk in bytes if the targets take turns; none if they follow each other.
    pub stripe: Option<u64>,
    /// Differs between any two devices of one loading of the module, also when one takes the id
    /// and the name of another.
    pub generation: u64,
    /// Another one whenever it gets another table, or takes up what its drives have grown by.
    pub table_number: u64,
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
        let (name, path, state) = (shown(&self.name), self.path(), self.state.name());
        write!(f, "{name} ({path}, {}, {state}) on ", Bytes(self.size))?;
        match self.targets.as_slice() {
            [] => f.write_str("nothing"),
            [only] => f.write_str(&shown(&only.path)),
            [first, rest @ ..] => write!(f, "{} and {} more", shown(&first.path), rest.len()),
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
    /// Sequence number of the backing device's disk: no other disk gets it before the next boot.
    pub diskseq: u64,
    /// Where the target begins in the device, in bytes.
    pub start: u64,
    /// Where the target begins in the backing device, in bytes.
    pub offset: u64,
    /// Length in bytes.
    pub length: u64,
    /// What this piece does with I/O.
    pub state: State,
}

impl Target {
    /// Whether it is on the backing device with these numbers; one that was lost is on none.
    pub fn is_on(&self, number: (u32, u32)) -> bool {
        self.state != State::Lost && self.number() == number
    }

    /// Major and minor number of the backing device.
    pub fn number(&self) -> (u32, u32) {
        (self.major, self.minor)
    }
}

/// A device that is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceSpec {
    /// Unique name, as [`name::RULE`](crate::name::RULE) has it.
    pub name: String,
    /// How it takes I/O.
    pub queue: QueueMode,
    /// What it measures.
    pub stats: StatsMode,
    /// Whether writes are refused.
    pub read_only: bool,
    /// Its table, in the order of its sectors.
    pub targets: Vec<TargetSpec>,
    /// Length of a chunk in bytes if the targets are to take turns; none to join them end to end.
    pub stripe: Option<u64>,
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
            stripe: None,
        }
    }
}

/// A change of a device that is wanted. It happens whole or not at all, and while I/O is running.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeviceChange {
    /// Replaces the table.
    Retarget {
        /// The new table, in the order of its sectors; at least as long as the device.
        targets: Vec<TargetSpec>,
        /// Length of a chunk in bytes if the targets are to take turns.
        stripe: Option<u64>,
    },
    /// Lets new I/O wait, once what is in flight has ended.
    Suspend {
        /// Whether a file system on the device writes all out and stops before.
        freeze: bool,
    },
    /// Lets the I/O that waits, and new I/O, go on.
    Resume,
    /// Takes up what the backing devices have grown by.
    Resize,
    /// Changes what is given and leaves the rest.
    Settings {
        /// What the device measures.
        stats: Option<StatsMode>,
        /// Whether writes are refused.
        read_only: Option<bool>,
    },
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
    /// The backing device that the path led to when this was planned; it is taken only if it does so
    /// still. None for whatever the path leads to.
    pub planned: Option<DriveId>,
}

impl TargetSpec {
    /// The whole of a backing device.
    pub fn whole(path: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            offset: 0,
            length: None,
            planned: None,
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
    /// By its number and its generation: another device that has the number by now is not meant.
    Exactly {
        /// The number N of `/dev/shuntN`.
        id: u32,
        /// Its generation.
        generation: u64,
    },
    /// By these, for a change that is refused if it has another table than the one that was seen.
    AsSeen {
        /// The number N of `/dev/shuntN`.
        id: u32,
        /// Its generation.
        generation: u64,
        /// The number of its table.
        table_number: u64,
    },
}

impl Selector {
    /// Names this very device, and none that has its number later.
    pub fn of(device: &Device) -> Self {
        Self::Exactly {
            id: device.id,
            generation: device.generation,
        }
    }

    /// Names this very device, for a change that only suits the table that it has here.
    pub fn as_seen(device: &Device) -> Self {
        Self::AsSeen {
            id: device.id,
            generation: device.generation,
            table_number: device.table_number,
        }
    }

    /// Names the same device, whatever table it has.
    pub fn with_any_table(&self) -> Self {
        match *self {
            Self::AsSeen { id, generation, .. } => Self::Exactly { id, generation },
            ref other => other.clone(),
        }
    }

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
    /// Operations that were in flight when a backing device was lost, and fail with it.
    pub failed: Option<u64>,
    /// The device as it is now, or as it was before it went.
    pub device: Device,
}
