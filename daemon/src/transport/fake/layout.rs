// SPDX-License-Identifier: MIT OR Apache-2.0
//! How targets make up a device of the fake, by the rulebook of the kernel. The table calls it.

use shunt_logic::{
    extent::SECTOR,
    refusal::{Refused, TargetError},
    table::{Part, Piece, Shape, Zones, end_of, may_grow},
};

use crate::model::{Device, State, Target, TargetSpec};

/// A backing device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drive {
    /// Major number.
    pub major: u32,
    /// Minor number; drives with the same numbers are one drive at several paths.
    pub minor: u32,
    /// Size in bytes.
    pub size: u64,
    /// Smallest I/O in bytes.
    pub logical_block_size: u32,
    /// What it says of itself, so that it is known again under other numbers; none for one that
    /// says nothing.
    pub serial: Option<u64>,
    /// Sequence number of its disk, which [`Fake::add_drive`](super::Fake::add_drive) gives it.
    pub diskseq: u64,
}

impl Drive {
    /// A drive of `size` bytes with blocks of 512 bytes, whose serial number is made of its numbers.
    pub fn new(major: u32, minor: u32, size: u64) -> Self {
        Self {
            major,
            minor,
            size,
            logical_block_size: 512,
            serial: Some((u64::from(major) << 32) | u64::from(minor)),
            diskseq: 0,
        }
    }

    /// Whether a target is on it, and not on a drive that had its numbers before.
    pub(super) fn is(&self, target: &Target) -> bool {
        (self.major, self.minor, self.diskseq) == (target.major, target.minor, target.diskseq)
    }
}

/// A target that is to be part of a table.
struct Wanted<'a> {
    path: &'a str,
    drive: Drive,
    piece: Piece,
}

impl<'a> Wanted<'a> {
    fn find(
        spec: &'a TargetSpec,
        drive_at: impl Fn(&str) -> Result<Drive, TargetError>,
    ) -> Result<Self, TargetError> {
        let drive = drive_at(&spec.path)?;
        let block = drive.logical_block_size.into();
        Ok(Self {
            path: &spec.path,
            drive,
            piece: Piece::within(spec.offset, spec.length, drive.size, block)?,
        })
    }

    /// Whether a device has that target, and it begins where this one does.
    fn begins_with(&self, target: &Target) -> bool {
        self.drive.is(target) && self.piece.extent.offset_bytes() == target.offset
    }
}

impl Part for Wanted<'_> {
    fn piece(&self) -> &Piece {
        &self.piece
    }

    fn piece_mut(&mut self) -> &mut Piece {
        &mut self.piece
    }

    fn is_beside(&self, other: &Self) -> bool {
        let numbers = |drive: &Drive| (drive.major, drive.minor, drive.diskseq);
        numbers(&self.drive) == numbers(&other.drive)
    }

    fn logical_block_size(&self) -> u32 {
        self.drive.logical_block_size
    }

    fn zones(&self) -> Zones {
        Zones::default()
    }
}

/// Targets that make up a device.
pub(super) struct Layout {
    pub(super) targets: Vec<Target>,
    pub(super) size: u64,
    pub(super) logical_block_size: u32,
}

impl Layout {
    /// Finds the drives with `drive_at` and makes a table of them. One that is to replace the table of `old` has the
    /// targets of it that are asked for again as long as they were, but for those that may grow.
    pub(super) fn new(
        specs: &[TargetSpec],
        stripe: Option<u64>,
        old: Option<&Device>,
        drive_at: impl Fn(&str) -> Result<Drive, TargetError>,
    ) -> Result<Self, Refused> {
        let mut parts = Vec::new();
        for (number, spec) in specs.iter().enumerate() {
            let mut part = Wanted::find(spec, &drive_at).map_err(|error| error.at(number))?;
            let kept = old.and_then(|old| old.targets.get(number));
            if let Some(kept) = kept.filter(|kept| {
                !may_grow(stripe.is_some(), number, specs.len())
                    && part.piece.open_ended
                    && part.begins_with(kept)
            }) {
                part.piece.extent.shorten(kept.length / SECTOR);
            }
            parts.push(part);
        }
        let kept = old.map_or(0, |old| old.logical_block_size);
        let shape = Shape::of(&mut parts, stripe, kept)?;
        let mut layout = Self {
            targets: Vec::new(),
            size: 0,
            logical_block_size: shape.block,
        };
        let mut end = 0;
        for (number, part) in parts.iter().enumerate() {
            let (drive, extent) = (&part.drive, &part.piece.extent);
            layout.targets.push(Target {
                path: part.path.to_owned(),
                major: drive.major,
                minor: drive.minor,
                diskseq: drive.diskseq,
                start: stripe.map_or(end * SECTOR, |chunk| number as u64 * chunk),
                offset: extent.offset_bytes(),
                length: extent.length_bytes(),
                state: State::Live,
            });
            end = end_of(end, extent.sectors()).ok_or(Refused::TooLong)?;
        }
        layout.size = end * SECTOR;
        Ok(layout)
    }

    /// No byte of a drive is in targets of two devices.
    pub(super) fn check_free(&self, device: &Device) -> Result<(), Refused> {
        let end = |target: &Target| target.offset + target.length;
        for (number, target) in self.targets.iter().enumerate() {
            let drive = |target: &Target| (target.major, target.minor, target.diskseq);
            let mut others = device.targets.iter();
            if let Some(other) = others.find(|other| {
                drive(other) == drive(target)
                    && target.offset < end(other)
                    && other.offset < end(target)
            }) {
                return Err(TargetError::Overlaps {
                    id: device.id,
                    offset: other.offset,
                    length: other.length,
                }
                .at(number));
            }
        }
        Ok(())
    }
}
