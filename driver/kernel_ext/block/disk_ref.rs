// SPDX-License-Identifier: GPL-2.0-only

//! References to disks.
//!
//! C header: [`include/linux/blkdev.h`](srctree/include/linux/blkdev.h)

use super::super::bindings;
use core::ptr::NonNull;
use kernel::sync::rcu;

/// A reference to a disk that may have been removed.
///
/// # Invariants
///
/// The value holds a reference to the device of the disk.
pub(crate) struct DiskRef(NonNull<bindings::gendisk>);

// SAFETY: A reference to a disk belongs to no task.
unsafe impl Send for DiskRef {}

impl DiskRef {
    /// Takes a reference.
    ///
    /// # Safety
    ///
    /// `disk` must be live.
    pub(super) unsafe fn get(disk: NonNull<bindings::gendisk>) -> Self {
        // SAFETY: By the contract of this function it has a device with references.
        unsafe { bindings::shunt_disk_get(disk.as_ptr()) };
        // INVARIANT: The reference was taken.
        Self(disk)
    }

    /// Tells those who use the disk, or a partition of it, that its data cannot be reached any
    /// more: a file system shuts down, and writes all out before unless this comes by `surprise`. Sleeps, and waits for
    /// I/O of the disk. The disk itself stays.
    pub(crate) fn report_dead(&self, surprise: bool) {
        let mut index = 0usize;
        loop {
            let guard = rcu::read_lock();
            // SAFETY: By the type invariant the disk is there; its table is read under RCU.
            let found = unsafe {
                bindings::xa_find(
                    &raw mut (*self.0.as_ptr()).part_tbl,
                    &mut index,
                    usize::MAX,
                    bindings::SHUNT_XA_PRESENT,
                )
            };
            let Some(device) = NonNull::new(found.cast::<bindings::block_device>()) else {
                return;
            };
            // SAFETY: What was found under RCU stays until the end of the critical section.
            let held = unsafe { bindings::shunt_bdev_tryget(device.as_ptr()) };
            drop(guard);
            if held {
                // SAFETY: The reference keeps the device.
                unsafe { bindings::bdev_mark_dead(device.as_ptr(), surprise) };
                // SAFETY: The reference was taken above.
                unsafe { bindings::shunt_bdev_put(device.as_ptr()) };
            }
            index += 1;
        }
    }
}

impl Drop for DiskRef {
    fn drop(&mut self) {
        // SAFETY: By the type invariant there is a reference to put.
        unsafe { bindings::put_disk(self.0.as_ptr()) };
    }
}
