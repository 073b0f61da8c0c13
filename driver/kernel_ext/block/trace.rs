// SPDX-License-Identifier: GPL-2.0-only

//! What blktrace and the tracepoints of the block layer are told of a bio that is sent on in place.
//!
//! C header: [`include/trace/events/block.h`](srctree/include/trace/events/block.h)

use super::super::bindings;

#[expect(
    improper_ctypes,
    reason = "the C compiler knows empty structures, and the kernel crate has them"
)]
unsafe extern "C" {
    static __tracepoint_block_bio_remap: kernel::bindings::tracepoint;
    static __tracepoint_block_bio_complete: kernel::bindings::tracepoint;
}

/// Whether a tracepoint is on; one instruction while it is not.
macro_rules! is_on {
    ($tracepoint:ident) => {
        // SAFETY: The key is the kernel's own, and never goes.
        unsafe {
            kernel::jump_label::static_branch_unlikely!(
                $tracepoint,
                kernel::bindings::tracepoint,
                key
            )
        }
    };
}

/// Whether somebody wants to know where bios are sent on to, or that they have ended.
#[inline(always)]
pub(super) fn is_on() -> bool {
    is_on!(__tracepoint_block_bio_remap) || is_on!(__tracepoint_block_bio_complete)
}

/// Tells that `bio`, which was at `sector` of `from`, points elsewhere now.
///
/// # Safety
///
/// `bio` must be live and the caller's, `from` live.
#[cold]
#[inline(never)]
pub(super) unsafe fn remapped(
    bio: *mut bindings::bio,
    from: *mut bindings::block_device,
    sector: u64,
) {
    // SAFETY: By the contract of this function.
    unsafe { bindings::shunt_trace_bio_remap(bio, from, sector) };
}

/// Tells that `bio`, which points at its device again and began there at `sector` with `bytes`, has ended.
///
/// # Safety
///
/// `bio` must be live and the caller's.
#[cold]
#[inline(never)]
pub(super) unsafe fn ended(bio: *mut bindings::bio, sector: u64, bytes: u32) {
    // SAFETY: By the contract of this function.
    let iter = unsafe { &raw mut (*bio).bi_iter };
    // SAFETY: It is a field of the bio.
    let (sector_now, bytes_now) = unsafe { ((*iter).bi_sector, (*iter).bi_size) };
    // What was carried out is no longer in a bio that has ended.
    // SAFETY: It is a field of the bio.
    unsafe { (*iter).bi_sector = sector };
    // SAFETY: It is a field of the bio.
    unsafe { (*iter).bi_size = bytes };
    // SAFETY: By the contract of this function.
    unsafe { bindings::shunt_trace_bio_complete(bio) };
    // SAFETY: It is a field of the bio.
    unsafe { (*iter).bi_sector = sector_now };
    // SAFETY: It is a field of the bio.
    unsafe { (*iter).bi_size = bytes_now };
}
