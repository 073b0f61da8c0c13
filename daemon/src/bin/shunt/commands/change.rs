// SPDX-License-Identifier: MIT OR Apache-2.0
//! `retarget`, `suspend`, `resume`, `resize` and `set`: what changes a device that is there. They
//! print nothing, or with `--json` the device as it is then.

use shunt::{Client, DeviceChange, Error, Selector, Transport, machine::Stacking};

use super::{
    named::{each, selector},
    refused,
};
use crate::{
    cli::{DevicesArgs, RetargetArgs, SetArgs, SuspendArgs},
    explain::{Failure, no_such_device, shown},
    output::{Output, json},
};

/// The kernel sees itself whether a target stands on the device; here is said over what.
pub(super) fn retarget<T: Transport>(
    mut client: Client<T>,
    args: &RetargetArgs,
    output: &mut Output<'_>,
) -> Result<(), Failure> {
    let (name, targets) = (&args.name, &args.table.to);
    let present = selector(&mut client, name)
        .and_then(|selector| client.device(&selector))
        .map_err(|error| no_such_device(&format!("retarget {}", shown(name)), &error))?;
    let stacking = Stacking::of_this_machine();
    for target in targets {
        if let Some(way) = stacking.way_down(&target.path, &present.disk_name()) {
            return Err(Failure::Explained(format!(
                "cannot retarget {}: {} leads back to the device itself ({}); give a drive that does not stand on it",
                shown(name),
                shown(&target.path),
                way.join(" on "),
            )));
        }
    }
    let change = DeviceChange::Retarget {
        targets: targets.clone(),
        stripe: args.table.stripe,
    };
    // By its number: the device that was looked at, not one that took its name meanwhile.
    let selector = Selector::Id(present.id);
    apply(&mut client, &selector, &change, output, |error| {
        refused::table("retarget", name, targets, args.table.stripe, error)
    })
}

pub(super) fn suspend<T: Transport>(
    client: Client<T>,
    args: &SuspendArgs,
    output: &mut Output<'_>,
) -> Result<(), Failure> {
    let freeze = args.freeze;
    let change = DeviceChange::Suspend { freeze };
    named(client, "suspend", &args.devices, &change, output)
}

pub(super) fn resume<T: Transport>(
    client: Client<T>,
    devices: &DevicesArgs,
    output: &mut Output<'_>,
) -> Result<(), Failure> {
    named(client, "resume", devices, &DeviceChange::Resume, output)
}

pub(super) fn resize<T: Transport>(
    client: Client<T>,
    devices: &DevicesArgs,
    output: &mut Output<'_>,
) -> Result<(), Failure> {
    named(client, "resize", devices, &DeviceChange::Resize, output)
}

pub(super) fn set<T: Transport>(
    client: Client<T>,
    args: &SetArgs,
    output: &mut Output<'_>,
) -> Result<(), Failure> {
    let read_only = match (args.read_only, args.read_write) {
        (true, _) => Some(true),
        (_, true) => Some(false),
        _ => None,
    };
    let stats = args.stats;
    let change = DeviceChange::Settings { stats, read_only };
    named(client, "set", &args.devices, &change, output)
}

fn named<T: Transport>(
    mut client: Client<T>,
    verb: &str,
    devices: &DevicesArgs,
    change: &DeviceChange,
    output: &mut Output<'_>,
) -> Result<(), Failure> {
    each(&mut client, devices, |client, name| {
        let refused = |error: &Error| refused::change(verb, name, error);
        let selector = selector(client, name).map_err(|error| refused(&error))?;
        apply(client, &selector, change, output, refused)
    })
}

fn apply<T: Transport>(
    client: &mut Client<T>,
    selector: &Selector,
    change: &DeviceChange,
    output: &mut Output<'_>,
    refused: impl FnOnce(&Error) -> Failure,
) -> Result<(), Failure> {
    let device = client
        .change_device(selector, change)
        .map_err(|error| refused(&error))?;
    output.show_json(|| json::device(&device))
}
