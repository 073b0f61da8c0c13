// SPDX-License-Identifier: GPL-2.0-only

//! Stacks of free nodes, one on each CPU, without a lock and without disabling interrupts.
//!
//! [`PerCpuStack::pop`] takes a CPU's whole stack at once and puts the rest back, so that no node
//! is looked at while another context could take it: there is no ABA problem, whatever interrupts
//! or migrates the caller. The operations are atomic between CPUs as well, so that a CPU whose
//! stack is empty can take that of another.
//!
//! C header: [`arch/x86/include/asm/percpu.h`](srctree/arch/x86/include/asm/percpu.h)

use super::{bindings, percpu::possible_cpus};
use core::{
    ptr::{NonNull, null_mut},
    sync::atomic::{AtomicPtr, Ordering},
};
use kernel::{alloc::AllocError, prelude::*};

/// What links a node to the one below it; the first field of what is kept in a stack.
#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct Node {
    next: *mut Node,
}

impl Node {
    /// A node that is in no stack.
    pub(super) const fn new() -> Self {
        Self { next: null_mut() }
    }
}

/// A stack on each CPU.
///
/// # Invariants
///
/// `heads` is a per-CPU allocation of a pointer, owned by this value: null, or the first of nodes
/// that belong to the stack.
pub(super) struct PerCpuStack {
    heads: NonNull<*mut Node>,
}

impl PerCpuStack {
    /// Stacks that are all empty. May sleep.
    pub(super) fn new() -> Result<Self, AllocError> {
        // SAFETY: Size and alignment describe a pointer; the C side zeroes it.
        let heads = unsafe {
            bindings::shunt_alloc_percpu(size_of::<*mut Node>(), bindings::SHUNT_CACHE_BYTES)
        };
        // INVARIANT: The allocation is fresh, and all heads are null.
        Ok(Self {
            heads: NonNull::new(heads.cast()).ok_or(AllocError)?,
        })
    }

    /// Puts a node on this CPU's stack. Any context.
    ///
    /// # Safety
    ///
    /// `node` must belong to the caller, who gives it up.
    #[inline(always)]
    pub(super) unsafe fn push(&self, node: NonNull<Node>) {
        // SAFETY: A single node is a chain whose last node is its first.
        unsafe { self.push_chain(node, node) };
    }

    /// Puts the nodes from `first` to `last` on this CPU's stack.
    ///
    /// # Safety
    ///
    /// The nodes must be linked in this order and belong to the caller, who gives them up.
    #[inline(always)]
    unsafe fn push_chain(&self, first: NonNull<Node>, last: NonNull<Node>) {
        // SAFETY: By the type invariant `heads` is the per-CPU address of a live pointer.
        let mut head = unsafe { load(self.heads) };
        loop {
            // SAFETY: The node is the caller's until the exchange.
            unsafe { (*last.as_ptr()).next = head };
            // SAFETY: By the type invariant `heads` is the per-CPU address of a live pointer. If the head is still the
            // same, or the same again, it is the one that belongs below the chain. On another CPU meanwhile, so is that
            // one's.
            match unsafe { compare_exchange(self.heads, head, first.as_ptr()) } {
                None => return,
                Some(other) => head = other,
            }
        }
    }

    /// Takes a node from this CPU's stack. Any context.
    #[inline(always)]
    pub(super) fn pop(&self) -> Option<NonNull<Node>> {
        // SAFETY: By the type invariant `heads` is the per-CPU address of a live pointer. All nodes are ours now.
        let first = NonNull::new(unsafe { exchange(self.heads, null_mut()) })?;
        // SAFETY: The exchange took the node from the stack, so it is ours.
        let rest = unsafe { (*first.as_ptr()).next };
        if let Some(rest) = NonNull::new(rest) {
            // SAFETY: By the type invariant `heads` is the per-CPU address of a live pointer. The rest is given up if the
            // exchange takes place.
            if unsafe { compare_exchange(self.heads, null_mut(), rest.as_ptr()) }.is_some() {
                // SAFETY: It did not, so the rest is still ours.
                unsafe { self.put_back(rest) };
            }
        }
        Some(first)
    }

