// SPDX-License-Identifier: MIT OR Apache-2.0
//! Latency over time as counts in a plane: what `stats --heatmap` draws and `top` shows.

use shunt::{Histogram, metrics::bucket_floor};

pub(crate) mod svg;

/// The latencies of one stretch of time.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Column {
    /// When it ended, in ns of the clock of the samples.
    pub(crate) until: u64,
    /// Its length.
    pub(crate) seconds: f64,
    /// What ended in it.
    pub(crate) latency: Histogram,
}

impl Column {
    /// Adds what a device did in the `seconds` up to `until`. Devices whose figures were read in
    /// the same round share a column.
    pub(crate) fn add(columns: &mut Vec<Self>, until: u64, seconds: f64, latency: &Histogram) {
        match columns.last_mut() {
            Some(last) if until.abs_diff(last.until) < (seconds * 5e8) as u64 => {
                last.latency.merge(latency);
            }
            _ => columns.push(Self {
                until,
                seconds,
                latency: latency.clone(),
            }),
        }
    }

    /// Makes one column of each two, once there are so many that nobody could see them apart: a day of
    /// samples would else take gigabytes.
    pub(crate) fn thin(columns: &mut Vec<Self>) {
        if columns.len() < MOST_COLUMNS {
            return;
        }
        let mut pairs = std::mem::take(columns).into_iter();
        while let Some(mut first) = pairs.next() {
            if let Some(second) = pairs.next() {
                first.seconds += second.seconds;
                first.until = second.until;
                first.latency.merge(&second.latency);
            }
            columns.push(first);
        }
    }

    /// When it began, in ns.
    pub(crate) fn from(&self) -> u64 {
        self.until.saturating_sub((self.seconds * 1e9) as u64)
    }
}

/// More than a screen is wide, also once it was halved.
const MOST_COLUMNS: usize = 8192;

/// Where a scale of latencies begins and ends, in ns; both above 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Scale {
    low: f64,
    high: f64,
}

/// What stands for the bucket that begins at 0, and for the one without an end.
const LEAST: u64 = 32;
const MOST: u64 = 1 << 38;

impl Scale {
    /// One that all latencies fit in; none if there are none.
    pub(crate) fn of<'a>(histograms: impl IntoIterator<Item = &'a Histogram>) -> Option<Self> {
        let (mut low, mut high) = (u64::MAX, 0);
        for bucket in histograms.into_iter().flat_map(|h| &h.buckets) {
            low = low.min(bucket_floor(bucket.le).max(LEAST));
            high = high.max(bucket.le.min(MOST - 1));
        }
        let (low, high) = (low as f64, high as f64 + 1.0);
        // At least an octave, for anything to be seen.
        (high > low).then_some(Self {
            low,
            high: high.max(low * 2.0),
        })
    }

    /// Where a latency is on the logarithmic scale: 0 at the low end, 1 at the high end.
    pub(crate) fn place(self, nanos: u64) -> f64 {
        let nanos = nanos.clamp(LEAST, MOST) as f64;
        ((nanos / self.low).ln() / (self.high / self.low).ln()).clamp(0.0, 1.0)
    }

    /// The latency at a place.
    pub(crate) fn at(self, place: f64) -> u64 {
        (self.low * (self.high / self.low).powf(place)) as u64
    }

    /// Powers of ten within it, in ns.
    pub(crate) fn decades(self) -> impl Iterator<Item = u64> {
        let powers = (1..12).map(|power| 10_u64.pow(power));
        powers.filter(move |nanos| (self.low..=self.high).contains(&(*nanos as f64)))
    }
}

/// How deep the colour of a count is, if `most` is the deepest: 0 for nothing, else above 0 and at
/// most 1, by the logarithm.
pub(crate) fn depth(count: f64, most: f64) -> f64 {
    if count <= 0.0 || most <= 0.0 {
        return 0.0;
    }
    ((count + 1.0).ln() / (most + 1.0).ln()).clamp(0.02, 1.0)
}

#[cfg(test)]
mod tests;
