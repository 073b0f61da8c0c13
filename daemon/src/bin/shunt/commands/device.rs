// SPDX-License-Identifier: MIT OR Apache-2.0
//! `map`, `unmap`, `list` and `show`.

use nix::libc::{EACCES, EBUSY, EEXIST, EINVAL, ENOENT, ENOTBLK, ENXIO, EOPNOTSUPP, ERANGE, EROFS};
use shunt::{Client, DeviceSpec, Error, Selector, Transport};

use crate::{
    cli::{MapArgs, UnmapArgs},
    explain::{Failure, explain, explain_with, no_such_device, shown},
    output::{Output, json, table},
    users::Users,
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
        targets: args.to.clone(),
    };
    let device = client
        .create_device(&spec)
        .map_err(|error| refused_map(&spec, &error))?;
    output.show(|| json::device(&device), || format!("{}\n", device.path()))
}

fn refused_map(spec: &DeviceSpec, error: &Error) -> Failure {
    let to = match spec.targets.as_slice() {
        [only] => format!(" to {}", shown(&only.path)),
        _ => String::new(),
    };
    let what = format!("map {}{to}", shown(&spec.name));
    let name_is_wrong = matches!(error, Error::Refused(refusal)
        if refusal.attribute.as_deref() == Some("name"));
    let advice = match error.errno() {
        _ if name_is_wrong => {
            "a name is 1 to 63 bytes without slash, white space or control characters"
        }
        Some(EEXIST) => "choose another name, or unmap the device that has it",
        Some(ENOENT | ENXIO) => "check the path; lsblk lists the drives that there are",
        Some(ENOTBLK) => "give a block device; lsblk lists them",
        Some(EACCES | EROFS) => "map it with --read-only, or make the drive writable",
        Some(ERANGE) => "stay within the drive; lsblk --bytes tells its size",
        Some(EINVAL) => "shunt map --help tells what is taken",
        Some(EOPNOTSUPP) => "do without it for now",
        Some(EBUSY) => "end that use, or map a part of the drive that is free",
        _ => "",
    };
    explain_with(&what, error, &uses(spec, error), advice)
}

/// Who uses the drives of a device that was refused as busy.
fn uses(spec: &DeviceSpec, error: &Error) -> Vec<String> {
    if error.errno() != Some(EBUSY) {
        return Vec::new();
    }
    let users = Users::of_this_machine();
    let mut uses: Vec<String> = Vec::new();
    for target in &spec.targets {
        let of_drive = users.of_path(&target.path).into_iter();
        uses.extend(of_drive.map(|user| format!("{} is {user}", target.path)));
    }
    uses.dedup();
    uses
}

pub(super) fn unmap<T: Transport>(mut client: Client<T>, args: &UnmapArgs) -> Result<(), Failure> {
    if args.force {
        return refuse_force(&args.name);
    }
    let selector = Selector::name(&args.name);
    let Err(error) = client.delete_device(&selector) else {
        return Ok(());
    };
    let what = format!("unmap {}", shown(&args.name));
    if error.errno() != Some(EBUSY) {
        return Err(no_such_device(&what, &error));
    }
    let users = client
        .device(&selector)
        .map(|device| Users::of_this_machine().of_disk(&device.disk_name()))
        .unwrap_or_default();
    let advice = "unmount it or end what has it open";
    Err(explain_with(&what, &error, &users, advice))
}

/// What `unmap --force` says for now.
pub(super) fn refuse_force(name: &str) -> Result<(), Failure> {
    let name = shown(name);
    Err(Failure::Explained(format!(
        "unmap --force is not supported yet; end what has {name} open, then: shunt unmap {name}"
    )))
}

pub(super) fn list<T: Transport>(
    mut client: Client<T>,
    output: &mut Output<'_>,
) -> Result<(), Failure> {
    let devices = client
        .devices()
        .map_err(|error| explain("list the devices", &error))?;
    output.show(|| json::devices(&devices), || table::devices(&devices))
}

pub(super) fn show<T: Transport>(
    mut client: Client<T>,
    name: &str,
    output: &mut Output<'_>,
) -> Result<(), Failure> {
    let device = client
        .device(&Selector::name(name))
        .map_err(|error| no_such_device(&format!("show {}", shown(name)), &error))?;
    output.show(|| json::device(&device), || table::device(&device))
}
