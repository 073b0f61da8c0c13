// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0

//! Which pieces of drives make a table, and which of them has which sectors of the device.
//!
//! Joined targets follow each other; striped ones take turns, a chunk each. Numbers are in sectors where nothing else is
//! said.

use super::{
    extent::{Extent, ExtentError, SECTOR},
    refusal::{Refused, TargetError},
};
use core::num::NonZeroU64;

/// Sectors that a block device may have: the kernel counts its bytes in a signed word.
pub const LONGEST: u64 = i64::MAX as u64 / SECTOR;

/// Most devices that may stand on each other.
///
/// An I/O goes down through all of them, and so do commands of the drive and reports of zones, each within the other. A
/// request queue in a deep stack starts on a new stack (`kernel_ext/block/request_queue.rs`), but the ends of an I/O go
/// up within each other, where the drive ends it, which may be on the stack of an interrupt.
pub const DEEPEST: usize = 16;

/// Where a target of `sectors` sectors ends that begins at `start` of a device; none if no device is so long.
pub fn end_of(start: u64, sectors: u64) -> Option<u64> {
    let end = start.checked_add(sectors)?;
    (end <= LONGEST).then_some(end)
}

/// The piece of its drive that a target covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Where it is.
    pub extent: Extent,
    /// The length was not asked for: the target may become shorter than the rest of the drive, and grow with it.
    pub open_ended: bool,
}

impl Piece {
    /// The piece of `length` bytes at `offset` of a drive, as by [`Extent::within`]; without a length its end is open.
    pub fn within(
        offset: u64,
        length: Option<u64>,
        size: u64,
        block: u64,
    ) -> Result<Self, ExtentError> {
        Ok(Self {
            extent: Extent::within(offset, length, size, block)?,
            open_ended: length.is_none(),
        })
    }
}

/// A target that is to be part of a table.
pub trait Part {
    /// The piece of its drive.
    fn piece(&self) -> &Piece;

    /// The same, to make it shorter.
    fn piece_mut(&mut self) -> &mut Piece;

    /// Whether both are on one drive.
    fn is_beside(&self, other: &Self) -> bool;

    /// Logical block size of the drive in bytes, a power of two.
    fn logical_block_size(&self) -> u32;

    /// Size of the drive's zones, and how much of each can be written; 0 without zones.
    fn zones(&self) -> Zones;
}

/// Zones that all drives of a table have in common, in sectors; 0 without zones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Zones {
    /// Size of a zone.
    pub size: u64,
    /// How much of it can be written.
    pub capacity: u64,
}

/// What some targets make up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Which of them has what.
    pub layout: Layout,
    /// Logical block size of the device in bytes.
    pub block: u32,
    /// The zones that they have.
    pub zones: Zones,
}

impl Shape {
    /// What these targets make up, joined or in chunks of `stripe` bytes. Those that take turns are made equally long.
    ///
    /// A device that gets another table keeps its logical block, and so has whole blocks of `kept` bytes, a power of two, at
    /// least; 0 for a new device. Targets whose length was not asked for end with a block of the device.
    pub fn of<P: Part>(parts: &mut [P], stripe: Option<u64>, kept: u32) -> Result<Self, Refused> {
        let blocks = parts.iter().map(P::logical_block_size);
        let block = blocks.fold(kept.max(SECTOR as u32), u32::max);
        let rest = u64::from(block) / SECTOR - 1;
        for part in parts.iter_mut().filter(|part| part.piece().open_ended) {
            let extent = &mut part.piece_mut().extent;
            extent.shorten(extent.sectors() & !rest);
        }
        let layout = match stripe {
            None => Layout::Joined,
            Some(bytes) => take_turns(parts, bytes, block)?,
        };
        check(parts, block)?;
        let zones = zones_of(parts)?;
        match (layout, zones.size) {
            (Layout::Joined, _) | (_, 0) => Ok(Self {
                layout,
                block,
                zones,
            }),
            _ => Err(Refused::ZonedStripes),
        }
    }
}

/// Makes the parts equally long, a multiple of the chunk.
fn take_turns<P: Part>(parts: &mut [P], bytes: u64, block: u32) -> Result<Layout, Refused> {
    let targets = match NonZeroU64::new(parts.len() as u64) {
        Some(count) if count.get() > 1 => count,
        _ => return Err(Refused::StripeOfOne),
    };
    let refused = Refused::Stripe { bytes, block };
    if bytes & u64::from(block - 1) != 0 {
        return Err(refused);
    }
    let chunk = NonZeroU64::new(bytes / SECTOR).ok_or(refused)?;
    let lengths = parts.iter().map(|part| part.piece().extent.sectors());
    let length = whole_chunks(lengths.min().unwrap_or(0), chunk);
    for (number, part) in parts.iter_mut().enumerate() {
        let sectors = part.piece().extent.sectors();
        if length == 0 || (sectors != length && !part.piece().open_ended) {
            return Err(TargetError::Stripe {
                length: sectors.saturating_mul(SECTOR),
                wanted: length.saturating_mul(SECTOR).max(bytes),
            }
            .at(number));
        }
        part.piece_mut().extent.shorten(length);
    }
    Ok(Layout::Striped { chunk, targets })
}

/// Whether target `number` of `count` may become longer when its drive has. Of joined targets only the last may: the others
/// have others behind them.
pub fn may_grow(striped: bool, number: usize, count: usize) -> bool {
    striped || number + 1 == count
}

/// How much of `length` are whole chunks, both in one unit: as long is each of several stripes of which the shortest has
/// `length`.
pub fn whole_chunks(length: u64, chunk: NonZeroU64) -> u64 {
    length - length % chunk
}

/// Every target must end on a block of the device, and have its sectors to itself.
fn check<P: Part>(parts: &[P], block: u32) -> Result<(), Refused> {
    for (number, part) in parts.iter().enumerate() {
        let length = part.piece().extent.length_bytes();
        if length & u64::from(block - 1) != 0 {
            let block = block.into();
            let error = ExtentError::LengthUnaligned { length, block };
            return Err(TargetError::Extent(error).at(number));
        }
        let mut before = parts.iter().take(number);
        let overlaps = |other: &P| {
            other.is_beside(part) && other.piece().extent.overlaps(&part.piece().extent)
        };
        if let Some(other) = before.position(overlaps) {
            return Err(TargetError::OverlapsTarget(other).at(number));
        }
    }
    Ok(())
}

/// The zones that all drives have in common.
fn zones_of<P: Part>(parts: &[P]) -> Result<Zones, Refused> {
    let zones = parts.first().map_or(Zones::default(), P::zones);
    for (number, part) in parts.iter().enumerate() {
        let own = part.zones();
        if own != zones {
            let (value, wanted) = match own.size == zones.size {
                true => (own.capacity, zones.capacity),
                false => (own.size, zones.size),
            };
            return Err(TargetError::ZonesDiffer {
                value: value.saturating_mul(SECTOR),
                wanted: wanted.saturating_mul(SECTOR),
            }
            .at(number));
        }
        // Only the last zone of the device may be smaller.
        if zones.size != 0 && number + 1 < parts.len() {
            let whole = part.piece().extent.check_zones(zones.size, u64::MAX);
            whole.map_err(|error| TargetError::Extent(error).at(number))?;
        }
    }
    Ok(zones)
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
