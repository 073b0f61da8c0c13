// SPDX-License-Identifier: GPL-2.0-only

//! Opened block devices that a stacking driver sends I/O to.
//!
//! C header: [`include/linux/blkdev.h`](srctree/include/linux/blkdev.h)

use super::super::{bindings, module_pin::ModulePin, noio::NoIo, patience::Patience};
use core::{ffi::c_void, marker::PhantomData, ptr::NonNull};
use kernel::{
    error::{from_err_ptr, to_result},
    prelude::*,
    sync::Arc,
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
// SAFETY: Shared references only read, fields that are constant or read atomically.
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

/// What tells a block device from every other one as long as somebody has it open: unlike its number, which another may get
/// once it is removed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct DeviceId(usize);

impl BlockDevice {
    /// Which one it is.
    pub(crate) fn id(&self) -> DeviceId {
        DeviceId(self.as_raw() as usize)
    }

    /// Sequence number of its disk, which no other disk gets before the next boot.
    pub(crate) fn diskseq(&self) -> u64 {
        // SAFETY: By the type invariant the device is live; its disk lives as long.
        unsafe { bindings::shunt_diskseq(self.as_raw()) }
    }

    /// Operations that its driver has and has not ended; 0 if it does not count them.
    pub(crate) fn in_flight(&self) -> u32 {
        // SAFETY: By the type invariant the device is live.
        unsafe { bindings::shunt_inflight(self.as_raw()) }
    }

    /// The device as the C side has it.
    #[inline(always)]
    pub(super) fn as_raw(&self) -> *mut bindings::block_device {
        self.0.as_ptr()
    }

    pub(super) fn limits(&self) -> *const bindings::queue_limits {
        // SAFETY: By the type invariant the device is live; its queue lives as long.
        let queue = unsafe { (*self.as_raw()).bd_queue };
        // SAFETY: The queue is there as long as the device; no reference is made, since the limits can change.
        unsafe { &raw const (*queue).limits }
    }

    /// Its number.
    pub(crate) fn dev(&self) -> DevT {
        // SAFETY: By the type invariant the device is live; the field is constant.
        DevT(unsafe { (*self.as_raw()).bd_dev })
    }

    /// Number of the disk that it is, or that it is a partition of.
    pub(crate) fn disk_dev(&self) -> DevT {
        // SAFETY: By the type invariant the device is live, and its disk lives as long; the fields are constant.
        let whole = unsafe { (*(*self.as_raw()).bd_disk).part0 };
        // SAFETY: The whole device is there as long as its disk; the field is constant once the disk can be opened.
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
        // SAFETY: By the type invariant the device is live; the field is constant.
        let queue = unsafe { (*self.as_raw()).bd_queue };
        // SAFETY: The queue is there as long as the device; the field is constant.
        !unsafe { (*queue).mq_ops }.is_null()
    }

    /// Whether the block layer may hold bios back before its request queue knows of them: a cgroup has a limit for it.
    #[inline(always)]
    pub(crate) fn is_throttled(&self) -> bool {
        // SAFETY: By the type invariant the device is live; the field is constant.
        let queue = unsafe { (*self.as_raw()).bd_queue };
        #[cfg(CONFIG_BLK_DEV_THROTTLING)]
        // SAFETY: The queue is there as long as the device; an aligned word is read whole.
        return !unsafe { (&raw const (*queue).td).read_volatile() }.is_null();
        #[cfg(not(CONFIG_BLK_DEV_THROTTLING))]
        false
    }

    /// Waits until all that was sent to the drive has ended, which a drive without a request queue
    /// does not know. Its queue takes nothing new meanwhile. Sleeps.
    ///
    /// # Errors
    ///
    /// As of [`Patience::check`]; then something may be on its way.
    pub(crate) fn drain(&self, patience: &Patience) -> Result {
        if !self.has_request_queue() {
            return Ok(());
        }
        // SAFETY: By the type invariant the device is live; its queue lives as long.
        let queue = unsafe { (*self.as_raw()).bd_queue };
        // SAFETY: The device is open, so its queue is live until the freeze is over.
        unsafe { FrozenQueue::new(queue, patience) }.map(drop)
    }

    /// Waits until all that was sent to the drive has ended, however long that takes. Sleeps.
    pub(super) fn drain_at_last(&self) {
        if !self.has_request_queue() {
            return;
        }
        // SAFETY: By the type invariant the device is live; its queue lives as long.
        let queue = unsafe { (*self.as_raw()).bd_queue };
        // SAFETY: The queue is live.
        unsafe { bindings::shunt_freeze_queue_start(queue) };
        // SAFETY: The freeze was begun above.
        while !unsafe { bindings::shunt_freeze_queue_wait(queue, WAIT_MS) } {}
        // SAFETY: It was frozen above.
        unsafe { bindings::shunt_unfreeze_queue(queue) };
    }

    /// Reads one block at `sector` (units of 512 bytes), to see whether the drive answers: an error is an answer, too. Sleeps
    /// until then.
    pub(crate) fn ask(&self, sector: u64) -> Result {
        let bytes = self.logical_block_size();
        // Nobody looks at what is read, so it may begin as anything.
        let mut block = KVec::<u8>::with_capacity(bytes as usize, GFP_KERNEL)?;
        let data = block.as_mut_ptr().cast();
        let read = bindings::req_op_REQ_OP_READ;
        // SAFETY: By the type invariant the device is live, and open; the block has room for as many bytes.
        let _ =
            unsafe { bindings::bdev_rw_virt(self.as_raw(), sector, data, bytes as usize, read) };
        Ok(())
    }

    /// Whether writes to it are refused, because it, or the disk that it is a partition of, is read-only: `bdev_read_only()`
    /// of include/linux/blkdev.h. Any context.
    #[inline(always)]
    pub(crate) fn is_read_only(&self) -> bool {
        // SAFETY: By the type invariant the device is live.
        unsafe { is_read_only(self.as_raw()) }
    }

    /// Whether the drive has gone.
    pub(crate) fn is_dead(&self) -> bool {
        // SAFETY: By the type invariant the device is live; its disk lives as long.
        let disk = unsafe { (*self.as_raw()).bd_disk };
        // SAFETY: The disk is there as long as the device; an aligned word is read whole.
        let state = unsafe { (&raw const (*disk).state).read_volatile() };
        state & bindings::SHUNT_GD_DEAD != 0
    }

    /// Whether the drive has gone or is about to: nobody can open it any more. Its holders have been told, or are told from now
    /// on; if it is taken out in an orderly way, it may still do what it is told.
    ///
    /// C: `disk_live()` of block/bdev.c.
    pub(crate) fn is_going(&self) -> bool {
        // SAFETY: By the type invariant the device is live; its disk lives as long.
        let disk = unsafe { (*self.as_raw()).bd_disk };
        // SAFETY: The disk lives as long as its device; no lock is needed to look.
        self.is_dead() || !unsafe { bindings::disk_live(disk) }
    }

    /// How many write streams it tells apart, and in which granularity, in bytes.
    pub(super) fn write_streams(&self) -> (u16, u32) {
        // SAFETY: `limits` points into a live queue; an aligned word is read whole.
        let streams = unsafe { (&raw const (*self.limits()).max_write_streams).read_volatile() };
        // SAFETY: `limits` points into a live queue; an aligned word is read whole.
        let granularity =
            unsafe { (&raw const (*self.limits()).write_stream_granularity).read_volatile() };
        (streams, granularity)
    }
}

/// Whether writes to a device are refused, as [`BlockDevice::is_read_only`] says.
///
/// # Safety
///
/// `device` must be live.
#[inline(always)]
pub(super) unsafe fn is_read_only(device: *mut bindings::block_device) -> bool {
    let is_set = |device: *mut bindings::block_device| {
        // SAFETY: The device is live; an aligned word is read whole.
        let flags = unsafe { (&raw const (*device).__bd_flags.counter).read_volatile() };
        flags as u32 & bindings::SHUNT_BD_READ_ONLY != 0
    };
    // SAFETY: By the contract of this function the device is live; its disk lives as long.
    let disk = unsafe { (*device).bd_disk };
    // SAFETY: The disk is live, and with it its whole device; the field is constant.
    let whole = unsafe { (*disk).part0 };
    // SAFETY: The disk is live; an aligned word is read whole.
    let state = unsafe { (&raw const (*disk).state).read_volatile() };
    is_set(device) || is_set(whole) || state & bindings::SHUNT_GD_READ_ONLY != 0
}

/// What a holder of block devices wants to know.
pub(crate) trait HolderEvents: 'static {
    /// The device `id`, which is held, goes. If by `surprise`, its I/O fails; or else it does what it is told until this
    /// returns. Called in process context, while the device is being removed; it may sleep.
    fn lost(id: DeviceId, surprise: bool);
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
    // Once it is unlocked, the device can be closed, and the module go.
    let _pin = ModulePin::new();
    // SAFETY: By the contract of this function the lock is held, and the callback has to unlock it.
    unsafe { bindings::mutex_unlock(&raw mut (*device).bd_holder_lock) };
    let _no_io = NoIo::new();
    E::lost(DeviceId(device as usize), surprise);
}

