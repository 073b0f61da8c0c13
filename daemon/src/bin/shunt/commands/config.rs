// SPDX-License-Identifier: MIT OR Apache-2.0
//! `plan`, `apply` and `export`: configuration files and the devices that they want.

use std::{fmt::Write, path::Path};

use shunt::{
    Client, Device, Error, Transport,
    apply::{self, Applied, Left},
    config::{self, Config, Wanted},
    machine::{Machine, ThisMachine},
    plan::{Action, Authority, Memory, Plan, Remark, Step},
    service::Presence,
};

use super::refused;
use crate::{
    explain::{Failure, explain, shown},
    output::{Output, json},
};

/// Reads a file; what is wrong with it is one line each.
pub(super) fn read(file: &Path) -> Result<Config, Failure> {
    config::load(file)
        .map_err(|problems| Failure::Several(problems.iter().map(ToString::to_string).collect()))
}

pub(super) fn devices<T: Transport>(client: &mut Client<T>) -> Result<Vec<Device>, Failure> {
    let devices = client.devices();
    devices.map_err(|error| explain("list the devices", &error))
}

/// Reads a file and finds out whether it is well on the drives that there are.
fn read_for<T: Transport>(client: &mut Client<T>, file: &Path) -> Result<Config, Failure> {
    let config = read(file)?;
    let present = devices(client)?;
    let problems = config::check(&config.devices, &present, &ThisMachine::now());
    match problems.as_slice() {
        [] => Ok(config),
        problems => Err(Failure::Several(
            problems
                .iter()
                .map(|(_, problem)| problem.to_string())
                .collect(),
        )),
    }
}

pub(super) fn plan<T: Transport>(
    mut client: Client<T>,
    file: &Path,
    output: &mut Output<'_>,
) -> Result<(), Failure> {
    let config = read_for(&mut client, file)?;
    let present = devices(&mut client)?;
    let machine = ThisMachine::now();
    let (free, kept) = free_of_daemon(config.devices)?;
    let memory = Memory::default();
    let mut plan = shunt::plan::plan(&free, &present, &machine, &memory, Authority::Apply);
    plan.others
        .retain(|name| !kept.iter().any(|remark| remark.device == *name));
    plan.refused.extend(kept);
    output.show(|| json::plan(&plan), || words(&plan))
}

/// Parts the devices from those that a running daemon would make otherwise again, whoever changes them:
/// what is done about one would be taken back, with whatever was written meanwhile.
fn free_of_daemon(devices: Vec<Wanted>) -> Result<(Vec<Wanted>, Vec<Remark>), Failure> {
    let restored = Presence::restored().map_err(|error| Failure::Explained(error.to_string()))?;
    let (mut free, mut kept) = (Vec::new(), Vec::new());
    for device in devices {
        let other = restored.iter().find(|other| other.name == device.name);
        if other.is_none_or(|other| device.is_made_like(other)) {
            free.push(device);
            continue;
        }
        kept.push(Remark {
            text: "shuntd wants it otherwise and would take the change back (policy restore); have it read \
                   its file again first: systemctl reload shuntd"
                .to_owned(),
            device: device.name,
            place: device.place,
        });
    }
    Ok((free, kept))
}

/// A plan for people, a line for each device that is not as configured.
fn words(plan: &Plan) -> String {
    let mut text = String::new();
    for step in &plan.steps {
        let _ = writeln!(text, "{step}");
    }
    for remark in plan.refused.iter().chain(&plan.left) {
        let _ = writeln!(
            text,
            "cannot change {}: {}",
            shown(&remark.device),
            remark.text
        );
    }
    text + &rest(plan)
}

/// What nothing is done about.
fn rest(plan: &Plan) -> String {
    let mut text = String::new();
    for waiting in &plan.waiting {
        let _ = writeln!(text, "{waiting}");
    }
    for name in &plan.others {
        let _ = writeln!(text, "{} is not in the file and is left alone", shown(name));
    }
    text
}

pub(super) fn apply<T: Transport>(
    mut client: Client<T>,
    file: &Path,
    output: &mut Output<'_>,
) -> Result<(), Failure> {
    let config = read_for(&mut client, file)?;
    let (free, kept) = free_of_daemon(config.devices)?;
    let applied = apply::apply(&mut client, &free, ThisMachine::now);
    let mut applied = applied.map_err(|error| explain("list the devices", &error))?;
    let held = |name: &String| kept.iter().any(|remark| remark.device == *name);
    applied.rest.others.retain(|name| !held(name));
    applied.rest.refused.extend(kept);
    let failures: Vec<(String, String)> = failures(&applied);
    output.show(
        || json::applied(&applied, &failures),
        || {
            let done = applied.done.iter();
            let done: String = done
                .map(|(step, device)| done_words(step, device))
                .collect();
            done + &rest(&applied.rest)
        },
    )?;
    if failures.is_empty() {
        return Ok(());
    }
    Err(Failure::Several(
        failures.into_iter().map(|(_, why)| why).collect(),
    ))
}

fn done_words(step: &Step, device: &Device) -> String {
    match step.action {
        Action::Map(_) => format!("{step}: {}\n", device.path()),
        _ => format!("{step}\n"),
    }
}

/// Each device that is not as configured and does not wait, and why.
fn failures(applied: &Applied) -> Vec<(String, String)> {
    let failed = applied.failed.iter().map(|(step, failed)| {
        let why = match explained(step, &failed.error) {
            Failure::Explained(why) => why,
            Failure::Several(lines) => lines.join(", "),
            Failure::Printed | Failure::ReaderGone => String::new(),
        };
        let left = match failed.left {
            Left::AsItWas => "",
            Left::InPart => "; its table is as configured now",
            Left::Gone => "; it is unmapped now",
        };
        (step.device.clone(), format!("{}: {why}{left}", step.place))
    });
    let refused = applied.rest.refused.iter().chain(&applied.rest.left);
    let refused = refused.map(|remark| (remark.device.clone(), remark.to_string()));
    failed.chain(refused).collect()
}

fn explained(step: &Step, error: &Error) -> Failure {
    let (verb, name) = (step.action.name(), step.device.as_str());
    match &step.action {
        Action::Map(spec) | Action::Remap { spec, .. } => {
            refused::table(verb, name, &spec.targets, spec.stripe, error)
        }
        Action::Change {
            table: Some((targets, stripe)),
            ..
        } => refused::table(verb, name, targets, *stripe, error),
        Action::Change { .. } => refused::change(verb, name, error),
    }
}

pub(super) fn export<T: Transport>(
    mut client: Client<T>,
    output: &mut Output<'_>,
) -> Result<(), Failure> {
    let devices = devices(&mut client)?;
    let machine: &dyn Machine = &ThisMachine::now();
    let (wanted, left_out) = config::wanted(&devices, machine);
    for why in &left_out {
        log::warn!("{why}");
    }
    output.show(
        || json::wanted(&wanted),
        || {
            let comments = left_out.iter().map(|why| format!("# {why}\n"));
            config::export(&wanted) + &comments.collect::<String>()
        },
    )
}
