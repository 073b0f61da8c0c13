// SPDX-License-Identifier: MIT OR Apache-2.0
//! The layout of the histogram, and figures worked out by hand.

use proptest::prelude::*;

use super::*;

fn histogram(values: &[u64]) -> Histogram {
    let mut histogram = Histogram::default();
    for value in values {
        histogram.record(*value);
    }
    histogram
}

/// Every bound of the layout in its order: the first bucket, eight for each of 31 octaves, the
/// last.
fn layout() -> Vec<u64> {
    let mut bounds = vec![63];
    for octave in 0..31 {
        for part in 1..=8 {
            bounds.push((64 << octave) + part * (8 << octave) - 1);
        }
    }
    bounds.push(u64::MAX);
    bounds
}

#[test]
fn each_bucket_begins_where_the_one_before_it_ends() {
    let bounds = layout();
    assert_eq!(bucket_floor(bounds[0]), 0);
    for pair in bounds.windows(2) {
        assert_eq!(bucket_floor(pair[1]), pair[0] + 1, "{pair:?}");
    }
}

#[test]
fn both_ends_of_a_bucket_are_counted_in_it() {
    for le in layout() {
        assert_eq!(bucket_bound(le), le);
        assert_eq!(bucket_bound(bucket_floor(le)), le);
    }
}

#[test]
fn a_quantile_is_the_bound_of_the_bucket_that_reaches_it() {
    let values: Vec<u64> = (1..=1000).map(|n| n * 1000).collect();
    let histogram = histogram(&values);
    assert_eq!(histogram.count(), 1000);
    assert_eq!(histogram.mean(), Some(500_500));
    assert_eq!(histogram.quantile(0.5), Some(bucket_bound(500_000)));
    assert_eq!(histogram.quantile(0.99), Some(bucket_bound(990_000)));
    assert_eq!(histogram.quantile(0.999), Some(bucket_bound(999_000)));
    assert_eq!(histogram.quantile(0.0), Some(bucket_bound(1000)));
    assert_eq!(histogram.quantile(1.0), Some(bucket_bound(1_000_000)));
}

#[test]
fn one_value_is_every_quantile() {
    let one = histogram(&[200 << 30]);
    for share in [0.5, 0.99, 0.999] {
        assert_eq!(one.quantile(share), Some(u64::MAX));
    }
}

#[test]
fn without_values_there_is_no_mean_and_no_quantile() {
    assert_eq!(Histogram::default().mean(), None);
    assert_eq!(Histogram::default().quantile(0.5), None);
    assert_eq!(Histogram::default().quantile(0.0), None);
}

fn sample(generation: u64, time: u64, ios: u64, values: &[u64]) -> Stats {
    let mut ops = <[OpStats; Op::ALL.len()]>::default();
    ops[Op::Write as usize] = OpStats {
        ios,
        bytes: ios * 4096,
        errors: 0,
        latency: histogram(values),
    };
    Stats {
        id: 0,
        name: "vol0".into(),
        generation,
        time,
        in_flight: 0,
        ops,
    }
}

#[test]
fn an_interval_holds_what_happened_in_it() {
    let earlier = sample(1, 1_000_000_000, 10, &[100, 100, 5000]);
    let later = sample(1, 1_500_000_000, 12, &[100, 100, 5000, 5000, 90]);
    let interval = Interval::between(&earlier, &later).unwrap();
    let write = &interval.ops[Op::Write as usize];
    assert_eq!((write.ios, write.bytes), (2, 8192));
    assert_eq!(write.latency, histogram(&[5000, 90]));
    assert_eq!(interval.per_second(write.ios), 4.0);
    assert_eq!(interval.ops[Op::Read as usize], OpStats::default());
}

#[test]
fn samples_of_two_devices_or_of_one_moment_make_no_interval() {
    let earlier = sample(1, 1000, 10, &[]);
    assert_eq!(Interval::between(&earlier, &sample(2, 2000, 11, &[])), None);
    assert_eq!(Interval::between(&earlier, &sample(1, 1000, 11, &[])), None);
    assert_eq!(Interval::between(&earlier, &sample(1, 999, 11, &[])), None);
}

proptest! {
    #[test]
    fn every_value_lies_in_its_bucket_which_is_narrow(value: u64, shift in 0..64_u32) {
        let value = value >> shift;
        let le = bucket_bound(value);
        let floor = bucket_floor(le);
        prop_assert!(floor <= value && value <= le);
        if le != u64::MAX && floor > 0 {
            prop_assert!(le - floor < floor.div_ceil(8));
        }
    }
}
