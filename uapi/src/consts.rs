// SPDX-License-Identifier: ((GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause)
// Generated from uapi/shunt.yaml. Do not edit; regenerate with scripts/gen-uapi.

//! Control and statistics of shunt block devices. Commands, attributes, values and groups of
//! the family.
//!
//! The crate `shunt-uapi` is this file; the driver mounts it as `crate::uapi`.

/// Name of the generic netlink family.
pub const FAMILY_NAME: &core::ffi::CStr = c"shunt";

/// Version of the generic netlink family.
pub const FAMILY_VERSION: u8 = 1;

/// Longest name of a device, in bytes.
pub const NAME_MAX: u32 = 63;

/// Longest path of a backing device, in bytes.
pub const PATH_MAX: u32 = 4095;

/// Most targets in the table of one device.
pub const TARGETS_MAX: u32 = 1024;

/// The first bucket of a latency histogram ends below 1 << latency-shift ns.
pub const LATENCY_SHIFT: u32 = 6;

/// Octaves of a latency histogram above its first bucket; slower operations are counted in one
/// last bucket without an upper bound.
pub const LATENCY_OCTAVES: u32 = 31;

/// Each octave of a histogram is cut into 1 << histogram-bits buckets of equal width.
pub const HISTOGRAM_BITS: u32 = 3;

/// The first bucket of a histogram of sizes ends at 1 << size-shift bytes.
pub const SIZE_SHIFT: u32 = 9;

/// Buckets of a histogram of sizes; the last one has no upper bound.
pub const SIZE_BUCKETS: u32 = 24;

/// Shortest time from one round of samples to the next, in ms.
pub const INTERVAL_MIN: u32 = 10;

/// Longest time from one round of samples to the next, in ms.
pub const INTERVAL_MAX: u32 = 30000;

/// Time from one round of samples to the next, in ms, until it is set.
pub const INTERVAL_DEFAULT: u32 = 1000;

/// Longest that a change of a device waits, in ms, if the request does not say.
pub const TIMEOUT_DEFAULT: u32 = 5000;

/// Longest wait that a request may ask for, in ms.
pub const TIMEOUT_MAX: u32 = 60000;

/// What a device, or one target of it, does with I/O.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum State {
    /// I/O is forwarded.
    Live = 0,
    /// New I/O waits.
    Suspended = 1,
    /// A backing device is gone; I/O fails with an I/O error.
    Lost = 2,
}

impl State {
    /// Every value, in the order of their numbers.
    pub const ALL: [Self; 3] = [Self::Live, Self::Suspended, Self::Lost];

    /// The word that people and JSON use for the value.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Suspended => "suspended",
            Self::Lost => "lost",
        }
    }

    /// The value of a number; none if this version does not know it.
    pub const fn from_u32(value: u32) -> Option<Self> {
        match value {
            0 => Some(Self::Live),
            1 => Some(Self::Suspended),
            2 => Some(Self::Lost),
            _ => None,
        }
    }
}

/// How a device takes I/O from the block layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum QueueMode {
    /// Each bio is forwarded directly; no I/O scheduler.
    Bio = 0,
    /// A blk-mq request queue with merging and I/O schedulers.
    Mq = 1,
}

impl QueueMode {
    /// Every value, in the order of their numbers.
    pub const ALL: [Self; 2] = [Self::Bio, Self::Mq];

    /// The word that people and JSON use for the value.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bio => "bio",
            Self::Mq => "mq",
        }
    }

    /// The value of a number; none if this version does not know it.
    pub const fn from_u32(value: u32) -> Option<Self> {
        match value {
            0 => Some(Self::Bio),
            1 => Some(Self::Mq),
            _ => None,
        }
    }
}

/// What a device measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum StatsMode {
    /// Nothing.
    Off = 0,
    /// Operations and bytes.
    Counters = 1,
    /// Also errors, operations in flight, latency histograms and /proc/diskstats.
    Full = 2,
}

impl StatsMode {
    /// Every value, in the order of their numbers.
    pub const ALL: [Self; 3] = [Self::Off, Self::Counters, Self::Full];

