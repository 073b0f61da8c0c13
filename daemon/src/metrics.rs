// SPDX-License-Identifier: MIT OR Apache-2.0
//! What can be said about statistics: means, quantiles, and what happened between two samples. The
//! programs show it.

use std::fmt;

use shunt_uapi::{HISTOGRAM_BITS, LATENCY_OCTAVES, LATENCY_SHIFT};

use crate::model::{Bucket, Histogram, Op, OpStats, Stats};

/// How far above the true value a quantile may be, as a share of it: the width of a bucket over its
/// least value. Below 64 ns the error is at most 63 ns instead.
pub const BUCKET_ERROR: f64 = 1.0 / (1 << HISTOGRAM_BITS) as f64;

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

    /// The quantiles that are usually looked at; none without values.
    pub fn quantiles(&self) -> Option<Quantiles> {
        Some(Quantiles {
            p50: self.quantile(0.5)?,
            p90: self.quantile(0.9)?,
            p99: self.quantile(0.99)?,
            p999: self.quantile(0.999)?,
            max: self.quantile(1.0)?,
        })
    }

    /// What was counted since `earlier`; buckets that shrank count as empty.
    pub fn since(&self, earlier: &Self) -> Self {
        Self {
            // It begins anew after 2^64 ns: 213 days of a thousand operations in flight.
            sum: self.sum.wrapping_sub(earlier.sum),
            buckets: grown(&self.buckets, &earlier.buckets),
        }
    }

    /// Adds what another one holds, as if all values had been counted in one.
    pub fn merge(&mut self, other: &Self) {
        self.sum = self.sum.saturating_add(other.sum);
        merge(&mut self.buckets, &other.buckets);
    }
}

/// Quantiles of a histogram, in ns: each the upper bound of the bucket in which it lies, so it is at
/// most [`BUCKET_ERROR`] above the true value and never below it. `u64::MAX` is the bucket without
/// a bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quantiles {
    /// Half of the values are not above it.
    pub p50: u64,
    /// 90 % of the values are not above it.
    pub p90: u64,
    /// 99 % of the values are not above it.
    pub p99: u64,
    /// 99.9 % of the values are not above it.
    pub p999: u64,
    /// No value is above it.
    pub max: u64,
}

fn grown(later: &[Bucket], earlier: &[Bucket]) -> Vec<Bucket> {
    let before = |le| {
        let found = earlier.binary_search_by_key(&le, |bucket| bucket.le);
        found.map_or(0, |index| earlier[index].count)
    };
    let grown = later.iter().map(|bucket| Bucket {
        le: bucket.le,
        count: bucket.count.saturating_sub(before(bucket.le)),
    });
    grown.filter(|bucket| bucket.count > 0).collect()
}

fn merge(buckets: &mut Vec<Bucket>, others: &[Bucket]) {
    for other in others {
        match buckets.binary_search_by_key(&other.le, |bucket| bucket.le) {
            Ok(index) => buckets[index].count += other.count,
            Err(index) => buckets.insert(index, *other),
        }
    }
}

impl OpStats {
    /// What was counted since `earlier`. What is in flight, and its peak, stay as they are.
    pub fn since(&self, earlier: &Self) -> Self {
        let errors_by = self.errors_by.iter().filter_map(|(errno, count)| {
            let before = earlier.errors_by.get(errno).copied().unwrap_or(0);
            let new = count.saturating_sub(before);
            (new > 0).then_some((*errno, new))
        });
        Self {
            ios: self.ios.saturating_sub(earlier.ios),
            bytes: self.bytes.saturating_sub(earlier.bytes),
            errors: self.errors.saturating_sub(earlier.errors),
            latency: self.latency.since(&earlier.latency),
            in_flight: self.in_flight,
            peak: self.peak,
            sizes: grown(&self.sizes, &earlier.sizes),
            errors_by: errors_by.collect(),
        }
    }

    /// Adds the figures of another operation, or of the same one on another device. The peak is
    /// then an upper bound: the two need not have been at the same time.
    pub fn merge(&mut self, other: &Self) {
        self.ios += other.ios;
        self.bytes += other.bytes;
        self.errors += other.errors;
        self.latency.merge(&other.latency);
        self.in_flight += other.in_flight;
        self.peak += other.peak;
        merge(&mut self.sizes, &other.sizes);
        for (errno, count) in &other.errors_by {
            *self.errors_by.entry(*errno).or_default() += count;
        }
    }

    /// Whether something that only grows is below what it was.
    fn went_back(&self, earlier: &Self) -> bool {
        self.ios < earlier.ios || self.bytes < earlier.bytes || self.errors < earlier.errors
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

/// Why two samples make no interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Incomparable {
    /// They are of devices with different numbers.
    OtherDevice,
    /// The device was made anew between them, so its figures began at zero.
    Restarted,
    /// No time lies between them, or the later one came first.
    NoTime,
    /// A figure that only grows is below what it was: the samples are not from one kernel, or the
    /// module is broken.
    WentBack,
}

impl fmt::Display for Incomparable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OtherDevice => "the samples are of two devices",
            Self::Restarted => "the device was made anew",
            Self::NoTime => "no time lies between the samples",
            Self::WentBack => "a figure that only grows went back",
        })
    }
}

impl std::error::Error for Incomparable {}

impl Interval {
    /// The interval from one sample to a later one.
    ///
    /// # Errors
    /// Why there is none.
    pub fn between(earlier: &Stats, later: &Stats) -> Result<Self, Incomparable> {
        if earlier.id != later.id {
            return Err(Incomparable::OtherDevice);
        }
        if earlier.generation != later.generation {
            return Err(Incomparable::Restarted);
        }
        let nanos = later.time.checked_sub(earlier.time).filter(|n| *n > 0);
        let nanos = nanos.ok_or(Incomparable::NoTime)?;
        let pairs = || later.ops.iter().zip(&earlier.ops);
        if pairs().any(|(later, earlier)| later.went_back(earlier)) {
            return Err(Incomparable::WentBack);
        }
        let ops = std::array::from_fn(|op| later.ops[op].since(&earlier.ops[op]));
        Ok(Self {
            seconds: nanos as f64 / 1e9,
            ops,
        })
    }

    /// The mean rate of something counted in the interval, in units per second.
    pub fn per_second(&self, count: u64) -> f64 {
        count as f64 / self.seconds
    }

    /// What was counted of one operation.
    pub fn op(&self, op: Op) -> &OpStats {
        &self.ops[op as usize]
    }

    /// The latencies of all operations together.
    pub fn latency(&self) -> Histogram {
        let mut all = Histogram::default();
        self.ops.iter().for_each(|op| all.merge(&op.latency));
        all
    }
}

#[cfg(test)]
mod tests;
