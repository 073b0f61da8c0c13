// SPDX-License-Identifier: GPL-2.0-only

//! Disks that take bios: directly, or behind a request queue that merges and schedules.
//!
//! Implement [`Operations`] and make a [`BioDisk`]; each bio that is sent to the disk arrives in
//! [`Operations::submit_bio`] as an [`OwnedBio`].
//!
//! What bios are sent along can be replaced while the disk is in use: [`BioDisk::freeze`] waits
//! until no bio is being submitted, and holds new ones up until the [`Frozen`] is dropped. That
//! takes no lock on the path of a bio, since the block layer counts who is in `submit_bio` anyway.
//!
//! C headers: [`include/linux/blkdev.h`](srctree/include/linux/blkdev.h),
//! [`block/holder.c`](srctree/block/holder.c)

use super::{
    super::{
        bindings,
        clock::{monotonic_ns, sleep_us},
        module_pin::ModulePin,
        patience::Patience,
    },
    bdev::{BlockDevice, FrozenQueue, OpenDevice},
    bio::OwnedBio,
    disk_ref::DiskRef,
    inline_encryption::Engines,
    ioctl,
    limits::QueueLimits,
    request_queue::{Quiesced, RequestQueue},
    reservations,
    stacked_on::{self, Drives, StackedOn},
    zones,
};
use core::{
    cell::UnsafeCell,
    ptr::NonNull,
    sync::atomic::{AtomicBool, Ordering},
};
use kernel::{
    error::{from_err_ptr, to_result},
    new_mutex,
    prelude::*,
    sync::{
        Mutex,
        lock::{Guard, mutex::MutexBackend},
    },
};

/// What a bio-based disk does.
pub(crate) trait Operations: Sized {
    /// What the disk works with, as long as it exists.
    type Data: Send + Sync;
    /// Where it sends bios, until [`Frozen::path_mut`] replaces it.
    type Path: Send + Sync;
    /// What the disk stands on, until [`Left::set_drives`] replaces it.
    type Drives: Drives;

    /// Takes a bio that lies within the disk.
    ///
    /// Called in process context by the task that submits; it may sleep. Bios that it submits in
    /// turn are queued until it returns, so it must not wait for them.
    fn submit_bio(data: &Self::Data, path: &Self::Path, bio: OwnedBio);
}

/// What is there of a disk until it has been removed.
///
/// # Invariants
///
/// - `path` is written with `changing` held and the disk's queue frozen or quiesced, or before the disk is
///   added.
/// - `leaving` is written with the disk's `open_mutex` held.
#[pin_data]
struct Private<T: Operations> {
    data: T::Data,
    path: UnsafeCell<T::Path>,
    leaving: AtomicBool,
    /// Held by whoever holds bios up; until when they are to have their turn after that.
    #[pin]
    changing: Mutex<u64>,
    /// Held while the block layer looks at the zones.
    #[pin]
    looking: Mutex<()>,
}

/// A bio-based disk that is in the system from its making until it is dropped.
///
/// # Invariants
///
/// `disk` is a live disk that was added. Its `private_data` is a `StackedOn<T::Drives>`, and the `queuedata` of its queue a
/// pinned `Private<T>`, both from a `KBox`.
pub(crate) struct BioDisk<T: Operations> {
    disk: NonNull<bindings::gendisk>,
    private: NonNull<Private<T>>,
    requests: Option<RequestQueue<T>>,
}

// SAFETY: The disk may be used and removed by any thread; data and path are `Send` and `Sync`.
unsafe impl<T: Operations> Send for BioDisk<T> {}
// SAFETY: A shared reference gives access to data and path, which are `Sync`, to drives behind a lock, and to what the
// C side locks.
unsafe impl<T: Operations> Sync for BioDisk<T> {}

/// Longest turn that bios have between two freezes, in ns.
const LONGEST_TURN: u64 = 100_000_000;

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
    /// Whether it has a request queue.
    pub(crate) request_queue: bool,
    /// What the engines of all its drives can encrypt.
    pub(crate) engines: Option<Engines>,
}

