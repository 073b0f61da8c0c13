// SPDX-License-Identifier: GPL-2.0-only

//! The only encoder: replies, dumps and notifications tell of a device in the same bytes.

use crate::{
    device::{Device, Settings},
    kernel_ext::{
        block::{bdev::BlockDevice, bio::Status, capabilities::CAPABILITIES},
        clock::monotonic_ns,
        net::attr::Writer,
    },
    logic::histogram::{BUCKETS, SIZE_BUCKETS},
    stats::OpSnapshot,
    table::TableSpec,
    target::Target,
    uapi::{Op, bucket, capability, device, error, op_stats, stats, target},
};
use kernel::prelude::*;

/// Room for the attributes of a device, without its targets.
const DEVICE_ROOM: usize = 512;

/// Room for the attributes of a target, without its path.
const TARGET_ROOM: usize = 112;

/// Room for what a block device can do; few of the numbers need 8 bytes, and many are absent.
const CAPABILITIES_ROOM: usize = 16 + 8 * CAPABILITIES;

/// Room that the attributes of a device take in a message. Sleeps.
pub(super) fn device_room(device: &Device) -> usize {
    let table = device.table();
    DEVICE_ROOM + targets_room(table.targets().iter().map(|target| target.path()))
}

/// Room that the attributes of a device take once it has a table that is asked for.
pub(super) fn wanted_room(table: &TableSpec) -> usize {
    DEVICE_ROOM + targets_room(table.targets.iter().map(|target| &*target.path))
}

fn targets_room<'a>(paths: impl Iterator<Item = &'a CStr>) -> usize {
    paths
        .map(|path| TARGET_ROOM + path.to_bytes().len())
        .sum::<usize>()
}

/// Room that the attributes of a device take with what it and its targets can do. Sleeps.
pub(super) fn caps_room(device: &Device) -> usize {
    device_room(device) + (device.table().targets().len() + 1) * CAPABILITIES_ROOM
}

/// Writes a device with what it and its targets can do. Sleeps.
pub(super) fn caps(message: &mut Writer<'_>, device: &Device) -> Result {
    write_device(message, device, true)?;
    capabilities(message, device::CAPABILITIES, device.disk())
}

fn capabilities(message: &mut Writer<'_>, kind: u16, device: &BlockDevice) -> Result {
    message.nest(kind, |message| {
        for number in 0..CAPABILITIES {
            let value = device.capability(number);
            if value != 0 {
                message.uint(number as u16 + 1, value)?;
            }
        }
        Ok(())
    })
}

/// Their order is that of the attributes.
const _: () = assert!(CAPABILITIES == capability::INLINE_ENCRYPTION as usize);

/// Writes a device. Sleeps.
pub(super) fn device(message: &mut Writer<'_>, device: &Device) -> Result {
    write_device(message, device, false)
}

fn write_device(message: &mut Writer<'_>, device: &Device, caps: bool) -> Result {
    message.u32(device::ID, device.id())?;
    message.string(device::NAME, device.name())?;
    message.u32(device::QUEUE_MODE, device.queue_mode() as u32)?;
    message.uint(device::GENERATION, device.generation())?;
    message.u32(
        device::LOGICAL_BLOCK_SIZE,
        device.disk().logical_block_size(),
    )?;
    // Whoever made it so: a command, or a user by BLKROSET.
    message.u32(device::READ_ONLY, device.disk().is_read_only().into())?;
    device.with_settings(|settings| device_settings(message, settings, caps))
}

fn device_settings(message: &mut Writer<'_>, settings: &Settings, caps: bool) -> Result {
    let table = &settings.table;
    message.u32(device::STATE, settings.state() as u32)?;
    message.uint(device::TABLE_NUMBER, settings.table_number)?;
    message.u32(device::STATS_MODE, settings.stats_mode as u32)?;
    message.uint(device::SIZE, table.sectors() * crate::logic::extent::SECTOR)?;
    if let Some(stripe) = table.stripe() {
        message.uint(device::STRIPE, stripe)?;
    }
    for (number, target) in table.targets().iter().enumerate() {
        let start = table.start_bytes(number);
        message.nest(device::TARGET, |message| {
            write_target(message, target, start)?;
            match caps {
                true => capabilities(message, target::CAPABILITIES, target.device()),
                false => Ok(()),
            }
        })?;
    }
    Ok(())
}

fn write_target(message: &mut Writer<'_>, target: &Target, start: u64) -> Result {
    message.string(target::PATH, target.path())?;
    message.uint(target::OFFSET, target.extent().offset_bytes())?;
    message.uint(target::LENGTH, target.extent().length_bytes())?;
    message.uint(target::START, start)?;
    message.u32(target::MAJOR, target.device().dev().major())?;
    message.u32(target::MINOR, target.device().dev().minor())?;
    message.uint(target::DISKSEQ, target.device().diskseq())?;
    message.u32(target::STATE, target.state() as u32)
}

/// Room that the statistics of any device take in a message: every bucket of every operation.
pub(super) const STATS_ROOM: usize =
    512 + Op::ALL.len() * (256 + 24 * (BUCKETS + SIZE_BUCKETS + Status::COUNT));

/// Writes the statistics of a device as they are now. Sleeps.
pub(super) fn stats(message: &mut Writer<'_>, device: &Device) -> Result {
    let figures = device.stats();
    figures.note_peaks();
    message.u32(stats::ID, device.id())?;
    message.string(stats::NAME, device.name())?;
    message.uint(stats::GENERATION, device.generation())?;
    message.uint(stats::TIME, monotonic_ns())?;
    message.uint(stats::IN_FLIGHT, figures.in_flight())?;
    for op in Op::ALL {
        // What never happened is left out.
        if let Some(sums) = figures.snapshot(op)? {
            message.nest(stats::OP, |message| op_stats(message, op, &sums))?;
        }
    }
    Ok(())
}

fn op_stats(message: &mut Writer<'_>, op: Op, sums: &OpSnapshot) -> Result {
    message.u32(op_stats::OP, op as u32)?;
    message.uint(op_stats::IOS, sums.ios())?;
    message.uint(op_stats::BYTES, sums.bytes())?;
    message.uint(
        op_stats::ERRORS,
        sums.errors().map(|(_, count)| count).sum(),
    )?;
    message.uint(op_stats::LATENCY_SUM, sums.latency_sum())?;
    message.uint(op_stats::IN_FLIGHT, sums.in_flight())?;
    message.uint(op_stats::PEAK, sums.peak)?;
    histogram(message, op_stats::LATENCY, &mut sums.latency())?;
    histogram(message, op_stats::SIZE, &mut sums.size())?;
    for (errno, count) in sums.errors() {
        message.nest(op_stats::ERROR, |message| {
            message.u32(error::ERRNO, errno)?;
            message.uint(error::COUNT, count)
        })?;
    }
    Ok(())
}

fn histogram(
    message: &mut Writer<'_>,
    kind: u16,
    buckets: &mut dyn Iterator<Item = (u64, u64)>,
) -> Result {
    for (le, count) in buckets {
        message.nest(kind, |message| {
            message.uint(bucket::LE, le)?;
            message.uint(bucket::COUNT, count)
        })?;
    }
    Ok(())
}
