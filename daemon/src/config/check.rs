// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is wrong with devices that are each written well: the same name or the same bytes twice, a
//! part that the drive does not have, a device that would stand on itself. Reading the files calls
//! [`together`]; the plan calls [`check`], as it takes the drives.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
};

use shunt_logic::extent::{Extent, ExtentError};

use super::{Problem, Wanted, WantedTarget};
use crate::{
    machine::{Drive, Found, Machine},
    model::Device,
    words::shown,
};

/// What is wrong between devices as far as the files alone show it.
pub(super) fn together(devices: &[Wanted]) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut names: BTreeMap<&str, &Wanted> = BTreeMap::new();
    for device in devices {
        if let Some(first) = names.insert(&device.name, device) {
            let (name, place) = (shown(&device.name), &first.place);
            problems.push(Problem {
                place: device.place.clone(),
                text: format!("device {name} is at {place} already; rename one, or remove it"),
            });
        }
    }
    let pieces = pieces(devices, |target| {
        let end = target
            .length
            .map(|length| target.offset.saturating_add(length));
        Some((&target.drive, target.offset..end.unwrap_or(u64::MAX)))
    });
    problems.extend(overlaps(devices, pieces).map(|(_, problem)| problem));
    problems
}

/// What is wrong with devices on the drives that are there, each with the name of the device.
/// Nothing is said of a drive that is missing.
pub fn check(
    devices: &[Wanted],
    present: &[Device],
    machine: &dyn Machine,
) -> Vec<(String, Problem)> {
    let mut problems = Vec::new();
    let mut drives: BTreeMap<&super::DriveName, Drive> = BTreeMap::new();
    for device in devices {
        for target in &device.targets {
            let wrong = match machine.find(&target.drive) {
                Found::Missing => continue,
                Found::Wrong(why) => Some(why),
                Found::Drive(drive) => {
                    let wrong = misfit(target, &drive);
                    drives.insert(&target.drive, drive);
                    wrong
                }
            };
            problems.extend(wrong.map(|text| (device, target, text)));
        }
    }
    let mut problems: Vec<_> = problems.into_iter().map(at).collect();
    let pieces = pieces(devices, |target| {
        let drive = drives.get(&target.drive)?;
        let end = target
            .length
            .map(|length| target.offset.saturating_add(length));
        let range = target.offset..end.unwrap_or(drive.size);
        Some(((drive.major, drive.minor), range))
    });
    problems.extend(overlaps(devices, pieces));
    problems.extend(
        loops(devices, present, &drives, machine)
            .into_iter()
            .map(at),
    );
    problems
}

fn at((device, target, text): (&Wanted, &WantedTarget, String)) -> (String, Problem) {
    let place = target.place.clone();
    (device.name.clone(), Problem { place, text })
}

/// Why a target is not within its drive, by the rulebook, and what to do.
fn misfit(target: &WantedTarget, drive: &Drive) -> Option<String> {
    let block = drive.logical_block_size.into();
    let error = Extent::within(target.offset, target.length, drive.size, block).err()?;
    let remedy = match error {
        ExtentError::OffsetUnaligned { .. }
        | ExtentError::LengthUnaligned { .. }
        | ExtentError::OffsetInZone { .. }
        | ExtentError::LengthInZone { .. } => "make it one",
        ExtentError::OffsetBeyondEnd { .. } => "make it smaller",
        ExtentError::EndBeyondEnd { .. } => "make it smaller, or leave it out",
        ExtentError::Empty => "leave it out for all to the end of the drive",
    };
    let drive = shown(&target.drive.to_string());
    Some(format!("{drive}: {error}; {remedy}"))
}

/// A piece of a drive: which drive, which bytes, which target of which device wants it.
struct Piece<K> {
    drive: K,
    range: Range<u64>,
    device: usize,
    target: usize,
}

