// SPDX-License-Identifier: GPL-2.0-only

//! The unit of block I/O.
//!
//! A driver gets an [`OwnedBio`] and has to pass it on: [`OwnedBio::submit`] hands it to another
//! device, [`OwnedBio::end`] completes it. Each consumes the value, so that ending a bio twice does
//! not compile. One that is dropped is ended with an I/O error and a warning.
//!
//! C header: [`include/linux/bio.h`](srctree/include/linux/bio.h)

use super::{
    super::{bindings, percpu::current_task},
    bdev::{self, BlockDevice},
    disk_stats, trace,
};
use core::{
    mem::ManuallyDrop,
    ptr::{NonNull, null_mut},
};
use kernel::prelude::*;

/// What a bio does; the C type is `enum req_op`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Op(u32);

impl Op {
    /// Data from the device.
    pub(crate) const READ: Self = Self(bindings::req_op_REQ_OP_READ);
    /// Data to the device; none with a flush alone.
    pub(crate) const WRITE: Self = Self(bindings::req_op_REQ_OP_WRITE);
    /// Sectors that are no longer needed.
    pub(crate) const DISCARD: Self = Self(bindings::req_op_REQ_OP_DISCARD);
    /// Sectors whose data must be gone.
    pub(crate) const SECURE_ERASE: Self = Self(bindings::req_op_REQ_OP_SECURE_ERASE);
    /// Sectors to be filled with zeroes.
    pub(crate) const WRITE_ZEROES: Self = Self(bindings::req_op_REQ_OP_WRITE_ZEROES);

    /// Data behind the last that was written to a zone.
    pub(crate) const ZONE_APPEND: Self = Self(bindings::req_op_REQ_OP_ZONE_APPEND);
    /// A zone is to be empty.
    pub(super) const ZONE_RESET: Self = Self(bindings::req_op_REQ_OP_ZONE_RESET);
    /// Every zone is to be empty.
    pub(crate) const ZONE_RESET_ALL: Self = Self(bindings::req_op_REQ_OP_ZONE_RESET_ALL);

    /// Whether a zone is to change its condition; the bio then has its first sector, and no length.
    pub(crate) fn is_zone_management(self) -> bool {
        const FIRST: u32 = bindings::req_op_REQ_OP_ZONE_OPEN;
        const LAST: u32 = bindings::req_op_REQ_OP_ZONE_RESET_ALL;
        (FIRST..=LAST).contains(&self.0)
    }

    /// Whether it is other than to read, to write or to flush.
    #[inline(always)]
    pub(crate) fn is_rare(self) -> bool {
        self.0 > bindings::req_op_REQ_OP_WRITE
    }

    /// The number that the block layer uses.
    #[inline(always)]
    pub(super) fn as_raw(self) -> u32 {
        self.0
    }

    /// Whether data, or the order to change data, goes to the device.
    #[inline(always)]
    pub(crate) fn is_write(self) -> bool {
        self.0 & 1 != 0
    }

    /// The column group of /proc/diskstats: `op_stat_group()` of include/linux/blk_types.h.
    #[inline(always)]
    pub(super) fn stat_group(self) -> usize {
        if self == Self::DISCARD {
            bindings::stat_group_STAT_DISCARD as usize
        } else {
            (self.0 & 1) as usize
        }
    }
}

/// How an I/O ended; the C type is `blk_status_t`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Status(u8);

impl Status {
    /// An I/O error.
    pub(crate) const IOERR: Self = Self(bindings::SHUNT_BLK_STS_IOERR);
    /// The I/O would have had to wait.
    pub(crate) const AGAIN: Self = Self(bindings::SHUNT_BLK_STS_AGAIN);

    /// Kinds of statuses that are told apart.
    pub(crate) const COUNT: usize = 24;

    /// The kind of the status, below [`Self::COUNT`].
    pub(crate) fn index(self) -> usize {
        // Those above do not reach a submitter.
        usize::from(self.0).min(Self::COUNT - 1)
    }

    /// The error number, positive, that the statuses of kind `index` stand for; one must have come.
    pub(crate) fn errno_at(index: usize) -> u32 {
        // SAFETY: Pure arithmetic.
        unsafe { bindings::blk_status_to_errno(index as u8) }.unsigned_abs()
    }

    /// The status that stands for an error number.
    pub(crate) fn from_error(error: Error) -> Self {
        // SAFETY: Pure arithmetic.
        Self(unsafe { bindings::errno_to_blk_status(error.to_errno()) })
    }

