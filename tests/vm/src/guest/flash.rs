// SPDX-License-Identifier: MIT OR Apache-2.0
//! The emulated flash drives, found by serial number. Their sizes and blocks are in `host/drives.rs`.

use std::path::Path;

use super::sysfs;

/// A flash drive.
#[derive(Clone, Debug)]
pub(crate) struct Flash {
    /// Name in /sys/block.
    pub(crate) name: String,
    /// Device node.
    pub(crate) path: String,
    /// Size in bytes.
    pub(crate) bytes: u64,
    /// Logical block size in bytes.
    pub(crate) block: u64,
}

/// How many flash drives there are.
pub(crate) const COUNT: u32 = 4;

/// Number of the drive whose logical blocks have 4096 bytes; those of the others have 512.
pub(crate) const BIG_BLOCKS: u32 = 3;

/// Zone size of the zoned drives in bytes, and how much of a zone can be written.
pub(crate) const ZONE: (u64, u64) = (4 << 20, 3 << 20);

/// The drive with serial number `flashN`.
#[track_caller]
pub(crate) fn flash(number: u32) -> Flash {
    with_serial(&format!("flash{number}"))
}

/// The zoned drive with serial number `zonedN`; there are two, of the same kind.
#[track_caller]
pub(crate) fn zoned(number: u32) -> Flash {
    with_serial(&format!("zoned{number}"))
}

/// The drive with protection information, atomic writes and write streams.
#[track_caller]
pub(crate) fn rich() -> Flash {
    with_serial("rich")
}

#[track_caller]
fn with_serial(serial: &str) -> Flash {
    find(serial).unwrap_or_else(|| panic!("there is no drive with serial {serial}"))
}

/// The drive with this serial number, if there is one and it can be opened. Its folder in sysfs is there before all that is
/// in it, and before its node.
pub(crate) fn find_ready(serial: &str) -> Option<Flash> {
    find(serial).filter(|drive| Path::new(&drive.path).exists() && drive.bytes > 0)
}

/// The drive with this serial number, if there is one.
pub(crate) fn find(serial: &str) -> Option<Flash> {
    let names = sysfs::names("/sys/block").into_iter();
    let is_it = |name: &String| {
        sysfs::read(&format!("/sys/block/{name}/device/serial")).is_some_and(|text| text == serial)
    };
    let name = names.filter(|name| name.starts_with("nvme")).find(is_it)?;
    let number = |file: &str| {
        sysfs::read(&format!("/sys/block/{name}/{file}"))?
            .trim()
            .parse::<u64>()
            .ok()
    };
    Some(Flash {
        path: format!("/dev/{name}"),
        bytes: number("size")? * 512,
        block: number("queue/logical_block_size")?,
        name,
    })
}
