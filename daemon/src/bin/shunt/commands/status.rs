// SPDX-License-Identifier: MIT OR Apache-2.0
//! `status`: the devices, and what of them needs attention.

use std::{fmt::Write, path::Path};

use shunt::{
    Client, Device, State, Transport,
    config::{self, Config},
    machine::ThisMachine,
    plan::{Authority, Memory, plan},
    words::{listed, pasted},
};

use super::{config::devices, version};
use crate::{
    explain::{Failure, shown},
    output::{
        Output, json,
        list::{self, Field, Look},
    },
};

/// Something that needs attention.
#[derive(Debug)]
pub(crate) struct Attention {
    /// The device, if it is about one.
    pub(crate) device: Option<String>,
    /// What it is: `lost`, `suspended`, `waiting` for a drive, `different` from the configuration, the
    /// `configuration` itself, or the `module`.
    pub(crate) kind: &'static str,
    /// What it is and what to do, for a person.
    pub(crate) text: String,
}

impl Attention {
    fn new(device: &str, kind: &'static str, text: String) -> Self {
        Self {
            device: Some(device.to_owned()),
            kind,
            text,
        }
    }
}

pub(super) fn status<T: Transport>(
    mut client: Client<T>,
    file: Option<&Path>,
    output: &mut Output<'_>,
) -> Result<(), Failure> {
    let present = devices(&mut client)?;
    let mut found: Vec<_> = present.iter().filter_map(of_device).collect();
    let config = match file {
        Some(file) => config::load(file),
        None => config::load_if_there(config::FILE.as_ref()),
    };
    match config {
        Ok(config) => add_differences(&mut found, &config, &present),
        Err(problems) => found.extend(problems.iter().map(|problem| Attention {
            device: None,
            kind: "configuration",
            text: problem.to_string(),
        })),
    }
    found.extend(version::attention(&mut client)?.map(|text| Attention {
        device: None,
        kind: "module",
        text,
    }));
    output.show(
        || json::status(&present, &found),
        || {
            let look = Look {
                fields: &[
                    Field::Name,
                    Field::Path,
                    Field::Size,
                    Field::State,
                    Field::Targets,
                ],
                heads: true,
                bytes: false,
            };
            let mut text = list::devices(&present, &look);
            text.push('\n');
            for attention in &found {
                // Writing to a string does not fail.
                let _ = writeln!(text, "{}", attention.text);
            }
            if found.is_empty() {
                text += "nothing needs attention\n";
            }
            text
        },
    )?;
    match found.as_slice() {
        [] => Ok(()),
        _ => Err(Failure::Printed),
    }
}

fn of_device(device: &Device) -> Option<Attention> {
    let name = shown(&device.name);
    let text = match device.state {
        State::Lost => {
            let lost = device.targets.iter();
            let lost = lost.filter(|target| target.state == State::Lost);
            let lost: Vec<_> = lost.map(|target| shown(&target.path)).collect();
            format!(
                "{name} is lost: {} disappeared; a retarget makes it live again",
                listed(&lost)
            )
        }
        State::Suspended => format!(
            "{name} is suspended: its I/O waits for shunt resume {}",
            pasted(&device.name)
        ),
        _ => return None,
    };
    Some(Attention::new(&device.name, device.state.name(), text))
}

/// Adds what is not as it is configured, but for devices that were found before.
fn add_differences(found: &mut Vec<Attention>, config: &Config, present: &[Device]) {
    let machine = ThisMachine::now();
    let plan = plan(
        &config.devices,
        present,
        &machine,
        &Memory::default(),
        Authority::Apply,
    );
    let steps = plan.steps.iter().map(|step| {
        let text = format!(
            "{} is not as configured; apply would {step}",
            shown(&step.device)
        );
        Attention::new(&step.device, "different", text)
    });
    let waiting = plan
        .waiting
        .iter()
        .map(|waiting| Attention::new(&waiting.device, "waiting", waiting.to_string()));
    let remarks = plan.refused.iter().chain(&plan.left);
    let remarks =
        remarks.map(|remark| Attention::new(&remark.device, "different", remark.to_string()));
    let known: Vec<_> = found.iter().map(|known| known.device.clone()).collect();
    let all = steps.chain(waiting).chain(remarks);
    found.extend(all.filter(|attention| !known.contains(&attention.device)));
}
