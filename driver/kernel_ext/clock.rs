// SPDX-License-Identifier: GPL-2.0-only

//! The monotonic clock as a bare number, for the path of each I/O; sleeping for a moment.
//!
//! C header: [`include/linux/timekeeping.h`](srctree/include/linux/timekeeping.h)

use super::bindings;

/// Sleeps for `us` to twice that.
pub(crate) fn sleep_us(us: u64) {
    let us = us as usize;
    // SAFETY: The caller may sleep, as the name says.
    unsafe { bindings::usleep_range_state(us, 2 * us, bindings::SHUNT_TASK_UNINTERRUPTIBLE) };
}

/// `CLOCK_MONOTONIC` in ns. Callable in any context.
#[inline(always)]
pub(crate) fn monotonic_ns() -> u64 {
    // SAFETY: The function has no preconditions.
    unsafe { bindings::ktime_get() as u64 }
}
