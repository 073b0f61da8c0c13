// SPDX-License-Identifier: MIT OR Apache-2.0
//! What can be said about statistics: means, quantiles, and what happened between two samples. The
//! programs show it.

use shunt_uapi::{HISTOGRAM_BITS, LATENCY_OCTAVES, LATENCY_SHIFT};

use crate::model::{Bucket, Histogram, Op, OpStats, Stats};

/// The least value of the bucket that ends with `le`.
///
/// The first bucket holds 0 to `(1 << LATENCY_SHIFT) - 1`; each octave above it is cut into
/// `1 << HISTOGRAM_BITS` of equal width; the last one, up to `u64::MAX`, holds the rest.
pub fn bucket_floor(le: u64) -> u64 {
    match le {
        u64::MAX => 1 << (LATENCY_SHIFT + LATENCY_OCTAVES),
        _ => match le.checked_ilog2() {
            Some(octave) if octave >= LATENCY_SHIFT => le + 1 - (1 << (octave - HISTOGRAM_BITS)),
            _ => 0,
        },
    }
}

/// The greatest value of the bucket that `nanos` is counted in.
pub fn bucket_bound(nanos: u64) -> u64 {
    match nanos.checked_ilog2() {
        Some(octave) if octave >= LATENCY_SHIFT + LATENCY_OCTAVES => u64::MAX,
        Some(octave) if octave >= LATENCY_SHIFT => nanos | ((1 << (octave - HISTOGRAM_BITS)) - 1),
        _ => (1 << LATENCY_SHIFT) - 1,
    }
}

impl Histogram {
    /// Counts a value, in ns.
    pub fn record(&mut self, nanos: u64) {
        self.sum = self.sum.saturating_add(nanos);
        let le = bucket_bound(nanos);
        match self.buckets.binary_search_by_key(&le, |bucket| bucket.le) {
            Ok(index) => self.buckets[index].count += 1,
            Err(index) => self.buckets.insert(index, Bucket { le, count: 1 }),
        }
    }

    /// How many values it holds.
    pub fn count(&self) -> u64 {
        self.buckets.iter().map(|bucket| bucket.count).sum()
    }

    /// The mean of the values, in ns; none without values.
    pub fn mean(&self) -> Option<u64> {
        self.sum.checked_div(self.count())
    }

    /// The bound of the bucket in which the given share of the values is reached, in ns; at most
    /// an eighth above the true value. `u64::MAX` if that is in the last bucket; none without
    /// values.
    pub fn quantile(&self, share: f64) -> Option<u64> {
        let rank = (self.count() as f64 * share).ceil() as u64;
        let mut seen = 0;
        self.buckets
            .iter()
            .find(|bucket| {
                seen += bucket.count;
                seen >= rank && seen > 0
            })
            .map(|bucket| bucket.le)
    }

    /// What was counted since `earlier`.
    pub fn since(&self, earlier: &Self) -> Self {
        let before = |le| {
            let found = earlier.buckets.iter().find(|bucket| bucket.le == le);
            found.map_or(0, |bucket| bucket.count)
        };
        Self {
            sum: self.sum.saturating_sub(earlier.sum),
            buckets: self
                .buckets
                .iter()
                .map(|bucket| Bucket {
                    le: bucket.le,
                    count: bucket.count.saturating_sub(before(bucket.le)),
                })
                .filter(|bucket| bucket.count > 0)
                .collect(),
        }
    }
}

impl OpStats {
    /// What was counted since `earlier`.
    pub fn since(&self, earlier: &Self) -> Self {
        Self {
            ios: self.ios.saturating_sub(earlier.ios),
            bytes: self.bytes.saturating_sub(earlier.bytes),
            errors: self.errors.saturating_sub(earlier.errors),
            latency: self.latency.since(&earlier.latency),
        }
    }
}

/// What happened on a device between two samples.
#[derive(Clone, Debug, PartialEq)]
pub struct Interval {
    /// Its length.
    pub seconds: f64,
    /// What was counted in it, in the order of [`Op::ALL`].
    pub ops: [OpStats; Op::ALL.len()],
}

impl Interval {
    /// The interval from one sample to a later one; none if they are of different devices or no
    /// time lies between them.
    pub fn between(earlier: &Stats, later: &Stats) -> Option<Self> {
        let nanos = later.time.checked_sub(earlier.time).filter(|n| *n > 0)?;
        if (earlier.id, earlier.generation) != (later.id, later.generation) {
            return None;
        }
        let ops = std::array::from_fn(|op| later.ops[op].since(&earlier.ops[op]));
        Some(Self {
            seconds: nanos as f64 / 1e9,
            ops,
        })
    }

    /// The mean rate of something counted in the interval, in units per second.
    pub fn per_second(&self, count: u64) -> f64 {
        count as f64 / self.seconds
    }
}

#[cfg(test)]
mod tests;
