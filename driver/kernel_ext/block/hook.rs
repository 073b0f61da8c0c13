// SPDX-License-Identifier: GPL-2.0-only

//! Completions of bios that a driver sends on in place.
//!
//! [`Hooks::attach`] puts a driver's own completion before that of the submitter, with data `C`
//! that travels with the bio. It replaces a clone: the bio stays the submitter's, so its flags, its
//! vectors, its polling cookie and its integrity data need no copy.
//!
//! C headers: [`include/linux/bio.h`](srctree/include/linux/bio.h),
//! [`include/linux/mempool.h`](srctree/include/linux/mempool.h)

use super::{
    super::{bindings, percpu::PerCpuCounters},
    bio::{Bio, OwnedBio, Status},
};
use core::{ffi::c_void, ptr::NonNull};
use kernel::{alloc::AllocError, prelude::*};

/// What a driver does when a bio that it hooked has ended.
pub(crate) trait Completion: Sized + Send {
    /// What all completions of one [`Hooks`] share.
    type Owner: Send + Sync;

    /// Called once for each bio, before its submitter learns that it has ended.
    ///
    /// Runs in any context that completes I/O, interrupts included: it must not sleep.
    fn complete(self, owner: &Self::Owner, bio: &Bio);
}

/// Contexts that are kept for one [`Hooks`], so that I/O goes on when memory is short.
const RESERVE: c_int = 16;

/// What is saved while a bio is hooked.
struct Context<C: Completion> {
    end_io: bindings::bio_end_io_t,
    private: *mut c_void,
    device: *mut bindings::block_device,
    shared: NonNull<Shared<C>>,
    data: C,
}

/// # Invariants
///
/// - `reserve` is a mempool of elements as large as [`Context`], owned by this value.
/// - `in_flight` is the number of contexts that point here.
struct Shared<C: Completion> {
    owner: C::Owner,
    in_flight: PerCpuCounters<1>,
    reserve: NonNull<bindings::mempool_t>,
}

/// Hooks that share an owner.
///
/// # Invariants
///
/// `shared` came from a `KBox` and is given back once no bio is hooked.
pub(crate) struct Hooks<C: Completion> {
    shared: NonNull<Shared<C>>,
}

// SAFETY: What is behind the pointer is only shared, and `Sync` by the bounds of `Completion`.
unsafe impl<C: Completion> Send for Hooks<C> {}
// SAFETY: As above.
unsafe impl<C: Completion> Sync for Hooks<C> {}

impl<C: Completion> Hooks<C> {
    /// Makes hooks around `owner`. May sleep.
    pub(crate) fn new(owner: C::Owner) -> Result<Self, AllocError> {
        let in_flight = PerCpuCounters::new()?;
        // SAFETY: The helper takes any number and size.
        let reserve =
            unsafe { bindings::shunt_mempool_create_kmalloc(RESERVE, size_of::<Context<C>>()) };
        let shared = Shared {
            owner,
            in_flight,
            // INVARIANT: The mempool is fresh and ours.
            reserve: NonNull::new(reserve).ok_or(AllocError)?,
        };
        // INVARIANT: No bio is hooked yet. A failed allocation drops `shared`, which is whole.
        Ok(Self {
            shared: NonNull::from(KBox::leak(KBox::new(shared, GFP_KERNEL)?)),
        })
    }

    fn shared(&self) -> &Shared<C> {
        // SAFETY: By the type invariant the allocation lives as long as `self`.
        unsafe { self.shared.as_ref() }
    }

    /// What all completions share.
    pub(crate) fn owner(&self) -> &C::Owner {
        &self.shared().owner
    }

    /// Bios that are hooked and have not ended.
    pub(crate) fn in_flight(&self) -> u64 {
        // A bio may end on another CPU than it began on: one counter alone means nothing, and the
        // sum, read while they move, can be off for a moment.
        u64::try_from(self.shared().in_flight.sum(0) as i64).unwrap_or(0)
    }

