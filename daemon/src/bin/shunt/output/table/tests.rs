// SPDX-License-Identifier: MIT OR Apache-2.0
//! Tables as people see them.

use shunt::{Change, QueueMode, Reason, State, StatsMode};

use super::*;

fn target(path: &str, start: u64, length: u64) -> Target {
    Target {
        path: path.into(),
        major: 259,
        minor: 0,
        start,
        offset: 4096,
        length,
        state: State::Live,
    }
}

fn vol0() -> Device {
    Device {
        id: 0,
        name: "vol0".into(),
        state: State::Live,
        queue: QueueMode::Bio,
        stats: StatsMode::Full,
        read_only: false,
        size: 3 << 29,
        logical_block_size: 512,
        targets: vec![
            target("/dev/nvme0n1", 0, 1 << 30),
            target("/dev/nvme1n1", 1 << 30, 1 << 29),
        ],
        generation: 1,
    }
}

#[test]
fn a_list_lines_up() {
    let second = Device {
        id: 10,
        name: "longer-name".into(),
        state: State::Suspended,
        stats: StatsMode::Counters,
        size: 512,
        targets: vec![target("/dev/sdb", 0, 512)],
        ..vol0()
    };
    assert_eq!(
        devices(&[vol0(), second]),
        "\
ID  NAME         PATH             SIZE  STATE      QUEUE  STATS     TARGETS
 0  vol0         /dev/shunt0   1.5 GiB  live       bio    full      /dev/nvme0n1 +1
10  longer-name  /dev/shunt10    512 B  suspended  bio    counters  /dev/sdb
"
    );
}

#[test]
fn an_empty_list_is_its_head() {
    assert_eq!(
        devices(&[]),
        "ID  NAME  PATH  SIZE  STATE  QUEUE  STATS  TARGETS\n"
    );
}

#[test]
fn a_device_is_shown_with_its_targets() {
    assert_eq!(
        device(&vol0()),
        "\
name:               vol0
path:               /dev/shunt0
id:                 0
state:              live
queue:              bio
stats:              full
read-only:          no
size:               1.5 GiB (1610612736 bytes)
logical block size: 512 bytes

TARGET  PATH          DEV    START  OFFSET   LENGTH  STATE
     1  /dev/nvme0n1  259:0    0 B   4 KiB    1 GiB  live
     2  /dev/nvme1n1  259:0  1 GiB   4 KiB  512 MiB  live
"
    );
}

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
    for _ in 0..reads {
        read.latency.record(nanos);
    }
    stats
}

#[test]
fn totals_show_reads_writes_and_what_else_happened() {
    let mut stats = stats(0, 100, 80_000);
    stats.ops[Op::Flush as usize].ios = 2;
    stats.ops[Op::Flush as usize].errors = 1;
    assert_eq!(
        totals(&[stats]),
        "\
NAME  OP     IOS    BYTES  ERRORS     MEAN      P50      P99    P99.9  IN-FLIGHT
vol0  read   100  400 KiB       0  80.0 us  81.9 us  81.9 us  81.9 us          3
vol0  write    0      0 B       0        -        -        -        -
vol0  flush    2      0 B       1        -        -        -        -
"
    );
}

#[test]
fn rates_are_of_the_time_between_two_samples() {
    let before = [stats(1_000_000_000, 100, 80_000)];
    let now = [stats(3_000_000_000, 1100, 80_000)];
    assert_eq!(
        rates(&before, &now),
        "\
NAME  OP     IO/S  BYTES/S  ERRORS/S     MEAN      P50      P99    P99.9  IN-FLIGHT
vol0  read    500  2.0 MiB         0  80.0 us  81.9 us  81.9 us  81.9 us          3
vol0  write     0      0 B         0        -        -        -        -

"
        .replace("2.0 MiB", "  2 MiB")
    );
}

#[test]
fn a_device_without_an_earlier_sample_has_no_rates_yet() {
    let now = [stats(3_000_000_000, 1100, 80_000)];
    let mut other = stats(1_000_000_000, 0, 0);
    other.generation = 2;
    for before in [vec![], vec![other]] {
        assert_eq!(rates(&before, &now).lines().count(), 2, "{before:?}");
    }
}

#[test]
fn slow_rates_have_a_decimal() {
    assert_eq!(
        [0.0, 0.25, 9.94, 9.96, 1234.5].map(rate),
        ["0", "0.2", "9.9", "10", "1234"]
    );
}

#[test]
fn events_are_one_line_each() {
    let line = "vol0 (/dev/shunt0, 1.5 GiB, live) on /dev/nvme0n1 and 1 more\n";
    assert_eq!(event(&Update::Exists(vol0())), format!("exists     {line}"));
    let change = Change {
        reason: Reason::Destroyed,
        device: vol0(),
    };
    assert_eq!(
        event(&Update::Changed(change)),
        format!("destroyed  {line}")
    );
    assert_eq!(event(&Update::Ready(Vec::new())), "ready\n");
    assert!(event(&Update::Overrun).starts_with("overrun "));
}
