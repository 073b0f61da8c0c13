// SPDX-License-Identifier: MIT OR Apache-2.0
//! Tables that are wanted, on drives that were found: what to ask the kernel for, and how long they
//! come out. The plan uses it.

use shunt_logic::table::{Part, Piece, Shape, Zones, may_grow};

use super::row;
use crate::{
    config::DriveName,
    config::Wanted,
    machine::{Drive, Found, Machine},
    model::{Device, DeviceSpec, TargetSpec},
};

/// What a target is called, if so many are there or wanted.
pub(super) fn title(count: usize, number: usize) -> String {
    match count {
        1 => "target".to_owned(),
        _ => format!("target {}", number + 1),
    }
}

/// What to ask the kernel for; none while a drive is missing. A device that is there keeps where
/// its bytes are: a target in the middle stays as long as it is though its drive has grown.
pub(super) fn specs(
    wanted: &Wanted,
    found: &[Option<Drive>],
    device: Option<&Device>,
) -> Option<Vec<TargetSpec>> {
    let rows = wanted.targets.iter().zip(found).enumerate();
    let specs = rows.map(|(number, (target, drive))| {
        let drive = drive.as_ref()?;
        Some(TargetSpec {
            path: drive.path.clone(),
            offset: target.offset,
            length: length(wanted, number, Some(drive), device),
            planned: Some(drive.id()),
        })
    });
    specs.collect()
}

/// The length to ask for, if any.
fn length(
    wanted: &Wanted,
    number: usize,
    drive: Option<&Drive>,
    device: Option<&Device>,
) -> Option<u64> {
    let target = &wanted.targets[number];
    let grows = may_grow(wanted.stripe.is_some(), number, wanted.targets.len());
    if target.length.is_some() || grows {
        return target.length;
    }
    let kept = device.and_then(|device| device.targets.get(number));
    kept.filter(|kept| drive.is_some_and(|drive| row::is_at(target, drive, kept)))
        .map(|kept| kept.length)
}

/// How a device would be mapped again as it is; none if a path of its table does not lead to its
/// drive any more. What goes to the end of its drive grows with that afterwards, too.
pub(super) fn as_it_is(device: &Device, machine: &dyn Machine) -> Option<DeviceSpec> {
    let last = device.targets.len().saturating_sub(1);
    let rows = device.targets.iter().enumerate();
    let targets = rows.map(|(number, target)| {
        let found = machine.find(&DriveName::Path(target.path.clone()));
        let Found::Drive(drive) = found else {
            return None;
        };
        let block = u64::from(device.logical_block_size).max(1);
        let end = drive.size - drive.size % block;
        let grows = device.stripe.is_none()
            && number == last
            && target.offset.saturating_add(target.length) == end;
        row::is_on(&drive, target).then(|| TargetSpec {
            path: target.path.clone(),
            offset: target.offset,
            length: Some(target.length).filter(|_| !grows),
            planned: Some(drive.id()),
        })
    });
    Some(DeviceSpec {
        name: device.name.clone(),
        queue: device.queue,
        stats: device.stats,
        read_only: device.read_only,
        targets: targets.collect::<Option<_>>()?,
        stripe: device.stripe,
    })
}

/// How long the table comes out, in bytes; none while a drive is missing, or if the kernel would refuse it.
pub(super) fn size(
    wanted: &Wanted,
    found: &[Option<Drive>],
    device: Option<&Device>,
) -> Option<u64> {
    let rows = wanted.targets.iter().zip(found).enumerate();
    let parts = rows.map(|(number, (target, drive))| {
        let drive = drive.as_ref()?;
        let length = length(wanted, number, Some(drive), device);
        let block = drive.logical_block_size.into();
        let piece = Piece::within(target.offset, length, drive.size, block).ok()?;
        Some(Sized { drive, piece })
    });
    let mut parts = parts.collect::<Option<Vec<_>>>()?;
    let kept = device.map_or(0, |device| device.logical_block_size);
    Shape::of(&mut parts, wanted.stripe, kept).ok()?;
    let lengths = parts.iter().map(|part| part.piece.extent.length_bytes());
    lengths.reduce(u64::saturating_add)
}

/// A target as far as the length of its table depends on it.
struct Sized<'a> {
    drive: &'a Drive,
    piece: Piece,
}

impl Part for Sized<'_> {
    fn piece(&self) -> &Piece {
        &self.piece
    }

    fn piece_mut(&mut self) -> &mut Piece {
        &mut self.piece
    }

    fn is_beside(&self, other: &Self) -> bool {
        (self.drive.major, self.drive.minor) == (other.drive.major, other.drive.minor)
    }

    fn logical_block_size(&self) -> u32 {
        self.drive.logical_block_size
    }

    fn zones(&self) -> Zones {
        // No length depends on them.
        Zones::default()
    }
}
