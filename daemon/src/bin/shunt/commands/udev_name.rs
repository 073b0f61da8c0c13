// SPDX-License-Identifier: MIT OR Apache-2.0
//! `udev-name`: what the rules of udev link a device by. They run it for each disk of ours that
//! the kernel announces.

use std::time::{Duration, Instant};

use nix::libc::ENODEV;
use shunt::{Client, Monitor, Result, Selector, Transport, Update, poll::readable};

use crate::{
    explain::{Failure, explain},
    output::Output,
};

/// The kernel announces a disk a moment before it answers for the device.
const PATIENCE: Duration = Duration::from_secs(5);

pub(super) fn udev_name<T: Transport>(
    mut client: Client<T>,
    disk: &str,
    output: &mut Output<'_>,
) -> std::result::Result<(), Failure> {
    let number = disk.strip_prefix("shunt");
    let Some(id) = number.and_then(|number| number.parse::<u32>().ok()) else {
        return Err(Failure::Explained(format!(
            "'{disk}' is no disk of shunt; give a name such as shunt0"
        )));
    };
    let name = match client.device(&Selector::Id(id)) {
        Ok(device) => Ok(Some(device.name)),
        Err(error) if error.errno() == Some(ENODEV) => wait_for_name(client, id, output)?,
        Err(error) => Err(error),
    };
    let what = format!("tell the name of {disk}");
    match name.map_err(|error| explain(&what, &error))? {
        Some(name) => output.bytes(format!("SHUNT_NAME={}\n", encoded(&name)).as_bytes()),
        None => Err(Failure::Explained(format!(
            "cannot {what}: there is no such device; it may have gone again"
        ))),
    }
}

/// Waits until the device is listed, or told of.
fn wait_for_name<T: Transport>(
    client: Client<T>,
    id: u32,
    output: &mut Output<'_>,
) -> std::result::Result<Result<Option<String>>, Failure> {
    let end = Instant::now() + PATIENCE;
    let mut monitor = match Monitor::start(client) {
        Ok(monitor) => monitor,
        Err(error) => return Ok(Err(error)),
    };
    loop {
        match monitor.next_update() {
            Err(error) => return Ok(Err(error)),
            Ok(Some(Update::Exists(device))) if device.id == id => {
                return Ok(Ok(Some(device.name)));
            }
            Ok(Some(Update::Changed(change))) if change.device.id == id => {
                return Ok(Ok(Some(change.device.name)));
            }
            Ok(Some(_)) => {}
            Ok(None) => {
                let left = end.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    return Ok(Ok(None));
                }
                output.wait(Some(readable(&monitor)), Some(left))?;
            }
        }
    }
}

/// A name as udev takes it in a link: what it would replace is written as `\xNN`, so that no two
/// names have the same link.
fn encoded(name: &str) -> String {
    let mut text = String::new();
    for letter in name.chars() {
        match letter {
            'a'..='z' | 'A'..='Z' | '0'..='9' => text.push(letter),
            '#' | '+' | '-' | '.' | ':' | '=' | '@' | '_' => text.push(letter),
            other if !other.is_ascii() => text.push(other),
            other => text.push_str(&format!("\\x{:02x}", u32::from(other))),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use shunt::{
        DeviceSpec, TargetSpec,
        transport::fake::{Drive, Fake},
    };

    use super::*;

    fn told(kernel: &Fake, disk: &str) -> std::result::Result<String, Failure> {
        let (null, mut text) = (std::fs::File::open("/dev/null").unwrap(), Vec::new());
        let mut output = Output::new(&mut text, null.as_fd(), false);
        udev_name(Client::new(kernel.clone()), disk, &mut output)?;
        Ok(String::from_utf8(text).unwrap())
    }

    fn map(kernel: &Fake, name: &str) {
        let spec = DeviceSpec::new(name, vec![TargetSpec::whole("/dev/sdb")]);
        Client::new(kernel.clone()).create_device(&spec).unwrap();
    }

    #[test]
    fn a_disk_has_the_name_of_its_device_in_the_encoding_of_udev() {
        let kernel = Fake::new();
        kernel.add_drive("/dev/sdb", Drive::new(8, 16, 1 << 30));
        map(&kernel, "back\\up{\"ä\"}$1.%k");
        let told = told(&kernel, "shunt0").unwrap();
        assert_eq!(
            told,
            "SHUNT_NAME=back\\x5cup\\x7b\\x22ä\\x22\\x7d\\x241.\\x25k\n"
        );
    }

    #[test]
    fn a_device_that_is_announced_before_it_is_there_is_waited_for() {
        let kernel = Fake::new();
        kernel.add_drive("/dev/sdb", Drive::new(8, 16, 1 << 30));
        let late = kernel.clone();
        let mapper = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(50));
            map(&late, "vol0");
        });
        assert_eq!(told(&kernel, "shunt0").unwrap(), "SHUNT_NAME=vol0\n");
        mapper.join().unwrap();
    }

    #[test]
    fn what_is_no_disk_of_ours_is_refused() {
        for disk in ["sda", "shunt", "shunt0p1", "shunt-1", ""] {
            let Err(Failure::Explained(why)) = told(&Fake::new(), disk) else {
                panic!("{disk} was taken");
            };
            assert!(why.contains(&format!("'{disk}'")), "{why}");
        }
    }
}
