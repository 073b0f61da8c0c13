// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0

//! Log-linear latency histograms.
//!
//! Bucket 0 holds all below `1 << LATENCY_SHIFT` ns. Then each octave is cut into
//! `1 << HISTOGRAM_BITS` buckets of equal width, so that a bucket is never wider than an eighth of
//! its lower bound. The last bucket holds all that is slower.

use super::uapi::{HISTOGRAM_BITS, LATENCY_OCTAVES, LATENCY_SHIFT};

/// Buckets of one histogram.
pub const BUCKETS: usize = 2 + ((LATENCY_OCTAVES as usize) << HISTOGRAM_BITS);

/// The bucket that `ns` falls into; below [`BUCKETS`].
#[inline(always)]
pub fn bucket(ns: u64) -> usize {
    let Some(octave) = (ns >> LATENCY_SHIFT).checked_ilog2() else {
        return 0;
    };
    if octave >= LATENCY_OCTAVES {
        return BUCKETS - 1;
    }
    // The bits after the leading one, and before them the octave: neighbours have neighbouring
    // indices without a multiplication. The leading one itself is subtracted with the 1 of bucket 0.
    let leading = ns >> (octave + LATENCY_SHIFT - HISTOGRAM_BITS);
    ((octave as usize) << HISTOGRAM_BITS) + leading as usize + 1 - (1 << HISTOGRAM_BITS)
}

/// Greatest latency in ns that falls into bucket `index`; that of the last one has no bound.
pub fn upper_bound(index: usize) -> u64 {
    if index == 0 {
        return (1 << LATENCY_SHIFT) - 1;
    }
    if index >= BUCKETS - 1 {
        return u64::MAX;
    }
    let octave = ((index - 1) >> HISTOGRAM_BITS) as u32;
    let step = ((index - 1) & ((1 << HISTOGRAM_BITS) - 1)) as u64;
    let width = octave + LATENCY_SHIFT - HISTOGRAM_BITS;
    (((1 << HISTOGRAM_BITS) + step + 1) << width) - 1
}

/// Buckets of a histogram of sizes.
pub const SIZE_BUCKETS: usize = super::uapi::SIZE_BUCKETS as usize;

/// The bucket that `bytes` falls into; below [`SIZE_BUCKETS`].
#[inline(always)]
pub fn size_bucket(bytes: u32) -> usize {
    let over = bytes.saturating_sub(1) >> super::uapi::SIZE_SHIFT;
    over.checked_ilog2().map_or(0, |octave| octave as usize + 1)
}

/// Greatest number of bytes that falls into bucket `index`; that of the last one has no bound.
pub fn size_upper_bound(index: usize) -> u64 {
    if index >= SIZE_BUCKETS - 1 {
        return u64::MAX;
    }
    1 << (super::uapi::SIZE_SHIFT as usize + index)
}