fn pieces<'a, K>(
    devices: &'a [Wanted],
    piece: impl Fn(&'a WantedTarget) -> Option<(K, Range<u64>)>,
) -> Vec<Piece<K>> {
    let mut pieces = Vec::new();
    for (device, wanted) in devices.iter().enumerate() {
        for (target, wanted) in wanted.targets.iter().enumerate() {
            pieces.extend(piece(wanted).map(|(drive, range)| Piece {
                drive,
                range,
                device,
                target,
            }));
        }
    }
    pieces
}

/// The pieces that have bytes in common with another; told where the later of the two is written.
fn overlaps<K: Ord + Clone>(
    devices: &[Wanted],
    mut pieces: Vec<Piece<K>>,
) -> impl Iterator<Item = (String, Problem)> {
    pieces.sort_by_key(|piece| (piece.drive.clone(), piece.range.start));
    let mut problems = Vec::new();
    let mut before: Option<Piece<K>> = None;
    for piece in pieces {
        match &before {
            Some(other) if other.drive == piece.drive && piece.range.start < other.range.end => {
                problems.push(overlap(devices, other, &piece));
                if other.range.end < piece.range.end {
                    before = Some(piece);
                }
            }
            _ => before = Some(piece),
        }
    }
    problems.into_iter()
}

fn overlap<K>(devices: &[Wanted], one: &Piece<K>, other: &Piece<K>) -> (String, Problem) {
    let order = |piece: &Piece<K>| (piece.device, piece.target);
    let (first, second) = if order(one) < order(other) {
        (one, other)
    } else {
        (other, one)
    };
    let (first, second) = (&devices[first.device], second);
    let (wanted, target) = (
        &devices[second.device],
        &devices[second.device].targets[second.target],
    );
    let other = if first.name == wanted.name {
        "another target of the device".to_owned()
    } else {
        format!("device {} ({})", shown(&first.name), first.place)
    };
    let end = match target.length {
        Some(length) => (target.offset.saturating_add(length)).to_string(),
        None => "the end".to_owned(),
    };
    let text = format!(
        "{} from {} to {end} overlaps what {other} has of the drive; give each a part of its own \
         with offset and length",
        shown(&target.drive.to_string()),
        target.offset
    );
    let place = target.place.clone();
    (wanted.name.clone(), Problem { place, text })
}

/// The targets through which a device would stand on itself.
fn loops<'a>(
    devices: &'a [Wanted],
    present: &[Device],
    drives: &BTreeMap<&super::DriveName, Drive>,
    machine: &dyn Machine,
) -> Vec<(&'a Wanted, &'a WantedTarget, String)> {
    let disks: BTreeMap<&str, String> = present
        .iter()
        .map(|device| (device.name.as_str(), device.disk_name()))
        .collect();
    let by_disk: BTreeMap<&str, &Wanted> = devices
        .iter()
        .filter_map(|device| Some((disks.get(device.name.as_str())?.as_str(), device)))
        .collect();
    let below = |device: &'a Wanted| {
        let targets = device.targets.iter();
        targets.filter_map(|target| Some((target, drives.get(&target.drive)?)))
    };
    let mut found = Vec::new();
    for device in devices {
        let Some(disk) = disks.get(device.name.as_str()) else {
            continue;
        };
        for (target, drive) in below(device) {
            let way = machine.way_down(drive, disk).or_else(|| {
                // As the files want it, though it is not so yet.
                let (mut next, mut seen) = (vec![drive.disk.clone()], BTreeSet::new());
                while let Some(lower) = next.pop() {
                    if lower == *disk {
                        return Some(vec![drive.disk.clone(), lower]);
                    }
                    if let Some(wanted) = by_disk.get(lower.as_str()) {
                        if seen.insert(lower) {
                            next.extend(below(wanted).map(|(_, drive)| drive.disk.clone()));
                        }
                    }
                }
                None
            });
            if let Some(way) = way {
                let text = format!(
                    "{} leads back to the device itself ({}); give a drive that does not stand on it",
                    shown(&target.drive.to_string()),
                    way.join(" on ")
                );
                found.push((device, target, text));
            }
        }
    }
    found
}
