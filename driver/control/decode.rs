// SPDX-License-Identifier: GPL-2.0-only

//! The only decoder: attributes of requests to what the domain works with.

use crate::{
    device::DeviceSpec,
    error::Refused,
    kernel_ext::net::attr::Attrs,
    logic::name,
    registry::Key,
    target::TargetSpec,
    uapi::{QueueMode, StatsMode, device, target},
};
use kernel::{prelude::*, str::CString};

/// Attributes with these numbers name a device in every request that does.
const _: () = {
    assert!(crate::uapi::stats::ID == device::ID);
    assert!(crate::uapi::stats::NAME == device::NAME);
};

/// Which device a request is about; its id goes before its name.
pub(super) fn key(attrs: Attrs<'_>) -> Result<Key, Refused> {
    let mut key = None;
    for attr in attrs {
        match attr.kind() {
            device::ID => return Ok(Key::Id(attr.u32())),
            device::NAME => key = Some(Key::Name(attr.string().try_into()?)),
            _ => {}
        }
    }
    key.ok_or(Refused::Missing("device's id or name"))
}

/// The device, and its target, that a request asks for.
pub(super) fn device_spec(attrs: Attrs<'_>) -> Result<(DeviceSpec, TargetSpec), Refused> {
    let mut name = None;
    let mut queue_mode = QueueMode::Bio;
    let mut stats_mode = StatsMode::Full;
    let mut read_only = false;
    let mut only_target = None;
    for attr in attrs {
        match attr.kind() {
            device::NAME => name = Some(attr.string()),
            // The policy lets no other values through.
            device::QUEUE_MODE => queue_mode = QueueMode::from_u32(attr.u32()).ok_or(EINVAL)?,
            device::STATS_MODE => stats_mode = StatsMode::from_u32(attr.u32()).ok_or(EINVAL)?,
            device::READ_ONLY => read_only = attr.u32() != 0,
            device::TARGET => {
                if only_target.replace(target_spec(attr.nested())?).is_some() {
                    return Err(Refused::Unsupported("more than one target"));
                }
            }
            _ => {}
        }
    }
    if queue_mode != QueueMode::Bio {
        return Err(Refused::Unsupported("queue mode mq"));
    }
    let name = name.ok_or(Refused::Missing("device's name"))?;
    name::check(name.to_bytes())?;
    let target = only_target.ok_or(Refused::Missing("device's target"))?;
    let spec = DeviceSpec {
        name: name.try_into()?,
        queue_mode,
        stats_mode,
        read_only,
    };
    Ok((spec, target))
}

fn target_spec(attrs: Attrs<'_>) -> Result<TargetSpec, Refused> {
    let mut path = None;
    let mut offset = 0;
    let mut length = None;
    for attr in attrs {
        match attr.kind() {
            target::PATH => path = Some(CString::try_from(attr.string())?),
            target::OFFSET => offset = attr.uint(),
            target::LENGTH => length = Some(attr.uint()),
            _ => {}
        }
    }
    Ok(TargetSpec {
        path: path.ok_or(Refused::Missing("target's path"))?,
        offset,
        length,
    })
}
