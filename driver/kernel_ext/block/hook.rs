// SPDX-License-Identifier: GPL-2.0-only

//! Completions of bios that a driver sends on in place.
//!
//! [`Hooks::attach`] puts a driver's own completion before that of the submitter, with data `C`
//! that travels with the bio. It replaces a clone: the bio stays the submitter's, so its flags, its
//! vectors, its polling cookie and its integrity data need no copy.
//!
//! The data lives in a context. Contexts are kept in [`Contexts`], on a stack of each CPU that all
//! hooks share; when memory is short each [`Hooks`] has a reserve of its own, so that devices that
//! stand on each other cannot wait for each other.
//!
//! C headers: [`include/linux/bio.h`](srctree/include/linux/bio.h),
//! [`include/linux/mempool.h`](srctree/include/linux/mempool.h)

use super::{
    super::{
        bindings,
        clock::sleep_us,
        percpu::PerCpuCounters,
        percpu_stack::{Node, PerCpuStack},
    },
    bio::{Bio, Op, OwnedBio, Status},
    rejected, trace,
};
use core::{
    ffi::c_void,
    mem::MaybeUninit,
    ptr::{NonNull, null_mut},
    sync::atomic::{AtomicUsize, Ordering},
};
use kernel::{
    alloc::{AllocError, flags::__GFP_NOWARN},
    prelude::*,
    sync::Arc,
};

/// What a driver does when a bio that it hooked has ended.
pub(crate) trait Completion: Sized + Send + 'static {
    /// What all completions of one [`Hooks`] share.
    type Owner: Send + Sync + 'static;

    /// Called once for each bio, before its submitter learns that it has ended.
    ///
    /// Runs in any context that completes I/O, interrupts included: it must not sleep.
    fn complete(self, owner: &Self::Owner, bio: &Bio);
}

/// Flag of a bio whose beginning was told, so that its end will be.
const TRACED: u16 = 1 << bindings::BIO_TRACE_COMPLETION;

/// Contexts that are kept for one [`Hooks`], so that I/O goes on when memory is short.
const RESERVE: c_int = 16;

/// Contexts that are kept for later, for each CPU that can ever come up.
const KEPT_PER_CPU: usize = 256;

/// What is saved while a bio is hooked.
///
/// It fits into one cache line.
#[repr(C)]
struct Context<C: Completion> {
    place: Place,
    end_io: bindings::bio_end_io_t,
    private: *mut c_void,
    device: *mut bindings::block_device,
    shared: MaybeUninit<NonNull<Shared<C>>>,
    data: MaybeUninit<C>,
    /// What the bio covered, if [`Hooks::attach_kept`] hooked it.
    bytes: u32,
    /// Whether the end of the bio is to be told to whoever follows it, if [`Hooks::attach_kept`] hooked it.
    traced: bool,
    /// It came from the mempool of `shared`, and goes back there.
    reserved: bool,
}

/// What a context begins with.
#[repr(C)]
union Place {
    /// While it is free.
    node: Node,
    /// While it is in use: where the bio began on its device, if [`Hooks::attach_kept`] hooked it.
    sector: u64,
}

impl<C: Completion> Context<C> {
    fn empty(reserved: bool) -> Self {
        Self {
            place: Place { node: Node::new() },
            end_io: None,
            private: null_mut(),
            device: null_mut(),
            shared: MaybeUninit::uninit(),
            data: MaybeUninit::uninit(),
            bytes: 0,
            traced: false,
            reserved,
        }
    }
}

/// Contexts that are not in use, for all hooks that complete with a `C`.
///
/// # Invariants
///
/// The nodes of `free` are the first fields of [`Context`]s from a `KBox`.
pub(crate) struct Contexts<C: Completion> {
    free: PerCpuStack,
    /// Contexts that were made, in use or not.
    made: AtomicUsize,
    most: usize,
    /// Address of what the block layer marks chained bios with; never to be called.
    chain_mark: usize,
    _contexts: core::marker::PhantomData<C>,
}