    /// Whether the I/O ended without an error.
    pub(crate) fn is_ok(self) -> bool {
        self.0 == 0
    }
}

/// A bio that is being looked at.
///
/// # Invariants
///
/// `.0` points to a live `struct bio` that nobody else changes.
#[repr(transparent)]
pub(crate) struct Bio(NonNull<bindings::bio>);

impl Bio {
    /// Wraps a bio.
    ///
    /// # Safety
    ///
    /// `bio` must be live, and the caller its only user, for as long as the value is used.
    #[inline(always)]
    pub(super) unsafe fn from_raw(bio: NonNull<bindings::bio>) -> Self {
        // INVARIANT: By the contract of this function.
        Self(bio)
    }

    /// The bio as the C side has it.
    #[inline(always)]
    pub(super) fn as_raw(&self) -> *mut bindings::bio {
        self.0.as_ptr()
    }

    #[inline(always)]
    pub(super) fn opf(&self) -> u32 {
        // SAFETY: By the type invariant the bio is live.
        unsafe { (*self.as_raw()).bi_opf }
    }

    /// What the bio does.
    #[inline(always)]
    pub(crate) fn op(&self) -> Op {
        Op(self.opf() & bindings::SHUNT_REQ_OP_MASK)
    }

    /// Whether the device's volatile cache is to be flushed first.
    #[inline(always)]
    pub(crate) fn is_preflush(&self) -> bool {
        self.opf() & bindings::SHUNT_REQ_PREFLUSH != 0
    }

    /// Whether somebody follows the ways of bios, by blktrace or a tracepoint: each is then to be kept as it came until it
    /// ends, by [`Hooks::attach_kept`](super::hook::Hooks::attach_kept).
    #[inline(always)]
    pub(crate) fn is_traced() -> bool {
        trace::is_on()
    }

    /// Whether the submitter wants an error rather than to wait.
    #[inline(always)]
    pub(crate) fn is_nowait(&self) -> bool {
        self.opf() & bindings::SHUNT_REQ_NOWAIT != 0
    }

    /// First sector, in units of 512 bytes.
    #[inline(always)]
    pub(crate) fn sector(&self) -> u64 {
        // SAFETY: By the type invariant the bio is live.
        unsafe { (*self.as_raw()).bi_iter.bi_sector }
    }

    /// Bytes that the bio covers; 0 for a flush, and once the bio has been carried out.
    #[inline(always)]
    pub(crate) fn bytes(&self) -> u32 {
        // SAFETY: By the type invariant the bio is live.
        unsafe { (*self.as_raw()).bi_iter.bi_size }
    }

    /// Begins to account the bio in /proc/diskstats, for the device that it points at. Whether it
    /// is the first one in this tick of the timer.
    #[inline(always)]
    pub(crate) fn start_accounting(&self) -> bool {
        // SAFETY: By the type invariant the bio is live, and a submitted one has a live device.
        unsafe { disk_stats::start((*self.as_raw()).bi_bdev, self.op()) }
    }

    /// Ends what [`Self::start_accounting`] began: the bio covered `sectors` and took `ns`.
    #[inline(always)]
    pub(crate) fn end_accounting(&self, sectors: u32, ns: u64) {
        // SAFETY: By the type invariant the bio is live, and a submitted one has a live device.
        unsafe { disk_stats::end((*self.as_raw()).bi_bdev, self.op(), sectors, ns) };
    }

    /// Accounts a flush that took `ns`, in the columns that /proc/diskstats has for flushes.
    pub(crate) fn account_flush(&self, ns: u64) {
        // SAFETY: By the type invariant the bio is live, and a submitted one has a device.
        unsafe { bindings::shunt_account_flush((*self.as_raw()).bi_bdev, ns) };
    }

    /// Whether all that the bio does is to flush the device's cache.
    #[inline(always)]
    pub(crate) fn is_flush(&self) -> bool {
        self.bytes() == 0 && self.is_preflush()
    }

    /// Whether the device that the bio was sent to is read-only. The block layer lets a write to it pass, with a warning.
    #[inline(always)]
    pub(crate) fn is_for_read_only(&self) -> bool {
        // SAFETY: By the type invariant the bio is live; a submitted one has a device.
        let device = unsafe { (*self.as_raw()).bi_bdev };
        // SAFETY: The bio was sent to the device, which stays until the bio has ended.
        unsafe { bdev::is_read_only(device) }
    }

