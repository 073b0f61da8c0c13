// SPDX-License-Identifier: MIT OR Apache-2.0
//! Carries out a [`plan`](crate::plan), each device whole or not at all. `shunt apply` uses all of it,
//! the daemon takes its own steps.

use std::{collections::BTreeMap, fmt};

use crate::{
    client::Client,
    config::Wanted,
    drive::OpenDrive,
    error::{Error, Result},
    machine::Machine,
    model::{Device, DeviceChange, DeviceSpec, Selector},
    plan::{Action, Authority, Memory, Plan, Step, plan},
    transport::Transport,
    unmap::unmap,
    words::shown,
};

/// What [`apply`] did, and what is left.
#[derive(Debug, Default)]
pub struct Applied {
    /// Steps that were done, in their order, each with the device as it was then.
    pub done: Vec<(Step, Device)>,
    /// Steps that were refused, or that somebody else took back.
    pub failed: Vec<(Step, Failed)>,
    /// The plan as it is now.
    pub rest: Plan,
}

/// Why a step was not done.
#[derive(Debug)]
pub struct Failed {
    /// What was refused.
    pub error: Error,
    /// What the device is now.
    pub left: Left,
}

/// What a step that failed leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// The device is as it was.
    AsItWas,
    /// It was moved to where it is wanted, and is not as wanted otherwise. To take that back would
    /// move it once more, by paths that may lead elsewhere by now.
    InPart,
    /// It was unmapped, and could be mapped neither as configured nor as it was.
    Gone,
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self {
            error,
            left: Left::AsItWas,
        }
    }
}

/// `/dev/sdb is busy; it stays as it was`
impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let left = match self.left {
            Left::AsItWas => "it stays as it was",
            Left::InPart => "its table is as configured now, the rest is not",
            Left::Gone => "it is unmapped now, until it can be mapped",
        };
        write!(f, "{}; {left}", self.error)
    }
}

/// Makes the devices as configured, as far as that is possible. What one device gives up
/// another may take: it goes on for as long as something succeeds. `machine` looks at the drives
/// anew.
///
/// # Errors
/// If the devices cannot be listed.
pub fn apply<T: Transport, M: Machine>(
    client: &mut Client<T>,
    wanted: &[Wanted],
    machine: impl Fn() -> M,
) -> Result<Applied> {
    let mut applied = Applied::default();
    let mut done: BTreeMap<String, Step> = BTreeMap::new();
    loop {
        let (machine, memory) = (machine(), Memory::default());
        let present = client.devices()?;
        applied.rest = plan(wanted, &present, &machine, &memory, Authority::Apply);
        let steps = std::mem::take(&mut applied.rest.steps);
        // What was done and is to be done again had no effect, or somebody takes it back each time.
        let is_done = |step: &Step| {
            done.get(&step.device)
                .is_some_and(|done| done.is_like(step))
        };
        let (again, steps): (Vec<_>, Vec<_>) = steps.into_iter().partition(is_done);
        applied.failed = again
            .into_iter()
            .map(|step| (step, Error::TakenBack.into()))
            .collect();
        let before = applied.done.len();
        let mut too_late = false;
        for step in steps {
            match carry_out(client, &step) {
                Ok(device) => {
                    done.insert(step.device.clone(), step.clone());
                    applied.done.push((step, device));
                }
                Err(Failed {
                    error: error @ (Error::NotLoaded | Error::Unloaded),
                    ..
                }) => return Err(error),
                Err(failed) => {
                    too_late |= failed.error.is_too_late();
                    applied.failed.push((step, failed));
                }
            }
        }
        // A plan with another drive is one that nobody could see before.
        if too_late || applied.done.len() == before {
            return Ok(applied);
        }
    }
}

/// Does what a step says, and returns the device as it is then.
///
/// # Errors
/// What the kernel refused, and what that leaves.
pub fn carry_out<T: Transport>(client: &mut Client<T>, step: &Step) -> Result<Device, Failed> {
    match &step.action {
        Action::Map(spec) => Ok(client.create_device(spec)?),
        Action::Remap { before, spec, back } => remap(client, before, spec, back.as_ref()),
        Action::Change {
            before,
            table,
            stats,
            read_only,
        } => {
            // What is not as it was planned is found before anything is changed.
            let drives = match table {
                Some((targets, _)) => client.open(targets)?,
                None => Vec::new(),
            };
            let settings = |stats, read_only| DeviceChange::Settings { stats, read_only };
            let table = table.clone();
            let table = table.map(|(targets, stripe)| DeviceChange::Retarget { targets, stripe });
            let is_table = |change: &DeviceChange| matches!(change, DeviceChange::Retarget { .. });
            // A drive that cannot be written is taken by a device that refuses writes already, and left by
            // one that does so still. What it measures can always be set.
            let locks = read_only
                .filter(|read_only| *read_only)
                .map(|_| settings(None, *read_only));
            let opens = read_only
                .filter(|read_only| !*read_only)
                .map(|_| settings(None, *read_only));
            let stats = stats.map(|stats| settings(Some(stats), None));
            let changes = [locks, table, opens, stats];
            let (mut device, mut moved, mut locked) = (before.clone(), false, false);
            for change in changes.into_iter().flatten() {
                let to: &[OpenDrive] = if is_table(&change) { &drives } else { &[] };
                // Other steps, a drive that is slow to open and users who are slow to close may have taken long since the plan:
                // a table that somebody gave it meanwhile is one that nobody has seen.
                match client.change_device_to(&Selector::as_seen(&device), &change, to) {
                    Ok(changed) => device = changed,
                    Err(error) => {
                        let left = match moved {
                            true => Left::InPart,
                            false => Left::AsItWas,
                        };
                        if locked && !moved {
                            let back = settings(None, Some(before.read_only));
                            if let Err(why) = client.change_device(&Selector::of(before), &back) {
                                log::warn!("{} refuses writes now: {why}", shown(&before.name));
                            }
                        }
                        return Err(Failed { error, left });
                    }
                }
                moved |= is_table(&change);
                locked |= !is_table(&change);
            }
            Ok(device)
        }
    }
}

fn remap<T: Transport>(
    client: &mut Client<T>,
    before: &Device,
    spec: &DeviceSpec,
    back: Option<&DeviceSpec>,
) -> Result<Device, Failed> {
    // Once it is unmapped there is no other way back than by drives that are known.
    let drives = client.open(&spec.targets)?;
    let back = back.and_then(|back| Some((back, client.open(&back.targets).ok()?)));
    unmap(client, &Selector::as_seen(before)).map_err(|why| why.error)?;
    let error = match client.create_device_on(spec, &drives) {
        Ok(device) => return Ok(device),
        Err(error) => error,
    };
    let again = back.map(|(back, drives)| client.create_device_on(back, &drives));
    let left = match again {
        Some(Ok(_)) => Left::AsItWas,
        Some(Err(_)) | None => Left::Gone,
    };
    Err(Failed { error, left })
}

#[cfg(test)]
mod tests;