// SAFETY: Contexts without content may be used by any thread, and the stack is made for that.
unsafe impl<C: Completion> Send for Contexts<C> {}
// SAFETY: The heads of the stack change atomically, and what is taken from it belongs to whoever took it.
unsafe impl<C: Completion> Sync for Contexts<C> {}

impl<C: Completion> Contexts<C> {
    /// Without contexts; they are made as they are needed. May sleep.
    pub(crate) fn new() -> Result<Self, AllocError> {
        const { assert!(size_of::<Context<C>>() <= bindings::SHUNT_CACHE_BYTES) };
        // SAFETY: Reads a variable that never changes after boot.
        let cpus = unsafe { bindings::shunt_nr_cpu_ids() } as usize;
        Ok(Self {
            free: PerCpuStack::new()?,
            made: AtomicUsize::new(0),
            most: KEPT_PER_CPU * cpus,
            chain_mark: chain_mark()?,
            _contexts: core::marker::PhantomData,
        })
    }

    /// A context for a bio of `shared`; none if there is no memory and the bio must not wait.
    #[inline(always)]
    fn take(&self, shared: &Shared<C>, nowait: bool) -> Option<NonNull<Context<C>>> {
        match self.free.pop() {
            Some(node) => Some(node.cast()),
            None => self.take_slowly(shared, nowait),
        }
    }

    #[cold]
    #[inline(never)]
    fn take_slowly(&self, shared: &Shared<C>, nowait: bool) -> Option<NonNull<Context<C>>> {
        if self.made.fetch_add(1, Ordering::Relaxed) < self.most {
            if let Ok(context) = KBox::new(Context::empty(false), GFP_NOWAIT | __GFP_NOWARN) {
                return Some(NonNull::from(KBox::leak(context)));
            }
        }
        self.made.fetch_sub(1, Ordering::Relaxed);
        if let Some(node) = self.free.steal() {
            return Some(node.cast());
        }
        let gfp = if nowait {
            bindings::SHUNT_GFP_NOWAIT
        } else {
            bindings::SHUNT_GFP_NOIO
        };
        // SAFETY: By the invariant of `Shared` the mempool is live.
        let element = unsafe { bindings::shunt_mempool_alloc(shared.reserve.as_ptr(), gfp) };
        let element = NonNull::new(element.cast::<Context<C>>())?;
        // SAFETY: The element is fresh, and as large and aligned as a `Context<C>`.
        unsafe { element.write(Context::empty(true)) };
        Some(element)
    }

    /// Takes a context back, whose content has been moved out.
    ///
    /// # Safety
    ///
    /// `context` must have come from [`Self::take`] with the same `shared`.
    #[inline(always)]
    unsafe fn give_back(&self, shared: &Shared<C>, context: NonNull<Context<C>>) {
        // SAFETY: By the contract of this function.
        if unsafe { context.as_ref() }.reserved {
            // SAFETY: The element came from this mempool.
            unsafe {
                bindings::shunt_mempool_free(context.as_ptr().cast(), shared.reserve.as_ptr())
            };
        } else {
            // SAFETY: The context is given up, and its node is its first field.
            unsafe { self.free.push(context.cast()) };
        }
    }
}

impl<C: Completion> Drop for Contexts<C> {
    fn drop(&mut self) {
        while let Some(node) = self.free.pop().or_else(|| self.free.steal()) {
            // SAFETY: By the type invariant the node is a context from a `KBox`.
            drop(unsafe { KBox::from_raw(node.cast::<Context<C>>().as_ptr()) });
        }
    }
}

