// SPDX-License-Identifier: MIT OR Apache-2.0
//! What to do about a device that is there. The plan calls it for each.

use super::{
    Action, Asked, Authority, Difference, Plan, Remark, Step, all,
    row::{self, Row, Verdict},
    spec, table, waiting,
};
use crate::{
    config::{Policy, Wanted},
    machine::Drive,
    model::{Device, State},
    units::Bytes,
    words::{listed, shown},
};

/// Puts into the plan what is to be said or done about a device: each row of its table is judged for
/// itself, and what follows from all of them is decided here.
pub(super) fn compare(
    wanted: &Wanted,
    device: &Device,
    found: &[Option<Drive>],
    asked: &Asked<'_>,
    plan: &mut Plan,
) {
    let settings = settings(wanted, device);
    let known = asked.memory.of_device(&wanted.name);
    let count = device.targets.len().max(wanted.targets.len());
    let rows = wanted.targets.iter().zip(found).enumerate();
    let rows: Vec<Row> = rows
        .map(|(number, (wanted, drive))| {
            let title = table::title(count, number);
            let target = device.targets.get(number);
            Row::of(wanted, drive.as_ref(), target, &known, &title)
        })
        .collect();
    let anew = anew(wanted, device);
    let table = table_change(wanted, device, found, &rows);
    let may = asked.authority != Authority::Keep || wanted.policy == Policy::Restore;
    let remark = |text: String| Remark {
        device: wanted.name.clone(),
        place: wanted.place.clone(),
        text,
    };
    let mut left = Vec::new();
    let mut differences = Vec::new();
    // A drive that only has the name of another is followed by nobody who has not seen the plan, whatever
    // else differs; and a table changes whole or not at all.
    let held = match asked.authority {
        Authority::Apply => None,
        Authority::Keep | Authority::Reload => held(&rows, may),
    };
    if let Some(why) = held {
        plan.left.push(remark(why));
    } else if !anew.is_empty() {
        let differences = [anew, table.differences, settings].concat();
        remap(wanted, device, found, asked, differences, plan);
        return;
    } else if may || !table.differs {
        differences = table.differences;
    } else {
        left = table.differences;
    }
    let mut new_table = None;
    if !differences.is_empty() {
        let Some(targets) = table::specs(wanted, found, Some(device)) else {
            plan.waiting.push(waiting(wanted, found, true));
            return;
        };
        if let Some(why) = table_refused(wanted, device, found) {
            plan.refused.push(remark(why));
            return;
        }
        new_table = Some((targets, wanted.stripe));
    }
    let (mut stats, mut read_only) = (None, None);
    if may {
        stats = Some(wanted.stats).filter(|stats| *stats != device.stats);
        read_only = Some(wanted.read_only).filter(|read_only| *read_only != device.read_only);
        differences.extend(settings);
    } else {
        left.extend(settings);
    }
    if !left.is_empty() {
        plan.left.push(remark(format!(
            "it was changed by somebody else and is left so (policy adopt): {}; shunt apply makes it as \
             wanted",
            all(&left)
        )));
    }
    if !differences.is_empty() {
        plan.steps.push(Step {
            device: wanted.name.clone(),
            place: wanted.place.clone(),
            action: Action::Change {
                before: device.clone(),
                table: new_table,
                stats,
                read_only,
            },
            differences,
        });
    }
}

/// What the table of a device would become.
struct TableChange {
    /// Whether the file wants another than there is; else it is taken up again, or grows.
    differs: bool,
    differences: Vec<Difference>,
}

fn table_change(
    wanted: &Wanted,
    device: &Device,
    found: &[Option<Drive>],
    rows: &[Row],
) -> TableChange {
    let (before, after) = (device.targets.len(), wanted.targets.len());
    let differs = before != after || rows.iter().any(Row::differs);
    let mut differences = Vec::new();
    if before != after {
        differences.push(Difference::new("targets", before, after));
    }
    let of_rows = rows.iter().flat_map(|row| &row.differences);
    differences.extend(of_rows.cloned());
    // What is taken away has no row.
    let away = device.targets.iter().enumerate().skip(after);
    differences.extend(away.map(|(number, target)| {
        Difference::new(table::title(before, number), row::was(target), "none")
    }));
    let is_lost = device
        .targets
        .iter()
        .any(|target| target.state == State::Lost);
    if is_lost {
        differences.push(Difference::new("state", "lost", "live"));
    }
    if differences.is_empty() {
        differences.extend(grown(wanted, device, found));
    }
    TableChange {
        differs,
        differences,
    }
}

