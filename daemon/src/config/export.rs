// SPDX-License-Identifier: MIT OR Apache-2.0
//! Devices that are there as a configuration file that wants them. `shunt export` prints it.

use std::fmt::Write;

use super::{Missing, Place, Policy, Wanted, WantedTarget};
use crate::{
    machine::{Found, Machine},
    model::{Device, QueueMode, StatsMode},
    words::{is_hidden, shown},
};

/// The devices as they are, wanted so, on drives by the names that last for longest, and a line for
/// each that is left out: one that was lost, while the name of its drive leads to another, and one that is
/// as no file can want it.
pub fn wanted(devices: &[Device], machine: &dyn Machine) -> (Vec<Wanted>, Vec<String>) {
    let place = Place::file("export");
    let (mut all, mut left_out) = (Vec::new(), Vec::new());
    for device in devices {
        if let Some(what) = unknown(device) {
            let name = shown(&device.name);
            left_out.push(format!(
                "{name} is left out: no file can want {what}, which is of a newer module; export it with \
                 the shunt of that"
            ));
            continue;
        }
        let targets = device.targets.iter().map(|target| WantedTarget {
            drive: machine.lasting_name(target),
            offset: target.offset,
            length: Some(target.length),
            place: place.clone(),
        });
        let targets: Vec<_> = targets.collect();
        let mut rows = targets.iter().zip(&device.targets);
        let elsewhere = rows.find(|(wanted, target)| match machine.find(&wanted.drive) {
            Found::Drive(drive) => !target.is_on(drive.number()),
            Found::Missing => false,
            Found::Wrong(_) => true,
        });
        if let Some((wanted, _)) = elsewhere {
            let (name, drive) = (shown(&device.name), shown(&wanted.drive.to_string()));
            left_out.push(format!(
                "{name} is left out: it is not on what {drive} leads to now; retarget it first"
            ));
            continue;
        }
        all.push(Wanted {
            name: device.name.clone(),
            targets,
            stripe: device.stripe,
            queue: device.queue,
            stats: device.stats,
            read_only: device.read_only,
            missing: Missing::default(),
            policy: Policy::default(),
            place: place.clone(),
        });
    }
    (all, left_out)
}

/// What of a device only a newer release knows.
fn unknown(device: &Device) -> Option<String> {
    match (device.queue, device.stats) {
        (queue @ QueueMode::Unknown(_), _) => Some(format!("queue {}", queue.name())),
        (_, stats @ StatsMode::Unknown(_)) => Some(format!("stats {}", stats.name())),
        _ => None,
    }
}

/// A configuration file with these devices. What is as it would be anyway is left out, but for
/// lengths: with them a device comes out as it is, or not at all.
pub fn export(devices: &[Wanted]) -> String {
    let mut text = String::new();
    for device in devices {
        let gap = if text.is_empty() { "" } else { "\n" };
        // Writing to a string does not fail.
        let _ = write(&mut text, gap, device);
    }
    text
}

fn write(text: &mut String, gap: &str, device: &Wanted) -> std::fmt::Result {
    writeln!(text, "{gap}[device.{}]", key(&device.name))?;
    match device.targets.as_slice() {
        [only] => writeln!(text, "to = {}", target(only))?,
        targets => {
            writeln!(text, "to = [")?;
            for wanted in targets {
                writeln!(text, "    {},", target(wanted))?;
            }
            writeln!(text, "]")?;
        }
    }
    if let Some(stripe) = device.stripe {
        writeln!(text, "stripe = {}", size(stripe))?;
    }
    if device.queue != QueueMode::Bio {
        writeln!(text, "queue = \"{}\"", device.queue.name())?;
    }
    if device.stats != StatsMode::Full {
        writeln!(text, "stats = \"{}\"", device.stats.name())?;
    }
    if device.read_only {
        writeln!(text, "read-only = true")?;
    }
    if device.missing != Missing::default() {
        writeln!(text, "missing = \"{}\"", device.missing.name())?;
    }
    if device.policy != Policy::default() {
        writeln!(text, "policy = \"{}\"", device.policy.name())?;
    }
    Ok(())
}

fn target(target: &WantedTarget) -> String {
    let drive = quoted(&target.drive.to_string());
    if (target.offset, target.length) == (0, None) {
        return drive;
    }
    let mut text = format!("{{ drive = {drive}");
    if target.offset != 0 {
        text.push_str(&format!(", offset = {}", size(target.offset)));
    }
    if let Some(length) = target.length {
        text.push_str(&format!(", length = {}", size(length)));
    }
    text.push_str(" }");
    text
}

/// A size in the largest unit that needs no rounding.
fn size(bytes: u64) -> String {
    let units = [(40, "T"), (30, "G"), (20, "M"), (10, "K")];
    let exact = |(shift, _): &(u32, &str)| bytes > 0 && bytes % (1 << shift) == 0;
    match units.into_iter().find(exact) {
        Some((shift, unit)) => format!("\"{}{unit}\"", bytes >> shift),
        None if bytes % 512 == 0 && bytes > 0 => format!("\"{}s\"", bytes / 512),
        None => format!("\"{bytes}\""),
    }
}

/// A name as a key, quoted only if it has to be.
fn key(name: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if !name.is_empty() && name.chars().all(bare) {
        name.to_owned()
    } else {
        quoted(name)
    }
}

/// A basic string of TOML. It has nothing that a program would write out otherwise before it prints it.
fn quoted(text: &str) -> String {
    let mut quoted = String::from('"');
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            c if is_hidden(c) => match u32::from(c) {
                short @ ..=0xffff => quoted.push_str(&format!("\\u{short:04x}")),
                long => quoted.push_str(&format!("\\U{long:08x}")),
            },
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}