    /// The word that people and JSON use for the value.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Counters => "counters",
            Self::Full => "full",
        }
    }

    /// The value of a number; none if this version does not know it.
    pub const fn from_u32(value: u32) -> Option<Self> {
        match value {
            0 => Some(Self::Off),
            1 => Some(Self::Counters),
            2 => Some(Self::Full),
            _ => None,
        }
    }
}

/// Operations that are measured apart from each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Op {
    /// Reads.
    Read = 0,
    /// Writes.
    Write = 1,
    /// Flushes of the volatile write cache that carry no data.
    Flush = 2,
    /// Discards.
    Discard = 3,
    /// Writes of zeroes that carry no data.
    WriteZeroes = 4,
    /// Resets, openings, closings and finishings of zones. An append to a zone is a write.
    Zone = 5,
}

impl Op {
    /// Every value, in the order of their numbers.
    pub const ALL: [Self; 6] = [
        Self::Read,
        Self::Write,
        Self::Flush,
        Self::Discard,
        Self::WriteZeroes,
        Self::Zone,
    ];

    /// The word that people and JSON use for the value.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Flush => "flush",
            Self::Discard => "discard",
            Self::WriteZeroes => "write_zeroes",
            Self::Zone => "zone",
        }
    }

    /// The value of a number; none if this version does not know it.
    pub const fn from_u32(value: u32) -> Option<Self> {
        match value {
            0 => Some(Self::Read),
            1 => Some(Self::Write),
            2 => Some(Self::Flush),
            3 => Some(Self::Discard),
            4 => Some(Self::WriteZeroes),
            5 => Some(Self::Zone),
            _ => None,
        }
    }
}

/// Why a device notification was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Reason {
    /// The device is new.
    Created = 0,
    /// Its table, its state or its settings changed.
    Changed = 1,
    /// One of its backing devices is gone.
    Lost = 2,
    /// The device is gone.
    Destroyed = 3,
}

impl Reason {
    /// Every value, in the order of their numbers.
    pub const ALL: [Self; 4] = [Self::Created, Self::Changed, Self::Lost, Self::Destroyed];

    /// The word that people and JSON use for the value.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Changed => "changed",
            Self::Lost => "lost",
            Self::Destroyed => "destroyed",
        }
    }

    /// The value of a number; none if this version does not know it.
    pub const fn from_u32(value: u32) -> Option<Self> {
        match value {
            0 => Some(Self::Created),
            1 => Some(Self::Changed),
            2 => Some(Self::Lost),
            3 => Some(Self::Destroyed),
            _ => None,
        }
    }
}

/// Commands and notifications.
pub mod cmd {
    /// Map a new device; the reply is the device.
    pub const DEVICE_NEW: u8 = 1;
    /// Unmap a device, named by id or by name. Refused while it is open, unless it is forced. If
    /// its backing device does not answer, a forced one is acknowledged after the timeout, and the
    /// rest goes by itself.
    pub const DEVICE_DEL: u8 = 2;
    /// Show one device, named by id or by name, or all of them in the order of their ids.
    pub const DEVICE_GET: u8 = 3;
    /// A device came, changed or went: the device, with the reason and a sequence number.
    pub const DEVICE_NTF: u8 = 4;
    /// Statistics of one device, named by id or by name, or of all of them in the order of their
    /// ids. Needs no privilege.
    pub const STATS_GET: u8 = 5;
    /// Change a live device, named by id or by name; the reply is the device. Targets replace its
    /// table; the state live or suspended resumes or suspends it; a resize grows the device with
    /// its backing devices. Only one of these three at once, whole or not at all.
    pub const DEVICE_SET: u8 = 6;
    /// Statistics of devices, sent to group stats again and again while somebody listens. A round
    /// may take several of these.
    pub const STATS_NTF: u8 = 7;
    /// Change how often statistics are sent; the reply is what holds now.
    pub const STATS_SET: u8 = 8;
    /// What a device, named by id or by name, can do, and what each backing device can: the device,
    /// with capabilities in it and in its targets.
    pub const CAPS_GET: u8 = 9;
    /// What the loaded module is. Needs no privilege. A module from before there was this command
    /// refuses it (EOPNOTSUPP).
    pub const MODULE_GET: u8 = 10;
}

