// SPDX-License-Identifier: MIT OR Apache-2.0
//! Requests of the family: made by the client, read by the fake transport, and named in the
//! user's words when the kernel points at a part of one.

use std::time::Duration;

use shunt_uapi::{cmd, device, target};

use super::{
    GENL_HEADER_LENGTH, Message, NETLINK_HEADER_LENGTH,
    attr::{Attr, Writer, attributes, required},
    malformed,
};
use crate::{
    drive::OpenDrive,
    error::{Part, Result},
    model::{DeviceChange, DeviceSpec, QueueMode, Selector, State, StatsMode, TargetSpec},
};

// `device-*` and `stats-get` name a device with the same two attributes.
const _: () = assert!(
    device::ID == shunt_uapi::stats::ID && device::NAME == shunt_uapi::stats::NAME,
    "one selector serves both attribute sets"
);

/// Asks for a new device on these drives, one for each target.
///
/// # Errors
/// [`Error::Unsendable`](crate::Error::Unsendable) if a text in `spec` fits in no message.
pub fn create_device(spec: &DeviceSpec, drives: &[OpenDrive]) -> Result<Message> {
    let mut writer = Writer::default();
    writer.string(device::NAME, &spec.name)?;
    writer.u32(device::QUEUE_MODE, spec.queue.number());
    writer.u32(device::STATS_MODE, spec.stats.number());
    writer.u32(device::READ_ONLY, spec.read_only.into());
    put_table(&mut writer, &spec.targets, drives, spec.stripe)?;
    Ok(Message {
        command: cmd::DEVICE_NEW,
        attributes: writer.into_bytes(),
    })
}

/// Adds how long the change may wait.
pub fn put_timeout(message: &mut Message, timeout: Duration) {
    let mut writer = Writer::default();
    let ms = u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX);
    writer.u32(device::TIMEOUT, ms);
    message.attributes.extend(writer.into_bytes());
}

fn put_table(
    writer: &mut Writer,
    targets: &[TargetSpec],
    drives: &[OpenDrive],
    stripe: Option<u64>,
) -> Result<()> {
    for (number, target) in targets.iter().enumerate() {
        let mut inner = Writer::default();
        inner.string(target::PATH, &target.path)?;
        inner.uint(target::OFFSET, target.offset);
        if let Some(length) = target.length {
            inner.uint(target::LENGTH, length);
        }
        if let Some(descriptor) = drives.get(number).and_then(OpenDrive::number) {
            inner.u32(target::FD, descriptor);
        }
        writer.nest(device::TARGET, inner)?;
    }
    if let Some(stripe) = stripe {
        writer.uint(device::STRIPE, stripe);
    }
    Ok(())
}

/// Asks for a change of a device; a new table is on these drives, one for each target.
///
/// # Errors
/// [`Error::Unsendable`](crate::Error::Unsendable) if a text in it fits in no message.
pub fn change_device(
    selector: &Selector,
    change: &DeviceChange,
    drives: &[OpenDrive],
) -> Result<Message> {
    let mut writer = Writer::default();
    put_selector(&mut writer, selector)?;
    match change {
        DeviceChange::Retarget { targets, stripe } => {
            put_table(&mut writer, targets, drives, *stripe)?;
        }
        DeviceChange::Suspend { freeze } => {
            writer.u32(device::STATE, State::Suspended.number());
            writer.u32(device::FREEZE, (*freeze).into());
        }
        DeviceChange::Resume => writer.u32(device::STATE, State::Live.number()),
        DeviceChange::Resize => writer.u32(device::RESIZE, 1),
        DeviceChange::Settings { stats, read_only } => {
            if let Some(stats) = stats {
                writer.u32(device::STATS_MODE, stats.number());
            }
            if let Some(read_only) = read_only {
                writer.u32(device::READ_ONLY, (*read_only).into());
            }
        }
    }
    Ok(Message {
        command: cmd::DEVICE_SET,
        attributes: writer.into_bytes(),
    })
}

/// Asks for one device to go, also while it is open.
///
/// # Errors
/// [`Error::Unsendable`](crate::Error::Unsendable) if the name fits in no message.
pub fn force_delete_device(selector: &Selector) -> Result<Message> {
    let mut writer = Writer::default();
    put_selector(&mut writer, selector)?;
    writer.u32(device::FORCE, 1);
    Ok(Message {
        command: cmd::DEVICE_DEL,
        attributes: writer.into_bytes(),
    })
}