/// Address of the completion that the block layer marks chained bios with. May sleep.
///
/// The function is not exported, but a bio that is chained shows it.
fn chain_mark() -> Result<usize, AllocError> {
    let mut bios = KBox::<[bindings::bio; 2]>::new_uninit(GFP_KERNEL)?;
    let child = bios.as_mut_ptr().cast::<bindings::bio>();
    let parent = child.wrapping_add(1);
    for bio in [child, parent] {
        // SAFETY: The memory is a bio's; it has no device and no vectors.
        unsafe { bindings::bio_init(bio, null_mut(), null_mut(), 0, 0) };
    }
    // SAFETY: Both were initialised above; neither is ever submitted.
    unsafe { bindings::bio_chain(child, parent) };
    // SAFETY: `bio_init()` has initialised the child, and `bio_chain()` has set the field.
    let mark = unsafe { (*child).bi_end_io };
    Ok(mark.map_or(0, |end_io| end_io as usize))
}

/// # Invariants
///
/// - `reserve` is a mempool of elements as large as [`Context`], owned by this value.
/// - `in_flight` is the number of contexts in use that point here.
struct Shared<C: Completion> {
    owner: C::Owner,
    in_flight: PerCpuCounters<1>,
    reserve: NonNull<bindings::mempool_t>,
    contexts: Arc<Contexts<C>>,
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
// SAFETY: A shared reference gives access to the owner, which is `Sync`, and to what is made to be used by all CPUs.
unsafe impl<C: Completion> Sync for Hooks<C> {}

impl<C: Completion> Hooks<C> {
    /// Makes hooks around `owner`. May sleep.
    pub(crate) fn new(owner: C::Owner, contexts: Arc<Contexts<C>>) -> Result<Self, AllocError> {
        let in_flight = PerCpuCounters::new()?;
        // SAFETY: The helper takes any number and size.
        let reserve =
            unsafe { bindings::shunt_mempool_create_kmalloc(RESERVE, size_of::<Context<C>>()) };
        let shared = Shared {
            owner,
            in_flight,
            // INVARIANT: The mempool is fresh and ours.
            reserve: NonNull::new(reserve).ok_or(AllocError)?,
            contexts,
        };
        // INVARIANT: No bio is hooked yet. A failed allocation drops `shared`, which is whole.
        Ok(Self {
            shared: NonNull::from(KBox::leak(KBox::new(shared, GFP_KERNEL)?)),
        })
    }

    #[inline(always)]
    fn shared(&self) -> &Shared<C> {
        // SAFETY: By the type invariant the allocation lives as long as `self`.
        unsafe { self.shared.as_ref() }
    }

    /// What all completions share.
    #[inline(always)]
    pub(crate) fn owner(&self) -> &C::Owner {
        &self.shared().owner
    }

    /// Bios that are hooked and have not ended.
    pub(crate) fn in_flight(&self) -> u64 {
        // A bio may end on another CPU than it began on: one counter alone means nothing, and the
        // sum, read while they move, can be off for a moment.
        u64::try_from(self.shared().in_flight.sum(0) as i64).unwrap_or(0)
    }

    /// Lets what `begin` makes complete when `bio` ends. May sleep, unless the bio says that it
    /// must not.
    ///
    /// # Errors
    ///
    /// [`Status::AGAIN`] if the bio must not wait and there is no memory at once.
    #[inline(always)]
    pub(crate) fn attach(
        &self,
        bio: &mut OwnedBio,
        begin: impl FnOnce(&Bio, &C::Owner) -> C,
    ) -> Result<(), Status> {
        self.attach_with(bio, begin, end_io_callback::<C>)?;
        Ok(())
    }

