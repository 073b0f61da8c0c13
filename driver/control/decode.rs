// SPDX-License-Identifier: GPL-2.0-only

//! The only decoder: attributes of requests to what the domain works with.

use crate::{
    device::DeviceSpec,
    error::{Refused, TargetError},
    kernel_ext::{block::bdev::UserDevice, net::attr::Attrs},
    logic::name,
    registry::{Key, KeyName},
    table::TableSpec,
    target::TargetSpec,
    uapi::{
        QueueMode, State, StatsMode, TARGETS_MAX, TIMEOUT_DEFAULT, TIMEOUT_MAX, device, target,
    },
};
use kernel::{prelude::*, str::CString};

/// Attributes with these numbers name a device in every request that does.
const _: () = {
    assert!(crate::uapi::stats::ID == device::ID);
    assert!(crate::uapi::stats::NAME == device::NAME);
};

/// What requests say of a device; nothing of what they leave out.
pub(super) struct Request<'a> {
    id: Option<u32>,
    name: Option<&'a CStr>,
    generation: Option<u64>,
    /// Number of the table that the device must have.
    pub(super) table_number: Option<u64>,
    timeout: Option<u32>,
    queue_mode: Option<QueueMode>,
    /// What it is to measure.
    pub(super) stats_mode: Option<StatsMode>,
    /// Whether it is to refuse writes.
    pub(super) read_only: Option<bool>,
    /// Whether it is to be live or suspended.
    pub(super) state: Option<State>,
    /// Whether the file system is to stop.
    pub(super) freeze: bool,
    /// Whether it is to take up what its drives have grown by.
    pub(super) resize: bool,
    /// Whether it is to go although it is open.
    pub(super) force: bool,
    targets: KVec<TargetSpec>,
    stripe: Option<u64>,
}

/// Reads a request. The policy has seen to it that the values are in range.
pub(super) fn request(attrs: Attrs<'_>) -> Result<Request<'_>, Refused> {
    let mut asked = Request {
        id: None,
        name: None,
        generation: None,
        table_number: None,
        timeout: None,
        queue_mode: None,
        stats_mode: None,
        read_only: None,
        state: None,
        freeze: false,
        resize: false,
        force: false,
        targets: KVec::new(),
        stripe: None,
    };
    for attr in attrs {
        match attr.kind() {
            device::ID => asked.id = Some(attr.u32()),
            device::NAME => asked.name = Some(attr.string()),
            device::GENERATION => asked.generation = Some(attr.uint()),
            device::TABLE_NUMBER => asked.table_number = Some(attr.uint()),
            device::TIMEOUT => asked.timeout = Some(attr.u32()),
            device::STATE => asked.state = State::from_u32(attr.u32()),
            device::QUEUE_MODE => asked.queue_mode = QueueMode::from_u32(attr.u32()),
            device::STATS_MODE => asked.stats_mode = StatsMode::from_u32(attr.u32()),
            device::READ_ONLY => asked.read_only = Some(attr.u32() != 0),
            device::FREEZE => asked.freeze = attr.u32() != 0,
            device::RESIZE => asked.resize = attr.u32() != 0,
            device::FORCE => asked.force = attr.u32() != 0,
            device::STRIPE => asked.stripe = Some(attr.uint()),
            device::TARGET => {
                if asked.targets.len() == TARGETS_MAX as usize {
                    return Err(Refused::TooManyTargets);
                }
                let number = asked.targets.len();
                let target = target_spec(attr.nested(), number)?;
                asked.targets.push(target, GFP_KERNEL)?;
            }
            _ => {}
        }
    }
    Ok(asked)
}

impl Request<'_> {
    /// Which device the request is about; its id goes before its name.
    pub(super) fn key(&self) -> Result<Key, Refused> {
        let name = match (self.id, self.name) {
            (Some(id), _) => KeyName::Id(id),
            (None, Some(name)) => KeyName::Name(name.try_into()?),
            (None, None) => return Err(Refused::Missing("device's id or name")),
        };
        Ok(Key {
            name,
            generation: self.generation,
        })
    }

    /// How long the change may wait, in ms.
    pub(super) fn timeout_ms(&self) -> Result<u32, Refused> {
        match self.timeout.unwrap_or(TIMEOUT_DEFAULT) {
            ms if ms > TIMEOUT_MAX => Err(Refused::Timeout(ms)),
            ms => Ok(ms),
        }
    }

    /// The device that is asked for, without its table.
    pub(super) fn device_spec(&self) -> Result<DeviceSpec, Refused> {
        let name = self.name.ok_or(Refused::Missing("device's name"))?;
        name::check(name.to_bytes())?;
        Ok(DeviceSpec {
            name: name.try_into()?,
            queue_mode: self.queue_mode.unwrap_or(QueueMode::Bio),
            stats_mode: self.stats_mode.unwrap_or(StatsMode::Full),
            read_only: self.read_only.unwrap_or(false),
        })
    }

    /// Takes the table that is asked for out of it, if one is.
    pub(super) fn table_spec(&mut self) -> Result<Option<TableSpec>, Refused> {
        match (self.targets.is_empty(), self.stripe) {
            (true, Some(_)) => Err(Refused::Missing("stripes' target")),
            (true, None) => Ok(None),
            (false, stripe) => Ok(Some(TableSpec {
                targets: core::mem::take(&mut self.targets),
                stripe,
            })),
        }
    }
}

/// Reads target number `number`, whose drive the current process has open.
fn target_spec(attrs: Attrs<'_>, number: usize) -> Result<TargetSpec, Refused> {
    let mut path = None;
    let mut fd = None;
    let mut offset = 0;
    let mut length = None;
    for attr in attrs {
        match attr.kind() {
            target::PATH => path = Some(CString::try_from(attr.string())?),
            target::FD => fd = Some(attr.u32()),
            target::OFFSET => offset = attr.uint(),
            target::LENGTH => length = Some(attr.uint()),
            _ => {}
        }
    }
    let fd = fd.ok_or(Refused::Missing("target's fd"))?;
    let opened = UserDevice::of_descriptor(fd);
    Ok(TargetSpec {
        device: opened.map_err(|error| TargetError::from(error).at(number))?,
        path: path.ok_or(Refused::Missing("target's path"))?,
        offset,
        length,
    })
}
