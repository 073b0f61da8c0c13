// SPDX-License-Identifier: MIT OR Apache-2.0
//! The document of the statistics, letter by letter.

use shunt::{Histogram, Op};

use super::*;

const NONE: &str = r#"{"ios":0,"bytes":0,"errors":0,"errors_by":{},"in_flight":0,"peak":0,"latency_ns":{"sum":0,"buckets":[]},"sizes":{"buckets":[]}}"#;
const READ: &str = r#"{"ios":3,"bytes":12288,"errors":2,"errors_by":{"EIO":1,"errno 4095":1},"in_flight":2,"peak":7,"latency_ns":{"sum":3000,"buckets":[{"le":1023,"count":2},{"le":18446744073709551615,"count":1}],"quantiles":{"p50":1023,"p90":18446744073709551615,"p99":18446744073709551615,"p99.9":18446744073709551615,"max":18446744073709551615,"error":0.125}},"sizes":{"buckets":[{"le":4096,"count":3}]}}"#;

fn vol0() -> Stats {
    let mut ops = <[OpStats; Op::ALL.len()]>::default();
    let bucket = |le, count| Bucket { le, count };
    ops[Op::Read as usize] = OpStats {
        ios: 3,
        bytes: 12_288,
        errors: 2,
        latency: Histogram {
            sum: 3000,
            buckets: vec![bucket(1023, 2), bucket(u64::MAX, 1)],
        },
        in_flight: 2,
        peak: 7,
        sizes: vec![bucket(4096, 3)],
        errors_by: [(5, 1), (4095, 1)].into(),
    };
    Stats {
        id: 0,
        name: "vol0".into(),
        generation: 9,
        time: 5,
        in_flight: 2,
        ops,
    }
}

fn devices() -> String {
    format!(
        r#""devices":[{{"id":0,"name":"vol0","generation":9,"time_ns":5,"in_flight":2,"ops":{{"read":{READ},"write":{NONE},"flush":{NONE},"discard":{NONE},"write_zeroes":{NONE},"zone":{NONE}}}}}]}}"#
    )
}

#[test]
fn statistics_have_every_operation_and_only_buckets_that_are_not_empty() {
    assert_eq!(
        serde_json::to_string(&stats(&[vol0()])).unwrap(),
        format!(r#"{{"schema":1,{}"#, devices())
    );
}

#[test]
fn a_sample_tells_its_number_and_what_was_lost() {
    assert_eq!(
        serde_json::to_string(&samples(Some(12), 1, 3, &[vol0()])).unwrap(),
        format!(
            r#"{{"schema":1,"seq":12,"overruns":1,"dropped":3,{}"#,
            devices()
        )
    );
    let first = serde_json::to_string(&samples(None, 0, 0, &[])).unwrap();
    let expected = r#"{"schema":1,"seq":null,"overruns":0,"dropped":0,"devices":[]}"#;
    assert_eq!(first, expected);
}
