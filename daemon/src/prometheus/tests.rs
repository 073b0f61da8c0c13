// SPDX-License-Identifier: MIT OR Apache-2.0
//! The text against one written by hand, and read back by a small reader of the format.

use std::collections::{BTreeMap, HashSet};

use proptest::prelude::*;

use super::{snapshot::Pairs, *};
use crate::{
    Client,
    metrics::{bucket_bound, bucket_floor},
    model::{Device, DeviceSpec, Histogram, OpStats, QueueMode, Stats, TargetSpec},
    transport::fake::{Drive, Fake},
};

fn device(id: u32, name: &str, stats: StatsMode) -> Device {
    Device {
        id,
        name: name.to_owned(),
        state: State::Live,
        queue: QueueMode::Bio,
        stats,
        read_only: false,
        size: 1 << 30,
        logical_block_size: 512,
        targets: Vec::new(),
        stripe: None,
        generation: u64::from(id) + 7,
        table_number: 3,
    }
}

fn histogram(values: &[u64]) -> Histogram {
    let mut histogram = Histogram::default();
    values.iter().for_each(|value| histogram.record(*value));
    histogram
}

fn stats(device: &Device) -> Stats {
    Stats {
        id: device.id,
        name: device.name.clone(),
        generation: device.generation,
        time: 1,
        in_flight: 2,
        ops: Default::default(),
    }
}

fn row(device: Device, op: Op, figures: OpStats) -> Row {
    let mut stats = stats(&device);
    stats.ops[op as usize] = figures;
    Row::new(device, &stats)
}

fn text(snapshot: &Snapshot) -> String {
    let mut text = Vec::new();
    snapshot.write(&mut text).unwrap();
    String::from_utf8(text).unwrap()
}

#[test]
fn the_text_is_the_golden_one() {
    let mut quiet = device(3, "back\\up\"2\"", StatsMode::Counters);
    quiet.state = State::Lost;
    quiet.read_only = true;
    quiet.queue = QueueMode::Mq;
    let written = OpStats {
        ios: 3,
        bytes: 12288,
        errors: 1,
        latency: histogram(&[70_000, 90_000, 20_000_000_000]),
        ..OpStats::default()
    };
    let read = OpStats {
        ios: 5,
        bytes: 20480,
        ..OpStats::default()
    };
    let snapshot = Snapshot {
        overruns: 4,
        rows: Some(vec![
            row(device(0, "vol0", StatsMode::Full), Op::Write, written),
            row(quiet, Op::Read, read),
            row(
                device(4, "off", StatsMode::Off),
                Op::Read,
                OpStats::default(),
            ),
        ]),
    };
    let golden = include_str!("golden.txt").replace("VERSION", env!("CARGO_PKG_VERSION"));
    let text = text(&snapshot);
    for (line, (ours, theirs)) in text.lines().zip(golden.lines()).enumerate() {
        assert_eq!(ours, theirs, "line {}", line + 1);
    }
    assert_eq!(text, golden);
}

#[test]
fn without_the_module_there_are_only_the_metrics_of_the_daemon() {
    let text = text(&Snapshot::default());
    assert!(text.contains("\nshunt_module_loaded 0\n"), "{text}");
    assert!(!text.contains("shunt_device"), "{text}");
}

#[test]
fn each_bound_ends_a_bucket_of_the_kernel_and_begins_the_next() {
    assert!(BOUNDS.is_sorted());
    for bound in BOUNDS {
        assert_eq!(bucket_bound(bound), bound);
        assert_eq!(bucket_floor(bucket_bound(bound + 1)), bound + 1);
    }
    // These are promised; adding some would make two histograms of the old.
    assert_eq!(BOUNDS.len(), 39);
    assert_eq!((BOUNDS[0], BOUNDS[38]), (1023, (1 << 33) - 1));
}

#[test]
fn what_came_or_went_between_the_two_lists_is_left_out() {
    let full = |id, generation| Device {
        generation,
        ..device(id, &format!("vol{id}"), StatsMode::Full)
    };
    let stats = |id, generation| stats(&full(id, generation));
    // 1 went, 2 was made anew, 4 came.
    let mut pairs = Pairs::of(vec![full(0, 7), full(1, 8), full(2, 9), full(3, 10)]);
    for stats in [stats(0, 7), stats(2, 12), stats(3, 10), stats(4, 13)] {
        pairs.add(&stats);
    }
    let ids: Vec<u32> = pairs.rows.iter().map(|row| row.device.id).collect();
    assert_eq!(ids, [0, 3]);
}

