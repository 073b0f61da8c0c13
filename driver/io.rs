// SPDX-License-Identifier: GPL-2.0-only

//! The way of one I/O: [`bio_path`] takes it from the block layer and forwards it; if the device
//! measures it, [`complete`] sees it again when it ends. [`many`] is the detour of tables with more
//! than one target.

pub(crate) mod bio_path;
pub(crate) mod complete;
mod many;

/// Most devices that may stand on each other.
///
/// An I/O goes down through all of them, and so do commands of the drive and reports of zones, each within the other. A
/// request queue in a deep stack starts on a new stack (`kernel_ext/block/request_queue.rs`), but the ends of an I/O go
/// up within each other, where the drive ends it, which may be on the stack of an interrupt.
pub(crate) const DEEPEST: usize = 16;
