// SPDX-License-Identifier: GPL-2.0-only

//! Bios of a driver's own, for operations that carry no data.
//!
//! C header: [`include/linux/bio.h`](srctree/include/linux/bio.h)

use super::{
    super::{bindings, clock::sleep_us},
    bdev::BlockDevice,
    bio::{Bio, Op, OwnedBio, Parent, Status},
    rejected,
};
use core::ptr::NonNull;
use kernel::{
    error::{from_err_ptr, to_result},
    prelude::*,
    types::Opaque,
};

/// Bios that are kept, so that I/O goes on when memory is short.
const RESERVE: c_uint = 16;

/// Time after which memory that there was not is asked for again.
const PAUSE_US: u64 = 1000;

/// A supply of bios without vectors.
///
/// # Invariants
///
/// The bio set is initialised, and its address does not change.
pub(crate) struct BioSet(NonNull<Opaque<bindings::bio_set>>);

// SAFETY: The C side synchronises its use.
unsafe impl Send for BioSet {}
// SAFETY: Shared references only allocate from the set, which the C side synchronises.
unsafe impl Sync for BioSet {}

impl BioSet {
    /// Makes a supply. May sleep.
    pub(crate) fn new() -> Result<Self> {
        let set = KBox::new(Opaque::<bindings::bio_set>::zeroed(), GFP_KERNEL)?;
        // Several children of one bio wait in `current->bio_list` until `submit_bio` returns; the
        // rescuer sees to it that they are carried out if an allocation has to wait for them.
        let flags = bindings::BIOSET_NEED_RESCUER as c_int;
        // SAFETY: The set is zeroed, as it has to be, and stays in its box.
        to_result(unsafe { bindings::bioset_init(set.get(), RESERVE, 0, flags) })?;
        // INVARIANT: It was initialised above.
        Ok(Self(NonNull::from(KBox::leak(set))))
    }

    /// Cuts the first `sectors` off `bio`, as a bio of its own: its submitter learns of the end when
    /// both have ended. Sleeps, unless the bio must not wait.
    pub(crate) fn split(&self, bio: &mut OwnedBio, sectors: u32) -> Result<OwnedBio, Status> {
        let gfp = if bio.is_nowait() {
            bindings::SHUNT_GFP_NOWAIT
        } else {
            bindings::SHUNT_GFP_NOIO
        };
        // SAFETY: The set is live by the type invariant, and the bio is ours.
        let front = from_err_ptr(unsafe {
            bindings::bio_split(bio.as_raw(), sectors as c_int, gfp, self.0.as_ref().get())
        })
        .map_err(|error| {
            if bio.is_nowait() {
                Status::AGAIN
            } else {
                Status::from_error(error)
            }
        })?;
        // SAFETY: The front part is fresh, and the rest has not ended.
        unsafe { bindings::bio_chain(front, bio.as_raw()) };
        // SAFETY: What is no error is not null, and a bio that was just made is its maker's.
        Ok(unsafe { OwnedBio::from_raw(NonNull::new_unchecked(front)) })
    }

    /// A bio that does to `sectors` sectors of `device`, from `first` on, what `parent` does; when
    /// it has ended, and the parent too, the submitter of the parent learns of it, with the first
    /// error. May sleep.
    pub(crate) fn child(
        &self,
        parent: &Parent,
        device: &BlockDevice,
        first: u64,
        sectors: u64,
    ) -> OwnedBio {
        // SAFETY: The device is open.
        let bio = unsafe { self.alloc(device.as_raw(), parent.opf()) };
        // SAFETY: `alloc` made the bio for us alone.
        unsafe { (*bio.as_ptr()).bi_iter.bi_sector = first };
        // SAFETY: `alloc` made the bio for us alone; like its parent it has no pages that the size could go past.
        unsafe { (*bio.as_ptr()).bi_iter.bi_size = (sectors << 9) as u32 };
        // SAFETY: `alloc` made the bio, without a completion, and a parent is live and has not ended.
        unsafe { bindings::bio_chain(bio.as_ptr(), parent.as_raw()) };
        // The cgroup whose I/O it is.
        // SAFETY: Both are live.
        unsafe { bindings::bio_clone_blkg_association(bio.as_ptr(), parent.as_raw()) };
        if parent.op().is_rare() {
            // SAFETY: The bio is fresh and ours, and chained.
            unsafe { (*bio.as_ptr()).bi_end_io = Some(end_child_callback) };
        }
        // SAFETY: A bio that was just made is its maker's.
        unsafe { OwnedBio::from_raw(bio) }
    }

    /// A bio that empties the zone of `device` that begins at `sector`; otherwise as
    /// [`Self::child`]. May sleep.
    pub(crate) fn zone_reset(
        &self,
        parent: &Parent,
        device: &BlockDevice,
        sector: u64,
    ) -> OwnedBio {
        let mut bio = self.child(parent, device, sector, 0);
        bio.set_op(Op::ZONE_RESET);
        bio
    }