/// A queue that takes nothing, and has nothing to do.
///
/// # Invariants
///
/// `.0` is a live queue that is frozen once for this value, by the task that has it.
pub(super) struct FrozenQueue(NonNull<bindings::request_queue>, PhantomData<*mut ()>);

/// How long the C side waits before somebody asks whether to go on, in ms.
const WAIT_MS: u32 = 20;

impl FrozenQueue {
    /// Freezes a queue. Sleeps. New I/O waits from the call on.
    ///
    /// # Errors
    ///
    /// As of [`Patience::check`]; the queue is not frozen then.
    ///
    /// # Safety
    ///
    /// `queue` must be live until the value is dropped.
    pub(super) unsafe fn new(
        queue: *mut bindings::request_queue,
        patience: &Patience,
    ) -> Result<Self> {
        // SAFETY: By the contract of this function.
        unsafe { bindings::shunt_freeze_queue_start(queue) };
        // INVARIANT: The freeze was begun, and ends with the drop.
        // SAFETY: A live queue is not null.
        let frozen = Self(unsafe { NonNull::new_unchecked(queue) }, PhantomData);
        // SAFETY: By the contract of this function, and the freeze was begun above.
        while !unsafe { bindings::shunt_freeze_queue_wait(queue, WAIT_MS) } {
            patience.check()?;
        }
        Ok(frozen)
    }
}

