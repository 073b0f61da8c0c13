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
use kernel::{alloc::AllocError, prelude::*, sync::rcu, types::Opaque};

/// The queue of the tasks; null before [`start`], and once [`Running`] is dropped. Who reads it under RCU may use it as long.
static QUEUE: AtomicPtr<bindings::workqueue_struct> = AtomicPtr::new(null_mut());

/// A queue for what I/O waits for: however many tasks wait for drives, it goes on. As `QUEUE` otherwise.
static IO_QUEUE: AtomicPtr<bindings::workqueue_struct> = AtomicPtr::new(null_mut());

/// Tasks can be spawned until it is dropped, which waits for them. One module has one.
///
/// # Invariants
///
/// The queues are those in [`QUEUE`] and [`IO_QUEUE`], which nobody else changes until it is dropped.
pub(crate) struct Running {
    _tasks: Queue,
    _io: Queue,
}

impl Drop for Running {
    /// Sleeps until the tasks have ended.
    fn drop(&mut self) {
        // Last that by which `start` knows of us.
        IO_QUEUE.store(null_mut(), Ordering::Release);
        QUEUE.store(null_mut(), Ordering::Release);
        // Who has found a queue there has put its work in. The queues go after this, and drain first.
        rcu::synchronize_rcu();
    }
}

/// A work queue.
///
/// # Invariants
///
/// `.0` is a work queue that this value owns.
struct Queue(NonNull<bindings::workqueue_struct>);

impl Queue {
    /// If it is to `reclaim`, it goes on while memory is short, and must not wait for queues that do not. Sleeps.
    fn new(reclaim: bool) -> Result<Self> {
        // SAFETY: The helper has no preconditions but process context.
        let queue = unsafe { bindings::shunt_alloc_task_queue(reclaim) };
        // INVARIANT: It is fresh.
        NonNull::new(queue).map(Self).ok_or(ENOMEM)
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        // SAFETY: By the type invariant it is ours. It drains first; nobody finds it any more to put work in.
        unsafe { bindings::destroy_workqueue(self.0.as_ptr()) };
    }
}

// SAFETY: A work queue belongs to no task.
unsafe impl Send for Queue {}
// SAFETY: A shared reference gives access to nothing.
unsafe impl Sync for Queue {}

/// Lets tasks be spawned. Sleeps.
///
/// # Errors
///
/// `ENOMEM`; `EBUSY` if they can be already.
pub(crate) fn start() -> Result<Running> {
    let (tasks, io) = (Queue::new(false)?, Queue::new(true)?);
    let (old, new) = (null_mut(), tasks.0.as_ptr());
    QUEUE
        .compare_exchange(old, new, Ordering::AcqRel, Ordering::Relaxed)
        .map_err(|_| EBUSY)?;
    IO_QUEUE.store(io.0.as_ptr(), Ordering::Release);
    // INVARIANT: They were stored above.
    Ok(Running {
        _tasks: tasks,
        _io: io,
    })
}

#[repr(C)]
struct Task<F> {
    work: Opaque<bindings::work_struct>,
    run: Option<(F, ModulePin)>,
}

/// Queues `work` after `ms` for what I/O waits for, if tasks can be spawned. Any context.
///
/// # Safety
///
/// `work` must be initialised, and live until it has ended.
pub(super) unsafe fn queue_for_io(work: *mut bindings::delayed_work, ms: u32) {
    let _reading = rcu::read_lock();
    if let Some(queue) = NonNull::new(IO_QUEUE.load(Ordering::Acquire)) {
        // SAFETY: It was found under RCU, so it is not destroyed before the end of the critical section; the work is
        // initialised by the contract of this function.
        unsafe { bindings::shunt_queue_work(queue.as_ptr(), work, ms) };
    }
}

/// Runs `run` soon, in a thread of the kernel, without I/O for its allocations. May sleep.
///
/// It is given what keeps the module. Once that is dropped, the module may be on its way out: its exit waits for the task, and
/// nothing else is there any more. Whoever waits for a result is to find the module unused, so it goes before the result.
///
/// # Errors
///
/// `ENOMEM`; `ENODEV` if the module goes, or tasks cannot be spawned yet or any more.
#[inline(never)]
pub(crate) fn spawn<F: FnOnce(ModulePin) + Send + 'static>(run: F) -> Result {
    let pin = ModulePin::new()?;
    let task = Task {
        work: Opaque::uninit(),
        run: Some((run, pin)),
    };
    let task = KBox::new(task, GFP_KERNEL).map_err(|AllocError| ENOMEM)?;
    // Unlocked before the task is dropped, if it comes to that.
    let _reading = rcu::read_lock();
    let queue = NonNull::new(QUEUE.load(Ordering::Acquire)).ok_or(ENODEV)?;
    let task = KBox::leak(task);
    // SAFETY: The work lies in its box and is not in use.
    unsafe { bindings::shunt_init_work(task.work.get(), Some(task_callback::<F>)) };
    // SAFETY: The queue was found under RCU, so it is not destroyed before the end of the critical section; the work was
    // initialised above.
    unsafe { bindings::shunt_queue_task(queue.as_ptr(), task.work.get()) };
    Ok(())
}

/// Runs a task: `func` of `struct work_struct`.
///
/// # Safety
///
/// Called by the work queue, once, with the work of a `Task<F>` from a `KBox`.
unsafe extern "C" fn task_callback<F: FnOnce(ModulePin)>(work: *mut bindings::work_struct) {
    // SAFETY: The work is the first field of its task, which `spawn` leaked from a `KBox`.
    let mut task = unsafe { KBox::from_raw(work.cast::<Task<F>>()) };
    let _no_io = NoIo::new();
    if let Some((run, pin)) = task.run.take() {
        run(pin);
    }
    // Not before: the work queue takes another task at the same address for this one, and has it wait.
    drop(task);
}
