// SPDX-License-Identifier: GPL-2.0-only

//! A request queue in front of a driver that takes bios.
//!
//! The block layer merges and schedules; each bio of a request is then cloned, and the clones go to
//! [`Operations::submit_bio`] as if they had been submitted. When the last of them has ended, so
//! does the request, with the first error.
//!
//! C header: [`include/linux/blk-mq.h`](srctree/include/linux/blk-mq.h)

use super::{
    super::{bindings, patience::Patience, percpu::current_task},
    bio::OwnedBio,
    bio_disk::{self, Operations},
    bio_set::BioSet,
};
use core::{
    marker::PhantomData,
    mem::MaybeUninit,
    ptr::{NonNull, null_mut},
    sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering},
};
use kernel::{error::to_result, prelude::*, sync::LockClassKey, types::Opaque};

/// Requests of one hardware queue that can be on their way.
const DEPTH: c_uint = 128;

/// Tags for requests, and bios to carry them out with.
///
/// # Invariants
///
/// - `tags` is an initialised tag set, whose `driver_data` points to the `Inner` that it is in, in a `KBox`.
/// - While `held`, the queue with this tag set is quiesced once more than each [`Quiesced`] has it.
pub(super) struct RequestQueue<T: Operations> {
    inner: NonNull<Inner>,
    _operations: PhantomData<T>,
}

#[pin_data]
struct Inner {
    tags: Opaque<bindings::blk_mq_tag_set>,
    held: AtomicBool,
    bios: BioSet,
    /// Of the locks of the queue's flushes. A flush of the drive below ends ours while it holds the lock of its own: to
    /// lockdep it is another lock because it is of another class, which queues do not have by themselves.
    #[pin]
    flush_locks: LockClassKey,
    /// Of what is held while a request is carried out, which a quiesce waits for. It is held while a bio waits to get into the
    /// queue below; that may wait for a change of its scheduler, and that quiesces the queue below.
    #[pin]
    quiesce_lock: LockClassKey,
    /// Of what is held while the scheduler is changed, and the queue quiesced for it.
    #[pin]
    elevator_lock: LockClassKey,
}

/// What is remembered of a request: how many of its bios have not ended, and the first error.
struct Pending {
    left: AtomicU32,
    status: AtomicU8,
}

impl<T: Operations> RequestQueue<T> {
    const OPERATIONS: bindings::blk_mq_ops = bindings::blk_mq_ops {
        queue_rq: Some(queue_rq_callback::<T>),
        init_hctx: Some(init_hctx_callback),
        timeout: Some(timeout_callback),
        ..pin_init::zeroed()
    };

    /// A queue with a hardware queue for each CPU. May sleep.
    pub(super) fn new() -> Result<Self> {
        let inner = KBox::try_pin_init(
            try_pin_init!(Inner {
                tags: Opaque::zeroed(),
                held: AtomicBool::new(false),
                bios: BioSet::new()?,
                flush_locks <- LockClassKey::new_dynamic(),
                quiesce_lock <- LockClassKey::new_dynamic(),
                elevator_lock <- LockClassKey::new_dynamic(),
            }),
            GFP_KERNEL,
        )?;
        let tags = inner.tags.get();
        // SAFETY: The tag set is zeroed, and nobody else has it yet.
        unsafe { (*tags).ops = &Self::OPERATIONS };
        // SAFETY: Reads a variable that never changes after boot.
        unsafe { (*tags).nr_hw_queues = bindings::shunt_nr_cpu_ids() };
        // SAFETY: Nobody else has the tag set yet.
        unsafe { (*tags).queue_depth = DEPTH };
        // SAFETY: Nobody else has the tag set yet.
        unsafe { (*tags).cmd_size = size_of::<Pending>() as c_uint };
        // SAFETY: Nobody else has the tag set yet.
        unsafe { (*tags).numa_node = bindings::SHUNT_NUMA_NO_NODE };
        // Carrying a request out allocates bios and submits them, both of which sleep.
        // SAFETY: Nobody else has the tag set yet.
        unsafe { (*tags).flags = bindings::SHUNT_BLK_MQ_FLAGS };
        // SAFETY: Nobody else has the tag set yet.
        unsafe { (*tags).driver_data = (&raw const *inner).cast_mut().cast() };
        // SAFETY: The tag set is complete.
        to_result(unsafe { bindings::blk_mq_alloc_tag_set(tags) })?;
        // SAFETY: The tag set was made above, for requests that sleep, and nobody uses it yet; the key goes after it.
        unsafe {
            bindings::shunt_set_quiesce_class(tags, inner.quiesce_lock.as_ptr().cast());
        }
        // SAFETY: Nothing moves out of it until it is dropped.
        let inner = unsafe { Pin::into_inner_unchecked(inner) };
        // INVARIANT: It was initialised above.
        Ok(Self {
            inner: NonNull::from(KBox::leak(inner)),
            _operations: PhantomData,
        })
    }

