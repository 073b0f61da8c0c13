// SPDX-License-Identifier: MIT OR Apache-2.0
//! The bounds of the latency histogram that Prometheus sees, and the kernel's many buckets added
//! up to them. The bounds never change: a histogram is of use only if it can be compared with that
//! of last year.

use crate::model::Histogram;

/// The least bound is 2 to this power, less one, in ns: 1.023 us.
const FIRST: u32 = 10;
/// The greatest: 8.59 s.
const LAST: u32 = 33;
/// Between these there is a bound halfway, too: from 8.19 us to 268 ms, where flash drives are.
const FINE: std::ops::Range<u32> = 13..28;

const COUNT: usize = (LAST - FIRST + 1 + FINE.end - FINE.start) as usize;

/// The greatest latency of each bucket but the last, in ns, in growing order. Each is the bound of
/// a bucket of the kernel, so that adding up loses nothing: of each operation it is known exactly
/// on which side of a bound it was.
pub const BOUNDS: [u64; COUNT] = bounds();

const fn bounds() -> [u64; COUNT] {
    let mut bounds = [0; COUNT];
    let (mut index, mut octave) = (0, FIRST);
    while octave <= LAST {
        bounds[index] = (1 << octave) - 1;
        index += 1;
        if FINE.start <= octave && octave < FINE.end {
            bounds[index] = (3 << (octave - 1)) - 1;
            index += 1;
        }
        octave += 1;
    }
    bounds
}

/// A histogram of latencies with these bounds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Latency {
    /// How many there are in each bucket alone; the last one has no bound.
    counts: [u64; COUNT + 1],
    sum: u64,
}

impl Latency {
    /// Adds up the kernel's buckets; none if they are empty.
    pub fn of(histogram: &Histogram) -> Option<Self> {
        if histogram.buckets.is_empty() {
            return None;
        }
        let mut counts = [0; COUNT + 1];
        for bucket in &histogram.buckets {
            counts[BOUNDS.partition_point(|bound| *bound < bucket.le)] += bucket.count;
        }
        Some(Self {
            counts,
            sum: histogram.sum,
        })
    }

    /// Each bound in ns, none for the last bucket, and how many latencies are not above it.
    pub fn cumulative(&self) -> impl Iterator<Item = (Option<u64>, u64)> {
        let bounds = BOUNDS.into_iter().map(Some).chain([None]);
        bounds.zip(self.counts).scan(0, |seen, (bound, count)| {
            *seen += count;
            Some((bound, *seen))
        })
    }

    /// The sum of the latencies, in ns.
    pub fn sum(&self) -> u64 {
        self.sum
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }
}
