// SPDX-License-Identifier: MIT OR Apache-2.0
//! Latency histograms: every latency is counted in the one bucket whose bounds hold it.

use proptest::prelude::*;
use shunt_logic::histogram::{BUCKETS, bucket, upper_bound};
use shunt_uapi::{HISTOGRAM_BITS, LATENCY_OCTAVES, LATENCY_SHIFT};

/// Least latency in a bucket: one more than the greatest in the bucket before it.
fn lower_bound(index: usize) -> u64 {
    index
        .checked_sub(1)
        .map_or(0, |before| upper_bound(before) + 1)
}

/// First latency that is too slow for the octaves.
const SLOW: u64 = 1 << (LATENCY_SHIFT + LATENCY_OCTAVES);

/// Latencies of every magnitude alike; uniform numbers would nearly all be slow.
fn latency() -> impl Strategy<Value = u64> {
    (any::<u64>(), 0..u64::BITS).prop_map(|(bits, shift)| bits >> shift)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_latency_lies_within_the_bounds_of_its_bucket(ns in latency()) {
        let index = bucket(ns);
        prop_assert!(index < BUCKETS);
        prop_assert!(lower_bound(index) <= ns && ns <= upper_bound(index));
    }

    #[test]
    fn a_slower_operation_is_never_in_an_earlier_bucket(one in latency(), other in latency()) {
        prop_assert!(bucket(one.min(other)) <= bucket(one.max(other)));
    }
}

#[test]
fn both_bounds_of_every_bucket_fall_into_it() {
    for index in 0..BUCKETS {
        assert_eq!(
            bucket(lower_bound(index)),
            index,
            "lower bound {}",
            lower_bound(index)
        );
        assert_eq!(
            bucket(upper_bound(index)),
            index,
            "upper bound {}",
            upper_bound(index)
        );
    }
}

#[test]
fn buckets_cover_every_latency_in_order_and_none_is_empty() {
    assert_eq!(lower_bound(0), 0);
    for index in 1..BUCKETS {
        assert!(
            upper_bound(index - 1) < upper_bound(index),
            "bucket {index}"
        );
    }
    assert_eq!(upper_bound(BUCKETS - 1), u64::MAX);
}

#[test]
fn a_bucket_is_at_most_an_eighth_of_its_lower_bound_wide() {
    for index in 1..BUCKETS - 1 {
        let width = upper_bound(index) - lower_bound(index) + 1;
        assert!(
            width * 8 <= lower_bound(index),
            "bucket {index} is {width} ns wide"
        );
    }
}

#[test]
fn first_bucket_octaves_and_last_bucket_are_those_of_the_spec() {
    let steps = 1 << HISTOGRAM_BITS;
    assert_eq!(BUCKETS, 1 + LATENCY_OCTAVES as usize * steps + 1);
    assert_eq!(upper_bound(0), (1 << LATENCY_SHIFT) - 1);
    for octave in 0..LATENCY_OCTAVES {
        let first = 1 + octave as usize * steps;
        assert_eq!(
            lower_bound(first),
            1 << (LATENCY_SHIFT + octave),
            "octave {octave}"
        );
        let widths =
            (first..first + steps).map(|index| upper_bound(index) - lower_bound(index) + 1);
        let width = 1u64 << (LATENCY_SHIFT + octave - HISTOGRAM_BITS);
        assert!(
            widths.into_iter().all(|found| found == width),
            "octave {octave}"
        );
    }
    assert_eq!(lower_bound(BUCKETS - 1), SLOW);
}

#[test]
fn known_latencies_fall_into_the_buckets_worked_out_by_hand() {
    for (ns, index) in [
        (0, 0),
        (1, 0),
        (63, 0),
        (64, 1),
        (71, 1),
        (72, 2),
        (127, 8),
        (128, 9),
        (143, 9),
        (144, 10),
        (1023, 32),
        (1024, 33),
        (SLOW - 1, BUCKETS - 2),
        (SLOW, BUCKETS - 1),
        (u64::MAX, BUCKETS - 1),
    ] {
        assert_eq!(bucket(ns), index, "{ns} ns");
    }
}

#[test]
fn an_index_past_the_last_bucket_has_no_bound_either() {
    assert_eq!(upper_bound(BUCKETS), u64::MAX);
    assert_eq!(upper_bound(usize::MAX), u64::MAX);
}