fn grown(wanted: &Wanted, device: &Device, found: &[Option<Drive>]) -> Option<Difference> {
    let size = table::size(wanted, found, Some(device))?;
    (size > device.size).then(|| {
        let (from, to) = (Bytes(device.size), Bytes(size));
        Difference::new("size", format!("{from:#}"), format!("{to:#}"))
    })
}

/// Why a table is not touched without somebody who has seen the plan; none if it may be. `may` is
/// whether the file is followed where it wants another drive.
fn held(rows: &[Row], may: bool) -> Option<String> {
    let reasons = rows.iter().filter_map(|row| {
        let why = match row.verdict {
            Verdict::Moved(why) => why,
            Verdict::Other { stranger: true } if may => {
                "its name leads to another drive than it did"
            }
            _ => return None,
        };
        Some(match row.differences.as_slice() {
            [] => why.to_owned(),
            differences => format!("{why}, {}", all(differences)),
        })
    });
    let reasons: Vec<_> = reasons.collect();
    (!reasons.is_empty()).then(|| {
        format!(
            "{}; it stays where it is until shunt apply",
            reasons.join(", and ")
        )
    })
}

fn yes_or_no(value: bool) -> &'static str {
    if value { "yes" } else { "no" }
}

/// What can be changed at any time.
fn settings(wanted: &Wanted, device: &Device) -> Vec<Difference> {
    let mut differences = Vec::new();
    let (from, to) = (device.stats.name(), wanted.stats.name());
    if from != to {
        differences.push(Difference::new("stats", from, to));
    }
    let (from, to) = (yes_or_no(device.read_only), yes_or_no(wanted.read_only));
    if from != to {
        differences.push(Difference::new("read-only", from, to));
    }
    differences
}

/// What can only be changed by mapping the device anew.
fn anew(wanted: &Wanted, device: &Device) -> Vec<Difference> {
    let mut differences = Vec::new();
    let (from, to) = (device.queue.name(), wanted.queue.name());
    if from != to {
        differences.push(Difference::new("queue", from, to));
    }
    if device.stripe != wanted.stripe {
        let words = |stripe: Option<u64>| match stripe {
            Some(stripe) => format!("{:#}", Bytes(stripe)),
            None => "none".to_owned(),
        };
        let (from, to) = (words(device.stripe), words(wanted.stripe));
        differences.push(Difference::new("stripe", from, to));
    }
    differences
}

fn remap(
    wanted: &Wanted,
    device: &Device,
    found: &[Option<Drive>],
    asked: &Asked<'_>,
    differences: Vec<Difference>,
    plan: &mut Plan,
) {
    let remark = |text: String| Remark {
        device: wanted.name.clone(),
        place: wanted.place.clone(),
        text,
    };
    let what = all(&differences);
    if asked.authority == Authority::Keep {
        plan.left.push(remark(format!(
            "{what} takes mapping it anew, which is left to you: shunt apply does it while nobody has \
             it open"
        )));
        return;
    }
    let Some(targets) = table::specs(wanted, found, None) else {
        plan.waiting.push(waiting(wanted, found, true));
        return;
    };
    let users = asked.machine.users(&device.disk_name());
    if !users.is_empty() {
        let (disk, users) = (device.disk_name(), listed(&users));
        plan.refused.push(remark(format!(
            "{what} cannot be changed while the device is open: {disk} is {users}; end that use, then \
             shunt apply again"
        )));
        return;
    }
    plan.steps.push(Step {
        device: wanted.name.clone(),
        place: wanted.place.clone(),
        action: Action::Remap {
            before: device.clone(),
            spec: spec(wanted, targets),
            back: table::as_it_is(device, asked.machine),
        },
        differences,
    });
}

/// Why a live device cannot take the table.
fn table_refused(wanted: &Wanted, device: &Device, found: &[Option<Drive>]) -> Option<String> {
    let promised = device.logical_block_size;
    let mut drives = found.iter().flatten();
    if let Some(drive) = drives.find(|drive| drive.logical_block_size > promised) {
        return Some(format!(
            "{} has logical blocks of {} bytes, and the device has promised {promised} to its users; \
             give a drive with such blocks, or unmap the device first: shunt unmap {}",
            shown(&drive.path),
            drive.logical_block_size,
            shown(&device.name)
        ));
    }
    let size = table::size(wanted, found, Some(device))?;
    (size < device.size).then(|| {
        format!(
            "the table has {size} bytes ({:#}), and the device {} ({:#}), which it keeps while it is \
             there; give targets as long as it, or unmap the device first: shunt unmap {}",
            Bytes(size),
            device.size,
            Bytes(device.size),
            shown(&device.name)
        )
    })
}
