// SPDX-License-Identifier: MIT OR Apache-2.0
//! What to do about a device that is there. The plan calls it for each.

use super::{
    Action, Authority, Difference, Plan, Remark, Step, all, spec,
    table::{self, Table},
    waiting,
};
use crate::{
    config::{Policy, Wanted},
    machine::{Drive, Machine},
    model::Device,
    units::Bytes,
    words::{listed, shown},
};

/// Puts into the plan what is to be said or done about a device.
pub(super) fn compare(
    wanted: &Wanted,
    device: &Device,
    found: &[Option<Drive>],
    machine: &dyn Machine,
    authority: Authority,
    plan: &mut Plan,
) {
    let settings = settings(wanted, device);
    let anew = anew(wanted, device);
    let table = table::compare(wanted, device, found);
    if !anew.is_empty() {
        let table = match table {
            Table::Other(differences) | Table::Moved(differences) => differences,
            Table::Same | Table::Lost | Table::Grown(_) => Vec::new(),
        };
        let differences = [anew, table, settings].concat();
        remap(wanted, device, found, machine, authority, differences, plan);
        return;
    }
    let asked = authority != Authority::Keep || wanted.policy == Policy::Restore;
    let remark = |text: String| Remark {
        device: wanted.name.clone(),
        place: wanted.place.clone(),
        text,
    };
    let mut left = Vec::new();
    let mut differences = match table {
        Table::Same => Vec::new(),
        Table::Lost => vec![Difference::new("state", "lost", "live")],
        Table::Grown(difference) => vec![difference],
        Table::Moved(differences) if authority == Authority::Apply => differences,
        Table::Moved(differences) => {
            plan.left.push(remark(format!(
                "its drive has another name now, {}; it stays where it is until shunt apply",
                all(&differences)
            )));
            Vec::new()
        }
        Table::Other(differences) if asked => differences,
        Table::Other(mut differences) => {
            left.append(&mut differences);
            Vec::new()
        }
    };
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
    if asked {
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
    machine: &dyn Machine,
    authority: Authority,
    differences: Vec<Difference>,
    plan: &mut Plan,
) {
    let remark = |text: String| Remark {
        device: wanted.name.clone(),
        place: wanted.place.clone(),
        text,
    };
    let what = all(&differences);
    if authority == Authority::Keep {
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
    let users = machine.users(&device.disk_name());
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
            drive.path,
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