    /// Whether pages travel with the bio: it reads or writes more than zeroes.
    pub(crate) fn has_data(&self) -> bool {
        // SAFETY: By the type invariant the bio is live.
        unsafe { bindings::shunt_bio_has_data(self.as_raw()) }
    }

    /// How the bio ended; meaningful only in its completion.
    #[inline(always)]
    pub(crate) fn status(&self) -> Status {
        // SAFETY: By the type invariant the bio is live.
        Status(unsafe { (*self.as_raw()).bi_status })
    }
}

/// A bio that was handed to a driver, or that it made, and that it has to pass on.
///
/// # Invariants
///
/// The bio has a device, belongs to this value, and has not ended.
pub(crate) struct OwnedBio(Bio);

impl OwnedBio {
    /// Takes a bio over from the block layer, or from whoever made it.
    ///
    /// # Safety
    ///
    /// `bio` must have a device, belong to the caller, who gives it up, and not have ended: as one that was handed to
    /// `submit_bio` of `block_device_operations`, or that was just made for a device.
    #[inline(always)]
    pub(super) unsafe fn from_raw(bio: NonNull<bindings::bio>) -> Self {
        // INVARIANT: By the contract of this function.
        // SAFETY: By the contract of this function the bio belonged to the caller, who gave it up.
        Self(unsafe { Bio::from_raw(bio) })
    }

    /// Gives the bio up without ending it.
    #[inline(always)]
    pub(super) fn into_raw(self) -> *mut bindings::bio {
        ManuallyDrop::new(self).0.as_raw()
    }

    /// Sends the bio to `sector` (units of 512 bytes) of `device`, and tells whoever follows it. May sleep.
    ///
    /// The bio is changed in place, as NVMe multipath does: no clone, no allocation. Once it has
    /// ended, its submitter may not rely on where it points.
    ///
    /// The borrow keeps `device` until it has the bio. It must stay open until the bio has ended, too, and no type sees to that:
    /// whoever closes it has tracked the bio ([`Hooks`](super::hook::Hooks)), or drains the device before.
    #[inline(always)]
    pub(crate) fn send(mut self, device: &BlockDevice, sector: u64) {
        let bio = self.0.as_raw();
        let before = self.sector();
        // SAFETY: By the type invariant the bio is live and ours, and has a device.
        let from = unsafe { (*bio).bi_bdev };
        self.redirect(device, sector);
        if trace::is_on() {
            // SAFETY: By the type invariant the bio is live and ours; the device that it leaves has submissions under way.
            unsafe { trace::remapped(bio, from, before) };
        }
        self.submit();
    }

    /// As [`Self::send`], but `device` has the bio when this returns, which otherwise may be left to the task until it returns
    /// to the block layer; and nobody is told.
    #[inline(always)]
    pub(crate) fn send_at_once(mut self, device: &BlockDevice, sector: u64) {
        self.redirect(device, sector);
        let task = current_task();
        // SAFETY: The task runs here, and nobody else looks at its list of bios.
        let kept = unsafe { (*task).bio_list };
        // SAFETY: Without a list the block layer makes one for what is submitted.
        unsafe { (*task).bio_list = null_mut() };
        self.submit();
        // SAFETY: It is what the task had, and whoever made it waits for us to return.
        unsafe { (*task).bio_list = kept };
    }

    /// Points the bio at `sector` of `device`. To be submitted while `device` is borrowed.
    #[inline(always)]
    fn redirect(&mut self, device: &BlockDevice, sector: u64) {
        let bio = self.0.as_raw();
        // SAFETY: By the type invariant the bio is live and ours.
        unsafe { (*bio).bi_iter.bi_sector = sector };
        // As `bio_set_dev()` of include/linux/bio.h, without the call that a C helper would be.
        // SAFETY: By the type invariant the bio is live and ours.
        unsafe { (*bio).bi_flags &= !REDIRECT_CLEARS };
        // SAFETY: By the type invariants the bio is live and ours, and `device` is live.
        unsafe { (*bio).bi_bdev = device.as_raw() };
        // SAFETY: By the type invariants the bio is live and ours, and `device`, which it points at, is live.
        unsafe { bindings::bio_associate_blkg(bio) };
    }

