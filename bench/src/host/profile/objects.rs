// SPDX-License-Identifier: MIT OR Apache-2.0
//! The objects on the way of an I/O, and the pointers that lead from one to the next.

use std::collections::BTreeSet;

/// Objects on the way of an I/O: how the report names them, and their structure. Those without one are counters and
/// pointers of each processor.
pub(super) const OBJECTS: [(&str, &str); 13] = [
    (BIO, "bio"),
    (OWN, "block_device"),
    (DISK, "gendisk"),
    (DEVICE, PRIVATE),
    (TARGET, HELD_TARGET),
    (DRIVE, "block_device"),
    (HOOKS, SHARED),
    (CONTEXT, "Context<shunt::io::complete::Measured>"),
    (POOL, HELD_CONTEXTS),
    (COUNTERS, ""),
    (IN_FLIGHT, ""),
    (FREE, ""),
    (DISK_STATS, "disk_stats"),
];

/// Where the way begins.
pub(super) const BIO: &str = "bio";
const OWN: &str = "block_device of the shunt";
const DISK: &str = "gendisk of the shunt";
const DEVICE: &str = "device";
const TARGET: &str = "target";
const DRIVE: &str = "block_device of the drive";
const HOOKS: &str = "hooks of the device";
/// What goes along with the bio.
pub(super) const CONTEXT: &str = "context";
const POOL: &str = "contexts of all devices";
const COUNTERS: &str = "counters of the processor";
const IN_FLIGHT: &str = "in-flight counter of the processor";
const FREE: &str = "free contexts of the processor";
const DISK_STATS: &str = "disk_stats of the processor";
/// How the names of objects end that each processor has of its own.
pub(super) const PER_CPU: &str = "of the processor";
/// What is none of them.
pub(super) const ELSEWHERE: &str = "elsewhere";

// Structures, by the names that rustc gives them.
const PRIVATE: &str = "Private<shunt::io::bio_path::Io>";
const HELD_TARGET: &str = "ArcInner<shunt::target::Target>";
const SHARED: &str = "Shared<shunt::io::complete::Measured>";
const HOOKS_OF_IO: &str = "Hooks<shunt::io::complete::Measured>";
const CONTEXTS: &str = "Contexts<shunt::io::complete::Measured>";
const HELD_CONTEXTS: &str =
    "ArcInner<shunt::kernel_ext::block::hook::Contexts<shunt::io::complete::Measured>>";

/// Structures that are only parts of others.
const PARTS: [&str; 8] = [
    "Io",
    "Path",
    HOOKS_OF_IO,
    "Target",
    "OpenDevice",
    "DeviceStats",
    CONTEXTS,
    "BlockDevice",
];

/// A pointer in one object that leads to another.
pub(super) struct Link {
    pub(super) from: &'static str,
    /// Where the pointer is: a structure and its field, and so on inwards.
    pub(super) way: &'static [(&'static str, &'static str)],
    /// Bytes behind that; the variants of an enumeration are not in pahole's tables.
    pub(super) behind: u64,
    /// What is written there leads to it, not what is read.
    pub(super) stored: bool,
    pub(super) to: &'static str,
}

const fn link(
    from: &'static str,
    way: &'static [(&'static str, &'static str)],
    to: &'static str,
) -> Link {
    Link {
        from,
        way,
        behind: 0,
        stored: false,
        to,
    }
}

/// All that are followed.
pub(super) const LINKS: [Link; 12] = [
    link(BIO, &[("bio", "bi_bdev")], OWN),
    link(OWN, &[("block_device", "bd_disk")], DISK),
    link(DISK, &[("gendisk", "private_data")], DEVICE),
    Link {
        behind: 8,
        ..link(DEVICE, &[(PRIVATE, "path"), ("Path", "route")], TARGET)
    },
    link(
        TARGET,
        &[
            (HELD_TARGET, "data"),
            ("Target", "device"),
            ("OpenDevice", "device"),
        ],
        DRIVE,
    ),
    link(
        DEVICE,
        &[(PRIVATE, "data"), ("Io", "hooks"), (HOOKS_OF_IO, "shared")],
        HOOKS,
    ),
    Link {
        stored: true,
        ..link(BIO, &[("bio", "bi_private")], CONTEXT)
    },
    link(HOOKS, &[(SHARED, "contexts")], POOL),
    link(
        HOOKS,
        &[(SHARED, "owner"), ("DeviceStats", "counters")],
        COUNTERS,
    ),
    link(HOOKS, &[(SHARED, "in_flight")], IN_FLIGHT),
    link(POOL, &[(HELD_CONTEXTS, "data"), (CONTEXTS, "free")], FREE),
    link(OWN, &[("block_device", "bd_stats")], DISK_STATS),
];

/// The structures that are read.
pub(super) fn structures() -> Vec<&'static str> {
    let named = OBJECTS.iter().map(|(_, structure)| *structure);
    let all: BTreeSet<&str> = named.chain(PARTS).filter(|name| !name.is_empty()).collect();
    all.into_iter().collect()
}
