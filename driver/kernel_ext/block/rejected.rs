// SPDX-License-Identifier: GPL-2.0-only

//! Operations that a drive said it has, and rejects.
//!
//! Such a drive ends the first with an error of the target and clears its own limit. A disk on it clears its limit, too: by
//! that the block layer knows that it has to do without, and zeroes with data, say. As `clone_endio()` of
//! [`drivers/md/dm.c`](srctree/drivers/md/dm.c) does.

use super::{super::bindings, bio::Op};

/// Looks why an operation has failed that went through the disk of `disk` to `drive`. Any context.
///
/// # Safety
///
/// Both must be live.
#[cold]
#[inline(never)]
pub(super) unsafe fn follow(
    disk: *mut bindings::block_device,
    drive: *mut bindings::block_device,
    op: Op,
    status: bindings::blk_status_t,
) {
    if status != bindings::SHUNT_BLK_STS_TARGET {
        return;
    }
    // SAFETY: By the contract of this function; a live device has a queue.
    let below = unsafe { &raw const (*(*drive).bd_queue).limits };
    // SAFETY: By the contract of this function; a live device has a queue.
    let queue = unsafe { (*disk).bd_queue };
    // The limits may change meanwhile; each is a word that is read whole.
    match op {
        Op::DISCARD => {
            // SAFETY: It points into a live queue.
            if unsafe { (&raw const (*below).max_discard_sectors).read_volatile() } == 0 {
                // SAFETY: The queue is live.
                unsafe { bindings::shunt_disable_discard(queue) };
            }
        }
        Op::SECURE_ERASE => {
            // SAFETY: It points into a live queue.
            if unsafe { (&raw const (*below).max_secure_erase_sectors).read_volatile() } == 0 {
                // SAFETY: The queue is live.
                unsafe { bindings::shunt_disable_secure_erase(queue) };
            }
        }
        Op::WRITE_ZEROES => {
            // SAFETY: It points into a live queue.
            if unsafe { (&raw const (*below).max_write_zeroes_sectors).read_volatile() } == 0 {
                // SAFETY: The queue is live.
                unsafe { bindings::shunt_disable_write_zeroes(queue) };
            }
        }
        _ => {}
    }
}