    /// As [`Self::attach`]; what the bio did is kept until it ends, so that
    /// - it ends with its sector in terms of the disk that it was sent to, where that tells something: a zone append with
    ///   what was written, an operation on a zone with its zone;
    /// - whoever follows bios is told of the end as of one on that disk;
    /// - what the drive has rejected for good is no longer offered by the disk.
    #[inline(always)]
    pub(crate) fn attach_kept(
        &self,
        bio: &mut OwnedBio,
        begin: impl FnOnce(&Bio, &C::Owner) -> C,
    ) -> Result<(), Status> {
        let (sector, bytes) = (bio.sector(), bio.bytes());
        let context = self.attach_with(bio, begin, end_kept_io_callback::<C>)?;
        let raw = bio.as_raw();
        // SAFETY: The context belongs to the bio, which is ours.
        unsafe { (*context).place.sector = sector };
        // SAFETY: The context belongs to the bio, which is ours.
        unsafe { (*context).bytes = bytes };
        // Bios of our own making were not submitted to the disk, and do not end there.
        // SAFETY: An `OwnedBio` is live and ours.
        let traced = unsafe { (*raw).bi_flags } & TRACED != 0;
        // SAFETY: The context belongs to the bio, which is ours.
        unsafe { (*context).traced = traced };
        // On the next device it begins and ends anew.
        // SAFETY: An `OwnedBio` is live and ours.
        unsafe { (*raw).bi_flags &= !TRACED };
        Ok(())
    }

    #[inline(always)]
    fn attach_with(
        &self,
        bio: &mut OwnedBio,
        begin: impl FnOnce(&Bio, &C::Owner) -> C,
        end_io: unsafe extern "C" fn(*mut bindings::bio),
    ) -> Result<*mut Context<C>, Status> {
        let shared = self.shared();
        let Some(context) = shared.contexts.take(shared, bio.is_nowait()) else {
            return Err(Status::AGAIN);
        };
        let context = context.as_ptr();
        let raw = bio.as_raw();
        // SAFETY: `take` gave the context to us alone, and an `OwnedBio` is live and ours.
        unsafe { (*context).end_io = (*raw).bi_end_io };
        // SAFETY: `take` gave the context to us alone, and an `OwnedBio` is live and ours.
        unsafe { (*context).private = (*raw).bi_private };
        // SAFETY: `take` gave the context to us alone, and an `OwnedBio` is live and ours.
        unsafe { (*context).device = (*raw).bi_bdev };
        // SAFETY: `take` gave the context to us alone.
        unsafe { (*context).shared.write(self.shared) };
        // SAFETY: `take` gave the context to us alone.
        unsafe { (*context).data.write(begin(bio, &shared.owner)) };
        // INVARIANT: The context that points to `shared` is counted.
        shared.in_flight.add(0, 1);
        // SAFETY: An `OwnedBio` is live and ours; what was there is in the context.
        unsafe { (*raw).bi_private = context.cast() };
        // SAFETY: An `OwnedBio` is live and ours; what was there is in the context.
        unsafe { (*raw).bi_end_io = Some(end_io) };
        Ok(context)
    }