    /// Gives the locks of a queue with this tag set classes of their own.
    ///
    /// # Safety
    ///
    /// `queue` must be live, and not in use yet; once `self` is dropped, nobody may change its scheduler any more.
    pub(super) unsafe fn set_lock_classes(&self, queue: *mut bindings::request_queue) {
        // SAFETY: By the type invariant it lives as long as `self`.
        let key = unsafe { self.inner.as_ref() }.elevator_lock.as_ptr();
        // SAFETY: By the contract of this function the lock is not used yet, and not any more once the key goes.
        unsafe { bindings::shunt_set_elevator_class(queue, key.cast()) };
    }

    /// The tag set as the C side has it.
    pub(super) fn tags(&self) -> *mut bindings::blk_mq_tag_set {
        // SAFETY: By the type invariant it lives as long as `self`.
        unsafe { self.inner.as_ref() }.tags.get()
    }

    /// Waits until no request of `queue` is being carried out, and lets later ones wait until the result is dropped. Sleeps.
    ///
    /// # Errors
    ///
    /// As of [`Patience::check`]; the queue goes on then.
    ///
    /// # Safety
    ///
    /// `queue` must have this tag set, and be live until the result is dropped.
    pub(super) unsafe fn quiesce(
        &self,
        queue: *mut bindings::request_queue,
        patience: &Patience,
    ) -> Result<Quiesced<'_>> {
        // SAFETY: By the contract of this function the queue is live.
        unsafe { bindings::blk_mq_quiesce_queue_nowait(queue) };
        // INVARIANT: It is live by the contract of this function, and was quiesced once for the value.
        let quiesced = Quiesced(queue, PhantomData);
        // SAFETY: By the type invariant the tag set is initialised.
        let cookie = unsafe { bindings::shunt_quiesce_start(self.tags()) };
        // SAFETY: As the cookie: the tag set is initialised.
        patience.wait(|| unsafe { bindings::shunt_quiesce_done(self.tags(), cookie) })?;
        Ok(quiesced)
    }

    fn held(&self) -> &AtomicBool {
        // SAFETY: By the type invariant it lives as long as `self`.
        &unsafe { self.inner.as_ref() }.held
    }

    /// Lets requests of `queue` that are not being carried out yet wait, until [`Self::release`]. Any context.
    ///
    /// # Safety
    ///
    /// `queue` must have this tag set, and be live.
    pub(super) unsafe fn hold(&self, queue: *mut bindings::request_queue) {
        // Before anybody can release it: that must not undo what a `Quiesced` needs.
        // SAFETY: By the contract of this function the queue is live.
        unsafe { bindings::blk_mq_quiesce_queue_nowait(queue) };
        // INVARIANT: It was quiesced for this.
        if self.held().swap(true, Ordering::AcqRel) {
            // SAFETY: By the contract of this function the queue is live. It was held already, and was quiesced once above.
            unsafe { bindings::blk_mq_unquiesce_queue(queue) };
        }
    }

    /// Undoes [`Self::hold`], if it is held; leaves each [`Quiesced`] as it is. Any context.
    ///
    /// # Safety
    ///
    /// `queue` must have this tag set, and be live.
    pub(super) unsafe fn release(&self, queue: *mut bindings::request_queue) {
        // INVARIANT: Whoever takes the mark away undoes what it stands for.
        if self.held().swap(false, Ordering::AcqRel) {
            // SAFETY: By the contract of this function the queue is live. By the type invariant it was quiesced for the mark.
            unsafe { bindings::blk_mq_unquiesce_queue(queue) };
        }
    }
}