    /// The bio, if it carries no data, as one that others do the work of.
    pub(crate) fn into_parent(self) -> Result<Parent, Self> {
        match self.has_data() {
            true => Err(self),
            // INVARIANT: It carries no data.
            false => Ok(Parent(self)),
        }
    }

    /// The bio is not to flush the device's cache first.
    pub(crate) fn clear_preflush(&mut self) {
        // SAFETY: By the type invariant the bio is live and ours.
        unsafe { (*self.0.as_raw()).bi_opf &= !bindings::SHUNT_REQ_PREFLUSH };
    }

    /// The bio is not polled for: whoever does so asks one device, and it is about to go to several.
    pub(crate) fn clear_polled(&mut self) {
        // SAFETY: By the type invariant the bio is live and ours.
        unsafe { (*self.0.as_raw()).bi_opf &= !bindings::SHUNT_REQ_POLLED };
    }

    /// Marks the bio, by the flag that is for the driver of the device that it is submitted to. It must come by
    /// [`Self::take_mark`] before it goes on to another one, for whose driver the flag means something else.
    pub(crate) fn mark(&mut self) {
        // SAFETY: By the type invariant the bio is live and ours.
        unsafe { (*self.0.as_raw()).bi_opf |= bindings::SHUNT_REQ_DRV };
    }

    /// Takes the mark off; whether it was there.
    #[inline(always)]
    pub(crate) fn take_mark(&mut self) -> bool {
        let marked = self.opf() & bindings::SHUNT_REQ_DRV != 0;
        // SAFETY: By the type invariant the bio is live and ours.
        unsafe { (*self.0.as_raw()).bi_opf &= !bindings::SHUNT_REQ_DRV };
        marked
    }

    /// Changes what the bio does; its flags stay.
    pub(super) fn set_op(&mut self, op: Op) {
        let opf = self.opf() & !bindings::SHUNT_REQ_OP_MASK | op.0;
        // SAFETY: By the type invariant the bio is live and ours.
        unsafe { (*self.0.as_raw()).bi_opf = opf };
    }

    /// Hands the bio to the device that it points at. May sleep.
    #[inline(always)]
    pub(crate) fn submit(self) {
        // SAFETY: By the type invariant the bio is live and has not ended; it is given up here.
        unsafe { bindings::submit_bio_noacct(self.into_raw()) };
    }

    /// Ends the bio with `status`.
    pub(crate) fn end(self, status: Status) {
        let bio = self.into_raw();
        // SAFETY: By the type invariant the bio was live and ours until this call.
        unsafe { (*bio).bi_status = status.0 };
        // SAFETY: By the type invariant the bio has not ended, and `into_raw` has given it up.
        unsafe { bindings::bio_endio(bio) };
    }
}

/// A bio that [`BioSet::child`](super::bio_set::BioSet::child) makes children of, which do its work.
///
/// # Invariants
///
/// The bio carries no data: a child has no pages.
pub(crate) struct Parent(OwnedBio);

impl Parent {
    /// Gives the bio up: it ends when its children have, with the first error of theirs.
    pub(crate) fn leave_to_children(self) {
        // SAFETY: By the type invariant the bio was live and ours until this call.
        unsafe { bindings::bio_endio(self.0.into_raw()) };
    }
}

impl core::ops::Deref for Parent {
    type Target = Bio;

    fn deref(&self) -> &Bio {
        &self.0
    }
}

/// Flags of the device that a bio leaves, which do not hold on the next one: there its bytes are still to be counted
/// against the limits of a cgroup, and in what that is told of its I/O.
const REDIRECT_CLEARS: u16 = (1 << bindings::BIO_REMAPPED)
    | (1 << bindings::BIO_BPS_THROTTLED)
    | (1 << bindings::BIO_CGROUP_ACCT);

impl core::ops::Deref for OwnedBio {
    type Target = Bio;

    #[inline(always)]
    fn deref(&self) -> &Bio {
        &self.0
    }
}

impl Drop for OwnedBio {
    #[cold]
    fn drop(&mut self) {
        kernel::pr_warn_once!("a bio was dropped instead of being passed on\n");
        let bio = self.0.as_raw();
        // SAFETY: By the type invariant the bio is live and ours.
        unsafe { (*bio).bi_status = Status::IOERR.0 };
        // SAFETY: By the type invariant the bio has not ended, and nobody can use it after the drop.
        unsafe { bindings::bio_endio(bio) };
    }
}
