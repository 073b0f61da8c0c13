// SPDX-License-Identifier: GPL-2.0-only

//! Which target of a table has which sectors of the device.
//!
//! Joined targets follow each other; striped ones take turns, a chunk each. All numbers are in
//! sectors.

use super::extent::SECTOR;
use core::num::NonZeroU64;

/// Sectors that a block device may have: the kernel counts its bytes in a signed word.
pub const LONGEST: u64 = i64::MAX as u64 / SECTOR;

/// Where a target of `sectors` sectors ends that begins at `start` of a device; none if no device is so long.
pub fn end_of(start: u64, sectors: u64) -> Option<u64> {
    let end = start.checked_add(sectors)?;
    (end <= LONGEST).then_some(end)
}

/// Where a sector of the device is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Number of the target.
    pub target: usize,
    /// The sector in the target.
    pub sector: u64,
    /// How many sectors from this one on are together on the target.
    pub room: u64,
}

/// How targets make up a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// One after the other.
    Joined,
    /// A chunk of each in turn. The targets are equally long, a multiple of the chunk.
    Striped {
        /// Length of a chunk.
        chunk: NonZeroU64,
        /// Number of targets.
        targets: NonZeroU64,
    },
}

impl Layout {
    /// Where `sector` of the device is. `ends` has the end of each target when they are joined:
    /// not empty, ascending, the last one above `sector`.
    pub fn find(&self, ends: &[u64], sector: u64) -> Place {
        match *self {
            Self::Joined => {
                let target = ends.partition_point(|end| *end <= sector);
                let start = start_of(ends, target);
                let end = ends.get(target).copied().unwrap_or(u64::MAX);
                Place {
                    target,
                    sector: sector - start,
                    room: end - sector,
                }
            }
            Self::Striped { chunk, targets } => {
                let (number, within) = (sector / chunk, sector % chunk);
                Place {
                    target: (number % targets) as usize,
                    sector: number / targets * chunk.get() + within,
                    room: chunk.get() - within,
                }
            }
        }
    }

    /// What target number `target` has of the `sectors` sectors from `first` on: where that begins
    /// in the target, and its length. It is always in one piece.
    pub fn share(&self, ends: &[u64], target: usize, first: u64, sectors: u64) -> (u64, u64) {
        let before = |sector: u64| match *self {
            Self::Joined => {
                let start = start_of(ends, target);
                let end = ends.get(target).copied().unwrap_or(start);
                sector.min(end).max(start) - start
            }
            Self::Striped { chunk, targets } => {
                let row = chunk.saturating_mul(targets);
                let chunk = chunk.get();
                let turn = (sector % row).saturating_sub(chunk * target as u64);
                sector / row * chunk + turn.min(chunk)
            }
        };
        let begin = before(first);
        (begin, before(first + sectors) - begin)
    }
}

fn start_of(ends: &[u64], target: usize) -> u64 {
    let before = target.checked_sub(1).and_then(|before| ends.get(before));
    before.copied().unwrap_or(0)
}
