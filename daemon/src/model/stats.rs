// SPDX-License-Identifier: MIT OR Apache-2.0
//! What was measured: figures of devices and of their operations, as the kernel counts them.

use std::{collections::BTreeMap, time::Duration};

use super::Op;

/// Statistics of one device; all but what is in flight only grow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stats {
    /// Number of the device.
    pub id: u32,
    /// Name of the device.
    pub name: String,
    /// That of the device; figures of two generations are not to be compared.
    pub generation: u64,
    /// When the figures were read, in ns of `CLOCK_MONOTONIC`.
    pub time: u64,
    /// Operations that have begun and not ended; 0 unless the mode is full.
    pub in_flight: u64,
    /// Figures of each operation, in the order of [`Op::ALL`].
    pub ops: [OpStats; Op::ALL.len()],
}

impl Stats {
    /// The operations, each with its figures.
    pub fn each_op(&self) -> impl Iterator<Item = (Op, &OpStats)> {
        Op::ALL.into_iter().zip(&self.ops)
    }
}

/// Statistics of one operation of one device. Mode counters has operations and bytes only.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OpStats {
    /// Operations; in mode full those that have ended.
    pub ios: u64,
    /// Bytes that they covered.
    pub bytes: u64,
    /// Operations that ended with an error.
    pub errors: u64,
    /// How long they took.
    pub latency: Histogram,
    /// Operations that have begun and not ended.
    pub in_flight: u64,
    /// Most operations that were seen in flight: looked at once a timer tick in which I/O begins,
    /// and at each reading.
    pub peak: u64,
    /// How many bytes they covered; bounds are powers of two. Buckets that are not empty, in
    /// growing order.
    pub sizes: Vec<Bucket>,
    /// How often each error came, by its positive number.
    pub errors_by: BTreeMap<u32, u64>,
}

/// Distribution of latencies, in ns.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Histogram {
    /// Sum of the latencies.
    pub sum: u64,
    /// Buckets that are not empty, in growing order of their bounds.
    pub buckets: Vec<Bucket>,
}

/// One bucket of a histogram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// Greatest value in the bucket; `u64::MAX` for the last one, which has no bound.
    pub le: u64,
    /// Values in this bucket alone.
    pub count: u64,
}

/// Message of the kernel with the figures of several devices. A round may take several of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Number in its multicast group; they follow one another without gaps.
    pub sequence: u64,
    /// When the message was begun, in ns of `CLOCK_MONOTONIC`.
    pub time: u64,
    /// Messages of the group that the kernel could not send so far.
    pub dropped: u64,
    /// Time from one round to the next.
    pub interval: Duration,
    /// The figures. A device that has not changed since the round before may be left out.
    pub devices: Vec<Stats>,
}
