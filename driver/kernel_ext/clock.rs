// SPDX-License-Identifier: GPL-2.0-only

//! The monotonic clock as a bare number, for the path of each I/O.
//!
//! C header: [`include/linux/timekeeping.h`](srctree/include/linux/timekeeping.h)

use super::bindings;

/// `CLOCK_MONOTONIC` in ns. Callable in any context.
#[inline(always)]
pub(crate) fn monotonic_ns() -> u64 {
    // SAFETY: The function has no preconditions.
    unsafe { bindings::ktime_get() as u64 }
}
