// SPDX-License-Identifier: GPL-2.0-only

//! What a device has done so far: counters on each CPU, and their sum at one moment.
//!
//! They only grow, and live as long as the device.

use crate::{
    kernel_ext::{
        block::bio::{Bio, Op},
        percpu::PerCpuCounters,
    },
    logic::histogram::{self, BUCKETS},
    uapi,
};
use kernel::{alloc::AllocError, prelude::*};

/// Operations that are told apart.
pub(crate) const OPS: usize = uapi::Op::ALL.len();

// One operation's counters lie together, those that every I/O touches in front.
const IOS: usize = 0;
const BYTES: usize = 1;
const LATENCY_SUM: usize = 2;
const ERRORS: usize = 3;
const LATENCY: usize = 4;
const PER_OP: usize = LATENCY + BUCKETS;
const COUNTERS: usize = OPS * PER_OP;

/// Counters of one device.
pub(crate) struct DeviceStats(PerCpuCounters<COUNTERS>);

impl DeviceStats {
    /// Counters that are all zero. May sleep.
    pub(crate) fn new() -> Result<Self, AllocError> {
        Ok(Self(PerCpuCounters::new()?))
    }

    /// Counts an operation that covers `bytes`. Any context.
    #[inline(always)]
    pub(crate) fn count(&self, op: uapi::Op, bytes: u32) {
        let base = op as usize * PER_OP;
        self.0.add(base + IOS, 1);
        self.0.add(base + BYTES, bytes.into());
    }

    /// Counts how an operation ended: after `ns`, and whether without an error. Any context.
    #[inline(always)]
    pub(crate) fn record(&self, op: uapi::Op, ns: u64, ok: bool) {
        let base = op as usize * PER_OP;
        self.0.add(base + LATENCY_SUM, ns);
        self.0.add(base + LATENCY + histogram::bucket(ns), 1);
        if !ok {
            self.0.add(base + ERRORS, 1);
        }
    }

    /// Adds all up. May sleep.
    pub(crate) fn snapshot(&self) -> Result<Snapshot, AllocError> {
        let mut sums = KVec::from_elem(0, COUNTERS, GFP_KERNEL)?;
        self.0.sum_into(&mut sums);
        Ok(Snapshot(sums))
    }
}

/// Which operation a bio counts as.
#[inline(always)]
pub(crate) fn op_of(bio: &Bio) -> uapi::Op {
    match bio.op() {
        Op::READ => uapi::Op::Read,
        Op::DISCARD | Op::SECURE_ERASE => uapi::Op::Discard,
        Op::WRITE_ZEROES => uapi::Op::WriteZeroes,
        _ if bio.bytes() == 0 => uapi::Op::Flush,
        _ => uapi::Op::Write,
    }
}

/// The sums of a device's counters at one moment.
pub(crate) struct Snapshot(KVec<u64>);

/// The sums of one operation.
pub(crate) struct OpSnapshot<'a>(&'a [u64]);

impl Snapshot {
    /// Those of one operation.
    pub(crate) fn op(&self, op: uapi::Op) -> OpSnapshot<'_> {
        let base = op as usize * PER_OP;
        OpSnapshot(self.0.get(base..base + PER_OP).unwrap_or(&[]))
    }
}

impl OpSnapshot<'_> {
    fn at(&self, index: usize) -> u64 {
        self.0.get(index).copied().unwrap_or(0)
    }

    /// Operations.
    pub(crate) fn ios(&self) -> u64 {
        self.at(IOS)
    }

    /// Bytes that they covered.
    pub(crate) fn bytes(&self) -> u64 {
        self.at(BYTES)
    }

    /// Operations that ended with an error.
    pub(crate) fn errors(&self) -> u64 {
        self.at(ERRORS)
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
}