/// Multicast groups.
pub mod group {
    /// Group that carries device-ntf.
    pub const CONFIG: &core::ffi::CStr = c"config";
    /// Place of the group `config` in the family's list.
    pub const CONFIG_INDEX: usize = 0;
    /// Group that carries stats-ntf.
    pub const STATS: &core::ffi::CStr = c"stats";
    /// Place of the group `stats` in the family's list.
    pub const STATS_INDEX: usize = 1;
}

/// Attribute set `target`. One piece of the table of a device.
pub mod target {
    /// What the backing device was called when it was mapped: a label, which the kernel never looks
    /// up.
    pub const PATH: u16 = 1;
    /// Where the target begins in the backing device, in bytes; 0 if absent.
    pub const OFFSET: u16 = 2;
    /// Length of the target in bytes; if absent, all from offset to the end of the backing device.
    pub const LENGTH: u16 = 3;
    /// Where the target begins in the device, in bytes. Reply only.
    pub const START: u16 = 4;
    /// Major number of the backing device. Reply only.
    pub const MAJOR: u16 = 5;
    /// Minor number of the backing device. Reply only.
    pub const MINOR: u16 = 6;
    /// State of the target. Reply only.
    pub const STATE: u16 = 7;
    /// What the backing device can do. Reply only, with caps-get.
    pub const CAPABILITIES: u16 = 8;
    /// Descriptor of the backing device, which the sender has open: for reading, and for writing
    /// too unless the device is read-only. It may be closed once the request is answered. Request
    /// only.
    pub const FD: u16 = 9;
    /// Sequence number of the backing device's disk, which no other disk gets before the next boot.
    /// Reply only.
    pub const DISKSEQ: u16 = 10;
}

/// Attribute set `device`. A virtual block device.
pub mod device {
    /// Number N of the device node /dev/shuntN.
    pub const ID: u16 = 1;
    /// Unique name, 1 to name-max bytes of UTF-8 without slash, and without white space or control
    /// characters of Unicode; "." and "..", and what ends in "-part" and a number, are refused.
    pub const NAME: u16 = 2;
    /// State of the device.
    pub const STATE: u16 = 3;
    /// How the device takes I/O; bio if absent.
    pub const QUEUE_MODE: u16 = 4;
    /// What the device measures; full if absent.
    pub const STATS_MODE: u16 = 5;
    /// 1 if writes are refused, else 0; 0 if absent.
    pub const READ_ONLY: u16 = 6;
    /// Size of the device in bytes.
    pub const SIZE: u16 = 7;
    /// Smallest I/O that the device takes, in bytes.
    pub const LOGICAL_BLOCK_SIZE: u16 = 8;
    /// The table of the device, in the order of its sectors.
    pub const TARGET: u16 = 9;
    /// Differs between any two devices of one loading of the module, also when one takes the id and
    /// the name of another. A request that has it is refused (ESTALE) if the device that is named
    /// has another.
    pub const GENERATION: u16 = 10;
    /// Sequence number of the notification in its multicast group.
    pub const SEQ: u16 = 11;
    /// Why the notification was sent.
    pub const REASON: u16 = 12;
    /// Length of a chunk, in bytes, if the targets take turns; absent if they follow each other.
    pub const STRIPE: u16 = 13;
    /// 1 if every file system that stands on the device, or on a partition or another disk made of
    /// it, is to write all out and stop before the device is suspended. Refused if there is what
    /// cannot. Request only.
    pub const FREEZE: u16 = 14;
    /// 1 if the last target, or each stripe, is to take up what its backing device has grown by.
    /// Request only.
    pub const RESIZE: u16 = 15;
    /// 1 if the device is to go although it is open; its I/O then fails. Request only.
    pub const FORCE: u16 = 16;
    /// Operations that were in flight when a backing device was lost, and fail with it.
    /// Notification only.
    pub const FAILED: u16 = 17;
    /// When the notification was made, in ns of CLOCK_MONOTONIC.
    pub const TIME: u16 = 18;
    /// Notifications of this multicast group that could not be sent so far.
    pub const DROPPED: u16 = 19;
    /// What the device can do. With caps-get.
    pub const CAPABILITIES: u16 = 20;
    /// Longest that the change may wait for I/O and for other changes of the device, in ms, at most
    /// timeout-max; timeout-default if absent. When it is over, the change is refused (ETIMEDOUT)
    /// and the device is as it was. Request only.
    pub const TIMEOUT: u16 = 21;
    /// Another one whenever the device gets another table, or takes up what its backing devices
    /// have grown by. A change that has it is refused (ESTALE) if the device has another, so that
    /// nothing is done to a table that its sender has not seen.
    pub const TABLE_NUMBER: u16 = 22;
}

