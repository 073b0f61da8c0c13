// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0

//! Pieces of drives: which part of a drive a target covers.

use core::fmt;

/// Bytes in a sector, the unit in which the block layer counts whatever the drive's block size.
pub const SECTOR: u64 = 512;

/// A piece of a drive, in sectors. It is not empty, and its end does not overflow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    first: u64,
    sectors: u64,
}

/// Why a piece was refused. Sizes are in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExtentError {
    /// The offset is not a multiple of the drive's logical block.
    OffsetUnaligned {
        /// Offset that was asked for.
        offset: u64,
        /// Logical block size of the drive.
        block: u64,
    },
    /// The length is not a multiple of the drive's logical block.
    LengthUnaligned {
        /// Length that was asked for.
        length: u64,
        /// Logical block size of the drive.
        block: u64,
    },
    /// The length is zero.
    Empty,
    /// The offset is at or past the end of the drive.
    OffsetBeyondEnd {
        /// Offset that was asked for.
        offset: u64,
        /// Size of the drive.
        size: u64,
    },
    /// The piece reaches past the end of the drive.
    EndBeyondEnd {
        /// Length that was asked for.
        length: u64,
        /// What the drive has from the offset on.
        room: u64,
    },
    /// The piece does not begin where a zone does.
    OffsetInZone {
        /// What was asked for.
        offset: u64,
        /// Zone size of the drive.
        zone: u64,
    },
    /// The piece does not end where a zone does.
    LengthInZone {
        /// What was asked for.
        length: u64,
        /// Zone size of the drive.
        zone: u64,
    },
}

impl fmt::Display for ExtentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::OffsetUnaligned { offset, block } => write!(
                f,
                "offset {offset} is not a multiple of the logical block, {block}"
            ),
            Self::LengthUnaligned { length, block } => write!(
                f,
                "length {length} is not a multiple of the logical block, {block}"
            ),
            Self::OffsetInZone { offset, zone } => write!(
                f,
                "offset {offset} is not a multiple of the zone size, {zone}"
            ),
            Self::LengthInZone { length, zone } => write!(
                f,
                "length {length} is not a multiple of the zone size, {zone}"
            ),
            Self::Empty => f.write_str("length 0 is too short"),
            Self::OffsetBeyondEnd { offset, size } => {
                write!(f, "offset {offset} is not below the drive's size, {size}")
            }
            Self::EndBeyondEnd { length, room } => {
                write!(f, "length {length} is above {room}, the rest of the drive")
            }
        }
    }
}

impl Extent {
    /// The piece of `length` bytes at `offset` of a drive of `size` bytes and logical blocks of
    /// `block` bytes; without a length, all whole blocks from the offset on.
    pub fn within(
        offset: u64,
        length: Option<u64>,
        size: u64,
        block: u64,
    ) -> Result<Self, ExtentError> {
        // Blocks are powers of two.
        let block = block.max(SECTOR);
        let rest = block - 1;
        if offset & rest != 0 {
            return Err(ExtentError::OffsetUnaligned { offset, block });
        }
        let whole = size & !rest;
        if offset >= whole {
            return Err(ExtentError::OffsetBeyondEnd { offset, size });
        }
        let room = whole - offset;
        let length = length.unwrap_or(room);
        if length == 0 {
            return Err(ExtentError::Empty);
        }
        if length & rest != 0 {
            return Err(ExtentError::LengthUnaligned { length, block });
        }
        if length > room {
            return Err(ExtentError::EndBeyondEnd { length, room });
        }
        Ok(Self {
            first: offset / SECTOR,
            sectors: length / SECTOR,
        })
    }

    /// Whether the piece is made of whole zones of `zone` sectors, on a drive of `size` sectors, whose
    /// last zone may be smaller.
    pub fn check_zones(&self, zone: u64, size: u64) -> Result<(), ExtentError> {
        let zone_bytes = zone * SECTOR;
        // Zones are powers of two.
        let rest = zone - 1;
        if self.first & rest != 0 {
            Err(ExtentError::OffsetInZone {
                offset: self.offset_bytes(),
                zone: zone_bytes,
            })
        } else if self.sectors & rest != 0 && self.first + self.sectors != size {
            Err(ExtentError::LengthInZone {
                length: self.length_bytes(),
                zone: zone_bytes,
            })
        } else {
            Ok(())
        }
    }

    /// First sector on the drive.
    pub fn first(&self) -> u64 {
        self.first
    }

    /// Length in sectors.
    pub fn sectors(&self) -> u64 {
        self.sectors
    }

    /// Where it begins on the drive, in bytes.
    pub fn offset_bytes(&self) -> u64 {
        self.first * SECTOR
    }

    /// Its length in bytes.
    pub fn length_bytes(&self) -> u64 {
        self.sectors * SECTOR
    }

    /// Uses no more than `sectors` sectors, of which there must be one.
    pub fn shorten(&mut self, sectors: u64) {
        self.sectors = self.sectors.min(sectors.max(1));
    }

    /// Whether two pieces of one drive have a sector in common.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.first < other.first + other.sectors && other.first < self.first + self.sectors
    }

    /// The sector of the drive that is `sector` of the piece.
    ///
    /// The block layer has seen to it that the sector lies in the device, and so in the piece.
    #[inline(always)]
    pub fn map(&self, sector: u64) -> u64 {
        self.first.wrapping_add(sector)
    }
}
