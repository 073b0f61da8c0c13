// SPDX-License-Identifier: GPL-2.0-only

//! Opened block devices that a stacking driver sends I/O to.
//!
//! C header: [`include/linux/blkdev.h`](srctree/include/linux/blkdev.h)

use super::super::{bindings, noio::NoIo};
use core::{ffi::c_void, marker::PhantomData, ptr::NonNull};
use kernel::{
    error::{from_err_ptr, to_result},
    prelude::*,
};

/// A block device that is held open.
///
/// # Invariants
///
/// `.0` points to a live `struct block_device`.
#[repr(transparent)]
pub(crate) struct BlockDevice(NonNull<bindings::block_device>);

// SAFETY: The fields that are read here are constant or read atomically.
unsafe impl Send for BlockDevice {}
// SAFETY: As above.
unsafe impl Sync for BlockDevice {}

/// Number of a block device node.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct DevT(bindings::dev_t);

impl DevT {
    /// Major number.
    pub(crate) fn major(self) -> u32 {
        // SAFETY: Pure arithmetic.
        unsafe { bindings::shunt_major(self.0) }
    }

    /// Minor number.
    pub(crate) fn minor(self) -> u32 {
        // SAFETY: Pure arithmetic.
        unsafe { bindings::shunt_minor(self.0) }
    }
}

impl BlockDevice {
    /// The device as the C side has it.
    #[inline(always)]
    pub(super) fn as_raw(&self) -> *mut bindings::block_device {
        self.0.as_ptr()
    }

    pub(super) fn limits(&self) -> *const bindings::queue_limits {
        // SAFETY: By the type invariant the device is live; its queue lives as long.
        let queue = unsafe { (*self.as_raw()).bd_queue };
        // SAFETY: As above; no reference is made, since the limits can change.
        unsafe { &raw const (*queue).limits }
    }

    /// Its number.
    pub(crate) fn dev(&self) -> DevT {
        // SAFETY: By the type invariant the device is live; the field is constant.
        DevT(unsafe { (*self.as_raw()).bd_dev })
    }

    /// Number of the disk that it is, or that it is a partition of.
    pub(crate) fn disk_dev(&self) -> DevT {
        // SAFETY: By the type invariant the device is live; its disk lives as long, and has its own
        // device as long. So below.
        let whole = unsafe { (*(*self.as_raw()).bd_disk).part0 };
        // SAFETY: As above; the field is constant once the disk can be opened.
        DevT(unsafe { (*whole).bd_dev })
    }

    /// Its present size in sectors of 512 bytes.
    pub(crate) fn sectors(&self) -> u64 {
        // SAFETY: By the type invariant the device is live; an aligned word is read whole.
        unsafe { (&raw const (*self.as_raw()).bd_nr_sectors).read_volatile() }
    }

    /// Smallest unit of I/O, in bytes.
    pub(crate) fn logical_block_size(&self) -> u32 {
        // SAFETY: `limits` points into a live queue; an aligned word is read whole.
        unsafe { (&raw const (*self.limits()).logical_block_size).read_volatile() }
    }

    /// Flushes its volatile write cache, if it has one. Sleeps until that is done.
    pub(crate) fn flush(&self) -> Result {
        // SAFETY: By the type invariant the device is live, and open.
        to_result(unsafe { bindings::blkdev_issue_flush(self.as_raw()) })
    }

    /// Whether it has a request queue, rather than that it takes bios directly, as dm and md do.
    pub(crate) fn has_request_queue(&self) -> bool {
        // SAFETY: By the type invariant the device is live; its queue lives as long. So below.
        let queue = unsafe { (*self.as_raw()).bd_queue };
        // SAFETY: As above; the field is constant.
        !unsafe { (*queue).mq_ops }.is_null()
    }

    /// Whether the block layer may hold bios back before its request queue knows of them: a cgroup has a limit for it.
    #[inline(always)]
    pub(crate) fn is_throttled(&self) -> bool {
        // SAFETY: By the type invariant the device is live; its queue lives as long. So below.
        let queue = unsafe { (*self.as_raw()).bd_queue };
        #[cfg(CONFIG_BLK_DEV_THROTTLING)]
        // SAFETY: As above; an aligned word is read whole.
        return !unsafe { (&raw const (*queue).td).read_volatile() }.is_null();
        #[cfg(not(CONFIG_BLK_DEV_THROTTLING))]
        false
    }

    /// Waits until all that was sent to the drive has ended, which a drive without a request queue
    /// does not know. Sleeps.
    pub(crate) fn drain(&self) {
        if !self.has_request_queue() {
            return;
        }
        // SAFETY: By the type invariant the device is live; its queue lives as long. So below.
        let queue = unsafe { (*self.as_raw()).bd_queue };
        // SAFETY: As above.
        let memflags = unsafe { bindings::shunt_freeze_queue(queue) };
        // SAFETY: It was frozen above.
        unsafe { bindings::shunt_unfreeze_queue(queue, memflags) };
    }

