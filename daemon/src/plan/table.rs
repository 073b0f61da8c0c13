// SPDX-License-Identifier: MIT OR Apache-2.0
//! Tables that are wanted, on drives that were found: whether a device has them, what to ask the
//! kernel for, how long they come out. The plan uses it.

use super::Difference;
use crate::{
    config::{DriveName, Wanted, WantedTarget},
    machine::Drive,
    model::{Device, State, Target, TargetSpec},
    units::Bytes,
};

/// How the table of a device stands to the one that is wanted.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Table {
    /// It is that one.
    Same,
    /// It is that one, and a drive was lost.
    Lost,
    /// It is that one, and the drives have grown.
    Grown(Difference),
    /// It is that one by its names, but a name leads to another drive now.
    Moved(Vec<Difference>),
    /// It is another.
    Other(Vec<Difference>),
}

/// Compares the table of a device with the one that is wanted.
pub(super) fn compare(wanted: &Wanted, device: &Device, found: &[Option<Drive>]) -> Table {
    let rows = || wanted.targets.iter().zip(found).zip(&device.targets);
    let same_count = wanted.targets.len() == device.targets.len();
    let fits = |((wanted, drive), target): ((&WantedTarget, &Option<Drive>), &Target)| {
        is_at(wanted, drive.as_ref(), target)
            && wanted.length.is_none_or(|length| length == target.length)
    };
    if !same_count || !rows().all(fits) {
        return Table::Other(differences(wanted, device, found));
    }
    if device
        .targets
        .iter()
        .any(|target| target.state == State::Lost)
    {
        return Table::Lost;
    }
    let moved: Vec<_> = rows()
        .enumerate()
        .filter_map(|(number, ((_, drive), target))| {
            let drive = drive.as_ref().filter(|drive| !is_on(drive, target))?;
            let (from, to) = (&target.path, &drive.path);
            let from = format!("{from} ({}:{})", target.major, target.minor);
            let to = format!("{to} ({}:{})", drive.major, drive.minor);
            Some(Difference::new(title(device, number), from, to))
        })
        .collect();
    if !moved.is_empty() {
        return Table::Moved(moved);
    }
    match size(wanted, found, Some(device)) {
        Some(size) if size > device.size => {
            let (from, to) = (Bytes(device.size), Bytes(size));
            Table::Grown(Difference::new(
                "size",
                format!("{from:#}"),
                format!("{to:#}"),
            ))
        }
        _ => Table::Same,
    }
}

/// Whether a target is where it is wanted, by its drive or by the name of that.
fn is_at(wanted: &WantedTarget, drive: Option<&Drive>, target: &Target) -> bool {
    let by_name = || match (&wanted.drive, drive) {
        (DriveName::Path(path), _) => *path == target.path,
        (_, Some(drive)) => drive.path == target.path,
        (DriveName::PartUuid(uuid), None) => {
            let link = target.path.strip_prefix("/dev/disk/by-partuuid/");
            link == Some(uuid.as_str())
        }
        (DriveName::DiskSeq(_), None) => false,
    };
    wanted.offset == target.offset && (drive.is_some_and(|drive| is_on(drive, target)) || by_name())
}

fn is_on(drive: &Drive, target: &Target) -> bool {
    (drive.major, drive.minor) == (target.major, target.minor)
}

fn differences(wanted: &Wanted, device: &Device, found: &[Option<Drive>]) -> Vec<Difference> {
    let (before, after) = (&device.targets, &wanted.targets);
    let mut differences = Vec::new();
    if before.len() != after.len() {
        differences.push(Difference::new("targets", before.len(), after.len()));
    }
    for (number, ((wanted, drive), target)) in after.iter().zip(found).zip(before).enumerate() {
        let title = title(device, number);
        let path = drive.as_ref().map(|drive| drive.path.clone());
        let path = path.unwrap_or_else(|| wanted.drive.to_string());
        let on_it = drive.as_ref().is_some_and(|drive| is_on(drive, target));
        if !on_it && path != target.path {
            differences.push(Difference::new(title.clone(), &target.path, path));
        }
        if wanted.offset != target.offset {
            let (from, to) = (Bytes(target.offset), Bytes(wanted.offset));
            let what = format!("offset of {title}");
            differences.push(Difference::new(
                what,
                format!("{from:#}"),
                format!("{to:#}"),
            ));
        }
        if let Some(length) = wanted.length.filter(|length| *length != target.length) {
            let (from, to) = (Bytes(target.length), Bytes(length));
            let what = format!("length of {title}");
            differences.push(Difference::new(
                what,
                format!("{from:#}"),
                format!("{to:#}"),
            ));
        }
    }
    differences
}

fn title(device: &Device, number: usize) -> String {
    match device.targets.len() {
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
        Some(TargetSpec {
            path: drive.as_ref()?.path.clone(),
            offset: target.offset,
            length: length(wanted, number, drive.as_ref(), device),
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
    let last = number + 1 == wanted.targets.len();
    if target.length.is_some() || last || wanted.stripe.is_some() {
        return target.length;
    }
    let kept = device.and_then(|device| device.targets.get(number));
    kept.filter(|kept| is_at(target, drive, kept))
        .map(|kept| kept.length)
}

/// How long the table comes out, in bytes; none while a drive is missing.
pub(super) fn size(
    wanted: &Wanted,
    found: &[Option<Drive>],
    device: Option<&Device>,
) -> Option<u64> {
    let drives: Option<Vec<&Drive>> = found.iter().map(Option::as_ref).collect();
    let drives = drives?;
    let blocks = drives.iter().map(|drive| drive.logical_block_size);
    let block = blocks.max().map_or(512, u64::from);
    let rows = drives.iter().enumerate();
    let lengths = rows.map(|(number, drive)| {
        let room = drive.size.saturating_sub(wanted.targets[number].offset);
        let asked = length(wanted, number, Some(*drive), device);
        asked.unwrap_or(room - room % block)
    });
    Some(match wanted.stripe {
        None => lengths.sum(),
        Some(stripe) => {
            let shortest = lengths.min().unwrap_or(0);
            let even = shortest - shortest.checked_rem(stripe).unwrap_or(0);
            even.saturating_mul(drives.len() as u64)
        }
    })
}