/// Asks for one device to go, to be shown, or for its statistics, by the command.
///
/// # Errors
/// [`Error::Unsendable`](crate::Error::Unsendable) if the name fits in no message.
pub fn one_device(command: u8, selector: &Selector) -> Result<Message> {
    let mut writer = Writer::default();
    put_selector(&mut writer, selector)?;
    Ok(Message {
        command,
        attributes: writer.into_bytes(),
    })
}

fn put_selector(writer: &mut Writer, selector: &Selector) -> Result<()> {
    match selector {
        Selector::Id(id) => writer.u32(device::ID, *id),
        Selector::Name(name) => writer.string(device::NAME, name)?,
        Selector::Exactly { id, generation } => {
            writer.u32(device::ID, *id);
            writer.uint(device::GENERATION, *generation);
        }
        Selector::AsSeen { table_number, .. } => {
            put_selector(writer, &selector.with_any_table())?;
            writer.uint(device::TABLE_NUMBER, *table_number);
        }
    }
    Ok(())
}

/// Reads what [`create_device`] wrote; what is absent has the kernel's default.
///
/// # Errors
/// [`Error::Malformed`](crate::Error::Malformed) if it is not a device that is wanted.
pub fn decode_device_spec(bytes: &[u8]) -> Result<DeviceSpec> {
    let mut name = None;
    let mut spec = DeviceSpec::new("", Vec::new());
    for attr in attributes(bytes) {
        let attr = attr?;
        match attr.kind {
            device::NAME => name = Some(attr.string()),
            device::QUEUE_MODE => spec.queue = QueueMode::from_u32(attr.u32()?),
            device::STATS_MODE => spec.stats = StatsMode::from_u32(attr.u32()?),
            device::READ_ONLY => spec.read_only = attr.u32()? != 0,
            device::TARGET => spec.targets.push(decode_target_spec(&attr)?),
            device::STRIPE => spec.stripe = Some(attr.uint()?),
            device::TIMEOUT => {}
            kind => return Err(malformed(format!("attribute {kind} in a request"))),
        }
    }
    spec.name = required(name, "name")?;
    Ok(spec)
}

fn decode_target_spec(nest: &Attr<'_>) -> Result<TargetSpec> {
    let mut path = None;
    let mut spec = TargetSpec::whole("");
    for attr in nest.nested() {
        let attr = attr?;
        match attr.kind {
            target::PATH => path = Some(attr.string()),
            target::OFFSET => spec.offset = attr.uint()?,
            target::LENGTH => spec.length = Some(attr.uint()?),
            target::FD => {}
            kind => return Err(malformed(format!("attribute {kind} in a target"))),
        }
    }
    spec.path = required(path, "path")?;
    Ok(spec)
}

/// Reads what [`change_device`] wrote.
///
/// # Errors
/// [`Error::Malformed`](crate::Error::Malformed) if it names no device, or changes that do not go
/// together.
pub fn decode_change(bytes: &[u8]) -> Result<(Selector, DeviceChange)> {
    let (mut named, mut targets, mut stripe) = (Named::default(), Vec::new(), None);
    let (mut state, mut freeze, mut resize) = (None, false, false);
    let (mut stats, mut read_only) = (None, None);
    for attr in attributes(bytes) {
        let attr = attr?;
        match attr.kind {
            device::ID => named.id = Some(attr.u32()?),
            device::NAME => named.name = Some(attr.string()),
            device::GENERATION => named.generation = Some(attr.uint()?),
            device::TABLE_NUMBER => named.table_number = Some(attr.uint()?),
            device::TIMEOUT => {}
            device::TARGET => targets.push(decode_target_spec(&attr)?),
            device::STRIPE => stripe = Some(attr.uint()?),
            device::STATE => state = Some(State::from_u32(attr.u32()?)),
            device::FREEZE => freeze = attr.u32()? != 0,
            device::RESIZE => resize = attr.u32()? != 0,
            device::STATS_MODE => stats = Some(StatsMode::from_u32(attr.u32()?)),
            device::READ_ONLY => read_only = Some(attr.u32()? != 0),
            kind => return Err(malformed(format!("attribute {kind} in a request"))),
        }
    }
    let change = match (targets.is_empty(), resize, state) {
        (false, false, None) => DeviceChange::Retarget { targets, stripe },
        (true, true, None) => DeviceChange::Resize,
        (true, false, Some(State::Suspended)) => DeviceChange::Suspend { freeze },
        (true, false, Some(State::Live)) => DeviceChange::Resume,
        (true, false, None) => DeviceChange::Settings { stats, read_only },
        _ => return Err(malformed("changes that do not go together")),
    };
    Ok((named.selector()?, change))
}