impl<T: Operations> BioDisk<T> {
    const TABLE: bindings::block_device_operations = bindings::block_device_operations {
        submit_bio: Some(submit_bio_callback::<T>),
        ..Self::REQUEST_TABLE
    };
    const ENCRYPTING_TABLE: bindings::block_device_operations = bindings::block_device_operations {
        submit_bio: Some(submit_encrypted_callback::<T>),
        ..Self::REQUEST_TABLE
    };
    const RESERVATIONS: &'static bindings::pr_ops = &reservations::operations::<T::Drives>();
    const REQUEST_TABLE: bindings::block_device_operations = bindings::block_device_operations {
        open: Some(open_callback::<T>),
        free_disk: Some(free_disk_callback::<T::Drives>),
        ioctl: Some(ioctl::ioctl_callback::<T::Drives>),
        getgeo: Some(ioctl::getgeo_callback::<T::Drives>),
        report_zones: Some(zones::report_zones_callback::<T::Drives>),
        pr_ops: &raw const *Self::RESERVATIONS,
        owner: (&raw const bindings::__this_module).cast_mut(),
        ..pin_init::zeroed()
    };

    /// Makes a disk on `drives` and adds it to the system, which reads its partition table. Sleeps.
    pub(crate) fn new(
        settings: Settings<'_>,
        data: T::Data,
        path: T::Path,
        drives: T::Drives,
    ) -> Result<Self> {
        let pin = ModulePin::new()?;
        let below = KBox::new(
            StackedOn::new(drives, settings.engines.as_ref())?,
            GFP_KERNEL,
        )?;
        let private = KBox::pin_init(
            try_pin_init!(Private {
                data,
                path: UnsafeCell::new(path),
                leaving: AtomicBool::new(false),
                changing <- new_mutex!(0),
                looking <- new_mutex!(()),
            }),
            GFP_KERNEL,
        )?;
        let requests = match settings.request_queue {
            true => {
                settings.limits.for_requests();
                Some(RequestQueue::new()?)
            }
            false => None,
        };
        let limits = settings.limits.as_raw();
        let disk = from_err_ptr(match &requests {
            // SAFETY: The limits are exclusively borrowed and initialised, and the tags too.
            Some(queue) => unsafe { bindings::shunt_blk_mq_alloc_disk(queue.tags(), limits) },
            // SAFETY: The limits are exclusively borrowed and initialised.
            None => unsafe { bindings::shunt_blk_alloc_disk(limits) },
        })?;
        // SAFETY: What is no error is not null.
        let disk = unsafe { NonNull::new_unchecked(disk) };
        if let Some(requests) = &requests {
            // SAFETY: The disk is fresh and ours, and has a queue.
            let queue = unsafe { (*disk.as_ptr()).queue };
            // SAFETY: The queue is fresh, and has these tags; its scheduler is not changed any more once the disk is removed,
            // after which `requests` is dropped.
            unsafe { requests.set_lock_classes(queue) };
        }
        // SAFETY: It is not moved out of its place before it is dropped.
        let private = unsafe { Pin::into_inner_unchecked(private) };
        let private = NonNull::from(KBox::leak(private));
        let below = NonNull::from(KBox::leak(below));
        // SAFETY: Disk and data are fresh and ours.
        let added = unsafe { Self::add(disk, private, below, &settings) };
        if let Err(error) = added {
            // SAFETY: The disk was allocated above and not added.
            unsafe { bindings::put_disk(disk.as_ptr()) };
            // SAFETY: It came from a `KBox` above, and only a disk that was added would lead anybody to it.
            drop(unsafe { KBox::from_raw(private.as_ptr()) });
            // SAFETY: It came from a `KBox` above; `disk_release()` calls `free_disk` only for a disk that was added.
            drop(unsafe { KBox::from_raw(below.as_ptr()) });
            return Err(error);
        }
        // `free_disk` gives it up.
        pin.forget();
        // INVARIANT: The disk was added, with its private data.
        Ok(Self {
            disk,
            private,
            requests,
        })
    }

