// SPDX-License-Identifier: MIT OR Apache-2.0
//! What has to be done so that the devices are as configured. Pure: it compares the wanted
//! with the present and the drives, and changes nothing. `shunt plan` and `apply` and the daemon use
//! it; [`apply`](crate::apply) carries it out.
//!
//! ```
//! use shunt::{config, plan::{plan, Authority, Memory}, transport::fake::{Drive, Fake}};
//!
//! let machine = Fake::new();
//! machine.add_drive("/dev/sdb", Drive::new(8, 16, 1 << 30));
//! let wanted = config::parse("shunt.toml", "[device.vol0]\nto = '/dev/sdb'").unwrap();
//! let plan = plan(&wanted, &[], &machine, &Memory::default(), Authority::Apply);
//! assert_eq!(plan.steps[0].to_string(), "map vol0 on /dev/sdb");
//! ```

use std::{collections::BTreeMap, fmt};

use crate::{
    config::{Place, Wanted, check},
    machine::{Drive, Found, Machine},
    model::{Device, DeviceSpec, StatsMode, TargetSpec},
    words::{listed, shown},
};

mod compare;
mod memory;
mod row;
mod table;

pub use memory::Memory;

/// On whose word the devices are changed, and so how far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Authority {
    /// Nobody's: the daemon keeps things going. A device that differs stays or is made as wanted by
    /// its policy; none is unmapped.
    Keep,
    /// The administrator had the files read again: they hold, whatever the policy. A live device
    /// stays on its drive though the name of that leads to another now.
    Reload,
    /// The administrator has seen, or could have seen, the plan: all of it holds.
    Apply,
}

/// What has to be done, and what cannot or must not be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// What has to be done, one step a device, in the order of the files.
    pub steps: Vec<Step>,
    /// Devices whose drives are missing.
    pub waiting: Vec<Waiting>,
    /// Devices that cannot be made as configured, with the reason and how to mend it.
    pub refused: Vec<Remark>,
    /// Devices that differ and are left so, with how and why.
    pub left: Vec<Remark>,
    /// Names of devices that are there and not in the files; nothing is done about them.
    pub others: Vec<String>,
}

/// One device, changed whole or not at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Name of the device.
    pub device: String,
    /// Where it is wanted.
    pub place: Place,
    /// What is done.
    pub action: Action,
    /// What will be different.
    pub differences: Vec<Difference>,
}

impl Step {
    /// Whether it changes the same in the same way; the device may be another by now.
    pub fn is_like(&self, other: &Self) -> bool {
        (&self.device, self.action.name(), &self.differences)
            == (&other.device, other.action.name(), &other.differences)
    }
}

/// What a step does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Maps a device that is not there.
    Map(DeviceSpec),
    /// Changes a device while it is in use.
    Change {
        /// The device as it is.
        before: Device,
        /// The new table and its stripe, if it gets one.
        table: Option<(Vec<TargetSpec>, Option<u64>)>,
        /// What it is to measure, if that changes.
        stats: Option<StatsMode>,
        /// Whether it is to refuse writes, if that changes.
        read_only: Option<bool>,
    },
    /// Unmaps a device that nobody uses and maps it anew.
    Remap {
        /// The device as it is.
        before: Device,
        /// The device as configured.
        spec: DeviceSpec,
        /// The device as it is, to map it so again if it cannot be mapped as wanted; none if its
        /// paths do not lead to its drives any more.
        back: Option<DeviceSpec>,
    },
}

impl Action {
    /// The word for it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Map(_) => "map",
            Self::Change { table: Some(_), .. } => "retarget",
            Self::Change { .. } => "set",
            Self::Remap { .. } => "remap",
        }
    }
}

/// One thing that differs about a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// What it is, as in "stats" or "target 2".
    pub what: String,
    /// How it is.
    pub from: String,
    /// How it is wanted.
    pub to: String,
}

impl Difference {
    fn new(what: impl Into<String>, from: impl fmt::Display, to: impl fmt::Display) -> Self {
        Self {
            what: what.into(),
            from: from.to_string(),
            to: to.to_string(),
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} -> {}", self.what, self.from, self.to)
    }
}

fn all(differences: &[Difference]) -> String {
    let words: Vec<_> = differences.iter().map(Difference::to_string).collect();
    words.join(", ")
}

/// `retarget vol0: target 1 /dev/sdb (8:16) -> /dev/sdc (8:32)`
impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.action.name(), shown(&self.device))?;
        match &self.action {
            Action::Map(spec) => {
                let paths: Vec<_> = spec.targets.iter().map(|t| shown(&t.path)).collect();
                match paths.as_slice() {
                    [_, _, _, _, ..] => write!(f, " on {} and {} more", paths[0], paths.len() - 1),
                    paths => write!(f, " on {}", listed(paths)),
                }
            }
            _ => write!(f, ": {}", all(&self.differences)),
        }
    }
}