    /// Lets what `begin` makes complete when `bio` ends. May sleep, unless the bio says that it must not.
    ///
    /// # Errors
    ///
    /// [`Status::AGAIN`] if the bio must not wait and there is no memory at once.
    #[inline(always)]
    pub(crate) fn attach(
        &self,
        bio: &mut OwnedBio,
        begin: impl FnOnce(&Bio) -> C,
    ) -> Result<(), Status> {
        let shared = self.shared();
        let gfp = if bio.is_nowait() {
            bindings::SHUNT_GFP_NOWAIT
        } else {
            bindings::SHUNT_GFP_NOIO
        };
        // SAFETY: By the type invariant the mempool is live.
        let context = unsafe { bindings::shunt_mempool_alloc(shared.reserve.as_ptr(), gfp) };
        let context = NonNull::new(context.cast::<Context<C>>()).ok_or(Status::AGAIN)?;
        let raw = bio.as_raw();
        // SAFETY: An `OwnedBio` is live and ours; so below.
        let (end_io, private, device) =
            unsafe { ((*raw).bi_end_io, (*raw).bi_private, (*raw).bi_bdev) };
        let saved = Context {
            end_io,
            private,
            device,
            shared: self.shared,
            data: begin(bio),
        };
        // SAFETY: The element is fresh, and as large and aligned as a `Context<C>`.
        unsafe { context.write(saved) };
        // INVARIANT: The context that points to `shared` is counted.
        shared.in_flight.add(0, 1);
        // SAFETY: As for the reads.
        unsafe { (*raw).bi_private = context.as_ptr().cast() };
        // SAFETY: As for the reads.
        unsafe { (*raw).bi_end_io = Some(end_io_callback::<C>) };
        Ok(())
    }

    /// Waits until no bio is hooked. Sleeps; the caller has to see to it that none comes.
    pub(crate) fn drain(&self) {
        // The completion path stays free of a wake-up: a bio ends within some tens of
        // microseconds on flash, and nobody but a change of the device waits for it.
        let mut wait = 20;
        while self.shared().in_flight.sum(0) != 0 {
            // SAFETY: We may sleep, and hold no lock that a completion takes.
            unsafe {
                bindings::usleep_range_state(wait, 2 * wait, bindings::SHUNT_TASK_UNINTERRUPTIBLE)
            };
            wait = (2 * wait).min(5_000);
        }
    }
}

impl<C: Completion> Drop for Hooks<C> {
    fn drop(&mut self) {
        self.drain();
        // SAFETY: By the type invariant it came from a `KBox`; no context points to it any more.
        drop(unsafe { KBox::from_raw(self.shared.as_ptr()) });
    }
}

impl<C: Completion> Drop for Shared<C> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant the mempool is ours, and every element is back.
        unsafe { bindings::mempool_destroy(self.reserve.as_ptr()) };
    }
}

/// Completes a hooked bio: `bi_end_io` of `struct bio`.
///
/// # Safety
///
/// Called by the block layer, once, with a bio that [`Hooks::attach`] hooked with a `C`.
unsafe extern "C" fn end_io_callback<C: Completion>(bio: *mut bindings::bio) {
    // SAFETY: `attach` stored a context there, and the block layer does not touch it.
    let context = unsafe { (*bio).bi_private }.cast::<Context<C>>();
    // SAFETY: `attach` wrote the context, and only this function reads it, once.
    let saved = unsafe { context.read() };
    // The bio goes back to its submitter as it came: also to the device that it was submitted to,
    // so that the second pass of `bio_endio` leaves the lower device's accounting alone.
    // SAFETY: A bio that ends belongs to its completion; so below.
    unsafe { (*bio).bi_end_io = saved.end_io };
    // SAFETY: As above.
    unsafe { (*bio).bi_private = saved.private };
    // SAFETY: As above.
    unsafe { (*bio).bi_bdev = saved.device };

    // SAFETY: The context is counted in `in_flight`, so what it points to is there.
    let shared = unsafe { saved.shared.as_ref() };
    // SAFETY: The block layer calls with a live bio.
    let ended = unsafe { Bio::from_raw(NonNull::new_unchecked(bio)) };
    saved.data.complete(&shared.owner, &ended);

    // SAFETY: The element came from this mempool, and its content was moved out above.
    unsafe { bindings::shunt_mempool_free(context.cast(), shared.reserve.as_ptr()) };
    // The last use of `shared`: it may be gone once the sum is zero.
    // INVARIANT: The context is no more.
    shared.in_flight.add(0, u64::MAX);
    // Not `bi_end_io` itself: that of a chained bio is a mark that must never be called.
    // SAFETY: The bio has ended once for us and now ends for its submitter.
    unsafe { bindings::bio_endio(bio) };
}
