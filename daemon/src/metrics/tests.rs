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
        latency: histogram(values),
        ..OpStats::default()
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
    let between = |later: &Stats| Interval::between(&earlier, later).unwrap_err();
    assert_eq!(between(&sample(1, 1000, 11, &[])), Incomparable::NoTime);
    assert_eq!(between(&sample(1, 999, 11, &[])), Incomparable::NoTime);
    let mut other = sample(1, 2000, 11, &[]);
    other.id = 1;
    assert_eq!(between(&other), Incomparable::OtherDevice);
}

#[test]
fn a_device_made_anew_is_told_apart_from_a_figure_that_went_back() {
    let earlier = sample(1, 1000, 10, &[100]);
    let anew = Interval::between(&earlier, &sample(2, 2000, 3, &[100]));
    assert_eq!(anew, Err(Incomparable::Restarted));
    let back = Interval::between(&earlier, &sample(1, 2000, 9, &[100]));
    assert_eq!(back, Err(Incomparable::WentBack));
}

#[test]
fn a_sum_of_latencies_that_begins_anew_is_no_figure_that_went_back() {
    let mut earlier = sample(1, 1000, 10, &[100]);
    let mut later = sample(1, 2000, 11, &[100, 100]);
    for (sample, sum) in [(&mut earlier, u64::MAX - 29), (&mut later, 70)] {
        sample.ops.iter_mut().for_each(|op| op.latency.sum = sum);
    }
    let interval = Interval::between(&earlier, &later).unwrap();
    assert!(interval.ops.iter().all(|op| op.latency.sum == 100));
}

#[test]
fn an_interval_counts_errors_and_sizes_and_keeps_what_is_of_the_moment() {
    let mut earlier = sample(1, 1000, 10, &[]);
    let write = &mut earlier.ops[Op::Write as usize];
    write.errors_by = [(5, 3), (28, 1)].into();
    write.sizes = vec![Bucket {
        le: 4096,
        count: 10,
    }];
    let mut later = earlier.clone();
    later.time = 2000;
    let write = &mut later.ops[Op::Write as usize];
    write.errors_by = [(5, 4), (28, 1), (121, 2)].into();
    write.sizes = vec![
        Bucket { le: 512, count: 1 },
        Bucket {
            le: 4096,
            count: 10,
        },
    ];
    (write.in_flight, write.peak) = (2, 9);
    let interval = Interval::between(&earlier, &later).unwrap();
    let write = interval.op(Op::Write);
    assert_eq!(write.errors_by, [(5, 1), (121, 2)].into());
    assert_eq!(write.sizes, [Bucket { le: 512, count: 1 }]);
    assert_eq!((write.in_flight, write.peak), (2, 9));
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

    /// Merging loses nothing: the order does not matter, and what is merged can be taken out again.
    #[test]
    fn merged_histograms_are_the_histogram_of_all_values(
        one in prop::collection::vec(0..1_u64 << 50, 0..50),
        other in prop::collection::vec(0..1_u64 << 50, 0..50),
    ) {
        let mut merged = histogram(&one);
        merged.merge(&histogram(&other));
        prop_assert_eq!(&merged, &histogram(&[one.as_slice(), &other].concat()));
        prop_assert_eq!(merged.since(&histogram(&other)), histogram(&one));
    }

    /// Against sorted values: never below the true quantile, and above it by a bucket at most.
    #[test]
    fn quantiles_are_within_the_error_of_a_bucket(
        mut values in prop::collection::vec(0..1_u64 << 36, 1..300),
    ) {
        let quantiles = histogram(&values).quantiles().unwrap();
        values.sort_unstable();
        let true_at = |share: f64| {
            let rank = (values.len() as f64 * share).ceil() as usize;
            values[rank.max(1) - 1]
        };
        for (share, said) in [
            (0.5, quantiles.p50),
            (0.9, quantiles.p90),
            (0.99, quantiles.p99),
            (0.999, quantiles.p999),
            (1.0, quantiles.max),
        ] {
            let truth = true_at(share);
            prop_assert!(said >= truth, "{said} for {truth}");
            let above = (said - truth) as f64;
            prop_assert!(above <= (truth as f64 * BUCKET_ERROR).max(63.0), "{said} for {truth}");
        }
    }
}