    /// A bio that flushes the cache of `device`. May sleep.
    ///
    /// # Safety
    ///
    /// `device` must be live.
    pub(super) unsafe fn flush(
        &self,
        device: *mut bindings::block_device,
    ) -> NonNull<bindings::bio> {
        // SAFETY: By the contract of this function.
        unsafe { self.alloc(device, bindings::SHUNT_OPF_FLUSH) }
    }

    /// A bio without vectors for `device`, with `opf` as its operation and flags. May sleep.
    ///
    /// # Safety
    ///
    /// `device` must be live.
    unsafe fn alloc(
        &self,
        device: *mut bindings::block_device,
        opf: bindings::blk_opf_t,
    ) -> NonNull<bindings::bio> {
        // SAFETY: By the contract of this function, and the type invariant.
        let bio = unsafe {
            bindings::bio_alloc_bioset(
                device,
                0,
                opf,
                bindings::SHUNT_GFP_NOIO,
                self.0.as_ref().get(),
            )
        };
        // SAFETY: With this flag the allocation waits rather than fails.
        unsafe { NonNull::new_unchecked(bio) }
    }

    /// A bio for `device` that does what `bio` does, to the same pages, with `opf` as its operation
    /// and flags. May sleep, until there is memory for it.
    ///
    /// # Safety
    ///
    /// Both must be live; `bio` must not end before the clone.
    pub(super) unsafe fn clone_of(
        &self,
        device: *mut bindings::block_device,
        bio: *mut bindings::bio,
        opf: bindings::blk_opf_t,
    ) -> NonNull<bindings::bio> {
        let clone = loop {
            // SAFETY: By the contract of this function both are live, and by the type invariant the set is.
            let clone = unsafe {
                bindings::bio_alloc_clone(
                    device,
                    bio,
                    bindings::SHUNT_GFP_NOIO,
                    self.0.as_ref().get(),
                )
            };
            if let Some(clone) = NonNull::new(clone) {
                break clone;
            }
            // The bio came from the reserve if need be; for protection information the block layer keeps none.
            sleep_us(PAUSE_US);
        };
        // SAFETY: `bio_alloc_clone()` made the clone for us alone.
        unsafe { (*clone.as_ptr()).bi_opf = opf };
        // SAFETY: `bio_alloc_clone()` made the clone for us alone.
        let integrity = unsafe { bindings::shunt_bio_integrity(clone.as_ptr()) };
        if !integrity.is_null() {
            // The tags are those of `device` by now: the next device is to map them from there.
            // SAFETY: By the contract of this function.
            let limits = unsafe { &raw const (*(*device).bd_queue).limits };
            // SAFETY: By the contract of this function `device` is live, and so is the queue with the limits; a byte is
            // read whole.
            let shift = unsafe { (*limits).integrity.interval_exp } - 9;
            // SAFETY: `bio_alloc_clone()` made the clone for us alone.
            let seed = unsafe { (*clone.as_ptr()).bi_iter.bi_sector } >> shift;
            // SAFETY: The clone has protection information of its own, which `bio_integrity_clone()` made.
            unsafe { (*integrity).bip_iter.bi_sector = seed };
            // SAFETY: The clone has protection information of its own, which `bio_integrity_clone()` made.
            unsafe { (*integrity).bip_flags &= !(bindings::bip_flags_BIP_MAPPED_INTEGRITY as u16) };
        }
        clone
    }
}

/// Ends a child that its drive may have rejected for good: `bi_end_io` of `struct bio`. Otherwise as `bio_chain_endio()` of
/// [`block/bio.c`](srctree/block/bio.c).
///
/// # Safety
///
/// Called by the block layer, once, with a bio that [`BioSet::child`] made.
unsafe extern "C" fn end_child_callback(child: *mut bindings::bio) {
    // SAFETY: `bio_chain` stored the parent, which waits for its children.
    let parent = unsafe { (*child).bi_private }.cast::<bindings::bio>();
    // SAFETY: A bio that ends belongs to its completion.
    let status = unsafe { (*child).bi_status };
    if status != 0 {
        // SAFETY: The child is live, and does what its parent does.
        let op = unsafe { Bio::from_raw(NonNull::new_unchecked(child)) }.op();
        // SAFETY: A parent whose children do its work still points at its disk.
        let disk = unsafe { (*parent).bi_bdev };
        // SAFETY: Both devices are live while bios are on their way to them.
        unsafe { rejected::follow(disk, (*child).bi_bdev, op, status) };
        // SAFETY: The parent waits; children that end at once may each leave an error, and any will do.
        unsafe { (*parent).bi_status = status };
    }
    // SAFETY: The child was made for this, and has ended.
    unsafe { bindings::bio_put(child) };
    // SAFETY: `bio_chain` made the parent wait for this call.
    unsafe { bindings::bio_endio(parent) };
}

impl Drop for BioSet {
    fn drop(&mut self) {
        // SAFETY: By the type invariant it is initialised; its bios hold their submitters up, so
        // none is left when the disk is gone.
        unsafe { bindings::bioset_exit(self.0.as_ref().get()) };
        // SAFETY: It came from a `KBox`.
        drop(unsafe { KBox::from_raw(self.0.as_ptr()) });
    }
}
