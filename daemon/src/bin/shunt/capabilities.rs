// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a device passes on of what its drives can do, and why where the two differ. `caps` shows it.

use shunt::{DeviceCaps, QueueMode, model::capability as cap, units::Bytes};

/// What a number stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// There or not.
    Flag,
    Bytes,
    /// A number of something.
    Count,
    /// Bits of an address that have to be 0.
    Mask,
    /// A power of two of bytes.
    Power,
    /// A kind of checksum.
    Checksum,
}

impl Unit {
    /// The word that JSON has for it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Flag => "flag",
            Self::Bytes | Self::Mask | Self::Power => "bytes",
            Self::Count => "count",
            Self::Checksum => "checksum",
        }
    }

    /// A number in the unit that [`name`](Self::name) says.
    pub(crate) fn plain(self, value: u64) -> u64 {
        match self {
            Self::Mask => value + 1,
            Self::Power if value > 0 => 1 << value.min(63),
            _ => value,
        }
    }

    /// A number as people read it.
    pub(crate) fn shown(self, value: u64) -> String {
        match self {
            Self::Flag => if value == 0 { "no" } else { "yes" }.to_owned(),
            Self::Checksum => match value {
                0 => "none".to_owned(),
                1 => "IP".to_owned(),
                2 => "CRC-16".to_owned(),
                3 => "CRC-64".to_owned(),
                other => other.to_string(),
            },
            _ if self.plain(value) == 0 => "-".to_owned(),
            Self::Count => value.to_string(),
            _ => format!("{:#}", Bytes(self.plain(value))),
        }
    }
}

/// How a device with several drives comes to a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stacks {
    /// It can do what all of them can.
    Least,
    /// It needs what any of them needs.
    Most,
    /// They have to agree.
    Same,
}

