// SPDX-License-Identifier: MIT OR Apache-2.0
//! Tables of statistics, letter by letter.

use super::*;

fn stats(time: u64, reads: u64, nanos: u64) -> Stats {
    let mut stats = Stats {
        id: 0,
        name: "vol0".into(),
        generation: 1,
        time,
        in_flight: 3,
        ops: Default::default(),
    };
    let read = &mut stats.ops[Op::Read as usize];
    read.ios = reads;
    read.bytes = reads * 4096;
    (read.in_flight, read.peak) = (3, 8);
    for _ in 0..reads {
        read.latency.record(nanos);
    }
    stats
}

fn rates_between(before: Stats, now: Stats) -> String {
    let mut last = Last::default();
    last.take(vec![before]);
    let name = |(id, interval)| (last.of(id).unwrap().name.clone(), interval);
    let mut last_too = Last {
        stats: last.stats.clone(),
    };
    let intervals: Vec<_> = last_too.take(vec![now]).into_iter().map(name).collect();
    rates(&intervals)
}

#[test]
fn totals_show_reads_writes_and_what_else_happened() {
    let mut stats = stats(0, 100, 80_000);
    let flush = &mut stats.ops[Op::Flush as usize];
    flush.ios = 5;
    flush.errors = 4;
    flush.errors_by = [(5, 1), (28, 3)].into();
    assert_eq!(
        totals(&[stats]),
        "\
NAME  OP     IOS    BYTES  IN-FLIGHT  PEAK     MEAN      P50      P90      P99    P99.9      MAX  ERRORS
vol0  read   100  400 KiB          3     8  80.0 us  81.9 us  81.9 us  81.9 us  81.9 us  81.9 us  0
vol0  write    0      0 B          0     0        -        -        -        -        -        -  0
vol0  flush    5      0 B          0     0        -        -        -        -        -        -  3 ENOSPC, 1 EIO
A quantile is at most 12.5 % above the true one, and never below it.
"
    );
}

#[test]
fn rates_are_of_the_time_between_two_samples() {
    let mut now = stats(3_000_000_000, 1100, 80_000);
    let read = &mut now.ops[Op::Read as usize];
    (read.errors, read.errors_by) = (1, [(5, 1)].into());
    assert_eq!(
        rates_between(stats(1_000_000_000, 100, 80_000), now),
        "\
NAME  OP     IO/S  BYTES/S  IN-FLIGHT  PEAK     MEAN      P50      P90      P99    P99.9      MAX  ERRORS/S
vol0  read    500    2 MiB          3     8  80.0 us  81.9 us  81.9 us  81.9 us  81.9 us  81.9 us  0.5 EIO
vol0  write     0      0 B          0     0        -        -        -        -        -        -  0

"
    );
}

#[test]
fn a_device_that_was_made_anew_or_has_gone_meanwhile_has_no_rates_yet() {
    let mut last = Last::default();
    assert!(last.take(vec![stats(1, 5, 80)]).is_empty());
    let mut anew = stats(2, 0, 80);
    anew.generation = 2;
    assert!(last.take(vec![anew.clone()]).is_empty());
    anew.time = 3;
    assert_eq!(last.take(vec![anew.clone()]).len(), 1);
    assert!(last.take_all(Vec::new()).is_empty());
    assert!(last.of(0).is_none());
    anew.time = 4;
    assert!(last.take_all(vec![anew]).is_empty());
}

#[test]
fn slow_rates_have_a_decimal() {
    assert_eq!(
        [0.0, 0.25, 9.94, 9.96, 1234.5].map(rate),
        ["0", "0.2", "9.9", "10", "1234"]
    );
}

#[test]
fn errors_have_the_names_of_errno() {
    let names = [5, 28, 121, 4095].map(errno_name);
    assert_eq!(names, ["EIO", "ENOSPC", "EREMOTEIO", "errno 4095"]);
}