    /// Fills a disk in and adds it to the system.
    ///
    /// # Safety
    ///
    /// All must be fresh; `private` must stay until the disk has been removed, and `below` until it has been freed.
    unsafe fn add(
        disk: NonNull<bindings::gendisk>,
        private: NonNull<Private<T>>,
        below: NonNull<StackedOn<T::Drives>>,
        settings: &Settings<'_>,
    ) -> Result {
        let disk = disk.as_ptr();
        // SAFETY: The disk is fresh and ours, and has a queue.
        let queue = unsafe { (*disk).queue };
        // SAFETY: It is fresh and ours.
        let encryption = unsafe { below.as_ref() }.encryption();
        let name = settings.name.to_bytes_with_nul();
        // SAFETY: By the contract of this function the disk is fresh, so nobody else has a reference to its name.
        let place = unsafe { &mut (*disk).disk_name };
        place
            .get_mut(..name.len())
            .ok_or(EINVAL)?
            .copy_from_slice(name);
        // SAFETY: By the contract of this function the disk is fresh and ours.
        unsafe { (*disk).private_data = below.as_ptr().cast() };
        // SAFETY: The queue is that of a fresh disk, and so nobody else uses it.
        unsafe { (*queue).queuedata = private.as_ptr().cast() };
        // SAFETY: By the contract of this function the disk is fresh and ours; the table is constant.
        unsafe {
            (*disk).fops = match encryption {
                _ if settings.request_queue => &Self::REQUEST_TABLE,
                Some(_) => &Self::ENCRYPTING_TABLE,
                None => &Self::TABLE,
            }
        };
        if let Some(encryption) = encryption {
            // SAFETY: By the contract of this function nobody uses the disk yet, and `below`, which has the profile,
            // stays until the disk has been freed.
            unsafe { encryption.register(queue) };
        }
        // SAFETY: By the contract of this function the disk is live; `set_disk_ro()` takes one that has not been added.
        unsafe { bindings::set_disk_ro(disk, settings.read_only) };
        // SAFETY: By the contract of this function the disk is live; `set_capacity()` takes one that has not been
        // added.
        unsafe { bindings::set_capacity(disk, settings.sectors) };
        if settings.limits.is_zoned() {
            // SAFETY: The disk has its `fops`, its `private_data` and its capacity, which is all that a report of the
            // zones needs.
            to_result(unsafe { bindings::blk_revalidate_disk_zones(disk) })?;
        }
        // SAFETY: The disk is complete; it has no parent and no attribute groups.
        to_result(unsafe {
            bindings::device_add_disk(core::ptr::null_mut(), disk, core::ptr::null_mut())
        })?;
        // The file by which the partition table was read: a thread of the kernel leaves it to another to close, and the
        // disk would be open for a while, with the pages that were read.
        // SAFETY: There is nothing to uphold but to be in process context.
        unsafe { bindings::flush_delayed_fput() };
        Ok(())
    }

    fn private(&self) -> Pin<&Private<T>> {
        // SAFETY: By the type invariant it lives as long as `self`, and is pinned.
        unsafe { Pin::new_unchecked(self.private.as_ref()) }
    }

    fn queue(&self) -> *mut bindings::request_queue {
        // SAFETY: By the type invariant the disk is live; the field is constant.
        unsafe { (*self.disk.as_ptr()).queue }
    }

    fn below(&self) -> &StackedOn<T::Drives> {
        // SAFETY: By the type invariant the disk is live.
        unsafe { stacked_on::of(self.disk.as_ptr()) }
    }

    /// Whether drives with `engines` encrypt all that the disk has promised to.
    pub(crate) fn is_encrypted_by(&self, engines: Option<&Engines>) -> bool {
        let promised = self.below().encryption();
        promised.is_none_or(|promised| promised.is_kept_by(engines))
    }

    /// The disk as a block device.
    pub(crate) fn device(&self) -> &BlockDevice {
        // SAFETY: By the type invariant the disk is live, and has this as long.
        let part = unsafe { &raw const (*self.disk.as_ptr()).part0 };
        // SAFETY: `part` is where a live disk keeps the pointer to its whole device, and a `BlockDevice` is such a
        // pointer.
        unsafe { &*part.cast::<BlockDevice>() }
    }

