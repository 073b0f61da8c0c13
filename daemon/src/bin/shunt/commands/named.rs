// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which device is meant: by its name, its node or a link to that, or its number; and a command for several. All
//! commands that take devices look here.

use std::{
    fs,
    os::unix::fs::{FileTypeExt, MetadataExt},
};

use nix::libc::{ENODEV, major, minor};
use shunt::{Client, Error, Refusal, Selector, Transport};

use super::config;
use crate::{cli::DevicesArgs, explain::Failure};

/// What selects the device that somebody named. A name goes before a number: a device may be
/// called 0. No name has a slash.
///
/// # Errors
/// [`Error::Refused`] with `ENODEV` if it is a path that leads to no device of shunt.
pub(super) fn selector<T: Transport>(
    client: &mut Client<T>,
    said: &str,
) -> shunt::Result<Selector> {
    if said.contains('/') {
        let words = "no device of shunt is at that path";
        let no_device = || Error::Refused(Refusal::new(ENODEV, words).of("name"));
        return at_path(said).map(Selector::Id).ok_or_else(no_device);
    }
    let name = Selector::name(said);
    let Some(id) = number(said) else {
        return Ok(name);
    };
    // Statistics take no privilege.
    match client.stats(&name) {
        Err(error) if error.errno() == Some(ENODEV) => Ok(Selector::Id(id)),
        _ => Ok(name),
    }
}

/// Does something to each device that was named, or to all. What is refused of one keeps no other back.
///
/// # Errors
/// What was refused, all of it.
pub(super) fn each<T: Transport>(
    client: &mut Client<T>,
    devices: &DevicesArgs,
    mut act: impl FnMut(&mut Client<T>, &str) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut names = devices.names.clone();
    if devices.all {
        let all = config::devices(client)?.into_iter();
        names = all.map(|device| device.name).collect();
    }
    loop {
        let (mut left, mut failures) = (Vec::new(), Vec::new());
        for name in &names {
            match act(client, name) {
                Ok(()) => {}
                Err(Failure::ReaderGone) => return Err(Failure::ReaderGone),
                Err(failure) => {
                    left.push(name.clone());
                    failures.push(failure);
                }
            }
        }
        // A device that stands on another may have to be changed first.
        if failures.is_empty() || !devices.all || left.len() == names.len() {
            return Failure::all(failures);
        }
        names = left;
    }
}

fn number(digits: &str) -> Option<u32> {
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| digits.parse().ok())?
}

/// Number of the device whose node is at a path, or was to be: there need not be one.
fn at_path(path: &str) -> Option<u32> {
    if let Some(digits) = path.strip_prefix("/dev/shunt") {
        if let Some(id) = number(digits) {
            return Some(id);
        }
    }
    let node = fs::metadata(path).ok()?;
    if !node.file_type().is_block_device() {
        return None;
    }
    let (major, minor) = (major(node.rdev()), minor(node.rdev()));
    let disk = fs::canonicalize(format!("/sys/dev/block/{major}:{minor}")).ok()?;
    number(disk.file_name()?.to_str()?.strip_prefix("shunt")?)
}

#[cfg(test)]
mod tests {
    use shunt::{
        DeviceSpec, TargetSpec,
        transport::fake::{Drive, Fake},
    };

    use super::*;

    #[test]
    fn a_name_goes_before_a_number() {
        let kernel = Fake::new();
        kernel.add_drive("/dev/sdb", Drive::new(8, 16, 1 << 30));
        let mut client = Client::new(kernel);
        for (name, offset) in [("vol0", 0), ("0", 512), ("shunt0", 1024)] {
            let target = TargetSpec {
                path: "/dev/sdb".into(),
                offset,
                length: Some(512),
                planned: None,
            };
            let spec = DeviceSpec::new(name, vec![target]);
            client.create_device(&spec).unwrap();
        }
        for (said, id) in [
            ("vol0", 0),
            ("0", 1),
            ("1", 1),
            ("2", 2),
            ("shunt0", 2),
            ("/dev/shunt0", 0),
        ] {
            let selector = selector(&mut client, said).unwrap();
            assert_eq!(client.device(&selector).unwrap().id, id, "{said}");
        }
        for said in ["3", "shunt1", "/dev/shunt3", "+1"] {
            let selector = selector(&mut client, said).unwrap();
            let error = client.device(&selector).unwrap_err();
            assert_eq!(error.errno(), Some(ENODEV), "{said}");
        }
        for said in ["/dev/null", "/no/such/path", "./vol0", "/dev/shunt"] {
            let error = selector(&mut client, said).unwrap_err();
            assert_eq!(error.errno(), Some(ENODEV), "{said}");
        }
    }
}
