// SPDX-License-Identifier: GPL-2.0-only

//! The end of a measured I/O.
//!
//! Called by the lower driver's completion, often in an interrupt, before the submitter learns that
//! its I/O has ended. The clock is read at the beginning, in [`Measured::begin`], and here.

use crate::{
    kernel_ext::{
        block::{bio::Bio, hook::Completion},
        clock::monotonic_ns,
    },
    logic::extent::SECTOR,
    stats::{DeviceStats, op_of},
    uapi::Op,
};

/// What is remembered of a bio while it is in flight.
pub(crate) struct Measured {
    start_ns: u64,
    bytes: u32,
    /// None if it is only tracked.
    op: Option<Op>,
}

impl Measured {
    /// Begins to measure `bio`, which is about to be forwarded.
    #[inline(always)]
    pub(crate) fn begin(bio: &Bio, stats: &DeviceStats) -> Self {
        let op = op_of(bio);
        // The block layer has columns of their own for flushes, and no in-flight for them.
        stats.begin(op);
        if stats.disk_stats && op != Op::Flush && bio.start_accounting() {
            stats.note_peaks();
        }
        Self {
            bytes: bio.bytes(),
            op: Some(op),
            start_ns: monotonic_ns(),
        }
    }

    /// Remembers nothing of a bio but that it is in flight.
    pub(crate) fn unmeasured(_bio: &Bio, _stats: &DeviceStats) -> Self {
        Self {
            start_ns: 0,
            bytes: 0,
            op: None,
        }
    }
}

impl Completion for Measured {
    type Owner = DeviceStats;

    #[inline(always)]
    fn complete(self, stats: &DeviceStats, bio: &Bio) {
        let Some(op) = self.op else {
            return;
        };
        let ns = monotonic_ns().saturating_sub(self.start_ns);
        stats.end(op, self.bytes, ns, bio.status());
        if !stats.disk_stats {
            return;
        }
        if op == Op::Flush {
            bio.account_flush(ns);
        } else {
            bio.end_accounting(self.bytes / SECTOR as u32, ns);
        }
    }
}