    /// Whether the drive has gone.
    pub(crate) fn is_dead(&self) -> bool {
        // SAFETY: By the type invariant the device is live; its disk lives as long.
        let disk = unsafe { (*self.as_raw()).bd_disk };
        // SAFETY: As above; an aligned word is read whole.
        let state = unsafe { (&raw const (*disk).state).read_volatile() };
        state & bindings::SHUNT_GD_DEAD != 0
    }

    /// How many write streams it tells apart, and in which granularity, in bytes.
    pub(super) fn write_streams(&self) -> (u16, u32) {
        // SAFETY: `limits` points into a live queue; aligned words are read whole. So below.
        let streams = unsafe { (&raw const (*self.limits()).max_write_streams).read_volatile() };
        // SAFETY: As above.
        let granularity =
            unsafe { (&raw const (*self.limits()).write_stream_granularity).read_volatile() };
        (streams, granularity)
    }
}

/// What a holder of block devices wants to know.
pub(crate) trait HolderEvents: 'static {
    /// The device `dev`, which is held, goes. If by `surprise`, its I/O fails; or else it does what it is told until this
    /// returns. Called in process context, while the device is being removed; it may sleep.
    fn lost(dev: DevT, surprise: bool);
}

/// Who holds block devices exclusively. Opens by one holder do not exclude each other.
///
/// It must be a `static`: its address is the holder.
pub(crate) struct Holder<E: HolderEvents>(u8, PhantomData<fn(E)>);

impl<E: HolderEvents> Holder<E> {
    const OPERATIONS: bindings::blk_holder_ops = bindings::blk_holder_ops {
        mark_dead: Some(mark_dead_callback::<E>),
        ..pin_init::zeroed()
    };

    /// A new holder.
    pub(crate) const fn new() -> Self {
        Self(0, PhantomData)
    }

    fn as_raw(&'static self) -> *mut c_void {
        (&raw const self.0).cast_mut().cast()
    }
}

/// A held device is gone: `mark_dead` of `struct blk_holder_ops`.
///
/// # Safety
///
/// Called by the block layer, with a live device whose `bd_holder_lock` is held.
unsafe extern "C" fn mark_dead_callback<E: HolderEvents>(
    device: *mut bindings::block_device,
    surprise: bool,
) {
    // SAFETY: By the contract of this function; so below.
    let dev = DevT(unsafe { (*device).bd_dev });
    // SAFETY: As above. The callback has to unlock it.
    unsafe { bindings::mutex_unlock(&raw mut (*device).bd_holder_lock) };
    let _no_io = NoIo::new();
    E::lost(dev, surprise);
}

/// A block device that this value keeps open, exclusively for a [`Holder`].
///
/// # Invariants
///
/// `file` is an open block device file, owned by this value, and `device` what it has open.
pub(crate) struct OpenDevice {
    file: NonNull<bindings::file>,
    device: BlockDevice,
}

// SAFETY: The file is only closed through this value, which any thread may do.
unsafe impl Send for OpenDevice {}
// SAFETY: Shared references give access to `device` alone.
unsafe impl Sync for OpenDevice {}

impl OpenDevice {
    /// Opens the device at `path`, seen from the calling process, for reading and, unless
    /// `read_only`, for writing. Sleeps.
    ///
    /// # Errors
    ///
    /// Among others: `ENOENT` no such path, `ENOTBLK` no block device, `EBUSY` somebody else holds
    /// it, `EACCES` it is read-only, `ENXIO` the drive is gone.
    pub(crate) fn open<E: HolderEvents>(
        path: &CStr,
        read_only: bool,
        holder: &'static Holder<E>,
    ) -> Result<Self> {
        let mode = if read_only {
            bindings::SHUNT_BLK_OPEN_READ
        } else {
            bindings::SHUNT_BLK_OPEN_READ | bindings::SHUNT_BLK_OPEN_WRITE
        };
        // SAFETY: `path` ends with NUL; holder and operations are static.
        let file = from_err_ptr(unsafe {
            bindings::bdev_file_open_by_path(
                path.as_char_ptr(),
                mode,
                holder.as_raw(),
                &Holder::<E>::OPERATIONS,
            )
        })?;
        let file = NonNull::new(file).ok_or(ENODEV)?;
        // SAFETY: The file was opened as a block device above.
        let device = unsafe { bindings::file_bdev(file.as_ptr()) };
        // INVARIANT: The file is open and ours, and holds the device open.
        Ok(Self {
            file,
            device: BlockDevice(NonNull::new(device).ok_or(ENODEV)?),
        })
    }
}

impl core::ops::Deref for OpenDevice {
    type Target = BlockDevice;

    #[inline(always)]
    fn deref(&self) -> &BlockDevice {
        &self.device
    }
}

impl Drop for OpenDevice {
    fn drop(&mut self) {
        // SAFETY: By the type invariant the file is open and ours.
        unsafe { bindings::bdev_fput(self.file.as_ptr()) };
    }
}