/// A queue that carries no request out.
///
/// # Invariants
///
/// `.0` is live, and quiesced once for this value.
pub(super) struct Quiesced<'a>(*mut bindings::request_queue, PhantomData<&'a ()>);

impl Drop for Quiesced<'_> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant the queue is live, and quiesced for this.
        unsafe { bindings::blk_mq_unquiesce_queue(self.0) };
    }
}

impl<T: Operations> Drop for RequestQueue<T> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant it is initialised; its owner has removed the disk.
        unsafe { bindings::blk_mq_free_tag_set(self.tags()) };
        // SAFETY: It came from a `KBox`, and is dropped where it is.
        drop(unsafe { KBox::from_raw(self.inner.as_ptr()) });
    }
}

/// A hardware queue is made: `init_hctx` of `struct blk_mq_ops`.
///
/// # Safety
///
/// Called by the block layer, for the tag set of a [`RequestQueue`].
unsafe extern "C" fn init_hctx_callback(
    queue: *mut bindings::blk_mq_hw_ctx,
    data: *mut c_void,
    _index: c_uint,
) -> c_int {
    // SAFETY: The block layer passes the data of the tag set.
    let inner = unsafe { &*data.cast::<Inner>() };
    // SAFETY: The hardware queue has its flushes; the key goes after the tag set.
    unsafe {
        bindings::blk_mq_hctx_set_fq_lock_class(queue, inner.flush_locks.as_ptr().cast());
    }
    0
}

/// Carries a request out: `queue_rq` of `struct blk_mq_ops`.
///
/// # Safety
///
/// Called by the block layer, for a disk with a [`RequestQueue`] and operations `T`.
unsafe extern "C" fn queue_rq_callback<T: Operations>(
    _queue: *mut bindings::blk_mq_hw_ctx,
    data: *const bindings::blk_mq_queue_data,
) -> bindings::blk_status_t {
    // SAFETY: The block layer passes a request that nobody else carries out.
    let request = unsafe { (*data).rq };
    let submitter = Submitter::current();
    if submitter.is_deep() {
        // SAFETY: The request is ours, and was not begun: the block layer brings it again, on another stack.
        unsafe { bindings::blk_mq_requeue_request(request, true) };
        return 0;
    }
    // SAFETY: The room behind a request is as large as its tag set asks for.
    unsafe { pending(request).write(Pending::new()) };
    // SAFETY: Nobody else carries the request out.
    unsafe { bindings::blk_mq_start_request(request) };
    // SAFETY: The bios of a request stay until it ends, and it was only just begun.
    let (first, last) = unsafe { ((*request).bio, (*request).biotail) };
    let _fresh = submitter.put_aside();
    if first == last {
        // SAFETY: The request was begun above, and its first count is not given up yet.
        unsafe { send_all::<T>(request) };
    } else {
        // SAFETY: The request was begun above, and its first count is not given up yet.
        unsafe { send_plugged::<T>(request) };
    }
    // SAFETY: This is the first count.
    unsafe { put(request, 0) };
    0
}

/// Sends the bios of a request on, so that the queue below may merge them again as they were merged here.
///
/// # Safety
///
/// As of [`send_all`]; the task must have no plug.
#[inline(never)]
unsafe fn send_plugged<T: Operations>(request: *mut bindings::request) {
    let mut plug = MaybeUninit::uninit();
    // SAFETY: The plug stays where it is until it is finished.
    unsafe { bindings::blk_start_plug(plug.as_mut_ptr()) };
    // SAFETY: By the contract of this function.
    unsafe { send_all::<T>(request) };
    // SAFETY: It was started above, by this task.
    unsafe { bindings::blk_finish_plug(plug.as_mut_ptr()) };
}

