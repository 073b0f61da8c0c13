// SPDX-License-Identifier: GPL-2.0-only

//! Work in process context, later.
//!
//! Unlike a reference-counted work item, a [`Work`] belongs to one owner, and is over when the
//! owner drops it: nothing of it runs once a module is gone.
//!
//! C header: [`include/linux/workqueue.h`](srctree/include/linux/workqueue.h)

use super::{bindings, noio::NoIo, task};
use core::ptr::NonNull;
use kernel::{alloc::AllocError, prelude::*, types::Opaque};

/// What runs.
pub(crate) trait Run: Send + Sync + 'static {
    /// Called in process context, by one task at a time. It may sleep.
    /// It runs again after the ms that it gives, if it gives any.
    fn run(&self) -> Option<u32>;
}

/// A work queue for work that I/O waits for. It has a thread of its own, and so goes on when
/// memory is too short for new ones, whatever the works of others wait for.
///
/// # Invariants
///
/// The pointer came from `alloc_workqueue`, and the queue is not destroyed yet.
pub(crate) struct IoQueue(NonNull<bindings::workqueue_struct>);

// SAFETY: A work queue belongs to no task.
unsafe impl Send for IoQueue {}
// SAFETY: The C side synchronises its users.
unsafe impl Sync for IoQueue {}

impl IoQueue {
    /// A queue without work. Sleeps.
    pub(crate) fn new() -> Result<Self, AllocError> {
        // SAFETY: There is nothing to uphold but to be in process context.
        let queue = unsafe { bindings::shunt_alloc_io_queue() };
        // INVARIANT: It is not null, so it was made.
        NonNull::new(queue).map(Self).ok_or(AllocError)
    }
}

impl Drop for IoQueue {
    /// Sleeps until its work has ended.
    fn drop(&mut self) {
        // SAFETY: By the type invariant it is not destroyed yet.
        unsafe { bindings::destroy_workqueue(self.0.as_ptr()) };
    }
}

#[repr(C)]
struct Inner<T: Run> {
    work: Opaque<bindings::delayed_work>,
    data: T,
}

/// Data, and work on it.
///
/// # Invariants
///
/// The pointer came from a `KBox`, whose work was initialised and runs `T`.
pub(crate) struct Work<T: Run>(NonNull<Inner<T>>);

// SAFETY: The data is `Send` and `Sync`, and the C side synchronises the rest.
unsafe impl<T: Run> Send for Work<T> {}
// SAFETY: A shared reference gives access to the data, which is `Sync`, and to the work, which the C side synchronises.
unsafe impl<T: Run> Sync for Work<T> {}

impl<T: Run> Work<T> {
    /// Work on `data` that has not been queued. May sleep.
    pub(crate) fn new(data: T) -> Result<Self, AllocError> {
        let inner = KBox::new(
            Inner {
                work: Opaque::uninit(),
                data,
            },
            GFP_KERNEL,
        )?;
        // SAFETY: The work lies in its box and is not in use.
        unsafe { bindings::shunt_init_delayed_work(inner.work.get(), Some(work_callback::<T>)) };
        // INVARIANT: It was initialised above.
        Ok(Self(NonNull::from(KBox::leak(inner))))
    }

    /// Runs it soon on `queue`. Any context.
    pub(crate) fn queue_on(&self, queue: &IoQueue) {
        // SAFETY: By the type invariant the work is initialised.
        let work = unsafe { self.0.as_ref() }.work.get();
        // SAFETY: By the type invariants both are initialised. Whichever goes first waits: the queue until its work has
        // ended, the work until it is on no queue.
        unsafe { bindings::shunt_queue_work(queue.0.as_ptr(), work) };
    }

    /// Runs it soon, on the module's queue for what I/O waits for. Any context.
    pub(crate) fn queue_for_io(&self) {
        // SAFETY: By the type invariant the work is initialised; the drop waits until it has ended.
        unsafe { task::queue_for_io(self.0.as_ref().work.get()) };
    }

    /// Waits until it has ended, if it is queued or runs. Sleeps.
    pub(crate) fn wait(&self) {
        // SAFETY: By the type invariant the work is initialised.
        unsafe { bindings::flush_delayed_work(self.0.as_ref().work.get()) };
    }

    /// Runs it after `ms`, unless it is queued already. Any context.
    pub(crate) fn queue(&self, ms: u32) {
        // SAFETY: By the type invariant the work is initialised.
        unsafe { bindings::shunt_queue_delayed_work(self.0.as_ref().work.get(), ms) };
    }
}

impl<T: Run> core::ops::Deref for Work<T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: By the type invariant it lives as long as `self`.
        unsafe { &self.0.as_ref().data }
    }
}

impl<T: Run> Drop for Work<T> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant the work is initialised. It does not run any more then.
        unsafe { bindings::cancel_delayed_work_sync(self.0.as_ref().work.get()) };
        // SAFETY: It came from a `KBox`.
        drop(unsafe { KBox::from_raw(self.0.as_ptr()) });
    }
}

/// Runs work: `func` of `struct work_struct`.
///
/// # Safety
///
/// Called by a work queue, with the work of an [`Inner<T>`].
unsafe extern "C" fn work_callback<T: Run>(work: *mut bindings::work_struct) {
    // The work is the first field of a delayed work, and that the first of `Inner`.
    // SAFETY: The work is not dropped while it runs.
    let inner = unsafe { &*work.cast::<Inner<T>>() };
    let _no_io = NoIo::new();
    if let Some(ms) = inner.data.run() {
        // SAFETY: The work was initialised by `Work::new`, and is there while it runs; `cancel_delayed_work_sync()` in
        // its drop disables it until it has ended, so that it is not queued then.
        unsafe { bindings::shunt_queue_delayed_work(inner.work.get(), ms) };
    }
}
