// SPDX-License-Identifier: GPL-2.0-only

//! What a disk can take in one I/O.
//!
//! C header: [`include/linux/blkdev.h`](srctree/include/linux/blkdev.h)

use super::{super::bindings, bdev::BlockDevice};
use kernel::prelude::*;

/// Queue limits of a stacking disk, gathered from the devices below it.
pub(crate) struct QueueLimits(bindings::queue_limits);

impl QueueLimits {
    /// Limits that allow all that a stacking driver can pass on; [`Self::stack`] narrows them.
    pub(crate) fn stacking() -> Self {
        let mut limits = pin_init::zeroed();
        // SAFETY: `limits` is a local of the right type.
        unsafe { bindings::blk_set_stacking_limits(&mut limits) };
        limits.features |= bindings::SHUNT_STACKED_FEATURES;
        Self(limits)
    }

    /// Narrows the limits to what `device` takes from `start` (sectors of 512 bytes) on.
    pub(crate) fn stack(&mut self, device: &BlockDevice, start: u64, prefix: &CStr) {
        // SAFETY: The limits are ours, `device` is open, `prefix` ends with NUL.
        unsafe {
            bindings::queue_limits_stack_bdev(
                &mut self.0,
                device.as_raw(),
                start,
                prefix.as_ptr().cast(),
            )
        };
    }

    /// The limits as the C side takes them.
    pub(super) fn as_raw(&mut self) -> *mut bindings::queue_limits {
        &mut self.0
    }
}