/// A device whose drives are missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// Name of the device.
    pub device: String,
    /// Where it is wanted.
    pub place: Place,
    /// The drives that are missing, as the files name them.
    pub drives: Vec<String>,
    /// Whether it is there, without the drives or on others.
    pub mapped: bool,
    /// Whether it is to be left out rather than to wait.
    pub skip: bool,
}

/// `vol0 waits for /dev/sdb`
impl fmt::Display for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let drives: Vec<_> = self.drives.iter().map(|drive| shown(drive)).collect();
        let (name, drives) = (shown(&self.device), listed(&drives));
        if self.skip && !self.mapped {
            let verb = if self.drives.len() == 1 { "is" } else { "are" };
            write!(f, "{name} is left out: {drives} {verb} missing")
        } else {
            write!(f, "{name} waits for {drives}")
        }
    }
}

/// What is said about a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark {
    /// Name of the device.
    pub device: String,
    /// Where it is wanted.
    pub place: Place,
    /// What is to be said.
    pub text: String,
}

/// `shunt.toml:3:1: vol0: ...`
impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.place, shown(&self.device), self.text)
    }
}

impl Plan {
    /// Whether all is as configured, as far as the drives are there.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty() && self.refused.is_empty() && self.left.is_empty()
    }
}

/// What a comparison goes by.
struct Asked<'a> {
    machine: &'a dyn Machine,
    memory: &'a Memory,
    authority: Authority,
}

/// Compares the devices that are wanted with those that are `present`, on the drives of a machine.
/// `memory` is what is known of the drives from before; who may do all of a plan needs none.
pub fn plan(
    wanted: &[Wanted],
    present: &[Device],
    machine: &dyn Machine,
    memory: &Memory,
    authority: Authority,
) -> Plan {
    let asked = Asked {
        machine,
        memory,
        authority,
    };
    let mut others: BTreeMap<&str, &Device> = present
        .iter()
        .map(|device| (device.name.as_str(), device))
        .collect();
    let mut problems: BTreeMap<_, _> = check(wanted, present, machine).into_iter().rev().collect();
    let mut plan = Plan::default();
    for wanted in wanted {
        let device = others.remove(wanted.name.as_str());
        if let Some(problem) = problems.remove(&wanted.name) {
            plan.refused.push(Remark {
                device: wanted.name.clone(),
                place: problem.place,
                text: problem.text,
            });
            continue;
        }
        let found = wanted.targets.iter().map(|target| {
            match machine.find(&target.drive) {
                Found::Drive(drive) => Some(drive),
                // What is wrong was found by the check.
                Found::Missing | Found::Wrong(_) => None,
            }
        });
        let found: Vec<_> = found.collect();
        match device {
            Some(device) => compare::compare(wanted, device, &found, &asked, &mut plan),
            None => map(wanted, &found, &asked, &mut plan),
        }
    }
    plan.others = others.into_keys().map(str::to_owned).collect();
    plan
}

/// Puts into the plan what is to be said or done about a device that is not there.
fn map(wanted: &Wanted, found: &[Option<Drive>], asked: &Asked<'_>, plan: &mut Plan) {
    let Some(targets) = table::specs(wanted, found, None) else {
        plan.waiting.push(waiting(wanted, found, false));
        return;
    };
    let known = asked.memory.of_device(&wanted.name);
    let mut rows = wanted.targets.iter().zip(found);
    let stranger = rows.find_map(|(row, drive)| {
        let drive = drive.as_ref()?;
        let stranger = known.is_stranger(&row.drive, drive);
        stranger.then_some(drive)
    });
    match stranger {
        Some(drive) if asked.authority == Authority::Keep => plan.left.push(Remark {
            device: wanted.name.clone(),
            place: wanted.place.clone(),
            text: format!(
                "{} is another drive than it was; it is not mapped by itself, but by a reload or shunt apply",
                row::numbered(drive)
            ),
        }),
        _ => plan.steps.push(Step {
            device: wanted.name.clone(),
            place: wanted.place.clone(),
            action: Action::Map(spec(wanted, targets)),
            differences: Vec::new(),
        }),
    }
}

fn spec(wanted: &Wanted, targets: Vec<TargetSpec>) -> DeviceSpec {
    DeviceSpec {
        name: wanted.name.clone(),
        queue: wanted.queue,
        stats: wanted.stats,
        read_only: wanted.read_only,
        targets,
        stripe: wanted.stripe,
    }
}

fn waiting(wanted: &Wanted, found: &[Option<Drive>], mapped: bool) -> Waiting {
    let pairs = wanted.targets.iter().zip(found);
    let missing = pairs.filter(|(_, drive)| drive.is_none());
    let mut drives: Vec<_> = missing
        .map(|(target, _)| target.drive.to_string())
        .collect();
    drives.dedup();
    Waiting {
        device: wanted.name.clone(),
        place: wanted.place.clone(),
        drives,
        mapped,
        skip: wanted.missing == crate::config::Missing::Skip,
    }
}

#[cfg(test)]
mod tests;
