// SPDX-License-Identifier: MIT OR Apache-2.0
//! Answers of the family: devices. The client reads them; the fake transport
//! writes them. An attribute that is not known is skipped: a newer module may send more.

use shunt_uapi::{device, target};

use super::attr::{Attr, Writer, attributes, required};
use crate::{
    error::Result,
    model::{Device, QueueMode, State, StatsMode, Target},
};

/// Reads a device.
///
/// # Errors
/// [`Error::Malformed`](crate::Error::Malformed) if a part is missing or not understood.
pub fn decode_device(bytes: &[u8]) -> Result<Device> {
    let (mut id, mut name, mut state, mut queue) = (None, None, None, None);
    let (mut stats, mut read_only, mut size, mut block) = (None, None, None, None);
    let (mut generation, mut targets, mut stripe) = (None, Vec::new(), None);
    let mut table_number = None;
    for attr in attributes(bytes) {
        let attr = attr?;
        match attr.kind {
            device::ID => id = Some(attr.u32()?),
            device::NAME => name = Some(attr.string()),
            device::STATE => state = Some(State::from_u32(attr.u32()?)),
            device::QUEUE_MODE => queue = Some(QueueMode::from_u32(attr.u32()?)),
            device::STATS_MODE => stats = Some(StatsMode::from_u32(attr.u32()?)),
            device::READ_ONLY => read_only = Some(attr.u32()? != 0),
            device::SIZE => size = Some(attr.uint()?),
            device::LOGICAL_BLOCK_SIZE => block = Some(attr.u32()?),
            device::TARGET => targets.push(decode_target(&attr)?),
            device::GENERATION => generation = Some(attr.uint()?),
            device::STRIPE => stripe = Some(attr.uint()?),
            device::TABLE_NUMBER => table_number = Some(attr.uint()?),
            _ => {}
        }
    }
    Ok(Device {
        id: required(id, "id of a device")?,
        name: required(name, "name of a device")?,
        state: required(state, "state of a device")?,
        queue: required(queue, "queue-mode of a device")?,
        stats: required(stats, "stats-mode of a device")?,
        read_only: required(read_only, "read-only of a device")?,
        size: required(size, "size of a device")?,
        logical_block_size: required(block, "logical-block-size of a device")?,
        targets,
        stripe,
        generation: required(generation, "generation of a device")?,
        table_number: required(table_number, "table-number of a device")?,
    })
}

fn decode_target(nest: &Attr<'_>) -> Result<Target> {
    let (mut path, mut offset, mut length, mut start) = (None, None, None, None);
    let (mut major, mut minor, mut diskseq, mut state) = (None, None, None, None);
    for attr in nest.nested() {
        let attr = attr?;
        match attr.kind {
            target::PATH => path = Some(attr.string()),
            target::OFFSET => offset = Some(attr.uint()?),
            target::LENGTH => length = Some(attr.uint()?),
            target::START => start = Some(attr.uint()?),
            target::MAJOR => major = Some(attr.u32()?),
            target::MINOR => minor = Some(attr.u32()?),
            target::DISKSEQ => diskseq = Some(attr.uint()?),
            target::STATE => state = Some(State::from_u32(attr.u32()?)),
            _ => {}
        }
    }
    Ok(Target {
        path: required(path, "path of a target")?,
        major: required(major, "major of a target")?,
        minor: required(minor, "minor of a target")?,
        diskseq: required(diskseq, "diskseq of a target")?,
        start: required(start, "start of a target")?,
        offset: required(offset, "offset of a target")?,
        length: required(length, "length of a target")?,
        state: required(state, "state of a target")?,
    })
}

/// Writes a device as the kernel does.
///
/// # Errors
/// [`Error::Unsendable`](crate::Error::Unsendable) if a text in it fits in no message.
pub fn encode_device(writer: &mut Writer, from: &Device) -> Result<()> {
    encode_device_with(writer, from, |_, _| Ok(()))
}

/// As [`encode_device`], where `more` adds to each target.
///
/// # Errors
/// As [`encode_device`].
pub fn encode_device_with(
    writer: &mut Writer,
    from: &Device,
    more: impl Fn(usize, &mut Writer) -> Result<()>,
) -> Result<()> {
    writer.u32(device::ID, from.id);
    writer.string(device::NAME, &from.name)?;
    writer.u32(device::STATE, from.state.number());
    writer.u32(device::QUEUE_MODE, from.queue.number());
    writer.u32(device::STATS_MODE, from.stats.number());
    writer.u32(device::READ_ONLY, from.read_only.into());
    writer.uint(device::SIZE, from.size);
    writer.u32(device::LOGICAL_BLOCK_SIZE, from.logical_block_size);
    for (number, target) in from.targets.iter().enumerate() {
        let mut inner = Writer::default();
        inner.string(target::PATH, &target.path)?;
        inner.uint(target::OFFSET, target.offset);
        inner.uint(target::LENGTH, target.length);
        inner.uint(target::START, target.start);
        inner.u32(target::MAJOR, target.major);
        inner.u32(target::MINOR, target.minor);
        inner.uint(target::DISKSEQ, target.diskseq);
        inner.u32(target::STATE, target.state.number());
        more(number, &mut inner)?;
        writer.nest(device::TARGET, inner)?;
    }
    writer.uint(device::GENERATION, from.generation);
    writer.uint(device::TABLE_NUMBER, from.table_number);
    if let Some(stripe) = from.stripe {
        writer.uint(device::STRIPE, stripe);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