impl Drop for FrozenQueue {
    fn drop(&mut self) {
        // SAFETY: By the type invariant the queue is live, and frozen for this value.
        unsafe { bindings::shunt_unfreeze_queue(self.0.as_ptr()) };
    }
}

/// An open file that a program has, with a reference of ours.
///
/// # Invariants
///
/// `.0` is an open file, and the value has a reference to it.
struct File(NonNull<bindings::file>);

impl Drop for File {
    fn drop(&mut self) {
        // A task closes it at once. A handler of netlink, whose locks a close must not wait under, leaves it to the return of
        // its process to user space.
        // SAFETY: By the type invariant there is a reference to put.
        unsafe { bindings::shunt_fput(self.0.as_ptr()) };
    }
}

/// A block device that a program has open.
pub(crate) struct UserDevice {
    file: File,
    device: BlockDevice,
}

// SAFETY: A reference to a file belongs to no task.
unsafe impl Send for UserDevice {}

impl UserDevice {
    /// What the current process has open as descriptor `fd`.
    ///
    /// # Errors
    ///
    /// `EBADF` nothing, `ENOTBLK` no block device.
    pub(crate) fn of_descriptor(fd: u32) -> Result<Self> {
        // SAFETY: It takes any number.
        let file = NonNull::new(unsafe { bindings::fget(fd) }).ok_or(EBADF)?;
        // INVARIANT: `fget` took a reference.
        let file = File(file);
        // SAFETY: The file is open.
        let device = NonNull::new(unsafe { bindings::shunt_file_bdev(file.0.as_ptr()) });
        // INVARIANT: The file keeps the device.
        Ok(Self {
            device: BlockDevice(device.ok_or(ENOTBLK)?),
            file,
        })
    }

