// SPDX-License-Identifier: GPL-2.0-only

//! References to disks, and to their devices: the whole, and each partition.
//!
//! C header: [`include/linux/blkdev.h`](srctree/include/linux/blkdev.h)

use super::{super::bindings, bdev::BlockDevice};
use core::ptr::NonNull;
use kernel::{container_of, error::to_result, prelude::*, sync::rcu};

/// A reference to a disk that may have been removed.
///
/// # Invariants
///
/// The value holds a reference to the device of the disk.
pub(crate) struct DiskRef(NonNull<bindings::gendisk>);

// SAFETY: References are counted atomically, and may be put by any thread.
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

    /// Whether both are the same disk.
    pub(super) fn is(&self, other: &Self) -> bool {
        self.0 == other.0
    }

    /// The disk's devices: the whole first, then its partitions. One that comes meanwhile may be missed.
    pub(super) fn devices(&self) -> impl Iterator<Item = DeviceRef> + '_ {
        let mut index = 0usize;
        core::iter::from_fn(move || {
            loop {
                let _guard = rcu::read_lock();
                // SAFETY: By the type invariant the disk is there; its table is read under RCU.
                let found = unsafe {
                    bindings::xa_find(
                        &raw mut (*self.0.as_ptr()).part_tbl,
                        &mut index,
                        usize::MAX,
                        bindings::SHUNT_XA_PRESENT,
                    )
                };
                let device = NonNull::new(found.cast::<bindings::block_device>())?;
                index = index.wrapping_add(1);
                // SAFETY: What was found under RCU stays until the end of the critical section.
                if unsafe { bindings::shunt_bdev_tryget(device.as_ptr()) } {
                    // INVARIANT: The reference was taken.
                    return Some(DeviceRef(device));
                }
            }
        })
    }

    /// Tells those who use the disk, or a partition of it, that its data cannot be reached any
    /// more: a file system shuts down, and writes all out before unless this comes by `surprise`. Sleeps, and waits for
    /// I/O of the disk. The disk itself stays.
    pub(crate) fn report_dead(&self, surprise: bool) {
        for device in self.devices() {
            // SAFETY: The reference keeps the device.
            unsafe { bindings::bdev_mark_dead(device.0.as_ptr(), surprise) };
        }
    }

    /// Whether the disk, or a partition of it, is in use as swap. Whoever turns it on at this moment may not be seen.
    ///
    /// C: `IS_SWAPFILE()`, as `blkdev_write_iter()` asks it.
    pub(crate) fn has_swap(&self) -> bool {
        self.devices().any(|device| {
            // SAFETY: The reference keeps the device, and that its inode.
            unsafe { bindings::shunt_bdev_is_swap(device.0.as_ptr()) }
        })
    }
}

impl Drop for DiskRef {
    fn drop(&mut self) {
        // SAFETY: By the type invariant there is a reference to put.
        unsafe { bindings::put_disk(self.0.as_ptr()) };
    }
}

/// Name of a block device, as in /dev, and NUL after it; what does not fit is cut.
#[derive(Clone, Copy)]
pub(crate) struct DeviceName(pub(crate) [u8; 40]);

/// Who has a block device for itself.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Holder {
    /// Nobody.
    None,
    /// A file system, or else somebody who can be stopped.
    FileSystem,
    /// Somebody who cannot: another disk, swap, a program.
    Other,
}

/// A reference to a block device, of a disk that may have been removed.
///
/// # Invariants
///
/// The value holds a reference to the device.
pub(super) struct DeviceRef(NonNull<bindings::block_device>);

// SAFETY: References are counted atomically, and may be put by any thread.
unsafe impl Send for DeviceRef {}

impl DeviceRef {
    fn disk(&self) -> *mut bindings::gendisk {
        // SAFETY: By the type invariant the device is there; the field is constant, and the disk stays as long.
        unsafe { (*self.0.as_ptr()).bd_disk }
    }

    fn kobject_name(&self) -> *const c_char {
        // SAFETY: By the type invariant the device is there; disks are not renamed.
        unsafe { (*self.0.as_ptr()).bd_device.kobj.name }
    }

