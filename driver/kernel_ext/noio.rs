// SPDX-License-Identifier: GPL-2.0-only

//! Allocations that do no I/O to get memory.
//!
//! C header: [`include/linux/sched/mm.h`](srctree/include/linux/sched/mm.h)

use super::bindings;
use core::marker::PhantomData;
use kernel::prelude::*;

/// While it is there, no allocation of this task does I/O or waits for it: for what holds locks that
/// the removal of a drive waits for.
pub(crate) struct NoIo {
    before: c_uint,
    _of_this_task: PhantomData<*mut ()>,
}

impl NoIo {
    /// Begins now.
    pub(crate) fn new() -> Self {
        Self {
            // SAFETY: It changes a flag of this task alone.
            before: unsafe { bindings::shunt_noio_save() },
            _of_this_task: PhantomData,
        }
    }
}

impl Drop for NoIo {
    fn drop(&mut self) {
        // SAFETY: The flags are those of this task, from before.
        unsafe { bindings::shunt_noio_restore(self.before) };
    }
}