    fn is_writable(&self) -> bool {
        // SAFETY: The file is open.
        unsafe { bindings::shunt_file_is_writable(self.file.0.as_ptr()) }
    }
}

/// A block device that is kept open, exclusively for a [`Holder`], as long as this value or a clone of it is there.
///
/// # Invariants
///
/// `device` is what `file` has open.
pub(crate) struct OpenDevice {
    device: BlockDevice,
    file: Arc<File>,
}

impl Clone for OpenDevice {
    fn clone(&self) -> Self {
        // INVARIANT: It is the same file.
        Self {
            device: BlockDevice(self.device.0),
            file: self.file.clone(),
        }
    }
}

// SAFETY: The file is only closed through this value, which any thread may do.
unsafe impl Send for OpenDevice {}
// SAFETY: Shared references give access to the device alone.
unsafe impl Sync for OpenDevice {}

impl OpenDevice {
    /// Opens the device that a program has open for reading and, unless `read_only`, for writing. Sleeps.
    ///
    /// # Errors
    ///
    /// Among others: `EBUSY` somebody else holds it, `EACCES` it is read-only, or the program has it open for reading only,
    /// `ENXIO` the drive is gone.
    pub(crate) fn open<E: HolderEvents>(
        user: &UserDevice,
        read_only: bool,
        holder: &'static Holder<E>,
    ) -> Result<Self> {
        if !read_only && !user.is_writable() {
            return Err(EACCES);
        }
        Self::open_again(&user.device, read_only, holder)
    }

    /// Opens a device that is open already. Sleeps.
    ///
    /// # Errors
    ///
    /// As of [`Self::open`].
    pub(crate) fn open_again<E: HolderEvents>(
        device: &BlockDevice,
        read_only: bool,
        holder: &'static Holder<E>,
    ) -> Result<Self> {
        let mode = if read_only {
            bindings::SHUNT_BLK_OPEN_READ
        } else {
            bindings::SHUNT_BLK_OPEN_READ | bindings::SHUNT_BLK_OPEN_WRITE
        };
        // Its number leads to it as long as it has not been removed: no module is loaded for it.
        // SAFETY: Holder and operations are static.
        let file = from_err_ptr(unsafe {
            bindings::bdev_file_open_by_dev(
                device.dev().0,
                mode,
                holder.as_raw(),
                &Holder::<E>::OPERATIONS,
            )
        })?;
        // SAFETY: What is no error is not null.
        let file = unsafe { NonNull::new_unchecked(file) };
        // INVARIANT: The file was opened above, and is ours.
        let file = Arc::new(File(file), GFP_KERNEL)?;
        // SAFETY: The file was opened as a block device above.
        let opened = unsafe { bindings::file_bdev(file.0.as_ptr()) };
        // INVARIANT: It is what the file has open.
        let opened = Self {
            device: BlockDevice(NonNull::new(opened).ok_or(ENODEV)?),
            file,
        };
        if opened.id() != device.id() {
            // Another one has the number by now.
            return Err(ENXIO);
        }
        if !read_only && opened.is_read_only() {
            return Err(EACCES);
        }
        Ok(opened)
    }
}

impl core::ops::Deref for OpenDevice {
    type Target = BlockDevice;

    #[inline(always)]
    fn deref(&self) -> &BlockDevice {
        &self.device
    }
}