    /// Puts back what [`Self::pop`] did not take, after somebody else pushed.
    ///
    /// # Safety
    ///
    /// The nodes from `first` on must belong to the caller, who gives them up.
    #[cold]
    unsafe fn put_back(&self, first: NonNull<Node>) {
        let mut last = first;
        // SAFETY: The nodes are ours.
        while let Some(next) = NonNull::new(unsafe { (*last.as_ptr()).next }) {
            last = next;
        }
        // SAFETY: The nodes are linked and ours.
        unsafe { self.push_chain(first, last) };
    }

    /// Moves the stack of some other CPU here, and takes a node of it. Any context.
    #[cold]
    pub(super) fn steal(&self) -> Option<NonNull<Node>> {
        for cpu in possible_cpus() {
            // SAFETY: By the type invariant `heads` is a per-CPU allocation, and `cpu` is possible.
            let head = unsafe { bindings::shunt_per_cpu_ptr(self.heads.as_ptr().cast(), cpu) };
            // SAFETY: The CPU's head lives as long as `self`, and is only used atomically.
            let head = unsafe { AtomicPtr::from_ptr(head.cast::<*mut Node>()) };
            if head.load(Ordering::Relaxed).is_null() {
                continue;
            }
            if let Some(first) = NonNull::new(head.swap(null_mut(), Ordering::Acquire)) {
                // SAFETY: All nodes from `first` on are ours now.
                if let Some(rest) = NonNull::new(unsafe { (*first.as_ptr()).next }) {
                    // SAFETY: The swap took all nodes from the stack, so those behind `first` are ours and linked.
                    unsafe { self.put_back(rest) };
                }
                return Some(first);
            }
        }
        None
    }
}

impl Drop for PerCpuStack {
    fn drop(&mut self) {
        // SAFETY: By the type invariant the allocation is ours; its owner has taken all nodes.
        unsafe { bindings::free_percpu(self.heads.as_ptr().cast()) };
    }
}

/// Reads this CPU's head.
///
/// # Safety
///
/// `heads` must be the per-CPU address of a live pointer.
#[inline(always)]
unsafe fn load(heads: NonNull<*mut Node>) -> *mut Node {
    let head;
    // SAFETY: The segment base turns the per-CPU address into this CPU's head.
    unsafe {
        core::arch::asm!(
            "mov {head}, qword ptr gs:[{heads}]",
            heads = in(reg) heads.as_ptr(),
            head = lateout(reg) head,
            options(nostack, preserves_flags, readonly),
        );
    }
    head
}

/// Replaces this CPU's head, and gives the old one.
///
/// # Safety
///
/// As [`load`].
#[inline(always)]
unsafe fn exchange(heads: NonNull<*mut Node>, new: *mut Node) -> *mut Node {
    let mut head = new;
    // SAFETY: The segment base turns the per-CPU address into this CPU's head.
    unsafe {
        core::arch::asm!(
            "xchg qword ptr gs:[{heads}], {head}",
            heads = in(reg) heads.as_ptr(),
            head = inout(reg) head,
            options(nostack, preserves_flags),
        );
    }
    head
}

/// Replaces this CPU's head if it is `old`; otherwise gives what it is.
///
/// # Safety
///
/// As [`load`].
#[inline(always)]
unsafe fn compare_exchange(
    heads: NonNull<*mut Node>,
    old: *mut Node,
    new: *mut Node,
) -> Option<*mut Node> {
    let seen: *mut Node;
    // SAFETY: The segment base turns the per-CPU address into this CPU's head.
    unsafe {
        core::arch::asm!(
            "lock cmpxchg qword ptr gs:[{heads}], {new}",
            heads = in(reg) heads.as_ptr(),
            new = in(reg) new,
            inout("rax") old => seen,
            options(nostack),
        );
    }
    (seen != old).then_some(seen)
}