    /// What the disk works with.
    pub(crate) fn data(&self) -> &T::Data {
        &self.private().get_ref().data
    }

    /// Lets bios go on for as long as the last freeze held them up, from its end on. Sleeps, for 0.2 s at most.
    ///
    /// Who waits at the gate of a frozen queue is woken when it opens, but has to run to get in: if it closes again at
    /// once, the same bio may wait time and again. The block layer itself sends on what waits in a queue of requests.
    pub(crate) fn wait_turn(&self) {
        let until = *self.private().get_ref().changing.lock();
        sleep_us(until.saturating_sub(monotonic_ns()) / 1000);
    }

    /// Waits until no bio is being submitted, and holds new ones up until the result is dropped.
    /// Sleeps. Bios that were submitted before may still be on their way.
    ///
    /// # Errors
    ///
    /// As of [`Patience::check`]: a bio that is being submitted may itself wait for a drive.
    pub(crate) fn freeze(&self, patience: &Patience) -> Result<Frozen<'_, T>> {
        let mut guard = None;
        patience.wait(|| {
            guard = self.private().get_ref().changing.try_lock();
            guard.is_some()
        })?;
        let begun = monotonic_ns();
        let queue = self.queue();
        let gate = match &self.requests {
            // Requests that wait keep the queue from freezing; no request is being carried out
            // in a queue that is quiesced.
            // SAFETY: The disk was made with these tags, and by the type invariant is live as long as `self`.
            Some(requests) => Gate::Quiesced(unsafe { requests.quiesce(queue, patience) }?),
            // SAFETY: By the type invariant the disk, and with it its queue, is live as long as `self`.
            None => Gate::Frozen(unsafe { FrozenQueue::new(queue, patience) }?),
        };
        // INVARIANT: The gate was closed above.
        Ok(Frozen {
            disk: self,
            gate,
            begun,
            guard: guard.ok_or(EAGAIN)?,
        })
    }

    /// Lets the requests of a queue that has them wait there, until [`Self::release_requests`]. Any context.
    pub(crate) fn hold_requests(&self) {
        if let Some(requests) = &self.requests {
            // SAFETY: The disk was made with these tags, and by the type invariant is live.
            unsafe { requests.hold(self.queue()) };
        }
    }

    /// Undoes [`Self::hold_requests`], if they are held; requests that wait for the end of a [`Frozen`] go on waiting. Any context.
    pub(crate) fn release_requests(&self) {
        if let Some(requests) = &self.requests {
            // SAFETY: The disk was made with these tags, and by the type invariant is live.
            unsafe { requests.release(self.queue()) };
        }
    }

    /// Shows in sysfs that the disk is made of `device`: `slaves/` here, `holders/` there. Sleeps.
    ///
    /// To be undone with [`Self::unlink`], or else what shows it stays for as long as the kernel runs.
    pub(crate) fn link(&self, device: &OpenDevice) -> Result {
        // SAFETY: Both are live, and the device is held.
        to_result(unsafe { bindings::bd_link_disk_holder(device.as_raw(), self.disk.as_ptr()) })
    }

    /// Undoes one [`Self::link`]. Sleeps.
    pub(crate) fn unlink(&self, device: &OpenDevice) {
        // SAFETY: Both are live; a link that is not there is reported by the C side.
        unsafe { bindings::bd_unlink_disk_holder(device.as_raw(), self.disk.as_ptr()) };
    }

    /// Makes every further open fail, if nobody has the disk open. Sleeps.
    ///
    /// # Errors
    ///
    /// `EBUSY` if somebody has; then nothing changes. Whoever is about to open or close it is waited for, unless it must be
    /// answered `at_once`: as of [`Patience::check`].
    pub(crate) fn forbid_open(&self, at_once: bool, patience: &Patience) -> Result {
        let disk = self.disk.as_ptr();
        // SAFETY: By the type invariant the disk is live.
        if at_once && unsafe { bindings::shunt_disk_openers(disk) } != 0 {
            return Err(EBUSY);
        }
        // SAFETY: By the type invariant the disk is live.
        let open_mutex = unsafe { &raw mut (*disk).open_mutex };
        // SAFETY: The mutex is that of a live disk; it is unlocked below.
        patience.wait(|| unsafe { bindings::shunt_mutex_trylock(open_mutex) })?;
        // SAFETY: By the type invariant the disk is live; openers are counted under this lock.
        let unused = unsafe { bindings::shunt_disk_openers(disk) } == 0;
        if unused {
            // INVARIANT: `open_mutex` is held.
            self.private().leaving.store(true, Ordering::Relaxed);
        }
        // SAFETY: It was locked above.
        unsafe { bindings::mutex_unlock(open_mutex) };
        if unused { Ok(()) } else { Err(EBUSY) }
    }

    /// Fails all I/O and every open from now on, and tells who uses the disk. Sleeps.
    pub(crate) fn mark_dead(&self) {
        // SAFETY: By the type invariant the disk is live.
        unsafe { bindings::blk_mark_disk_dead(self.disk.as_ptr()) };
    }

    /// Lets the block layer refuse writes, or not, whatever a user has asked of it (`BLKROSET`). Sleeps. It refuses those of
    /// whoever opens the disk from now on, and only warns of others: the driver has to look at
    /// [`BlockDevice::is_read_only`] of [`Self::device`], which follows.
    pub(crate) fn set_read_only(&self, read_only: bool) {
        let disk = self.disk.as_ptr();
        // SAFETY: By the type invariant the disk is live.
        unsafe { bindings::set_disk_ro(disk, read_only) };
        if !read_only {
            let whole = self.device().as_raw();
            // SAFETY: By the type invariant the disk is live, and with it its whole device.
            unsafe { bindings::shunt_bdev_clear_flag(whole, bindings::SHUNT_BD_READ_ONLY) };
        }
    }

    /// Changes the size, in units of 512 bytes, and tells userspace. Sleeps.
    pub(crate) fn set_sectors(&self, sectors: u64) {
        // SAFETY: By the type invariant the disk is live.
        unsafe { bindings::set_capacity_and_notify(self.disk.as_ptr(), sectors) };
    }

    /// Tells userspace that the disk and its partitions may have other contents than before. Sleeps.
    ///
    /// C: `disk_uevent()` in `block/genhd.c`, an event for each.
    pub(crate) fn announce_change(&self) {
        // SAFETY: By the type invariant the disk is live.
        unsafe { bindings::disk_uevent(self.disk.as_ptr(), bindings::kobject_action_KOBJ_CHANGE) };
    }

    /// Lets the block layer look at the zones anew. Sleeps, also until it has ended to look before: what it began to see on a
    /// smaller disk would else be the last that it notes. The disk must not be frozen.
    pub(crate) fn revalidate_zones(&self) {
        let _looking = self.private().get_ref().looking.lock();
        // What it complains of, it says itself; the disk then has no zones any more.
        // SAFETY: By the type invariant the disk is live.
        let _ = unsafe { bindings::blk_revalidate_disk_zones(self.disk.as_ptr()) };
    }

    /// A reference that outlives the disk.
    pub(crate) fn reference(&self) -> DiskRef {
        // SAFETY: By the type invariant the disk is live.
        unsafe { DiskRef::get(self.disk) }
    }
}

