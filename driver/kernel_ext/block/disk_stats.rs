// SPDX-License-Identifier: GPL-2.0-only

//! What /proc/diskstats and `iostat` show of a bio-based disk.
//!
//! [`start`] and [`end`] do what `bdev_start_io_acct()` and `bdev_end_io_acct()` do. Once in each tick of the
//! timer there is busy time to be added; in between only per-CPU counters change. The time that an I/O
//! took is that of the caller's clock rather than of the timer's ticks.
//!
//! C headers: [`include/linux/part_stat.h`](srctree/include/linux/part_stat.h),
//! [`block/blk-core.c`](srctree/block/blk-core.c)

use super::{super::bindings, super::percpu::this_cpu_add, bio::Op};
use core::{
    mem::offset_of,
    sync::atomic::{AtomicUsize, Ordering},
};

/// Begins to account an I/O that was submitted to `device`. Whether it is the first one that begins
/// or ends in this tick of the timer.
///
/// # Safety
///
/// `device` must be live.
#[inline(always)]
pub(super) unsafe fn start(device: *mut bindings::block_device, op: Op) -> bool {
    // SAFETY: By the contract of this function.
    if unsafe { is_partition(device) || !is_current(device) } {
        // SAFETY: By the contract of this function.
        return unsafe { start_elsewise(device, op) };
    }
    // SAFETY: By the contract of this function; it is the offset of a 64-bit counter.
    unsafe { add(device, in_flight(op), 1) };
    false
}

/// As [`start`], for a partition, whose disk has each I/O of it in its own columns, too, or for a disk in a new tick.
///
/// # Safety
///
/// `device` must be live.
#[inline(never)]
unsafe fn start_elsewise(device: *mut bindings::block_device, op: Op) -> bool {
    // The block layer brings the disk of a partition up to a tick together with it.
    // SAFETY: By the contract of this function.
    if !unsafe { is_current(device) } {
        // SAFETY: By the contract of this function.
        unsafe { bindings::bdev_start_io_acct(device, op.as_raw(), jiffies()) };
        return true;
    }
    let place = in_flight(op);
    // SAFETY: By the contract of this function; it is the offset of a 64-bit counter.
    unsafe { add(device, place, 1) };
    // SAFETY: By the contract of this function.
    if let Some(whole) = unsafe { other_disk(device) } {
        // SAFETY: The disk is live; it is the offset of a 64-bit counter.
        unsafe { add(whole, place, 1) };
    }
    false
}

/// Ends what [`start`] began: the I/O covered `sectors` sectors and took `ns`.
///
/// # Safety
///
/// `device` must be live.
#[inline(always)]
pub(super) unsafe fn end(device: *mut bindings::block_device, op: Op, sectors: u32, ns: u64) {
    // SAFETY: By the contract of this function.
    if unsafe { is_partition(device) || !is_current(device) } {
        // SAFETY: By the contract of this function.
        return unsafe { end_elsewise(device, op, sectors, ns) };
    }
    // SAFETY: By the contract of this function.
    unsafe { add_ended(device, op, sectors) };
    // SAFETY: By the contract of this function; it is the offset of a 64-bit counter.
    unsafe { add(device, nsecs(op), ns) };
}

/// As [`end`], for a partition, or for a disk in a new tick.
///
/// # Safety
///
/// `device` must be live.
#[inline(never)]
unsafe fn end_elsewise(device: *mut bindings::block_device, op: Op, sectors: u32, ns: u64) {
    // SAFETY: By the contract of this function.
    let whole = unsafe { other_disk(device) };
    // SAFETY: By the contract of this function; it is the offset of a 64-bit counter.
    unsafe { add(device, nsecs(op), ns) };
    if let Some(whole) = whole {
        // SAFETY: The disk is live; it is the offset of a 64-bit counter.
        unsafe { add(whole, nsecs(op), ns) };
    }
    // SAFETY: By the contract of this function.
    if !unsafe { is_current(device) } {
        // SAFETY: By the contract of this function.
        unsafe { add_busy_time(device) };
        if let Some(whole) = whole {
            // SAFETY: The disk of a partition lives as long as that.
            unsafe { add_busy_time(whole) };
        }
    }
    // SAFETY: By the contract of this function.
    unsafe { add_ended(device, op, sectors) };
    if let Some(whole) = whole {
        // SAFETY: The disk of a partition lives as long as that.
        unsafe { add_ended(whole, op, sectors) };
    }
}