/// Attribute set `bucket`. One bucket of a histogram. It holds the values above the bound of
/// the bucket before it, empty buckets included, up to its own bound.
pub mod bucket {
    /// Greatest value in the bucket; the last bucket, which has no upper bound, has the greatest
    /// 64-bit number.
    pub const LE: u16 = 1;
    /// Values in this bucket alone.
    pub const COUNT: u16 = 2;
}

/// Attribute set `error`. How often an error came.
pub mod error {
    /// The error number, positive.
    pub const ERRNO: u16 = 1;
    /// Operations that ended with it.
    pub const COUNT: u16 = 2;
}

/// Attribute set `op-stats`. Statistics of one operation. They only grow, but for in-flight.
pub mod op_stats {
    /// The operation.
    pub const OP: u16 = 1;
    /// Operations.
    pub const IOS: u16 = 2;
    /// Bytes that the operations covered.
    pub const BYTES: u16 = 3;
    /// Operations that ended with an error.
    pub const ERRORS: u16 = 4;
    /// Sum of the latencies, in ns.
    pub const LATENCY_SUM: u16 = 5;
    /// Latency histogram in ns, mode full only; empty buckets are left out.
    pub const LATENCY: u16 = 6;
    /// Operations that have begun and not ended. Mode full only.
    pub const IN_FLIGHT: u16 = 7;
    /// Most operations that were seen in flight, looked at once in each tick of the timer in which
    /// I/O begins, and whenever statistics are read. Mode full only.
    pub const PEAK: u16 = 8;
    /// Histogram of the bytes that one operation covers, mode full only; its bounds are powers of
    /// two. Empty buckets are left out.
    pub const SIZE: u16 = 9;
    /// Errors by their number; those that never came are left out.
    pub const ERROR: u16 = 10;
}

/// Attribute set `stats`. Statistics of one device.
pub mod stats {
    /// Number of the device.
    pub const ID: u16 = 1;
    /// Name of the device.
    pub const NAME: u16 = 2;
    /// As that of the device; figures of two generations are not to be compared.
    pub const GENERATION: u16 = 3;
    /// When the figures were read, in ns of CLOCK_MONOTONIC.
    pub const TIME: u16 = 4;
    /// Operations that have begun and not ended. Mode full only.
    pub const IN_FLIGHT: u16 = 5;
    /// Statistics of each operation.
    pub const OP: u16 = 6;
}

/// Attribute set `sample`. Statistics of several devices, sent while somebody listens.
pub mod sample {
    /// Sequence number of the notification in its multicast group.
    pub const SEQ: u16 = 1;
    /// When the notification was begun, in ns of CLOCK_MONOTONIC.
    pub const TIME: u16 = 2;
    /// Notifications of this multicast group that could not be sent so far.
    pub const DROPPED: u16 = 3;
    /// Time from one round of samples to the next, in ms.
    pub const INTERVAL: u16 = 4;
    /// Statistics of a device; those that have not changed since the round before may be left out.
    pub const DEVICE: u16 = 5;
}