impl<T: Operations> Drop for BioDisk<T> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant the disk is live.
        let openers = unsafe { bindings::shunt_disk_openers(self.disk.as_ptr()) };
        // Whoever has it open may have I/O on its way that only the drives know of.
        let in_use = self.device().is_dead() || openers != 0;
        // SAFETY: By the type invariant the disk was added. This waits until no bio is being
        // submitted, and fails those that come later.
        unsafe { bindings::del_gendisk(self.disk.as_ptr()) };
        // Its tags go before the disk, as the block layer wants it.
        drop(self.requests.take());
        // SAFETY: It came from a `KBox`. No callback that uses it can run any more: `submit_bio` and
        // `open` need a disk that has not been removed.
        drop(unsafe { KBox::from_raw(self.private.as_ptr()) });
        self.below().remove(in_use);
        // SAFETY: The disk is removed; our reference is given up.
        unsafe { bindings::put_disk(self.disk.as_ptr()) };
    }
}

/// What holds new bios up, until it is dropped.
#[expect(dead_code, reason = "they are there to be dropped")]
enum Gate<'a> {
    /// The queue is frozen.
    Frozen(FrozenQueue),
    /// The queue has requests, and carries out none.
    Quiesced(Quiesced<'a>),
}

/// A disk to which no bio can be submitted.
///
/// # Invariants
///
/// `gate` is that of the disk.
pub(crate) struct Frozen<'a, T: Operations> {
    disk: &'a BioDisk<T>,
    gate: Gate<'a>,
    begun: u64,
    guard: Guard<'a, u64, MutexBackend>,
}

