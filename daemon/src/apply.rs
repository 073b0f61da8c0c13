// SPDX-License-Identifier: MIT OR Apache-2.0
//! Carries out a [`plan`](crate::plan), each device whole or not at all. `shunt apply` uses all of it,
//! the daemon takes its own steps.

use std::collections::BTreeMap;

use crate::{
    client::Client,
    config::Wanted,
    error::{Error, Result},
    machine::Machine,
    model::{Device, DeviceChange, DeviceSpec, Selector, TargetSpec},
    plan::{Action, Authority, Plan, Step, plan},
    transport::Transport,
    unmap::unmap,
};

/// What [`apply`] did, and what is left.
#[derive(Debug, Default)]
pub struct Applied {
    /// Steps that were done, in their order, each with the device as it was then.
    pub done: Vec<(Step, Device)>,
    /// Steps that the kernel refused; those devices are as they were.
    pub failed: Vec<(Step, Error)>,
    /// The plan as it is now.
    pub rest: Plan,
}

/// Makes the devices as they are wanted, as far as that is possible. What one device gives up
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
        let present = client.devices()?;
        applied.rest = plan(wanted, &present, &machine(), Authority::Apply);
        let mut steps = std::mem::take(&mut applied.rest.steps);
        // What was done and is to be done again has no effect; once is enough.
        steps.retain(|step| done.get(&step.device) != Some(step));
        applied.failed.clear();
        let before = done.len();
        for step in steps {
            match carry_out(client, &step) {
                Ok(device) => {
                    done.insert(step.device.clone(), step.clone());
                    applied.done.push((step, device));
                }
                Err(error @ (Error::NotLoaded | Error::Unloaded)) => return Err(error),
                Err(error) => applied.failed.push((step, error)),
            }
        }
        if done.len() == before {
            return Ok(applied);
        }
    }
}

/// Does what a step says, and returns the device as it is then.
///
/// # Errors
/// What the kernel refused; the device is as it was before. If a device that had to be unmapped
/// cannot be mapped again, neither as wanted nor as it was, it is gone, and a warning is logged.
pub fn carry_out<T: Transport>(client: &mut Client<T>, step: &Step) -> Result<Device> {
    match &step.action {
        Action::Map(spec) => client.create_device(spec),
        Action::Remap { before, spec } => remap(client, before, spec),
        Action::Change {
            before,
            table,
            stats,
            read_only,
        } => {
            let table = table.clone().map(|(targets, stripe)| {
                let back = DeviceChange::Retarget {
                    targets: specs(before),
                    stripe: before.stripe,
                };
                (DeviceChange::Retarget { targets, stripe }, back)
            });
            let settings = (stats.is_some() || read_only.is_some()).then(|| {
                let (stats, read_only) = (*stats, *read_only);
                let back = DeviceChange::Settings {
                    stats: stats.map(|_| before.stats),
                    read_only: read_only.map(|_| before.read_only),
                };
                (DeviceChange::Settings { stats, read_only }, back)
            });
            let mut changes: Vec<_> = table.into_iter().chain(settings).collect();
            // A drive that cannot be written is taken by a device that refuses writes already.
            if *read_only == Some(true) {
                changes.reverse();
            }
            change(client, before, &changes)
        }
    }
}

/// Makes changes one after the other; if one is refused, takes back those before it.
fn change<T: Transport>(
    client: &mut Client<T>,
    before: &Device,
    changes: &[(DeviceChange, DeviceChange)],
) -> Result<Device> {
    let selector = Selector::Id(before.id);
    let mut device = before.clone();
    for (number, (wanted, _)) in changes.iter().enumerate() {
        match client.change_device(&selector, wanted) {
            Ok(changed) => device = changed,
            Err(error) => {
                for (_, back) in changes[..number].iter().rev() {
                    if let Err(why) = client.change_device(&selector, back) {
                        log::warn!("{} is changed in part: {why}", before.name);
                    }
                }
                return Err(error);
            }
        }
    }
    Ok(device)
}

fn remap<T: Transport>(
    client: &mut Client<T>,
    before: &Device,
    spec: &DeviceSpec,
) -> Result<Device> {
    unmap(client, &Selector::Id(before.id)).map_err(|why| why.error)?;
    let error = match client.create_device(spec) {
        Ok(device) => return Ok(device),
        Err(error @ (Error::NotLoaded | Error::Unloaded)) => return Err(error),
        Err(error) => error,
    };
    let again = DeviceSpec {
        name: before.name.clone(),
        queue: before.queue,
        stats: before.stats,
        read_only: before.read_only,
        targets: specs(before),
        stripe: before.stripe,
    };
    if let Err(why) = client.create_device(&again) {
        log::warn!(
            "{} is unmapped: it cannot be mapped as it was: {why}",
            before.name
        );
    }
    Err(error)
}

/// The table of a device as one that is wanted.
fn specs(device: &Device) -> Vec<TargetSpec> {
    let specs = device.targets.iter().map(|target| TargetSpec {
        path: target.path.clone(),
        offset: target.offset,
        length: Some(target.length),
    });
    specs.collect()
}

#[cfg(test)]
mod tests;