    /// Its name.
    pub(super) fn name(&self) -> DeviceName {
        let mut name = [0; 40];
        // SAFETY: A device that was added has a name that ends with NUL, and keeps it.
        let bytes = unsafe { CStr::from_char_ptr(self.kobject_name()) }.to_bytes();
        // The last byte stays NUL.
        let places = name.iter_mut().take(size_of::<DeviceName>() - 1);
        places.zip(bytes).for_each(|(to, from)| *to = *from);
        DeviceName(name)
    }

    /// Whether it is a disk, rather than a partition.
    pub(super) fn is_whole(&self) -> bool {
        // SAFETY: The disk is there as long as its device; the field is constant.
        unsafe { (*self.disk()).part0 == self.0.as_ptr() }
    }

    /// Who holds it. Sleeps.
    pub(super) fn holder(&self) -> Holder {
        let device = self.0.as_ptr();
        // SAFETY: By the type invariant the device is there.
        unsafe { bindings::shunt_mutex_lock(&raw mut (*device).bd_holder_lock) };
        // SAFETY: The holder does not change while the lock is held.
        let (holder, operations) = unsafe { ((*device).bd_holder, (*device).bd_holder_ops) };
        // SAFETY: The operations of a holder that is there are, too.
        let can_freeze = !operations.is_null() && unsafe { (*operations).freeze }.is_some();
        // SAFETY: It was locked above.
        unsafe { bindings::mutex_unlock(&raw mut (*device).bd_holder_lock) };
        match holder.is_null() {
            true => Holder::None,
            false if can_freeze => Holder::FileSystem,
            false => Holder::Other,
        }
    }

    /// Has a file system on it write all out and stop, and keeps others from being mounted. Sleeps. To be undone by
    /// [`Self::thaw`], once for each.
    pub(super) fn freeze(&self) -> Result {
        // SAFETY: By the type invariant the device is there.
        to_result(unsafe { bindings::bdev_freeze(self.0.as_ptr()) })
    }

    /// Undoes one [`Self::freeze`]. Sleeps.
    ///
    /// # Errors
    ///
    /// The file system's; it is still frozen then.
    pub(super) fn thaw(&self) -> Result {
        let device = self.0.as_ptr();
        // SAFETY: By the type invariant the device is there.
        let thawed = to_result(unsafe { bindings::bdev_thaw(device) });
        if thawed != Err(EINVAL) {
            return thawed;
        }
        // Somebody else has thawed the file system, as `fsfreeze --unfreeze` does: the block layer takes that for a failure,
        // and would count our freeze for ever.
        // SAFETY: By the type invariant the device is there.
        unsafe { bindings::shunt_mutex_lock(&raw mut (*device).bd_fsfreeze_mutex) };
        // SAFETY: The lock of the count is held. Those who deny freezes, or nobody, are not counted down.
        unsafe { bindings::shunt_atomic_dec_if_positive(&raw mut (*device).bd_fsfreeze_count) };
        // SAFETY: It was locked above.
        unsafe { bindings::mutex_unlock(&raw mut (*device).bd_fsfreeze_mutex) };
        Ok(())
    }

    /// Calls `found` for each disk that is made of the device, as sysfs shows: `slaves/` of the disk has it. Sleeps.
    ///
    /// # Errors
    ///
    /// `EINTR` if the task got a signal; whatever `found` gives.
    pub(super) fn each_disk_of_it(&self, mut found: impl FnMut(DiskRef) -> Result) -> Result {
        for disk in Disks::all(self) {
            if disk.is_made_of(self)? {
                found(disk)?;
            }
        }
        Ok(())
    }
}

impl Drop for DeviceRef {
    fn drop(&mut self) {
        // SAFETY: By the type invariant there is a reference to put.
        unsafe { bindings::shunt_bdev_put(self.0.as_ptr()) };
    }
}