/// Adds the ticks since the busy time of `device` was brought up to date: it was busy, since an I/O ends. As
/// `update_io_ticks()`; `bdev_end_io_acct()`, which calls that, adds a tick to the time that the I/O took if one passes as
/// it is called.
///
/// # Safety
///
/// `device` must be live.
unsafe fn add_busy_time(device: *mut bindings::block_device) {
    let now = jiffies();
    // SAFETY: By the contract of this function; the block layer changes the word by compare and exchange alone.
    let stamp = unsafe { AtomicUsize::from_ptr(&raw mut (*device).bd_stamp) };
    let before = stamp.load(Ordering::Relaxed);
    let ticks = now.wrapping_sub(before);
    // Somebody else may have been faster.
    if (ticks as isize) > 0
        && stamp
            .compare_exchange(before, now, Ordering::Relaxed, Ordering::Relaxed)
            .is_ok()
    {
        let place = offset_of!(bindings::disk_stats, io_ticks);
        // SAFETY: By the contract of this function; it is the offset of a 64-bit counter.
        unsafe { add(device, place, ticks as u64) };
    }
}

/// The disk that `device` is a partition of, if it is one.
///
/// # Safety
///
/// `device` must be live.
#[inline(always)]
unsafe fn other_disk(device: *mut bindings::block_device) -> Option<*mut bindings::block_device> {
    // SAFETY: By the contract of this function; the disk of a partition lives as long, and both fields are constant.
    let whole = unsafe { (*(*device).bd_disk).part0 };
    (whole != device).then_some(whole)
}

/// Counts an I/O that ended, but for its time.
///
/// # Safety
///
/// `device` must be live.
#[inline(always)]
unsafe fn add_ended(device: *mut bindings::block_device, op: Op, sectors: u32) {
    let group = 8 * op.stat_group();
    // SAFETY: By the contract of this function; it is the offset of a 64-bit counter.
    unsafe { add(device, offset_of!(bindings::disk_stats, ios) + group, 1) };
    let place = offset_of!(bindings::disk_stats, sectors) + group;
    // SAFETY: By the contract of this function; it is the offset of a 64-bit counter.
    unsafe { add(device, place, sectors.into()) };
    // SAFETY: By the contract of this function; it is the offset of a 64-bit counter.
    unsafe { add(device, in_flight(op), u64::MAX) };
}

/// Offset of the operations in flight.
#[inline(always)]
fn in_flight(op: Op) -> usize {
    offset_of!(bindings::disk_stats, in_flight) + 8 * usize::from(op.is_write())
}

/// Offset of the time that operations took.
#[inline(always)]
fn nsecs(op: Op) -> usize {
    offset_of!(bindings::disk_stats, nsecs) + 8 * op.stat_group()
}

/// Whether `device` is not a whole disk.
///
/// # Safety
///
/// `device` must be live.
#[inline(always)]
unsafe fn is_partition(device: *mut bindings::block_device) -> bool {
    // SAFETY: By the contract of this function; an aligned word is read whole.
    let flags = unsafe { (&raw const (*device).__bd_flags.counter).read_volatile() };
    flags as u32 & bindings::SHUNT_BD_PARTNO != 0
}

/// Whether the busy time of `device` has been brought up to this tick.
///
/// # Safety
///
/// `device` must be live.
#[inline(always)]
unsafe fn is_current(device: *mut bindings::block_device) -> bool {
    // SAFETY: By the contract of this function; an aligned word is read whole.
    let stamp = unsafe { (&raw const (*device).bd_stamp).read_volatile() };
    stamp == jiffies()
}

/// Adds to one of the device's per-CPU counters, at `offset` in `struct disk_stats`.
///
/// # Safety
///
/// `device` must be live, and `offset` that of a 64-bit counter.
#[inline(always)]
unsafe fn add(device: *mut bindings::block_device, offset: usize, value: u64) {
    // SAFETY: By the contract of this function.
    let stats = unsafe { (*device).bd_stats };
    // SAFETY: `bd_stats` is a per-CPU allocation of a `struct disk_stats`.
    unsafe { this_cpu_add(stats.cast::<u64>().byte_add(offset), value) };
}

/// Ticks of the timer since boot.
#[inline(always)]
fn jiffies() -> usize {
    // SAFETY: The variable is always there; an aligned word is read whole.
    unsafe { (&raw const bindings::jiffies).read_volatile() }
}
