// SPDX-License-Identifier: GPL-2.0-only

//! Work in process context, later.
//!
//! Unlike a reference-counted work item, a [`Work`] belongs to one owner, and is over when the
//! owner drops it: nothing of it runs once a module is gone.
//!
//! C header: [`include/linux/workqueue.h`](srctree/include/linux/workqueue.h)

use super::{bindings, noio::NoIo, task};
use core::ptr::NonNull;
use kernel::{alloc::AllocError, prelude::*, sync::SetOnce, types::Opaque};

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
struct IoQueue(NonNull<bindings::workqueue_struct>);

// SAFETY: A work queue belongs to no task.
unsafe impl Send for IoQueue {}
// SAFETY: The C side synchronises its users.
unsafe impl Sync for IoQueue {}

impl IoQueue {
    /// A queue without work. Sleeps.
    fn new() -> Result<Self, AllocError> {
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

/// Where work runs. The work queues of C have one task at a time run what is queued on one of them, and wait for that as it is
/// cancelled; of what runs on two they know the last.
enum Queue {
    /// On that of the kernel for whatever may wait.
    Common,
    /// On that of the module for what I/O waits for.
    Io,
    /// On one of its own, once that is there.
    Own(SetOnce<IoQueue>),
}

/// # Invariants
///
/// `work` is only queued on `queue`.
#[repr(C)]
struct Inner<T: Run> {
    work: Opaque<bindings::delayed_work>,
    data: T,
    queue: Queue,
}

impl<T: Run> Inner<T> {
    /// Runs it after `ms`, unless it is queued already, or has to have a queue that is not there. Any context.
    ///
    /// # Safety
    ///
    /// The work must be initialised.
    unsafe fn queue(&self, ms: u32) {
        let work = self.work.get();
        // INVARIANT: What `queue` is does not change, nor which queue that is, once it is there.
        match &self.queue {
            // SAFETY: By the contract of this function the work is initialised; the drop waits until it has ended.
            Queue::Common => unsafe { bindings::shunt_queue_delayed_work(work, ms) },
            // SAFETY: By the contract of this function the work is initialised; the drop waits until it has ended.
            Queue::Io => unsafe { task::queue_for_io(work, ms) },
            Queue::Own(queue) => {
                if let Some(queue) = queue.as_ref() {
                    // SAFETY: By the contract of this function the work is initialised, and by its type invariant the
                    // queue, which goes after the work has been cancelled.
                    unsafe { bindings::shunt_queue_work(queue.0.as_ptr(), work, ms) };
                }
            }
        }
    }
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
    /// Work on `data` that has not been queued, and may wait for that of others. May sleep.
    pub(crate) fn new(data: T) -> Result<Self, AllocError> {
        Self::on(Queue::Common, data)
    }

    /// Work that I/O waits for: it goes on when memory is short, unless the work of others does not. May sleep.
    pub(crate) fn for_io(data: T) -> Result<Self, AllocError> {
        Self::on(Queue::Io, data)
    }

    /// Work that I/O waits for, whatever the work of others waits for; it needs [`Self::make_queue`]. May sleep.
    pub(crate) fn alone(data: T) -> Result<Self, AllocError> {
        Self::on(Queue::Own(SetOnce::new()), data)
    }

    fn on(queue: Queue, data: T) -> Result<Self, AllocError> {
        let inner = KBox::new(
            Inner {
                work: Opaque::uninit(),
                data,
                queue,
            },
            GFP_KERNEL,
        )?;
        // SAFETY: The work lies in its box and is not in use.
        unsafe { bindings::shunt_init_delayed_work(inner.work.get(), Some(work_callback::<T>)) };
        // INVARIANT: It was initialised above.
        Ok(Self(NonNull::from(KBox::leak(inner))))
    }

    fn inner(&self) -> &Inner<T> {
        // SAFETY: By the type invariant it lives as long as `self`.
        unsafe { self.0.as_ref() }
    }

    /// Makes the queue of its own, if it has to have one that is not there. Sleeps.
    pub(crate) fn make_queue(&self) -> Result<(), AllocError> {
        if let (Queue::Own(queue), false) = (&self.inner().queue, self.has_queue()) {
            // Somebody else may have been faster.
            queue.populate(IoQueue::new()?);
        }
        Ok(())
    }

    /// Whether there is a queue for it. Any context.
    pub(crate) fn has_queue(&self) -> bool {
        match &self.inner().queue {
            Queue::Common | Queue::Io => true,
            Queue::Own(queue) => queue.as_ref().is_some(),
        }
    }

    /// Waits until it has ended, if it is queued or runs. Sleeps.
    pub(crate) fn wait(&self) {
        // SAFETY: By the type invariant the work is initialised.
        unsafe { bindings::flush_delayed_work(self.inner().work.get()) };
    }

    /// Runs it after `ms`, unless it is queued already. Does nothing without a queue. Any context.
    pub(crate) fn queue(&self, ms: u32) {
        // SAFETY: By the type invariant the work is initialised.
        unsafe { self.inner().queue(ms) };
    }
}

impl<T: Run> core::ops::Deref for Work<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.inner().data
    }
}

impl<T: Run> Drop for Work<T> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant the work is initialised. It is only queued on one queue, so it does not run any more
        // then.
        unsafe { bindings::cancel_delayed_work_sync(self.inner().work.get()) };
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
        unsafe { inner.queue(ms) };
    }
}