impl DiskRef {
    /// Whether `device` is of this disk, or of one that is made of it, directly or over others, as sysfs shows: what is sent to
    /// `device` comes here. Sleeps, and waits for whoever is opening or closing one of the disks that `device` is made of.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn is_below(&self, device: &BlockDevice) -> Result<bool> {
        // SAFETY: By its type invariant the device is live, and has a disk as long.
        let top = unsafe { NonNull::new_unchecked((*device.as_raw()).bd_disk) };
        let mut disks = KVec::new();
        // SAFETY: The disk is live as long as its device.
        disks.push(unsafe { Self::get(top) }, GFP_KERNEL)?;
        let mut next = 0;
        while let Some(disk) = disks.get(next) {
            if disk.is(self) {
                return Ok(true);
            }
            next += 1;
            for below in disk.made_of()? {
                if !disks.iter().any(|known| known.is(&below)) {
                    disks.push(below, GFP_KERNEL)?;
                }
            }
        }
        Ok(false)
    }

    /// The disks that this one is made of, or of a partition of which it is. Sleeps.
    fn made_of(&self) -> Result<KVec<Self>> {
        let mut found = KVec::new();
        let example = match self.is_made_of_nothing() {
            true => None,
            false => self.devices().next(),
        };
        for other in example.iter().flat_map(Disks::all) {
            let mut any = false;
            for device in other.devices() {
                any |= self.is_made_of(&device)?;
            }
            if any {
                found.push(other, GFP_KERNEL)?;
            }
        }
        Ok(found)
    }

    /// Whether it says that it is made of nothing, as most disks do. Any context.
    fn is_made_of_nothing(&self) -> bool {
        // SAFETY: By the type invariant the disk is there.
        let slaves = unsafe { &raw const (*self.0.as_ptr()).slave_bdevs };
        // SAFETY: The head of the list is part of the disk; an aligned word is read whole.
        unsafe { (&raw const (*slaves).next).read_volatile() }.cast_const() == slaves
    }

    /// Whether the disk says that it is made of `device`: `bd_link_disk_holder()` of block/holder.c.
    fn is_made_of(&self, device: &DeviceRef) -> Result<bool> {
        let disk = self.0.as_ptr();
        // None of the many that are made of nothing is to be waited for.
        if self.is_made_of_nothing() {
            return Ok(false);
        }
        // SAFETY: By the type invariant the disk is there.
        unsafe { bindings::shunt_mutex_lock(&raw mut (*disk).open_mutex) };
        // SAFETY: By the type invariant the disk is there.
        let made_of = unsafe { bindings::disk_live(disk) } && {
            // SAFETY: Whoever removes the disk takes this lock to end that it is live, and lets go of the folder after that.
            let folder = unsafe { (*(*disk).slave_dir).sd };
            // SAFETY: The folder is there, and the name ends with NUL.
            let link = unsafe {
                bindings::kernfs_find_and_get_ns(folder, device.kobject_name(), core::ptr::null())
            };
            // SAFETY: It takes null, or what was found, with its reference.
            unsafe { bindings::kernfs_put(link) };
            !link.is_null()
        };
        // SAFETY: It was locked above.
        unsafe { bindings::mutex_unlock(&raw mut (*disk).open_mutex) };
        Ok(made_of)
    }
}

/// Goes through all disks of the system. One that comes or goes meanwhile may be missed.
///
/// # Invariants
///
/// The iterator was initialised with the class and the type of disks.
struct Disks(bindings::class_dev_iter);

impl Disks {
    fn all(example: &DeviceRef) -> Self {
        // SAFETY: The disk is there as long as its device, and has a whole device as long.
        let whole = unsafe { &raw const (*(*example.disk()).part0).bd_device };
        // SAFETY: A device that was added has a class and a type, which are static.
        let (class, kind) = unsafe { ((*whole).class, (*whole).type_) };
        let mut iterator = pin_init::zeroed();
        // SAFETY: The class is registered as long as it has devices.
        unsafe { bindings::class_dev_iter_init(&mut iterator, class, core::ptr::null(), kind) };
        // INVARIANT: It was initialised above.
        Self(iterator)
    }
}

impl Iterator for Disks {
    type Item = DiskRef;

    fn next(&mut self) -> Option<DiskRef> {
        // SAFETY: By the type invariant it is initialised.
        let device = unsafe { bindings::class_dev_iter_next(&mut self.0) };
        let device = NonNull::new(device)?.as_ptr();
        // SAFETY: A device of the type of disks is the `bd_device` of a whole device.
        let whole = unsafe { container_of!(device, bindings::block_device, bd_device) };
        // SAFETY: The iterator has a reference to the device until it goes on; the field is constant.
        let disk = unsafe { (*whole).bd_disk };
        // SAFETY: A device has a disk, which is there as long.
        Some(unsafe { DiskRef::get(NonNull::new(disk)?) })
    }
}

impl Drop for Disks {
    fn drop(&mut self) {
        // SAFETY: By the type invariant it is initialised.
        unsafe { bindings::class_dev_iter_exit(&mut self.0) };
    }
}
