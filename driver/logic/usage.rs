// SPDX-License-Identifier: GPL-2.0-only

//! Who uses which sectors of a drive, and which number is free. The caller keeps the order in which
//! things are found; nothing here looks at more than it has to.

use super::extent::Extent;

/// A piece of a drive that a device uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Use {
    /// The piece.
    pub extent: Extent,
    /// Number of the device.
    pub device: u32,
}

/// A use of the same drive that has a sector in common with `wanted`, by another device than `user`.
///
/// `first_from` gives the first use of the drive that has a sector from the given one on. Uses have no
/// sector in common. It is called once, and once more for each use of `user` that `wanted` reaches.
pub fn conflict(
    wanted: &Extent,
    user: Option<u32>,
    first_from: impl Fn(u64) -> Option<Use>,
) -> Option<Use> {
    let mut sector = wanted.first();
    loop {
        let used = first_from(sector)?;
        if !used.extent.overlaps(wanted) {
            return None;
        }
        if Some(used.device) != user {
            return Some(used);
        }
        sector = used.extent.last() + 1;
    }
}

/// The lowest number that is not among `count` different ones, which `number` gives in ascending order.
pub fn lowest_free(count: usize, number: impl Fn(usize) -> u32) -> u32 {
    // Up to the first gap each number is its own place, and behind it none is.
    let (mut low, mut high) = (0, count);
    while low < high {
        let middle = low + (high - low) / 2;
        if number(middle) as usize == middle {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low as u32
}
