// SPDX-License-Identifier: MIT OR Apache-2.0
//! How targets make up a device of the fake, and the rules by which the kernel takes or refuses
//! them. The table calls it.

use std::ops::Range;

use nix::libc::{EBUSY, EINVAL, ERANGE};

use super::table::{Checked, refuse_part};
use crate::{
    error::Refusal,
    model::{Device, State, Target, TargetSpec},
};

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

/// Targets that make up a device.
pub(super) struct Layout {
    pub(super) targets: Vec<Target>,
    pub(super) size: u64,
    pub(super) logical_block_size: u32,
}

impl Layout {
    /// Finds the drives with `drive_at` and checks that the targets make a device.
    pub(super) fn new(
        wanted: &[TargetSpec],
        stripe: Option<u64>,
        drive_at: impl Fn(&str) -> Checked<Drive>,
    ) -> Checked<Self> {
        let mut pieces = Vec::new();
        for (number, target) in wanted.iter().enumerate() {
            let piece = drive_at(&target.path).and_then(|drive| {
                let range = check_range(target, &drive)?;
                Ok((drive, range))
            });
            pieces.push(piece.map_err(|refusal| refusal.at(number))?);
        }
        let blocks = pieces.iter().map(|(drive, _)| drive.logical_block_size);
        let block = blocks.max().unwrap_or(512);
        if let Some(stripe) = stripe {
            cut_stripes(wanted, &mut pieces, stripe, block)?;
        }
        let mut layout = Self {
            targets: Vec::new(),
            size: 0,
            logical_block_size: block,
        };
        for (number, (wanted, (drive, range))) in wanted.iter().zip(pieces).enumerate() {
            let length = range.end - range.start;
            if length % u64::from(block) != 0 {
                let refusal = unaligned("length", length, block.into());
                return refusal.map_err(|refusal| refusal.at(number));
            }
            let overlaps = |other: &Target| overlaps(other, &drive, &range);
            if let Some(other) = layout.targets.iter().position(overlaps) {
                let text = format!("overlaps target {} of the table", other + 1);
                return Err(Refusal::new(EINVAL, text).at(number));
            }
            layout.targets.push(Target {
                path: wanted.path.clone(),
                major: drive.major,
                minor: drive.minor,
                diskseq: drive.diskseq,
                start: stripe.map_or(layout.size, |chunk| number as u64 * chunk),
                offset: range.start,
                length,
                state: State::Live,
            });
            layout.size += length;
        }
        Ok(layout)
    }

    /// No byte of a drive is in targets of two devices.
    pub(super) fn check_free(&self, device: &Device) -> Checked<()> {
        for (number, target) in self.targets.iter().enumerate() {
            let drive = Drive {
                diskseq: target.diskseq,
                ..Drive::new(target.major, target.minor, 0)
            };
            let range = target.offset..target.offset + target.length;
            let mut others = device.targets.iter();
            if let Some(other) = others.find(|other| overlaps(other, &drive, &range)) {
                let (disk, length, offset) = (device.disk_name(), other.length, other.offset);
                let text = format!("overlaps {disk}, which has {length} bytes from {offset} on");
                return Err(Refusal::new(EBUSY, text).at(number));
            }
        }
        Ok(())
    }
}

/// Makes the pieces equally long, a multiple of the chunk.
fn cut_stripes(
    wanted: &[TargetSpec],
    pieces: &mut [(Drive, Range<u64>)],
    stripe: u64,
    block: u32,
) -> Checked<()> {
    if pieces.len() < 2 {
        return refuse_part(EINVAL, "stripe", "stripes need at least two targets");
    }
    if stripe == 0 || stripe % u64::from(block) != 0 {
        let text = format!("stripe {stripe} is not a multiple of the logical block, {block}");
        return refuse_part(EINVAL, "stripe", text);
    }
    let lengths = pieces.iter().map(|(_, range)| range.end - range.start);
    let shortest = lengths.min().unwrap_or(0);
    let even = shortest - shortest % stripe;
    for (number, (wanted, (_, range))) in wanted.iter().zip(pieces).enumerate() {
        let length = range.end - range.start;
        if even == 0 || (length != even && wanted.length.is_some()) {
            let must = even.max(stripe);
            let text = format!("length {length}, but all stripes must have the same, {must}");
            return Err(Refusal::new(EINVAL, text).of("length").at(number));
        }
        range.end = range.start + even;
    }
    Ok(())
}

fn overlaps(other: &Target, drive: &Drive, range: &Range<u64>) -> bool {
    drive.is(other) && range.start < other.offset + other.length && other.offset < range.end
}

fn unaligned<T>(word: &str, value: u64, block: u64) -> Checked<T> {
    let text = format!("{word} {value} is not a multiple of the logical block, {block}");
    refuse_part(EINVAL, word, text)
}

fn check_range(wanted: &TargetSpec, drive: &Drive) -> Checked<Range<u64>> {
    let (offset, size) = (wanted.offset, drive.size);
    let block = u64::from(drive.logical_block_size);
    if offset % block != 0 {
        return unaligned("offset", offset, block);
    }
    let whole = size - size % block;
    if offset >= whole {
        let text = format!("offset {offset} is not below the drive's size, {size}");
        return refuse_part(ERANGE, "offset", text);
    }
    let room = whole - offset;
    let length = wanted.length.unwrap_or(room);
    if length == 0 {
        return refuse_part(EINVAL, "length", "length 0 is too short");
    }
    if length % block != 0 {
        return unaligned("length", length, block);
    }
    if length > room {
        let text = format!("length {length} is above the {room} bytes from the offset on");
        return refuse_part(ERANGE, "length", text);
    }
    Ok(offset..offset + length)
}
