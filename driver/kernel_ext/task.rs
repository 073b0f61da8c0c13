// SPDX-License-Identifier: GPL-2.0-only

//! Tasks that run beside their caller, on a work queue of the module.
//!
//! A task may sleep for as long as it likes: it holds up no other one. It keeps the module loaded, and
//! [`Running`] waits for the very end of each.
//!
//! C header: [`include/linux/workqueue.h`](srctree/include/linux/workqueue.h)

use super::{bindings, module_pin::ModulePin, noio::NoIo};
use core::{
    ptr::{NonNull, null_mut},
    sync::atomic::{AtomicPtr, Ordering},
};
use kernel::{alloc::AllocError, prelude::*, types::Opaque};

/// The queue; null before [`start`] and after the drop of [`Running`].
static QUEUE: AtomicPtr<bindings::workqueue_struct> = AtomicPtr::new(null_mut());

/// Tasks can be spawned until it is dropped, which waits for them. One module has one.
///
/// # Invariants
///
/// `.0` is the queue in [`QUEUE`], not destroyed yet.
pub(crate) struct Running(NonNull<bindings::workqueue_struct>);

// SAFETY: A work queue belongs to no task.
unsafe impl Send for Running {}
// SAFETY: A shared reference gives access to nothing.
unsafe impl Sync for Running {}

/// Lets tasks be spawned. Sleeps.
///
/// # Errors
///
/// `ENOMEM`; `EBUSY` if they can be already.
pub(crate) fn start() -> Result<Running> {
    // SAFETY: The helper has no preconditions but process context.
    let queue = unsafe { bindings::shunt_alloc_task_queue() };
    let queue = NonNull::new(queue).ok_or(ENOMEM)?;
    let (old, new) = (null_mut(), queue.as_ptr());
    if QUEUE
        .compare_exchange(old, new, Ordering::AcqRel, Ordering::Relaxed)
        .is_err()
    {
        // SAFETY: The queue is fresh and nobody knows it.
        unsafe { bindings::destroy_workqueue(queue.as_ptr()) };
        return Err(EBUSY);
    }
    // INVARIANT: It was stored above.
    Ok(Running(queue))
}

impl Drop for Running {
    fn drop(&mut self) {
        // What still runs may spawn until it ends: the queue drains first.
        // SAFETY: By the type invariant it is not destroyed yet.
        unsafe { bindings::destroy_workqueue(self.0.as_ptr()) };
        QUEUE.store(null_mut(), Ordering::Release);
    }
}

#[repr(C)]
struct Task<F> {
    work: Opaque<bindings::work_struct>,
    run: Option<F>,
    pin: ModulePin,
}

/// The queue of the tasks, while they can be spawned.
pub(super) fn queue() -> Option<NonNull<bindings::workqueue_struct>> {
    NonNull::new(QUEUE.load(Ordering::Acquire))
}

/// Runs `run` soon, in a thread of the kernel, without I/O for its allocations. May sleep.
///
/// # Errors
///
/// `ENOMEM`; `ENODEV` if the module goes.
#[inline(never)]
pub(crate) fn spawn<F: FnOnce() + Send + 'static>(run: F) -> Result {
    let pin = ModulePin::new()?;
    let queue = queue().ok_or(ENODEV)?;
    let task = Task {
        work: Opaque::uninit(),
        run: Some(run),
        pin,
    };
    let task = KBox::leak(KBox::new(task, GFP_KERNEL).map_err(|AllocError| ENOMEM)?);
    // SAFETY: The work lies in its box and is not in use.
    unsafe { bindings::shunt_init_work(task.work.get(), Some(task_callback::<F>)) };
    // SAFETY: The pin keeps the module, and with it its queue; the work was initialised above.
    unsafe { bindings::shunt_queue_task(queue.as_ptr(), task.work.get()) };
    Ok(())
}

/// Runs a task: `func` of `struct work_struct`.
///
/// # Safety
///
/// Called by the work queue, once, with the work of a `Task<F>` from a `KBox`.
unsafe extern "C" fn task_callback<F: FnOnce()>(work: *mut bindings::work_struct) {
    // SAFETY: The work is the first field of its task, which `spawn` leaked from a `KBox`.
    let mut task = unsafe { KBox::from_raw(work.cast::<Task<F>>()) };
    let _no_io = NoIo::new();
    if let Some(run) = task.run.take() {
        run();
    }
    // Not before: the work queue takes another task at the same address for this one, and has it wait.
    let Task { pin, .. } = KBox::into_inner(task);
    // Whoever unloads the module waits for the return of this function all the same.
    drop(pin);
}