/// Sends the bios of a request on, or a flush if it has none.
///
/// # Safety
///
/// `request` must be on its way, of a disk with a [`RequestQueue`] and operations `T`, and the caller have a count of it.
#[inline(always)]
unsafe fn send_all<T: Operations>(request: *mut bindings::request) {
    // SAFETY: By the contract of this function the request is live.
    let queue = unsafe { (*request).q };
    // SAFETY: The queue of a live request has the tag set that it was made with, and that has our data.
    let bios = unsafe { &(*(*(*queue).tag_set).driver_data.cast::<Inner>()).bios };
    // SAFETY: The disk is not removed while it has requests.
    let disk = unsafe { (*queue).disk };
    // SAFETY: A disk has this as long as it lives.
    let whole = unsafe { (*disk).part0 };
    // SAFETY: By the contract of this function the request is live.
    let mut bio = unsafe { (*request).bio };
    // Where the submitter's bio came from, and that it would rather fail than wait for a tag, is
    // not for the clones.
    // SAFETY: By the contract of this function the request is live.
    let flags = unsafe { (*request).cmd_flags } & !bindings::SHUNT_REQ_OWN_FLAGS;
    if bio.is_null() {
        // SAFETY: The disk is live.
        let flush = unsafe { bios.flush(whole) };
        // SAFETY: The bio is fresh, the request on its way.
        unsafe { send::<T>(disk, request, flush) };
    }
    while !bio.is_null() {
        // SAFETY: The bios of a request stay until it ends, which the caller's count prevents.
        let clone = unsafe { bios.clone_of(whole, bio, flags) };
        // SAFETY: The bio stays until the request ends, which the caller's count prevents.
        bio = unsafe { (*bio).bi_next };
        // SAFETY: The clone is fresh, the request on its way.
        unsafe { send::<T>(disk, request, clone) };
    }
}

/// The task that runs, and is about to carry a request out.
///
/// # Invariants
///
/// It is the task that runs, as long as the value is there.
struct Submitter(NonNull<bindings::task_struct>);

impl Submitter {
    /// The task that runs.
    #[inline(always)]
    fn current() -> Self {
        // INVARIANT: It is the task that runs; the value does not leave the function that it is made in.
        // SAFETY: There is always one.
        Self(unsafe { NonNull::new_unchecked(current_task()) })
    }

    /// Whether most of its stack is used up. What is below may need as much: it, too, may carry requests out within the
    /// submission of a bio, one queue within the other.
    #[inline(always)]
    fn is_deep(&self) -> bool {
        // SAFETY: By the type invariant the task is live; the field is constant as long.
        let bottom = unsafe { (*self.0.as_ptr()).stack } as usize;
        let here = (&raw const *self) as usize;
        here.wrapping_sub(bottom) < bindings::SHUNT_THREAD_SIZE / 2
    }

    /// Puts aside what the task keeps for later.
    #[inline(always)]
    fn put_aside(&self) -> Aside<'_> {
        let task = self.0.as_ptr();
        // SAFETY: By the type invariant the task runs here, and nobody else looks at these fields.
        let (bios, plug) = unsafe { ((*task).bio_list, (*task).plug) };
        // SAFETY: The task is ours: without a list, the block layer makes one for what is submitted.
        unsafe { (*task).bio_list = null_mut() };
        // SAFETY: By the type invariant the task runs here, and nobody else changes its flags.
        if unsafe { (*task).flags } & bindings::SHUNT_PF_BLOCK_TS != 0 {
            // The scheduler takes a task with this flag to have a plug, and forgets the time that the plug keeps.
            // SAFETY: A task with this flag has a plug.
            unsafe { (*plug).cur_ktime = 0 };
            // SAFETY: By the type invariant the task runs here, and nobody else changes its flags.
            unsafe { (*task).flags &= !bindings::SHUNT_PF_BLOCK_TS };
        }
        // SAFETY: The task is ours: without a plug, the block layer passes on what is submitted.
        unsafe { (*task).plug = null_mut() };
        // INVARIANT: They are what the task had.
        Aside {
            task: self,
            bios,
            plug,
        }
    }
}

/// While it is there, what the task submits goes down to the drives before the submission returns.
///
/// A task that is within the submission of a bio keeps those that it submits meanwhile for later, so
/// that stacks of devices need no deep stack. A device above ours may have that task carry out a whole
/// request: what is needed for its many bios could then not come back before all of them have it.
///
/// A task with a plug keeps requests in it, and lets drivers such as md keep bios. It is being emptied when it brings us
/// a request: what is added meanwhile corrupts it, or is never looked at.
///
/// # Invariants
///
/// `bios` and `plug` are the task's list of kept bios and its plug, or null if it had none; it has neither meanwhile.
struct Aside<'a> {
    task: &'a Submitter,
    bios: *mut bindings::bio_list,
    plug: *mut bindings::blk_plug,
}