/// A capability: its name, its attribute, its unit, how it stacks.
struct Row(&'static str, u16, Unit, Stacks);

use Stacks::{Least, Most, Same};
use Unit::{Checksum, Count, Flag, Mask, Power};

const ROWS: &[Row] = &[
    Row("logical block", cap::LOGICAL_BLOCK_SIZE, Unit::Bytes, Most),
    Row(
        "physical block",
        cap::PHYSICAL_BLOCK_SIZE,
        Unit::Bytes,
        Most,
    ),
    Row("alignment offset", cap::ALIGNMENT_OFFSET, Unit::Bytes, Same),
    Row("smallest preferred I/O", cap::IO_MIN, Unit::Bytes, Most),
    Row("preferred I/O", cap::IO_OPT, Unit::Bytes, Most),
    Row("largest I/O", cap::IO_MAX, Unit::Bytes, Least),
    Row("segments of an I/O", cap::SEGMENTS_MAX, Count, Least),
    Row("alignment of memory", cap::DMA_ALIGNMENT, Mask, Most),
    Row("write cache and flush", cap::WRITE_CACHE, Flag, Most),
    Row("FUA", cap::FUA, Flag, Most),
    Row("discard", cap::DISCARD, Unit::Bytes, Least),
    Row(
        "discard granularity",
        cap::DISCARD_GRANULARITY,
        Unit::Bytes,
        Most,
    ),
    Row("secure erase", cap::SECURE_ERASE, Unit::Bytes, Least),
    Row("write zeroes", cap::WRITE_ZEROES, Unit::Bytes, Least),
    Row("write zeroes with unmap", cap::UNMAP, Unit::Bytes, Least),
    Row("NOWAIT", cap::NOWAIT, Flag, Least),
    Row("polled I/O", cap::POLL, Flag, Least),
    Row("atomic write, smallest", cap::ATOMIC_MIN, Unit::Bytes, Most),
    Row("atomic write, largest", cap::ATOMIC_MAX, Unit::Bytes, Least),
    Row(
        "atomic write, merged",
        cap::ATOMIC_MERGED,
        Unit::Bytes,
        Least,
    ),
    Row(
        "atomic write boundary",
        cap::ATOMIC_BOUNDARY,
        Unit::Bytes,
        Same,
    ),
    Row("write streams", cap::WRITE_STREAMS, Count, Least),
    Row(
        "write stream granularity",
        cap::WRITE_STREAM_GRANULARITY,
        Unit::Bytes,
        Most,
    ),
    Row("protection information", cap::INTEGRITY, Unit::Bytes, Same),
    Row("protection interval", cap::INTEGRITY_INTERVAL, Power, Same),
    Row("protection tag", cap::INTEGRITY_TAG, Unit::Bytes, Same),
    Row(
        "protection checksum",
        cap::INTEGRITY_CHECKSUM,
        Checksum,
        Same,
    ),
    Row("zone size", cap::ZONE_SIZE, Unit::Bytes, Same),
    Row("zone append", cap::ZONE_APPEND, Unit::Bytes, Least),
    Row("open zones", cap::OPEN_ZONES, Count, Least),
    Row("active zones", cap::ACTIVE_ZONES, Count, Least),
    Row("stable writes", cap::STABLE_WRITES, Flag, Most),
    Row("rotational", cap::ROTATIONAL, Flag, Most),
    Row("peer-to-peer memory", cap::PEER_TO_PEER, Flag, Least),
    Row("inline encryption", cap::INLINE_ENCRYPTION, Flag, Least),
    Row("DAX", cap::DAX, Flag, Least),
];

/// One capability of a device and of its drives.
#[derive(Debug)]
pub(crate) struct Verdict {
    pub(crate) name: &'static str,
    pub(crate) unit: Unit,
    /// What the drive of each target has.
    pub(crate) drives: Vec<u64>,
    /// What the device has.
    pub(crate) device: u64,
    /// Why it is not the same; none if it is.
    pub(crate) why: Option<&'static str>,
}

/// All capabilities of a device.
pub(crate) fn verdicts(caps: &DeviceCaps) -> Vec<Verdict> {
    let verdict = |row: &Row| {
        let Row(name, attribute, unit, stacks) = *row;
        let drives: Vec<u64> = caps
            .targets
            .iter()
            .map(|drive| drive.get(attribute))
            .collect();
        let device = caps.capabilities.get(attribute);
        let same = drives.iter().all(|drive| *drive == device);
        Verdict {
            name,
            unit,
            why: (!same).then(|| why(caps, attribute, stacks, &drives, device)),
            drives,
            device,
        }
    };
    ROWS.iter().map(verdict).collect()
}

/// Why a device has not what each of its drives has.
fn why(
    caps: &DeviceCaps,
    attribute: u16,
    stacks: Stacks,
    drives: &[u64],
    device: u64,
) -> &'static str {
    let least = drives.iter().copied().min().unwrap_or(0);
    let most = drives.iter().copied().max().unwrap_or(0);
    match attribute {
        cap::DAX => "every I/O is measured, and DAX is no I/O",
        cap::WRITE_CACHE | cap::FUA if device != 0 => {
            "promised always: the drive after a retarget may need it"
        }
        cap::INLINE_ENCRYPTION if least != 0 => {
            "nothing that all engines can do, or mapped before they were there"
        }
        cap::POLL if caps.device.queue == QueueMode::Mq => {
            "the request queue has no queues to poll"
        }
        cap::IO_MIN | cap::IO_OPT if caps.device.stripe.is_some() => {
            "the length of a chunk, and of a row"
        }
        cap::ALIGNMENT_OFFSET => "a target begins within a physical block",
        cap::OPEN_ZONES | cap::ACTIVE_ZONES => {
            "there are fewer zones, or targets share the drive's"
        }
        cap::ATOMIC_MIN | cap::ATOMIC_MAX | cap::ATOMIC_MERGED | cap::ATOMIC_BOUNDARY
            if least == most =>
        {
            "a target or chunk begins or ends within an atomic write"
        }
        _ if least == most => "changed for the device alone, or promised before a retarget",
        _ => match stacks {
            Least if device == least => "the least of the drives",
            Most if device == most => "the most of the drives",
            Same => "the drives do not agree",
            _ => "what all the drives can do together",
        },
    }
}

#[cfg(test)]
mod tests;
