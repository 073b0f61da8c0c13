// SPDX-License-Identifier: GPL-2.0-only

//! Disks that take bios directly, without a request queue's scheduler.
//!
//! Implement [`Operations`] and make a [`BioDisk`]; each bio that is sent to the disk arrives in
//! [`Operations::submit_bio`] as an [`OwnedBio`].
//!
//! C headers: [`include/linux/blkdev.h`](srctree/include/linux/blkdev.h),
//! [`block/holder.c`](srctree/block/holder.c)

use super::{super::bindings, bdev::BlockDevice, bio::OwnedBio, limits::QueueLimits};
use core::{
    ptr::NonNull,
    sync::atomic::{AtomicBool, Ordering},
};
use kernel::{
    error::{from_err_ptr, to_result},
    prelude::*,
};

/// What a bio-based disk does.
pub(crate) trait Operations: Sized {
    /// What the disk works with.
    type Data: Send + Sync;

    /// Takes a bio that lies within the disk.
    ///
    /// Called in process context by the task that submits; it may sleep. Bios that it submits in
    /// turn are queued until it returns, so it must not wait for them.
    fn submit_bio(data: &Self::Data, bio: OwnedBio);
}

/// # Invariants
///
/// `leaving` is written with the disk's `open_mutex` held.
struct Private<T: Operations> {
    data: T::Data,
    leaving: AtomicBool,
}

/// A bio-based disk that is in the system from its making until it is dropped.
///
/// # Invariants
///
/// `disk` is a live disk that was added, and its `private_data` a `Private<T>` from a `KBox`.
pub(crate) struct BioDisk<T: Operations> {
    disk: NonNull<bindings::gendisk>,
    private: NonNull<Private<T>>,
}

// SAFETY: The disk may be used and removed by any thread; `T::Data` is `Send` and `Sync`.
unsafe impl<T: Operations> Send for BioDisk<T> {}
// SAFETY: As above.
unsafe impl<T: Operations> Sync for BioDisk<T> {}

/// What a disk is made with.
pub(crate) struct Settings<'a> {
    /// Name of its node in /dev; at most 31 bytes.
    pub(crate) name: &'a CStr,
    /// What it can take in one I/O.
    pub(crate) limits: &'a mut QueueLimits,
    /// Its size, in units of 512 bytes.
    pub(crate) sectors: u64,
    /// Whether the block layer refuses writes.
    pub(crate) read_only: bool,
}

impl<T: Operations> BioDisk<T> {
    const TABLE: bindings::block_device_operations = bindings::block_device_operations {
        submit_bio: Some(submit_bio_callback::<T>),
        open: Some(open_callback::<T>),
        owner: (&raw const bindings::__this_module).cast_mut(),
        ..pin_init::zeroed()
    };

    /// Makes a disk and adds it to the system, which reads its partition table. Sleeps.
    pub(crate) fn new(settings: Settings<'_>, data: T::Data) -> Result<Self> {
        let name = settings.name.to_bytes_with_nul();
        let private = KBox::new(
            Private {
                data,
                leaving: AtomicBool::new(false),
            },
            GFP_KERNEL,
        )?;
        // SAFETY: The limits are exclusively borrowed and initialised.
        let disk =
            from_err_ptr(unsafe { bindings::shunt_blk_alloc_disk(settings.limits.as_raw()) })?;
        let disk = NonNull::new(disk).ok_or(ENOMEM)?;
        // SAFETY: The disk is fresh, so nobody else can change its name.
        let disk_name = unsafe { &mut (*disk.as_ptr()).disk_name };
        let Some(place) = disk_name.get_mut(..name.len()) else {
            // SAFETY: The disk was allocated above and not added.
            unsafe { bindings::put_disk(disk.as_ptr()) };
            return Err(EINVAL);
        };
        place.copy_from_slice(name);
        let private = NonNull::from(KBox::leak(private));
        // SAFETY: The disk is fresh and ours; so below.
        unsafe { (*disk.as_ptr()).private_data = private.as_ptr().cast() };
        // SAFETY: As above; the table is constant.
        unsafe { (*disk.as_ptr()).fops = &Self::TABLE };
        // SAFETY: As above.
        unsafe { bindings::set_disk_ro(disk.as_ptr(), settings.read_only) };
        // SAFETY: As above.
        unsafe { bindings::set_capacity(disk.as_ptr(), settings.sectors) };

        // SAFETY: The disk is complete; it has no parent and no attribute groups.
        let added = to_result(unsafe {
            bindings::device_add_disk(core::ptr::null_mut(), disk.as_ptr(), core::ptr::null_mut())
        });
        if let Err(error) = added {
            // SAFETY: The disk was allocated above and not added.
            unsafe { bindings::put_disk(disk.as_ptr()) };
            // SAFETY: It came from a `KBox` above; without a disk nobody uses it.
            drop(unsafe { KBox::from_raw(private.as_ptr()) });
            return Err(error);
        }
        // INVARIANT: The disk was added, with its private data.
        Ok(Self { disk, private })
    }

