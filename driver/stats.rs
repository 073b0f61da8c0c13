// SPDX-License-Identifier: GPL-2.0-only

//! What a device has done so far: counters on each CPU, and their sum at one moment.
//!
//! They only grow, and live as long as the device. What a measured operation adds to lies together,
//! operation by operation, those that every operation touches in front.

use crate::{
    kernel_ext::{
        block::bio::{Bio, Op, Status},
        percpu::PerCpuCounters,
    },
    logic::histogram::{self, BUCKETS, SIZE_BUCKETS},
    uapi,
};
use core::sync::atomic::{AtomicU64, Ordering};
use kernel::{alloc::AllocError, prelude::*};

/// Operations that are told apart.
const OPS: usize = uapi::Op::ALL.len();

// Counters of one operation.
/// Begun, in mode `full`.
const BEGUN: usize = 0;
/// Ended, of those begun.
const ENDED: usize = 1;
const BYTES: usize = 2;
const LATENCY_SUM: usize = 3;
/// Counted in mode `counters`, which does not see the end.
const COUNTED: usize = 4;
const LATENCY: usize = 8;
const SIZE: usize = LATENCY + BUCKETS;
const ERRORS: usize = SIZE + SIZE_BUCKETS;
const PER_OP: usize = ERRORS + Status::COUNT;
const COUNTERS: usize = OPS * PER_OP;

/// Counters of one device.
pub(crate) struct DeviceStats {
    counters: PerCpuCounters<COUNTERS>,
    /// Most operations that were seen in flight; written once a tick at most.
    peaks: [AtomicU64; OPS],
    /// Whether /proc/diskstats is to be kept, because the block layer does not.
    pub(crate) disk_stats: bool,
}

impl DeviceStats {
    /// Counters that are all zero. May sleep.
    pub(crate) fn new(disk_stats: bool) -> Result<Self, AllocError> {
        Ok(Self {
            disk_stats,
            counters: PerCpuCounters::new()?,
            peaks: [const { AtomicU64::new(0) }; OPS],
        })
    }

    /// Counts an operation whose end is not seen. Any context.
    #[inline(always)]
    pub(crate) fn count(&self, op: uapi::Op, bytes: u32) {
        let base = op as usize * PER_OP;
        self.counters.add(base + COUNTED, 1);
        self.counters.add(base + BYTES, bytes.into());
    }

    /// Counts the beginning of an operation. Any context.
    #[inline(always)]
    pub(crate) fn begin(&self, op: uapi::Op) {
        self.counters.add(op as usize * PER_OP + BEGUN, 1);
    }

    /// Counts the end of an operation that covered `bytes`, after `ns`. Any context.
    #[inline(always)]
    pub(crate) fn end(&self, op: uapi::Op, bytes: u32, ns: u64, status: Status) {
        let base = op as usize * PER_OP;
        self.counters.add(base + ENDED, 1);
        self.counters.add(base + BYTES, bytes.into());
        self.counters.add(base + LATENCY_SUM, ns);
        self.counters.add(base + LATENCY + histogram::bucket(ns), 1);
        self.counters
            .add(base + SIZE + histogram::size_bucket(bytes), 1);
        if !status.is_ok() {
            self.counters.add(base + ERRORS + status.index(), 1);
        }
    }

    /// Looks at how much is in flight. Any context; to be called now and then.
    #[cold]
    pub(crate) fn note_peaks(&self) {
        for (op, peak) in self.peaks.iter().enumerate() {
            peak.fetch_max(self.in_flight_of(op), Ordering::Relaxed);
        }
    }

    /// Operations of any kind that have begun and not ended. Any context.
    pub(crate) fn in_flight(&self) -> u64 {
        let ops = (0..OPS).map(|op| self.in_flight_of(op));
        ops.sum()
    }

    fn in_flight_of(&self, op: usize) -> u64 {
        // The ended first: what begins between the two looks is in flight.
        let ended = self.counters.sum(op * PER_OP + ENDED);
        let begun = self.counters.sum(op * PER_OP + BEGUN);
        begun.saturating_sub(ended)
    }

    /// Adds up what is counted of one operation; none if it never happened. May sleep.
    pub(crate) fn snapshot(&self, op: uapi::Op) -> Result<Option<OpSnapshot>, AllocError> {
        let base = op as usize * PER_OP;
        let happened = |counter| self.counters.sum(base + counter) != 0;
        // Each operation has hundreds of counters, and most devices never see most operations.
        if !happened(BEGUN) && !happened(COUNTED) {
            return Ok(None);
        }
        let mut sums = KVec::with_capacity(PER_OP, GFP_KERNEL)?;
        for _ in 0..PER_OP {
            sums.push(0, GFP_KERNEL)?;
        }
        self.counters.add_up(base, &mut sums);
        let peak = self.peaks.get(op as usize);
        let peak = peak.map_or(0, |peak| peak.load(Ordering::Relaxed));
        Ok(Some(OpSnapshot { sums, peak }))
    }
}

/// Which operation a bio counts as.
#[inline(always)]
pub(crate) fn op_of(bio: &Bio) -> uapi::Op {
    match bio.op() {
        Op::READ => uapi::Op::Read,
        Op::DISCARD | Op::SECURE_ERASE => uapi::Op::Discard,
        Op::WRITE_ZEROES => uapi::Op::WriteZeroes,
        Op::WRITE if bio.bytes() == 0 => uapi::Op::Flush,
        _ if bio.bytes() == 0 => uapi::Op::Zone,
        _ => uapi::Op::Write,
    }
}

/// The sums of the counters of one operation, at one moment.
pub(crate) struct OpSnapshot {
    sums: KVec<u64>,
    /// Most that were seen in flight.
    pub(crate) peak: u64,
}

impl OpSnapshot {
    fn at(&self, index: usize) -> u64 {
        self.sums.get(index).copied().unwrap_or(0)
    }

    /// Operations; measured ones count once they have ended.
    pub(crate) fn ios(&self) -> u64 {
        self.at(COUNTED) + self.at(ENDED)
    }

    /// Bytes that they covered.
    pub(crate) fn bytes(&self) -> u64 {
        self.at(BYTES)
    }

    /// Operations that have begun and not ended.
    pub(crate) fn in_flight(&self) -> u64 {
        self.at(BEGUN).saturating_sub(self.at(ENDED))
    }

    /// Sum of the latencies in ns.
    pub(crate) fn latency_sum(&self) -> u64 {
        self.at(LATENCY_SUM)
    }

    /// The buckets that are not empty: greatest latency in ns, and count.
    pub(crate) fn latency(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        (0..BUCKETS)
            .map(|index| (histogram::upper_bound(index), self.at(LATENCY + index)))
            .filter(|(_, count)| *count != 0)
    }

    /// The buckets that are not empty: most bytes of an operation, and count.
    pub(crate) fn size(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        (0..SIZE_BUCKETS)
            .map(|index| (histogram::size_upper_bound(index), self.at(SIZE + index)))
            .filter(|(_, count)| *count != 0)
    }

    /// The errors that came: number, and count.
    pub(crate) fn errors(&self) -> impl Iterator<Item = (u32, u64)> + '_ {
        (0..Status::COUNT)
            .map(|index| (index, self.at(ERRORS + index)))
            .filter(|(_, count)| *count != 0)
            .map(|(index, count)| (Status::errno_at(index), count))
    }
}
