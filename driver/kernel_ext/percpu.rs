// SPDX-License-Identifier: GPL-2.0-only

//! Per-CPU counters.
//!
//! C header: [`include/linux/percpu.h`](srctree/include/linux/percpu.h)

use super::bindings;
use core::ptr::NonNull;
use kernel::{alloc::AllocError, prelude::*};

/// `N` counters of 64 bits on each CPU.
///
/// # Invariants
///
/// `base` is a per-CPU allocation of `N` zero-initialised `u64`, owned by this value.
pub(crate) struct PerCpuCounters<const N: usize> {
    base: NonNull<u64>,
}

// SAFETY: The allocation is reached by every CPU through `this_cpu_add`, which no interrupt and no
// migration can tear, and read word by word.
unsafe impl<const N: usize> Send for PerCpuCounters<N> {}
// SAFETY: `this_cpu_add` is one instruction on a counter of this CPU, and the counters of others are read word by word.
unsafe impl<const N: usize> Sync for PerCpuCounters<N> {}

impl<const N: usize> PerCpuCounters<N> {
    /// Allocates counters that are all zero. May sleep.
    pub(crate) fn new() -> Result<Self, AllocError> {
        // SAFETY: Size and alignment describe an array of `u64`; the C side zeroes it.
        let base = unsafe {
            bindings::shunt_alloc_percpu(N * size_of::<u64>(), bindings::SHUNT_CACHE_BYTES)
        };
        // INVARIANT: The allocation is fresh, zeroed, and as large as `N` counters.
        Ok(Self {
            base: NonNull::new(base.cast()).ok_or(AllocError)?,
        })
    }

    /// Adds `value` to counter `index` of this CPU; an index out of range is ignored.
    ///
    /// One instruction, so it is whole in any context, with interrupts and preemption on.
    #[inline(always)]
    pub(crate) fn add(&self, index: usize, value: u64) {
        if index >= N {
            return;
        }
        // SAFETY: `index` lies in the allocation by the check above.
        let counter = unsafe { self.base.as_ptr().add(index) };
        // SAFETY: By the type invariant this is a per-CPU address of a `u64`.
        unsafe { this_cpu_add(counter, value) };
    }

    /// Adds the counters from `first` on, over all CPUs, to `sums`, one by one as far as both reach.
    ///
    /// Counters that move meanwhile may or may not be seen; none is seen twice.
    pub(crate) fn add_up(&self, first: usize, sums: &mut [u64]) {
        for cpu in possible_cpus() {
            // SAFETY: By the type invariant `base` is a per-CPU allocation, and `cpu` is possible.
            let base = unsafe { bindings::shunt_per_cpu_ptr(self.base.as_ptr().cast(), cpu) };
            for (index, sum) in (first..N).zip(sums.iter_mut()) {
                // SAFETY: `index` is below `N`, so this is a `u64` of the CPU's part.
                let counter = unsafe { base.cast::<u64>().add(index) };
                // SAFETY: The part lives as long as `self`; aligned words are read whole.
                *sum = sum.wrapping_add(unsafe { counter.read_volatile() });
            }
        }
    }

    /// Adds up counter `index` over all CPUs; 0 if the index is out of range.
    pub(crate) fn sum(&self, index: usize) -> u64 {
        if index >= N {
            return 0;
        }
        let mut sum = 0u64;
        for cpu in possible_cpus() {
            // SAFETY: By the type invariant `base` is a per-CPU allocation, and `cpu` is possible.
            let base = unsafe { bindings::shunt_per_cpu_ptr(self.base.as_ptr().cast(), cpu) };
            // SAFETY: `index` is below `N`, so this is a `u64` of the CPU's part.
            let counter = unsafe { base.cast::<u64>().add(index) };
            // SAFETY: The part lives as long as `self`; aligned words are read whole.
            sum = sum.wrapping_add(unsafe { counter.read_volatile() });
        }
        sum
    }
}

impl<const N: usize> Drop for PerCpuCounters<N> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant the allocation is ours, and nobody else can reach it now.
        unsafe { bindings::free_percpu(self.base.as_ptr().cast()) };
    }
}

/// Adds to a counter of this CPU.
///
/// As `this_cpu_add()` of arch/x86/include/asm/percpu.h: the stock kernels do not inline Rust
/// helpers, and a call would cost more than the addition.
///
/// # Safety
///
/// `counter` must be the per-CPU address of a live `u64`.
#[inline(always)]
pub(super) unsafe fn this_cpu_add(counter: *mut u64, value: u64) {
    // SAFETY: The segment base turns the per-CPU address into this CPU's counter.
    unsafe {
        core::arch::asm!(
            "add qword ptr gs:[{counter}], {value}",
            counter = in(reg) counter,
            value = in(reg) value,
            options(nostack),
        );
    }
}

/// The task that runs: `current`.
///
/// As `get_current()` of arch/x86/include/asm/current.h: the stock kernels do not inline Rust helpers.
#[inline(always)]
pub(super) fn current_task() -> *mut bindings::task_struct {
    let task;
    // SAFETY: The segment base turns the variable's address into that of this CPU's. A task that moves to another CPU
    // is the current one of that.
    unsafe {
        core::arch::asm!(
            "mov {task}, qword ptr gs:[rip + {variable}]",
            task = lateout(reg) task,
            variable = sym bindings::current_task,
            options(nostack, preserves_flags, readonly, pure),
        );
    }
    task
}

/// Iterates over the CPUs that can ever come up.
pub(super) fn possible_cpus() -> impl Iterator<Item = c_uint> {
    // SAFETY: The helper only reads the mask of possible CPUs, which never changes after boot.
    let next = |cpu: c_int| unsafe { bindings::shunt_next_possible_cpu(cpu) };
    // SAFETY: Reads a variable that never changes after boot.
    let end = unsafe { bindings::shunt_nr_cpu_ids() };
    core::iter::successors(Some(next(-1)), move |&cpu| Some(next(cpu as c_int)))
        .take_while(move |&cpu| cpu < end)
}
