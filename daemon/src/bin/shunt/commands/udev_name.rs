// SPDX-License-Identifier: MIT OR Apache-2.0
//! `udev-name`: what the rules of udev link a device by, and which of several that show the same
//! they prefer. They run it for each event of a disk or partition of ours, and of device-mapper.

use std::{
    env,
    time::{Duration, Instant},
};

use nix::libc::ENODEV;
use shunt::{
    Client, Device, Monitor, Result, Selector, Transport, Update, machine::Stacking, poll::readable,
};

use crate::{
    explain::{Failure, explain},
    output::Output,
};

/// The kernel announces a disk a moment before it answers for the device.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where udev keeps the drives of a disk, and gives them to the program again.
const DRIVES: &str = "SHUNT_DRIVES";

/// Number of the device that a disk is, or that a partition is of.
pub(super) fn number(disk: &str) -> Option<u32> {
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let number = disk.strip_prefix("shunt")?;
    let (number, part) = number.split_once('p').unwrap_or((number, "1"));
    let is_one = digits(number) && digits(part) && !part.is_empty();
    is_one.then(|| number.parse().ok())?
}

/// Tells the depth of a disk that is none of ours and stands on one that is; nothing of another.
pub(super) fn other(disk: &str, output: &mut Output<'_>) -> std::result::Result<(), Failure> {
    let layers = Stacking::of_this_machine().layers(disk);
    if layers.iter().flatten().all(|below| number(below).is_none()) {
        return Ok(());
    }
    output.bytes(depth(&layers).as_bytes())
}

pub(super) fn udev_name<T: Transport>(
    mut client: Client<T>,
    disk: &str,
    output: &mut Output<'_>,
) -> std::result::Result<(), Failure> {
    let Some(id) = number(disk) else {
        return other(disk, output);
    };
    let device = match client.device(&Selector::Id(id)) {
        Ok(device) => Ok(Some(device)),
        Err(error) if error.errno() == Some(ENODEV) => wait_for_device(client, id, output)?,
        Err(error) => Err(error),
    };
    let what = format!("tell the name of {disk}");
    let Some(device) = device.map_err(|error| explain(&what, &error))? else {
        return Err(Failure::Explained(format!(
            "cannot {what}: there is no such device; it may have gone again"
        )));
    };
    let (name, state) = (encoded(&device.name), device.state.name());
    let depth = depth(&Stacking::of_this_machine().layers(disk));
    let before = env::var(DRIVES).unwrap_or_default();
    let drives = drives(&before, &Stacking::of_this_machine().drives(disk));
    let text = format!("SHUNT_NAME={name}\nSHUNT_STATE={state}\n{depth}{drives}");
    output.bytes(text.as_bytes())
}

/// The drives that a disk is on, and those that it was on before: udev looks at those again.
fn drives(before: &str, now: &[String]) -> String {
    let now: Vec<String> = now
        .iter()
        .map(|name| format!("/sys/class/block/{name}"))
        .collect();
    let left = before
        .split(' ')
        .filter(|drive| !now.iter().any(|one| one == drive));
    let left: Vec<&str> = left.collect();
    format!(
        "{DRIVES}={}\nSHUNT_LEFT={}\n",
        now.join(" "),
        left.join(" ")
    )
}

fn depth(layers: &[Vec<String>]) -> String {
    format!("SHUNT_DEPTH={}\n", layers.len())
}

/// Waits until the device is listed, or told of.
fn wait_for_device<T: Transport>(
    client: Client<T>,
    id: u32,
    output: &mut Output<'_>,
) -> std::result::Result<Result<Option<Device>>, Failure> {
    let end = Instant::now() + PATIENCE;
    let mut monitor = match Monitor::start(client) {
        Ok(monitor) => monitor,
        Err(error) => return Ok(Err(error)),
    };
    loop {
        match monitor.next_update() {
            Err(error) => return Ok(Err(error)),
            Ok(Some(Update::Exists(device))) if device.id == id => {
                return Ok(Ok(Some(device)));
            }
            Ok(Some(Update::Changed(change))) if change.device.id == id => {
                return Ok(Ok(Some(change.device)));
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
        DeviceChange, DeviceSpec, TargetSpec,
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
        for disk in ["shunt0", "shunt0p1"] {
            assert_eq!(
                told(&kernel, disk).unwrap(),
                "SHUNT_NAME=back\\x5cup\\x7b\\x22ä\\x22\\x7d\\x241.\\x25k\n\
                 SHUNT_STATE=live\n\
                 SHUNT_DEPTH=0\n\
                 SHUNT_DRIVES=\n\
                 SHUNT_LEFT=\n"
            );
        }
    }

    #[test]
    fn drives_that_a_disk_has_left_are_told() {
        let drives = |before, now: &[&str]| {
            let now: Vec<String> = now.iter().map(|name| (*name).to_owned()).collect();
            drives(before, &now)
        };
        assert_eq!(
            drives("", &["sdb", "sdc1"]),
            "SHUNT_DRIVES=/sys/class/block/sdb /sys/class/block/sdc1\nSHUNT_LEFT=\n"
        );
        assert_eq!(
            drives(
                "/sys/class/block/sdb /sys/class/block/sdc1",
                &["sdb", "sdd"]
            ),
            "SHUNT_DRIVES=/sys/class/block/sdb /sys/class/block/sdd\n\
             SHUNT_LEFT=/sys/class/block/sdc1\n"
        );
    }

    #[test]
    fn a_device_that_must_not_be_read_says_so() {
        let kernel = Fake::new();
        kernel.add_drive("/dev/sdb", Drive::new(8, 16, 1 << 30));
        map(&kernel, "vol0");
        let suspend = DeviceChange::Suspend { freeze: false };
        let suspended =
            Client::new(kernel.clone()).change_device(&Selector::name("vol0"), &suspend);
        suspended.unwrap();
        let told = told(&kernel, "shunt0").unwrap();
        assert!(told.contains("SHUNT_STATE=suspended\n"), "{told}");
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
        let told = told(&kernel, "shunt0").unwrap();
        assert!(told.starts_with("SHUNT_NAME=vol0\n"), "{told}");
        mapper.join().unwrap();
    }

    #[test]
    fn of_other_disks_nothing_is_told() {
        for disk in [
            "sda",
            "shunt",
            "shunt-1",
            "shunt0p",
            "shuntp1",
            "shunt0p1p1",
            "shunt+1",
            "",
        ] {
            assert_eq!(told(&Fake::new(), disk).unwrap(), "", "{disk}");
        }
    }
}