    /// Whether no bio is hooked. While none comes, it stays so. Any context.
    pub(crate) fn is_idle(&self) -> bool {
        self.shared().in_flight.sum(0) == 0
    }
}

impl<C: Completion> Drop for Hooks<C> {
    fn drop(&mut self) {
        // The completion path stays free of a wake-up: nobody but who takes a device away waits here.
        let mut us = 20;
        while !self.is_idle() {
            sleep_us(us);
            us = (2 * us).min(5_000);
        }
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

/// Completes a hooked bio of which was kept what it did: `bi_end_io` of `struct bio`.
///
/// # Safety
///
/// As of [`end_io_callback`], with a bio that [`Hooks::attach_kept`] hooked.
unsafe extern "C" fn end_kept_io_callback<C: Completion>(bio: *mut bindings::bio) {
    // SAFETY: `attach_kept` stored a context there; a bio that ends belongs to its completion.
    let context = unsafe { (*bio).bi_private }.cast::<Context<C>>();
    // SAFETY: The context is in use, and `attach_kept` filled all three.
    let (mut sector, bytes, traced) =
        unsafe { ((*context).place.sector, (*context).bytes, (*context).traced) };
    // SAFETY: `attach_with` stored the disk, which is not removed while it has bios.
    let disk = unsafe { (*context).device };
    // SAFETY: The block layer calls with a live bio, which still points at the device that it was sent to.
    let drive = unsafe { (*bio).bi_bdev };
    // SAFETY: The block layer calls with a live bio.
    let ended = unsafe { Bio::from_raw(NonNull::new_unchecked(bio)) };
    let op = ended.op();
    if !ended.status().is_ok() {
        // SAFETY: The bio was submitted to the one and sent to the other, and both are there until it has ended for its
        // submitter.
        unsafe { rejected::follow(disk, drive, op, (*bio).bi_status) };
    } else if op == Op::ZONE_APPEND {
        // Zones begin at multiples of their size on both, and the bio began with its zone.
        // SAFETY: The device that it was sent to is live, and with it its queue.
        let zone = unsafe { &raw const (*(*drive).bd_queue).limits.chunk_sectors };
        // SAFETY: It points into a live queue; an aligned word, which others may write, is read whole.
        let zone = unsafe { zone.read_volatile() };
        sector += ended.sector() & u64::from(zone.wrapping_sub(1));
    }
    if op == Op::ZONE_APPEND || op.is_zone_management() {
        // SAFETY: A bio that ends belongs to its completion.
        unsafe { (*bio).bi_iter.bi_sector = sector };
    }
    if traced {
        // SAFETY: A bio that ends belongs to its completion.
        unsafe { (*bio).bi_bdev = disk };
        // SAFETY: A bio that ends belongs to its completion.
        unsafe { trace::ended(bio, sector, bytes) };
    }
    // SAFETY: By the contract of this function.
    unsafe { end_io_callback::<C>(bio) };
}

/// Completes a hooked bio: `bi_end_io` of `struct bio`.
///
/// # Safety
///
/// Called by the block layer, once, with a bio that [`Hooks::attach`] hooked with a `C`.
unsafe extern "C" fn end_io_callback<C: Completion>(bio: *mut bindings::bio) {
    // SAFETY: `attach` stored a context there, and the block layer does not touch it.
    let context = unsafe { NonNull::new_unchecked((*bio).bi_private.cast::<Context<C>>()) };
    let raw = context.as_ptr();
    // SAFETY: `attach` filled the context in, and it belongs to this function until `give_back`.
    let end_io = unsafe { (*raw).end_io };
    // The bio goes back to its submitter as it came.
    // SAFETY: By the contract of this function the bio ends, and so belongs to its completion.
    unsafe { (*bio).bi_end_io = end_io };
    // SAFETY: The bio belongs to its completion, and `attach` saved the field in the context.
    unsafe { (*bio).bi_private = (*raw).private };
    // SAFETY: The bio belongs to its completion, and `attach` saved the field in the context.
    unsafe { (*bio).bi_bdev = (*raw).device };

    // SAFETY: The context is counted in `in_flight`, so what it points to is there.
    let shared = unsafe { (*raw).shared.assume_init().as_ref() };
    // SAFETY: `attach` wrote it, and it is read once.
    let data = unsafe { (*raw).data.assume_init_read() };
    // SAFETY: The block layer calls with a live bio.
    let ended = unsafe { Bio::from_raw(NonNull::new_unchecked(bio)) };
    data.complete(&shared.owner, &ended);

    let chain_mark = shared.contexts.chain_mark;
    // SAFETY: `attach` took it with the same `shared`, and its content was moved out above.
    unsafe { shared.contexts.give_back(shared, context) };
    // The last use of `shared`: it may be gone once the sum is zero.
    // INVARIANT: The context is not in use any more.
    shared.in_flight.add(0, u64::MAX);

    match end_io {
        // What comes before `bi_end_io` in `bio_endio` has been done; so its second pass, which
        // would find nothing to do, is left out.
        // SAFETY: The bio has ended for us and now ends for its submitter.
        Some(end_io) if end_io as usize != chain_mark => unsafe { end_io(bio) },
        // SAFETY: The bio has ended for us and now ends for its submitter; for a chained one `bio_endio()` ends the
        // parent.
        _ => unsafe { bindings::bio_endio(bio) },
    }
}
