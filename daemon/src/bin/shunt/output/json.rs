// SPDX-License-Identifier: MIT OR Apache-2.0
//! The JSON documents of schema 1. A field once published keeps its meaning; new ones may be added.

use serde::Serialize;
use shunt::{Device, DeviceCaps, Target, Update};

use crate::{
    capabilities::{Verdict, verdicts},
    commands::{Attention, Loaded, Versions},
};

mod config;
mod figures;

pub(crate) use config::{applied, plan, wanted};
pub(crate) use figures::{samples, stats};

const SCHEMA: u32 = 1;

/// A document: its schema, then its fields.
#[derive(Serialize)]
struct Document<T> {
    schema: u32,
    #[serde(flatten)]
    fields: T,
}

fn document<T: Serialize>(fields: T) -> impl Serialize {
    Document {
        schema: SCHEMA,
        fields,
    }
}

/// `list`.
pub(crate) fn devices(devices: &[Device]) -> impl Serialize + use<'_> {
    #[derive(Serialize)]
    struct Fields<'a> {
        devices: Vec<DeviceView<'a>>,
    }
    document(Fields {
        devices: devices.iter().map(DeviceView::of).collect(),
    })
}

/// `show`, `map` and what changes a device.
pub(crate) fn device(device: &Device) -> impl Serialize + use<'_> {
    #[derive(Serialize)]
    struct Fields<'a> {
        device: DeviceView<'a>,
    }
    document(Fields {
        device: DeviceView::of(device),
    })
}

/// `status`.
pub(crate) fn status<'a>(
    devices: &'a [Device],
    found: &'a [Attention],
) -> impl Serialize + use<'a> {
    #[derive(Serialize)]
    struct Fields<'a> {
        devices: Vec<DeviceView<'a>>,
        attention: Vec<View<'a>>,
    }
    #[derive(Serialize)]
    struct View<'a> {
        device: Option<&'a str>,
        kind: &'static str,
        text: &'a str,
    }
    let view = |attention: &'a Attention| View {
        device: attention.device.as_deref(),
        kind: attention.kind,
        text: &attention.text,
    };
    document(Fields {
        devices: devices.iter().map(DeviceView::of).collect(),
        attention: found.iter().map(view).collect(),
    })
}

/// `version`.
pub(crate) fn version<'a>(
    program: &'static str,
    versions: &'a Versions,
) -> impl Serialize + use<'a> {
    /// `module` is null if none is loaded, or one from before a module told its version.
    #[derive(Serialize)]
    struct Fields<'a> {
        program: &'static str,
        loaded: bool,
        module: Option<&'a str>,
        installed: Option<&'a str>,
        reload: bool,
    }
    document(Fields {
        program,
        loaded: versions.loaded != Loaded::Nothing,
        module: match &versions.loaded {
            Loaded::Version(version) => Some(version),
            Loaded::Nothing | Loaded::Old => None,
        },
        installed: versions.installed.as_deref(),
        reload: versions.advice().is_some(),
    })
}

/// `caps`.
pub(crate) fn caps(caps: &DeviceCaps) -> impl Serialize + use<'_> {
    #[derive(Serialize)]
    struct Fields<'a> {
        device: DeviceView<'a>,
        capabilities: Vec<View>,
    }
    /// `drives` has what the drive of each target has, in their order.
    #[derive(Serialize)]
    struct View {
        capability: &'static str,
        unit: &'static str,
        drives: Vec<u64>,
        device: u64,
        passed: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        why: Option<&'static str>,
    }
    let view = |verdict: Verdict| View {
        capability: verdict.name,
        unit: verdict.unit.name(),
        device: verdict.unit.plain(verdict.device),
        passed: verdict.why.is_none(),
        why: verdict.why,
        drives: verdict
            .drives
            .into_iter()
            .map(|value| verdict.unit.plain(value))
            .collect(),
    };
    document(Fields {
        device: DeviceView::of(&caps.device),
        capabilities: verdicts(caps).into_iter().map(view).collect(),
    })
}

/// One line of `events`.
pub(crate) fn event(sequence: u64, update: &Update) -> impl Serialize + use<'_> {
    #[derive(Serialize)]
    struct Fields<'a> {
        seq: u64,
        event: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        failed: Option<u64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        device: Option<DeviceView<'a>>,
    }
    let (event, failed, device) = match update {
        Update::Exists(device) => ("exists", None, Some(device)),
        Update::Ready(_) => ("ready", None, None),
        Update::Overrun => ("overrun", None, None),
        Update::Changed(change) => (change.reason.name(), change.failed, Some(&change.device)),
    };
    document(Fields {
        seq: sequence,
        event,
        failed,
        device: device.map(DeviceView::of),
    })
}

#[derive(Serialize)]
struct DeviceView<'a> {
    id: u32,
    name: &'a str,
    path: String,
    state: &'static str,
    queue: &'static str,
    stats: &'static str,
    read_only: bool,
    size_bytes: u64,
    logical_block_size: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    stripe_bytes: Option<u64>,
    targets: Vec<TargetView<'a>>,
}

impl<'a> DeviceView<'a> {
    fn of(device: &'a Device) -> Self {
        Self {
            id: device.id,
            name: &device.name,
            path: device.path(),
            state: device.state.name(),
            queue: device.queue.name(),
            stats: device.stats.name(),
            read_only: device.read_only,
            size_bytes: device.size,
            logical_block_size: device.logical_block_size,
            stripe_bytes: device.stripe,
            targets: device.targets.iter().map(TargetView::of).collect(),
        }
    }
}

#[derive(Serialize)]
struct TargetView<'a> {
    path: &'a str,
    dev: String,
    start_bytes: u64,
    offset_bytes: u64,
    length_bytes: u64,
    state: &'static str,
}

impl<'a> TargetView<'a> {
    fn of(target: &'a Target) -> Self {
        Self {
            path: &target.path,
            dev: format!("{}:{}", target.major, target.minor),
            start_bytes: target.start,
            offset_bytes: target.offset,
            length_bytes: target.length,
            state: target.state.name(),
        }
    }
}

#[cfg(test)]
mod tests;
