// SPDX-License-Identifier: MIT OR Apache-2.0
//! Statistics against bytes written by hand, and back and forth over random values.

use proptest::prelude::*;

use super::*;
use crate::model::Histogram;

#[test]
fn statistics_are_read_from_the_kernels_bytes() {
    #[rustfmt::skip]
    let bytes = [
        8, 0, 1, 0,  3, 0, 0, 0,
        6, 0, 2, 0,  b'v', 0, 0, 0,
        8, 0, 3, 0,  17, 0, 0, 0,
        12, 0, 4, 0,  0, 0, 0, 0, 1, 0, 0, 0,
        8, 0, 5, 0,  2, 0, 0, 0,
        144, 0, 6, 0x80,
            8, 0, 1, 0,  1, 0, 0, 0,
            8, 0, 2, 0,  5, 0, 0, 0,
            8, 0, 3, 0,  0, 80, 0, 0,
            8, 0, 4, 0,  1, 0, 0, 0,
            8, 0, 5, 0,  200, 0, 0, 0,
            // The last bucket first: the order is made by the reader.
            24, 0, 6, 0x80,
                12, 0, 1, 0,  0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                8, 0, 2, 0,  1, 0, 0, 0,
            20, 0, 6, 0x80,
                8, 0, 1, 0,  63, 0, 0, 0,
                8, 0, 2, 0,  4, 0, 0, 0,
            8, 0, 7, 0,  2, 0, 0, 0,
            8, 0, 8, 0,  7, 0, 0, 0,
            20, 0, 9, 0x80,
                8, 0, 1, 0,  0, 16, 0, 0,
                8, 0, 2, 0,  5, 0, 0, 0,
            20, 0, 10, 0x80,
                8, 0, 1, 0,  5, 0, 0, 0,
                8, 0, 2, 0,  1, 0, 0, 0,
        // An operation of a newer module.
        20, 0, 6, 0x80,
            8, 0, 1, 0,  77, 0, 0, 0,
            8, 0, 2, 0,  9, 0, 0, 0,
    ];
    let stats = decode(&bytes).unwrap();
    assert_eq!((stats.id, stats.name.as_str()), (3, "v"));
    assert_eq!((stats.generation, stats.time), (17, 1 << 32));
    assert_eq!(stats.in_flight, 2);
    let expected = OpStats {
        ios: 5,
        bytes: 20_480,
        errors: 1,
        latency: Histogram {
            sum: 200,
            buckets: vec![
                Bucket { le: 63, count: 4 },
                Bucket {
                    le: u64::MAX,
                    count: 1,
                },
            ],
        },
        in_flight: 2,
        peak: 7,
        sizes: vec![Bucket { le: 4096, count: 5 }],
        errors_by: [(5, 1)].into(),
    };
    for (op, figures) in stats.each_op() {
        match op {
            Op::Write => assert_eq!(figures, &expected),
            _ => assert_eq!(figures, &OpStats::default(), "{op:?}"),
        }
    }
}

fn any_buckets() -> impl Strategy<Value = Vec<Bucket>> {
    prop::collection::btree_map(any::<u64>(), any::<u64>(), 0..20).prop_map(|buckets| {
        let pair = |(le, count)| Bucket { le, count };
        buckets.into_iter().map(pair).collect()
    })
}

prop_compose! {
    fn any_op_stats()(
        ios: u64, bytes: u64, errors: u64, sum: u64, in_flight: u64, peak: u64,
        buckets in any_buckets(), sizes in any_buckets(),
        errors_by in prop::collection::btree_map(any::<u32>(), any::<u64>(), 0..4),
    ) -> OpStats {
        let latency = Histogram { sum, buckets };
        OpStats { ios, bytes, errors, latency, in_flight, peak, sizes, errors_by }
    }
}

prop_compose! {
    fn any_stats()(
        id: u32, name in "[^\0]{0,63}", generation: u64, time: u64, in_flight: u64,
        ops in prop::array::uniform(any_op_stats()),
    ) -> Stats {
        Stats { id, name, generation, time, in_flight, ops }
    }
}

prop_compose! {
    fn any_sample()(
        sequence: u64, time: u64, dropped: u64, millis: u32,
        devices in prop::collection::vec(any_stats(), 0..4),
    ) -> Sample {
        let interval = Duration::from_millis(millis.into());
        Sample { sequence, time, dropped, interval, devices }
    }
}

#[test]
fn a_sample_is_read_from_the_kernels_bytes() {
    #[rustfmt::skip]
    let attributes = [
        8, 0, 1, 0,  9, 0, 0, 0,
        12, 0, 2, 0,  0, 0, 0, 0, 1, 0, 0, 0,
        8, 0, 3, 0,  3, 0, 0, 0,
        8, 0, 4, 0,  100, 0, 0, 0,
        40, 0, 5, 0x80,
            8, 0, 1, 0,  3, 0, 0, 0,
            6, 0, 2, 0,  b'v', 0, 0, 0,
            8, 0, 3, 0,  17, 0, 0, 0,
            12, 0, 4, 0,  0, 0, 0, 0, 1, 0, 0, 0,
    ];
    let message = Message {
        command: cmd::STATS_NTF,
        attributes: attributes.to_vec(),
    };
    let sample = decode_sample(&message).unwrap().unwrap();
    assert_eq!((sample.sequence, sample.dropped), (9, 3));
    assert_eq!(sample.time, 1 << 32);
    assert_eq!(sample.interval, Duration::from_millis(100));
    assert_eq!(sample.devices.len(), 1);
    assert_eq!(sample.devices[0].generation, 17);
    assert_eq!(decode_sample(&Message::bare(99)).unwrap(), None);
}

#[test]
fn a_request_for_an_interval_names_it_in_milliseconds() {
    let message = set_interval(Some(Duration::from_millis(250)));
    assert_eq!(message.command, cmd::STATS_SET);
    assert_eq!(message.attributes, [8, 0, 4, 0, 250, 0, 0, 0]);
    let read = decode_interval(&message.attributes).unwrap();
    assert_eq!(read, Some(Duration::from_millis(250)));
    assert_eq!(
        decode_interval(&set_interval(None).attributes).unwrap(),
        None
    );
}

proptest! {
    #[test]
    fn a_sample_survives_the_wire(sample in any_sample()) {
        // Four devices of random figures fill no attribute: each is below 64 KiB.
        let message = encode_sample(&sample).unwrap();
        prop_assert_eq!(decode_sample(&message).unwrap(), Some(sample));
    }
}
