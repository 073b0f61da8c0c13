// SPDX-License-Identifier: GPL-2.0-only

//! What /proc/diskstats and `iostat` show of a bio-based disk.
//!
//! [`start`] and [`end`] do what `bdev_start_io_acct()` and `bdev_end_io_acct()` do, and call them
//! once in each tick of the timer, when there is busy time to be added. In between only per-CPU
//! counters change, so those are changed here, and the time is that of the caller's clock rather
//! than of the timer's ticks.
//!
//! C headers: [`include/linux/part_stat.h`](srctree/include/linux/part_stat.h),
//! [`block/blk-core.c`](srctree/block/blk-core.c)

use super::{super::bindings, super::percpu::this_cpu_add, bio::Op};
use core::mem::offset_of;

/// Begins to account an I/O that was submitted to `device`. Whether it is the first one that begins
/// or ends in this tick of the timer.
///
/// # Safety
///
/// `device` must be live.
#[inline(always)]
pub(super) unsafe fn start(device: *mut bindings::block_device, op: Op) -> bool {
    // SAFETY: By the contract of this function.
    if unsafe { is_current(device) } {
        let in_flight =
            offset_of!(bindings::disk_stats, in_flight) + 8 * usize::from(op.is_write());
        // SAFETY: As above; `in_flight` is the offset of a 64-bit counter.
        unsafe { add(device, in_flight, 1) };
        false
    } else {
        // SAFETY: As above.
        unsafe { bindings::bdev_start_io_acct(device, op.as_raw(), jiffies()) };
        true
    }
}

/// Ends what [`start`] began: the I/O covered `sectors` sectors and took `ns`.
///
/// # Safety
///
/// `device` must be live.
#[inline(always)]
pub(super) unsafe fn end(device: *mut bindings::block_device, op: Op, sectors: u32, ns: u64) {
    let group = 8 * op.stat_group();
    // SAFETY: By the contract of this function; so below.
    if unsafe { is_current(device) } {
        let in_flight =
            offset_of!(bindings::disk_stats, in_flight) + 8 * usize::from(op.is_write());
        // SAFETY: As above; each is the offset of a 64-bit counter.
        unsafe { add(device, offset_of!(bindings::disk_stats, ios) + group, 1) };
        // SAFETY: As above.
        unsafe {
            add(
                device,
                offset_of!(bindings::disk_stats, sectors) + group,
                sectors.into(),
            )
        };
        // SAFETY: As above.
        unsafe { add(device, in_flight, u64::MAX) };
    } else {
        // It adds the time since its last argument, in ticks: none, since the time comes below.
        // SAFETY: As above.
        unsafe { bindings::bdev_end_io_acct(device, op.as_raw(), sectors, jiffies()) };
        // SAFETY: As above; a partition's disk lives as long.
        let whole = unsafe { (*(*device).bd_disk).part0 };
        if whole != device {
            // SAFETY: As above.
            unsafe { add(whole, offset_of!(bindings::disk_stats, nsecs) + group, ns) };
        }
    }
    // SAFETY: As above.
    unsafe { add(device, offset_of!(bindings::disk_stats, nsecs) + group, ns) };
}

/// Whether `device` is a whole disk whose busy time has been brought up to this tick.
///
/// # Safety
///
/// `device` must be live.
#[inline(always)]
unsafe fn is_current(device: *mut bindings::block_device) -> bool {
    // SAFETY: By the contract of this function; aligned words are read whole. So below.
    let stamp = unsafe { (&raw const (*device).bd_stamp).read_volatile() };
    // SAFETY: As above.
    let flags = unsafe { (&raw const (*device).__bd_flags.counter).read_volatile() };
    stamp == jiffies() && flags as u32 & bindings::SHUNT_BD_PARTNO == 0
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