#[test]
fn a_module_that_is_not_loaded_is_no_error() {
    let kernel = Fake::new();
    kernel.add_drive("/dev/a", Drive::new(8, 16, 1 << 30));
    let spec = DeviceSpec::new("vol0", vec![TargetSpec::whole("/dev/a")]);
    Client::new(kernel.clone()).create_device(&spec).unwrap();
    let snapshot = Snapshot::take(Ok(Client::new(kernel.clone())), 0).unwrap();
    assert_eq!(snapshot.rows.unwrap()[0].device.name, "vol0");
    kernel.set_loaded(false);
    let snapshot = Snapshot::take(Ok(Client::new(kernel)), 3).unwrap();
    let none = Snapshot {
        overruns: 3,
        rows: None,
    };
    assert_eq!(snapshot, none);
}

/// A line of text: name, labels, value.
type Sample = (String, BTreeMap<String, String>, f64);

/// Reads the format as its description has it; fails the test on what that does not allow.
fn parse(text: &str) -> Vec<Sample> {
    let mut samples = Vec::new();
    let mut families = HashSet::new();
    let mut family = String::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            family = rest.split(' ').next().unwrap().to_owned();
            assert!(families.insert(family.clone()), "{family} is there twice");
        } else if !line.starts_with("# HELP ") {
            let sample = parse_sample(line);
            let of_family = sample.0.strip_prefix(&family);
            let of_family =
                of_family.is_some_and(|end| ["", "_bucket", "_sum", "_count"].contains(&end));
            assert!(of_family, "{line} stands below {family}");
            samples.push(sample);
        }
    }
    samples
}

fn parse_sample(line: &str) -> Sample {
    let (start, value) = line.rsplit_once(' ').unwrap();
    let value = value.parse().unwrap();
    let Some((name, labels)) = start.split_once('{') else {
        return (start.to_owned(), BTreeMap::new(), value);
    };
    let mut rest = labels.strip_suffix('}').unwrap().chars();
    let mut labels = BTreeMap::new();
    loop {
        let key: String = rest.by_ref().take_while(|letter| *letter != '=').collect();
        assert_eq!(rest.next(), Some('"'), "{line}");
        let mut text = String::new();
        loop {
            match rest.next().unwrap() {
                '"' => break,
                '\\' => text.push(match rest.next().unwrap() {
                    'n' => '\n',
                    letter @ ('\\' | '"') => letter,
                    other => panic!("\\{other} in {line}"),
                }),
                other => text.push(other),
            }
        }
        assert!(labels.insert(key, text).is_none(), "{line}");
        match rest.next() {
            Some(',') => {}
            None => return (name.to_owned(), labels, value),
            other => panic!("{other:?} in {line}"),
        }
    }
}

/// Any name that the kernel allows, with what is awkward more often than by chance.
fn names() -> impl Strategy<Value = String> {
    proptest::string::string_regex("([a-z]|[\\\\\"{}=,#ä€]|[^/\\s\\x00-\\x20\\x7f]){1,15}").unwrap()
}

proptest! {
    #[test]
    fn what_is_read_back_is_what_was_written(
        name in names(),
        ios in any::<u32>(),
        values in proptest::collection::vec(0..20_000_000_000_u64, 0..50),
    ) {
        let figures = OpStats {
            ios: ios.into(),
            latency: histogram(&values),
            ..OpStats::default()
        };
        let rows = vec![row(device(0, &name, StatsMode::Full), Op::Discard, figures)];
        let text = text(&Snapshot { overruns: 0, rows: Some(rows) });
        let samples = parse(&text);
        let of = |wanted: &str, key: &str, label: &str| -> Vec<f64> {
            let found = samples.iter().filter(|(sample, labels, _)| {
                sample == wanted && labels.get(key).map(String::as_str) == Some(label)
            });
            found.map(|(_, _, value)| *value).collect()
        };
        let devices = samples.iter().filter_map(|(_, labels, _)| labels.get("device"));
        prop_assert!(devices.into_iter().all(|device| *device == name));
        prop_assert_eq!(of("shunt_ios_total", "op", "discard"), [f64::from(ios)]);
        prop_assert_eq!(of("shunt_device_state", "state", "live"), [1.0]);
        prop_assert_eq!(of("shunt_device_state", "state", "lost"), [0.0]);
        // Each bucket holds just the values that are not above its bound.
        let buckets = of("shunt_latency_seconds_bucket", "op", "discard");
        if values.is_empty() {
            prop_assert!(buckets.is_empty());
        } else {
            let bounds = BOUNDS.into_iter().chain([u64::MAX]);
            let below = bounds.map(|bound| values.iter().filter(|value| **value <= bound).count() as f64);
            prop_assert_eq!(buckets, below.collect::<Vec<_>>());
            prop_assert_eq!(of("shunt_latency_seconds_count", "op", "discard"), [values.len() as f64]);
            let sum = values.iter().sum::<u64>() as f64 / 1e9;
            let told = of("shunt_latency_seconds_sum", "op", "discard")[0];
            prop_assert!((told - sum).abs() <= sum * 1e-12);
        }
    }
}
