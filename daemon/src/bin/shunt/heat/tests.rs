// SPDX-License-Identifier: MIT OR Apache-2.0
//! Columns, scales and depths.

use super::*;

pub(super) fn histogram(values: &[u64]) -> Histogram {
    let mut histogram = Histogram::default();
    values.iter().for_each(|value| histogram.record(*value));
    histogram
}

#[test]
fn devices_of_one_round_share_a_column_and_rounds_do_not() {
    let mut columns = Vec::new();
    for (until, value) in [
        (1_000_000_000, 80),
        (1_000_040_000, 90),
        (1_100_000_000, 70),
    ] {
        Column::add(&mut columns, until, 0.1, &histogram(&[value]));
    }
    assert_eq!(columns.len(), 2);
    assert_eq!(columns[0].latency, histogram(&[80, 90]));
    assert_eq!(columns[1].from(), 1_000_000_000);
}

#[test]
fn a_scale_holds_all_latencies_and_goes_by_the_logarithm() {
    let both = [histogram(&[1000]), histogram(&[1_000_000])];
    let scale = Scale::of(&both).unwrap();
    assert_eq!(scale.place(900), 0.0);
    assert_eq!(scale.place(1_100_000), 1.0);
    let middle = scale.place(31_623);
    assert!((0.49..0.51).contains(&middle), "{middle}");
    assert!(scale.at(middle).abs_diff(31_623) <= 2);
    let decades: Vec<_> = scale.decades().collect();
    assert_eq!(decades, [1000, 10_000, 100_000, 1_000_000]);
}

#[test]
fn the_first_and_the_last_bucket_have_a_place_too() {
    let scale = Scale::of(&[histogram(&[0, u64::MAX])]).unwrap();
    assert_eq!(scale.place(0), 0.0);
    assert_eq!(scale.place(u64::MAX), 1.0);
    assert_eq!(Scale::of(&[Histogram::default()]), None);
}

#[test]
fn one_among_many_is_still_seen() {
    assert_eq!(depth(0.0, 1e6), 0.0);
    assert!(depth(1.0, 1e6) > 0.01);
    assert!(depth(10.0, 100.0) < depth(11.0, 100.0));
    assert_eq!(depth(100.0, 100.0), 1.0);
    assert_eq!(depth(1.0, 1.0), 1.0);
}

#[test]
fn a_long_run_takes_no_more_columns_than_can_be_seen_and_loses_nothing() {
    let mut columns = Vec::new();
    let latency = histogram(&[100]);
    let rounds = 100_000_u64;
    for round in 1..=rounds {
        Column::add(&mut columns, round * 10_000_000, 0.01, &latency);
        Column::thin(&mut columns);
        assert!(columns.len() < MOST_COLUMNS);
    }
    let count: u64 = columns.iter().map(|column| column.latency.count()).sum();
    assert_eq!(count, rounds);
    let seconds: f64 = columns.iter().map(|column| column.seconds).sum();
    assert!((seconds - 1000.0).abs() < 1e-6, "{seconds}");
}
