// SPDX-License-Identifier: MIT OR Apache-2.0
//! Latencies for people. The tables use it.

use shunt::metrics::bucket_floor;

/// A latency in ns with three digits: `63 ns`, `1.54 ms`; `-` for none; for the bucket without a
/// bound, what it is above.
pub(crate) fn latency(nanos: Option<u64>) -> String {
    match nanos {
        None => "-".to_owned(),
        Some(u64::MAX) => format!(">{}", digits(bucket_floor(u64::MAX))),
        Some(nanos) => digits(nanos),
    }
}

fn digits(nanos: u64) -> String {
    let (mut value, mut unit) = (nanos as f64, "ns");
    for larger in ["us", "ms", "s"] {
        // What rounds to 1000 of a unit is 1 of the next.
        if value < 999.5 {
            break;
        }
        (value, unit) = (value / 1000.0, larger);
    }
    match value {
        _ if unit == "ns" => format!("{value} {unit}"),
        v if v < 9.995 => format!("{v:.2} {unit}"),
        v if v < 99.95 => format!("{v:.1} {unit}"),
        v => format!("{v:.0} {unit}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latencies_have_three_digits_and_a_unit() {
        for (nanos, text) in [
            (0, "0 ns"),
            (63, "63 ns"),
            (999, "999 ns"),
            (1000, "1.00 us"),
            (1023, "1.02 us"),
            (9_994, "9.99 us"),
            (9_996, "10.0 us"),
            (99_960, "100 us"),
            (999_600, "1.00 ms"),
            (1_536_000, "1.54 ms"),
            (2_500_000_000, "2.50 s"),
            (137_000_000_000, "137 s"),
        ] {
            assert_eq!(latency(Some(nanos)), text, "{nanos}");
        }
    }

    #[test]
    fn without_a_value_or_a_bound_it_says_so() {
        assert_eq!(latency(None), "-");
        assert_eq!(latency(Some(u64::MAX)), ">137 s");
    }
}