impl<'a, T: Operations> Frozen<'a, T> {
    /// Where bios are sent.
    pub(crate) fn path_mut(&mut self) -> &mut T::Path {
        // SAFETY: By the type invariant no bio is being submitted, and `changing` is held, so nobody else has a
        // reference.
        unsafe { &mut *self.disk.private().get_ref().path.get() }
    }

    /// Has the drives forget the keys of the disk, so that it may stand on others. Sleeps. What is on its way must have ended:
    /// a key that is in use may stay in the drive.
    ///
    /// # Errors
    ///
    /// `EBUSY` if they may have keys that are not known; the disk can still be used as it is.
    pub(crate) fn leave_drives(self) -> Result<Left<'a, T>> {
        self.disk.below().leave()?;
        // INVARIANT: They were left; no bio that brings a key is submitted until it is dropped.
        Ok(Left(self))
    }
}

/// A disk to which no bio can be submitted, and whose drives have forgotten its keys.
///
/// # Invariants
///
/// The drives were left since it was frozen.
pub(crate) struct Left<'a, T: Operations>(Frozen<'a, T>);

impl<T: Operations> Left<'_, T> {
    /// Has those who ask the disk for its drives get others. Sleeps.
    pub(crate) fn set_drives(&mut self, drives: T::Drives) {
        self.0.disk.below().set_drives(drives);
    }

    /// Where bios are sent.
    pub(crate) fn path_mut(&mut self) -> &mut T::Path {
        self.0.path_mut()
    }

    /// Changes what the disk can take, but for what its user set. Sleeps.
    ///
    /// The lock of the limits is only tried for: the block layer takes it before it freezes the queue, and whoever has it may be waiting
    /// for requests that wait here. Nobody who looks at the disk in sysfs waits for more than this function.
    ///
    /// # Errors
    ///
    /// `EINVAL` if the block layer does not take the limits; as of [`Patience::check`].
    pub(crate) fn set_limits(&mut self, limits: &mut QueueLimits, patience: &Patience) -> Result {
        if self.0.disk.requests.is_some() {
            limits.for_requests();
        }
        let queue = self.0.disk.queue();
        // SAFETY: The queue is live as long as the disk.
        let lock = unsafe { &raw mut (*queue).limits_lock };
        // SAFETY: The lock is that of a live queue.
        patience.wait(|| unsafe { bindings::shunt_mutex_trylock(lock) })?;
        limits.keep_user_settings(self.0.disk.device());
        // SAFETY: The lock is held; the function unlocks it.
        to_result(unsafe { bindings::queue_limits_commit_update(queue, limits.as_raw()) })
    }
}

impl<T: Operations> Drop for Frozen<'_, T> {
    fn drop(&mut self) {
        if let Gate::Frozen(_) = self.gate {
            let now = monotonic_ns();
            *self.guard = now.saturating_add(now.saturating_sub(self.begun).min(LONGEST_TURN));
        }
    }
}