impl Drop for Aside<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        let task = self.task.0.as_ptr();
        // SAFETY: By the type invariant the list is the task's, and whoever made it waits for us to return.
        unsafe { (*task).bio_list = self.bios };
        // SAFETY: By the type invariant the plug is the task's, and whoever started it waits for us to return.
        unsafe { (*task).plug = self.plug };
    }
}

/// Sends a bio of a request on.
///
/// # Safety
///
/// `bio` must be fresh, and `request` on its way, of `disk`, which has a [`RequestQueue`] and operations `T`.
unsafe fn send<T: Operations>(
    disk: *mut bindings::gendisk,
    request: *mut bindings::request,
    bio: NonNull<bindings::bio>,
) {
    // SAFETY: By the contract of this function the request was begun, and so has its `Pending` behind it.
    unsafe { (*pending(request)).left.fetch_add(1, Ordering::Relaxed) };
    // SAFETY: By the contract of this function the bio is fresh, and so ours.
    unsafe { (*bio.as_ptr()).bi_end_io = Some(end_io_callback) };
    // SAFETY: By the contract of this function the bio is fresh, and so ours.
    unsafe { (*bio.as_ptr()).bi_private = request.cast() };
    // SAFETY: By the contract of this function the bio is live, and `disk` is not removed while it has a request.
    unsafe { bio_disk::note_key::<T>(disk, bio) };
    // SAFETY: By the contract of this function the request is live; the field is constant.
    let queue = unsafe { (*request).q };
    // SAFETY: The bio is fresh and ours; a queue is neither removed nor quiesced while a request of it is being carried
    // out.
    unsafe { bio_disk::submit::<T>(queue, OwnedBio::from_raw(bio)) };
}

/// A bio of a request has ended: `bi_end_io` of `struct bio`.
///
/// # Safety
///
/// Called by the block layer with a bio that [`send`] sent.
unsafe extern "C" fn end_io_callback(bio: *mut bindings::bio) {
    // SAFETY: By the contract of this function the bio is live, and `send` stored the request there.
    let request = unsafe { (*bio).bi_private }.cast::<bindings::request>();
    // SAFETY: By the contract of this function the bio is live.
    let status = unsafe { (*bio).bi_status };
    // SAFETY: The bio was made for the request and has ended.
    unsafe { bindings::bio_put(bio) };
    // SAFETY: `send` counted it.
    unsafe { put(request, status) };
}

/// Gives up a count of a request, which ends with the last one.
///
/// # Safety
///
/// The caller must have the count.
unsafe fn put(request: *mut bindings::request, status: bindings::blk_status_t) {
    // SAFETY: The request has not ended while there are counts.
    let pending = unsafe { &*pending(request) };
    if status != 0 {
        // Only the first error counts.
        let _ = pending
            .status
            .compare_exchange(0, status, Ordering::Relaxed, Ordering::Relaxed);
    }
    if pending.left.fetch_sub(1, Ordering::AcqRel) == 1 {
        let status = pending.status.load(Ordering::Relaxed);
        // SAFETY: Nobody else has a count.
        unsafe { bindings::blk_mq_end_request(request, status) };
    }
}

impl Pending {
    const fn new() -> Self {
        Self {
            left: AtomicU32::new(1),
            status: AtomicU8::new(0),
        }
    }
}

/// The room behind a request: `blk_mq_rq_to_pdu()`.
///
/// # Safety
///
/// The request must be of a [`RequestQueue`].
unsafe fn pending(request: *mut bindings::request) -> *mut Pending {
    request.wrapping_add(1).cast()
}

/// A request takes long: `timeout` of `struct blk_mq_ops`.
///
/// The drives below have time-outs of their own, and end what they give up.
///
/// # Safety
///
/// None: nothing is touched.
unsafe extern "C" fn timeout_callback(
    _request: *mut bindings::request,
) -> bindings::blk_eh_timer_return {
    bindings::blk_eh_timer_return_BLK_EH_RESET_TIMER
}