/// Reads what [`one_device`] and [`force_delete_device`] wrote: the device, and whether it is to go
/// by force.
///
/// # Errors
/// [`Error::Malformed`](crate::Error::Malformed) if it names no device.
pub fn decode_selector(bytes: &[u8]) -> Result<(Selector, bool)> {
    let (mut named, mut force) = (Named::default(), false);
    for attr in attributes(bytes) {
        let attr = attr?;
        match attr.kind {
            device::ID => named.id = Some(attr.u32()?),
            device::NAME => named.name = Some(attr.string()),
            device::GENERATION => named.generation = Some(attr.uint()?),
            device::TABLE_NUMBER => named.table_number = Some(attr.uint()?),
            device::TIMEOUT => {}
            device::FORCE => force = attr.u32()? != 0,
            kind => return Err(malformed(format!("attribute {kind} in a request"))),
        }
    }
    Ok((named.selector()?, force))
}

/// How a request names its device, as far as it has been read.
#[derive(Default)]
struct Named {
    id: Option<u32>,
    name: Option<String>,
    generation: Option<u64>,
    table_number: Option<u64>,
}

impl Named {
    fn selector(self) -> Result<Selector> {
        match (self.id, self.generation, self.table_number) {
            (Some(id), Some(generation), Some(table_number)) => Ok(Selector::AsSeen {
                id,
                generation,
                table_number,
            }),
            (Some(id), Some(generation), None) => Ok(Selector::Exactly { id, generation }),
            (Some(id), None, _) => Ok(Selector::Id(id)),
            (None, ..) => required(self.name.map(Selector::Name), "id or name"),
        }
    }
}

/// The part of a request at `offset`, counted from the first byte of its netlink header. None if nothing
/// known begins there.
pub fn part_at(attributes_of_request: &[u8], offset: usize) -> Option<Part> {
    let offset = offset.checked_sub(NETLINK_HEADER_LENGTH + GENL_HEADER_LENGTH)?;
    let part = |word: &str, target| Part {
        word: word.to_owned(),
        target,
        path: None,
    };
    let mut targets = 0;
    for attr in attributes(attributes_of_request).flatten() {
        let target = (attr.kind == device::TARGET).then_some(targets);
        targets += usize::from(target.is_some());
        if attr.start == offset {
            return device_word(attr.kind).map(|word| part(word, target));
        }
        let Some(inner) = offset.checked_sub(attr.start + Attr::HEADER_LENGTH) else {
            continue;
        };
        let mut parts = attr.nested().flatten();
        if let Some(within) = target.and_then(|_| parts.find(|part| part.start == inner)) {
            return target_word(within.kind).map(|word| part(word, target));
        }
    }
    None
}

/// The attribute of a request that the kernel missed.
pub fn missing_part(kind: u16, in_target: bool) -> Part {
    let word = if in_target {
        target_word(kind)
    } else {
        device_word(kind)
    };
    Part {
        word: word.map_or_else(|| format!("attribute {kind}"), str::to_owned),
        ..Part::default()
    }
}

/// What an attribute of a request is called, or the one of a target that is inside it.
pub(crate) fn word_of(kind: u16, within: Option<u16>) -> Option<&'static str> {
    match within {
        Some(within) => target_word(within),
        None => device_word(kind),
    }
}

fn device_word(kind: u16) -> Option<&'static str> {
    Some(match kind {
        device::ID => "id",
        device::NAME => "name",
        device::QUEUE_MODE => "queue",
        device::STATS_MODE => "stats",
        device::READ_ONLY => "read-only",
        device::TARGET => "target",
        device::STATE => "state",
        device::STRIPE => "stripe",
        device::FREEZE => "freeze",
        device::RESIZE => "resize",
        device::FORCE => "force",
        device::GENERATION => "generation",
        device::TABLE_NUMBER => "table-number",
        device::TIMEOUT => "timeout",
        _ => return None,
    })
}

fn target_word(kind: u16) -> Option<&'static str> {
    Some(match kind {
        target::PATH => "path",
        target::OFFSET => "offset",
        target::LENGTH => "length",
        target::FD => "drive",
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