    fn private(&self) -> &Private<T> {
        // SAFETY: By the type invariant it lives as long as `self`.
        unsafe { self.private.as_ref() }
    }

    /// What the disk works with.
    pub(crate) fn data(&self) -> &T::Data {
        &self.private().data
    }

    /// Shows in sysfs that the disk is made of `device`: `slaves/` here, `holders/` there. Sleeps.
    ///
    /// The caller must hold `device` open exclusively, and undo it with [`Self::unlink`].
    pub(crate) fn link(&self, device: &BlockDevice) -> Result {
        // SAFETY: Both are live.
        to_result(unsafe { bindings::bd_link_disk_holder(device.as_raw(), self.disk.as_ptr()) })
    }

    /// Undoes one [`Self::link`]. Sleeps.
    pub(crate) fn unlink(&self, device: &BlockDevice) {
        // SAFETY: Both are live; a link that is not there is reported by the C side.
        unsafe { bindings::bd_unlink_disk_holder(device.as_raw(), self.disk.as_ptr()) };
    }

    /// Makes every further open fail, if nobody has the disk open. Sleeps.
    ///
    /// # Errors
    ///
    /// `EBUSY` if somebody has; then nothing changes.
    pub(crate) fn forbid_open(&self) -> Result {
        let disk = self.disk.as_ptr();
        // SAFETY: By the type invariant the disk is live; openers are counted under this lock.
        unsafe { bindings::shunt_mutex_lock(&raw mut (*disk).open_mutex) };
        // SAFETY: By the type invariant the disk is live.
        let unused = unsafe { bindings::shunt_disk_openers(disk) } == 0;
        if unused {
            // INVARIANT: `open_mutex` is held.
            self.private().leaving.store(true, Ordering::Relaxed);
        }
        // SAFETY: It was locked above.
        unsafe { bindings::mutex_unlock(&raw mut (*disk).open_mutex) };
        if unused { Ok(()) } else { Err(EBUSY) }
    }
}

impl<T: Operations> Drop for BioDisk<T> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant the disk was added. This waits until no bio is being
        // submitted, and fails those that come later.
        unsafe { bindings::del_gendisk(self.disk.as_ptr()) };
        // SAFETY: The disk is removed; our reference is given up.
        unsafe { bindings::put_disk(self.disk.as_ptr()) };
        // SAFETY: It came from a `KBox`. No callback can run any more: `submit_bio` and `open` need
        // a disk that has not been removed.
        drop(unsafe { KBox::from_raw(self.private.as_ptr()) });
    }
}

/// Takes a bio: `submit_bio` of `struct block_device_operations`.
///
/// # Safety
///
/// Called by the block layer, with a bio for a disk that [`BioDisk::new`] made with the same `T`.
unsafe extern "C" fn submit_bio_callback<T: Operations>(bio: *mut bindings::bio) {
    // SAFETY: A submitted bio has a device; so below.
    let device = unsafe { (*bio).bi_bdev };
    // SAFETY: As above.
    let disk = unsafe { (*device).bd_disk };
    // SAFETY: The block layer holds the queue's usage counter, so the disk has not been removed.
    let private = unsafe { (*disk).private_data }.cast::<Private<T>>();
    // SAFETY: It lives until the disk has been removed.
    let private = unsafe { &*private };
    // SAFETY: The block layer never passes null.
    let bio = unsafe { NonNull::new_unchecked(bio) };
    // SAFETY: The bio was submitted to this driver.
    T::submit_bio(&private.data, unsafe { OwnedBio::from_raw(bio) });
}

/// Allows an open or not: `open` of `struct block_device_operations`.
///
/// # Safety
///
/// Called by the block layer, with a disk that [`BioDisk::new`] made with the same `T`.
unsafe extern "C" fn open_callback<T: Operations>(
    disk: *mut bindings::gendisk,
    _mode: bindings::blk_mode_t,
) -> c_int {
    // SAFETY: The block layer holds `open_mutex` and has seen that the disk is live.
    let private = unsafe { (*disk).private_data }.cast::<Private<T>>();
    // SAFETY: It lives until the disk has been removed, which takes `open_mutex`.
    if unsafe { &*private }.leaving.load(Ordering::Relaxed) {
        ENXIO.to_errno()
    } else {
        0
    }
}