/// Takes a bio: `submit_bio` of `struct block_device_operations`.
///
/// # Safety
///
/// Called by the block layer, with a bio for a disk that [`BioDisk::new`] made with the same `T`.
unsafe extern "C" fn submit_bio_callback<T: Operations>(bio: *mut bindings::bio) {
    // SAFETY: By the contract of this function the bio was submitted, so it is live and has a device.
    let device = unsafe { (*bio).bi_bdev };
    // SAFETY: The device is there until the bio, which was submitted to it, has ended; the field is constant.
    let queue = unsafe { (*device).bd_queue };
    // SAFETY: The block layer never passes null.
    let bio = unsafe { NonNull::new_unchecked(bio) };
    // SAFETY: The bio was submitted to this driver, and the block layer holds the queue's usage
    // counter, so the disk has not been removed.
    unsafe { submit::<T>(queue, OwnedBio::from_raw(bio)) };
}

/// Takes a bio that may have a key: `submit_bio` of a disk with inline encryption.
///
/// # Safety
///
/// As of [`submit_bio_callback`].
unsafe extern "C" fn submit_encrypted_callback<T: Operations>(bio: *mut bindings::bio) {
    // SAFETY: By the contract of this function the bio was submitted, so it is live and has a device.
    let device = unsafe { (*bio).bi_bdev };
    // SAFETY: The device is there until the bio, which was submitted to it, has ended; the field is constant.
    let disk = unsafe { (*device).bd_disk };
    // SAFETY: The block layer never passes null.
    let live = unsafe { NonNull::new_unchecked(bio) };
    // SAFETY: The disk is one of ours with a bio, the bio live.
    unsafe { note_key::<T>(disk, live) };
    // SAFETY: By the contract of this function.
    unsafe { submit_bio_callback::<T>(bio) };
}

/// Notes the key of a bio, if it has one.
///
/// # Safety
///
/// `disk` must be one that [`BioDisk::new`] made with the same `T` and that has not been removed, and `bio` live.
pub(super) unsafe fn note_key<T: Operations>(
    disk: *mut bindings::gendisk,
    bio: NonNull<bindings::bio>,
) {
    // SAFETY: By the contract of this function.
    if let Some(encryption) = unsafe { stacked_on::of::<T::Drives>(disk) }.encryption() {
        // SAFETY: By the contract of this function `bio` is live.
        unsafe { encryption.note(bio) };
    }
}

/// Gives a bio to the driver.
///
/// # Safety
///
/// `queue` must be that of a disk that [`BioDisk::new`] made with the same `T`, that has not been removed, and
/// be neither frozen nor quiesced during the call.
#[inline(always)]
pub(super) unsafe fn submit<T: Operations>(queue: *mut bindings::request_queue, bio: OwnedBio) {
    // SAFETY: By the contract of this function.
    let private = unsafe { (*queue).queuedata }.cast::<Private<T>>();
    // SAFETY: It lives until the disk has been removed.
    let private = unsafe { &*private };
    // SAFETY: By the invariant of `Private` nobody writes to it during the call.
    let path = unsafe { &*private.path.get() };
    T::submit_bio(&private.data, path, bio);
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
    // SAFETY: `bdev_open()` holds `open_mutex` and has asked `disk_live()`, so the disk is there; the field is
    // constant.
    let queue = unsafe { (*disk).queue };
    // SAFETY: The queue is there as long as its disk, and `add` has set the field for good.
    let private = unsafe { (*queue).queuedata }.cast::<Private<T>>();
    // SAFETY: It lives until the disk has been removed, which takes `open_mutex`.
    if unsafe { &*private }.leaving.load(Ordering::Relaxed) {
        ENXIO.to_errno()
    } else {
        0
    }
}

/// Frees what is there until nobody has a reference to the disk: `free_disk` of `struct block_device_operations`.
///
/// # Safety
///
/// Called by the block layer, once, with a disk that [`BioDisk::new`] made on drives `D`.
unsafe extern "C" fn free_disk_callback<D: Drives>(disk: *mut bindings::gendisk) {
    // SAFETY: By the contract of this function.
    let below = unsafe { (*disk).private_data }.cast::<StackedOn<D>>();
    // SAFETY: There is one for each disk that was added. It goes last; `TextInUse` waits for the return from here.
    let pin = unsafe { ModulePin::unforget() };
    // SAFETY: It came from a `KBox`; nobody can ask the disk any more.
    drop(unsafe { KBox::from_raw(below) });
    drop(pin);
}
