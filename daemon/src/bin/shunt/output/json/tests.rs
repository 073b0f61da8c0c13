// SPDX-License-Identifier: MIT OR Apache-2.0
//! The documents, letter by letter: programs rely on them.

use shunt::{Change, Histogram, Op, QueueMode, Reason, State, StatsMode};

use super::*;

fn text(document: impl Serialize) -> String {
    serde_json::to_string(&document).unwrap()
}

fn vol0() -> Device {
    Device {
        id: 0,
        name: "vol0".into(),
        state: State::Live,
        queue: QueueMode::Bio,
        stats: StatsMode::Full,
        read_only: false,
        size: 1_073_741_824,
        logical_block_size: 512,
        targets: vec![Target {
            path: "/dev/nvme0n1".into(),
            major: 259,
            minor: 0,
            start: 0,
            offset: 1_048_576,
            length: 1_073_741_824,
            state: State::Live,
        }],
        generation: 9,
    }
}

const VOL0: &str = r#"{"id":0,"name":"vol0","path":"/dev/shunt0","state":"live","queue":"bio","stats":"full","read_only":false,"size_bytes":1073741824,"logical_block_size":512,"targets":[{"path":"/dev/nvme0n1","dev":"259:0","start_bytes":0,"offset_bytes":1048576,"length_bytes":1073741824,"state":"live"}]}"#;

#[test]
fn a_list_is_an_array_of_devices() {
    assert_eq!(
        text(devices(&[vol0()])),
        format!(r#"{{"schema":1,"devices":[{VOL0}]}}"#)
    );
    assert_eq!(text(devices(&[])), r#"{"schema":1,"devices":[]}"#);
}

#[test]
fn one_device_is_an_object() {
    assert_eq!(
        text(device(&vol0())),
        format!(r#"{{"schema":1,"device":{VOL0}}}"#)
    );
}

#[test]
fn statistics_have_every_operation_and_only_buckets_that_are_not_empty() {
    let mut ops = <[OpStats; Op::ALL.len()]>::default();
    ops[Op::Read as usize] = OpStats {
        ios: 3,
        bytes: 12_288,
        errors: 1,
        latency: Histogram {
            sum: 3000,
            buckets: vec![
                Bucket { le: 1023, count: 2 },
                Bucket {
                    le: u64::MAX,
                    count: 1,
                },
            ],
        },
    };
    let vol0 = Stats {
        id: 0,
        name: "vol0".into(),
        generation: 9,
        time: 5,
        in_flight: 2,
        ops,
    };
    let none = r#"{"ios":0,"bytes":0,"errors":0,"latency_ns":{"sum":0,"buckets":[]}}"#;
    let read = r#"{"ios":3,"bytes":12288,"errors":1,"latency_ns":{"sum":3000,"buckets":[{"le":1023,"count":2},{"le":18446744073709551615,"count":1}]}}"#;
    assert_eq!(
        text(stats(&[vol0])),
        format!(
            r#"{{"schema":1,"devices":[{{"id":0,"name":"vol0","in_flight":2,"ops":{{"read":{read},"write":{none},"flush":{none},"discard":{none},"write_zeroes":{none}}}}}]}}"#
        )
    );
}

#[test]
fn an_event_has_a_device_if_it_is_about_one() {
    let changed = |reason| {
        Update::Changed(Change {
            reason,
            device: vol0(),
        })
    };
    for (update, word) in [
        (Update::Exists(vol0()), "exists"),
        (changed(Reason::Created), "created"),
        (changed(Reason::Changed), "changed"),
        (changed(Reason::Lost), "lost"),
        (changed(Reason::Destroyed), "destroyed"),
    ] {
        assert_eq!(
            text(event(7, &update)),
            format!(r#"{{"schema":1,"seq":7,"event":"{word}","device":{VOL0}}}"#)
        );
    }
    assert_eq!(
        text(event(7, &Update::Ready(Vec::new()))),
        r#"{"schema":1,"seq":7,"event":"ready"}"#
    );
    assert_eq!(
        text(event(7, &Update::Overrun)),
        r#"{"schema":1,"seq":7,"event":"overrun"}"#
    );
}