/// Attribute set `capability`. What a block device can do. All are numbers; what is absent is
/// 0, which stands for no, or for none.
pub mod capability {
    /// Smallest I/O, in bytes.
    pub const LOGICAL_BLOCK_SIZE: u16 = 1;
    /// Smallest I/O without a read before the write, in bytes.
    pub const PHYSICAL_BLOCK_SIZE: u16 = 2;
    /// Bytes from the begin to the first physical block that is whole.
    pub const ALIGNMENT_OFFSET: u16 = 3;
    /// Preferred smallest I/O, in bytes.
    pub const IO_MIN: u16 = 4;
    /// Preferred I/O, in bytes; absent if there is none.
    pub const IO_OPT: u16 = 5;
    /// Largest I/O that is not split, in bytes.
    pub const IO_MAX: u16 = 6;
    /// Most pieces of memory in one I/O.
    pub const SEGMENTS_MAX: u16 = 7;
    /// Bits of an address in memory that have to be 0.
    pub const DMA_ALIGNMENT: u16 = 8;
    /// Largest discard, in bytes.
    pub const DISCARD: u16 = 9;
    /// Smallest piece that a discard frees, in bytes.
    pub const DISCARD_GRANULARITY: u16 = 10;
    /// Largest secure erase, in bytes.
    pub const SECURE_ERASE: u16 = 11;
    /// Largest write of zeroes that carries no data, in bytes.
    pub const WRITE_ZEROES: u16 = 12;
    /// Largest write of zeroes that also frees the blocks, in bytes.
    pub const UNMAP: u16 = 13;
    /// Smallest atomic write, in bytes.
    pub const ATOMIC_MIN: u16 = 14;
    /// Largest atomic write of one I/O, in bytes.
    pub const ATOMIC_MAX: u16 = 15;
    /// Largest atomic write that several I/O are merged to, in bytes.
    pub const ATOMIC_MERGED: u16 = 16;
    /// Border that an atomic write may not cross, in bytes.
    pub const ATOMIC_BOUNDARY: u16 = 17;
    /// Write streams that are told apart.
    pub const WRITE_STREAMS: u16 = 18;
    /// Granularity of a write stream, in bytes.
    pub const WRITE_STREAM_GRANULARITY: u16 = 19;
    /// Protection information for each interval, in bytes.
    pub const INTEGRITY: u16 = 20;
    /// Power of two of the bytes that are protected together.
    pub const INTEGRITY_INTERVAL: u16 = 21;
    /// Bytes of the protection information that are the owner's.
    pub const INTEGRITY_TAG: u16 = 22;
    /// How data is protected: 1 IP checksum, 2 CRC-16, 3 CRC-64.
    pub const INTEGRITY_CHECKSUM: u16 = 23;
    /// Size of a zone, in bytes; absent if there are no zones.
    pub const ZONE_SIZE: u16 = 24;
    /// Largest zone append, in bytes.
    pub const ZONE_APPEND: u16 = 25;
    /// Most zones that can be open; absent if there is no limit.
    pub const OPEN_ZONES: u16 = 26;
    /// Most zones that can be active; absent if there is no limit.
    pub const ACTIVE_ZONES: u16 = 27;
    /// 1 if there is a volatile write cache that takes flushes.
    pub const WRITE_CACHE: u16 = 28;
    /// 1 if a single write can go past the cache.
    pub const FUA: u16 = 29;
    /// 1 if it turns.
    pub const ROTATIONAL: u16 = 30;
    /// 1 if data must not change while it is written.
    pub const STABLE_WRITES: u16 = 31;
    /// 1 if an I/O can fail rather than wait.
    pub const NOWAIT: u16 = 32;
    /// 1 if the end of I/O can be polled for.
    pub const POLL: u16 = 33;
    /// 1 if memory can be mapped directly.
    pub const DAX: u16 = 34;
    /// 1 if data can come from memory of another PCI device.
    pub const PEER_TO_PEER: u16 = 35;
    /// 1 if there is an engine that encrypts on the way.
    pub const INLINE_ENCRYPTION: u16 = 36;
}

/// Attribute set `module`. The module that is loaded.
pub mod module {
    /// Its version, such as 0.1.0; /sys/module/shunt/version has the same.
    pub const VERSION: u16 = 1;
}
