// SPDX-License-Identifier: MIT OR Apache-2.0
//! `map`, `list`, `show` and `caps`.

use shunt::{Client, DeviceSpec, Transport};

use super::{
    config::devices,
    named::{each, selector},
    refused,
};
use crate::{
    cli::{DevicesArgs, ListArgs, MapArgs},
    explain::{Failure, no_such_device, shown},
    output::{
        Output, json,
        list::{self, Look},
        table,
    },
};

/// Prints the path of the new device.
pub(super) fn map<T: Transport>(
    mut client: Client<T>,
    args: &MapArgs,
    output: &mut Output<'_>,
) -> Result<(), Failure> {
    let spec = DeviceSpec {
        name: args.name.clone(),
        queue: args.queue,
        stats: args.stats,
        read_only: args.read_only,
        targets: args.table.to.clone(),
        stripe: args.table.stripe,
    };
    let device = client
        .create_device(&spec)
        .map_err(|error| refused::table("map", &spec.name, &spec.targets, spec.stripe, &error))?;
    output.show(|| json::device(&device), || format!("{}\n", device.path()))
}

pub(super) fn list<T: Transport>(
    mut client: Client<T>,
    args: &ListArgs,
    output: &mut Output<'_>,
) -> Result<(), Failure> {
    let devices = devices(&mut client)?;
    let look = Look {
        fields: &args.output,
        heads: !args.noheadings,
        bytes: args.bytes,
    };
    output.show(
        || json::devices(&devices),
        || list::devices(&devices, &look),
    )
}

pub(super) fn show<T: Transport>(
    mut client: Client<T>,
    devices: &DevicesArgs,
    output: &mut Output<'_>,
) -> Result<(), Failure> {
    let mut is_first = true;
    each(&mut client, devices, |client, name| {
        let device = selector(client, name)
            .and_then(|selector| client.device(&selector))
            .map_err(|error| no_such_device(&format!("show {}", shown(name)), &error))?;
        let space = if std::mem::take(&mut is_first) {
            ""
        } else {
            "\n"
        };
        let text = || format!("{space}{}", table::device(&device));
        output.show(|| json::device(&device), text)
    })
}

pub(super) fn caps<T: Transport>(
    mut client: Client<T>,
    name: &str,
    output: &mut Output<'_>,
) -> Result<(), Failure> {
    let caps = selector(&mut client, name)
        .and_then(|selector| client.caps(&selector))
        .map_err(|error| no_such_device(&format!("show what {} can do", shown(name)), &error))?;
    output.show(|| json::caps(&caps), || table::caps(&caps))
}
