// SPDX-License-Identifier: MIT OR Apache-2.0
//! Tables as people see them.

use shunt::{Change, QueueMode, Reason, State, StatsMode};

use super::*;

fn target(path: &str, start: u64, length: u64) -> Target {
    Target {
        path: path.into(),
        major: 259,
        minor: 0,
        diskseq: 9,
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
        stripe: None,
        generation: 1,
        table_number: 3,
    }
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

#[test]
fn a_striped_device_shows_its_chunk_and_the_state_of_each_target() {
    let mut striped = Device {
        stripe: Some(65_536),
        state: State::Lost,
        ..vol0()
    };
    striped.targets[1].state = State::Lost;
    let text = device(&striped);
    assert!(text.contains("\nstripe:             64 KiB\n"), "{text}");
    assert!(text.contains("\nstate:              lost\n"), "{text}");
    let states: Vec<_> = text
        .lines()
        .filter_map(|line| line.split("  ").last())
        .collect();
    assert_eq!(states[states.len() - 2..], ["live", "lost"]);
}

#[test]
fn events_are_one_line_each() {
    let line = "vol0 (/dev/shunt0, 1.5 GiB, live) on /dev/nvme0n1 and 1 more\n";
    assert_eq!(event(&Update::Exists(vol0())), format!("exists     {line}"));
    let change = Change {
        reason: Reason::Destroyed,
        device: vol0(),
        failed: None,
    };
    assert_eq!(
        event(&Update::Changed(change)),
        format!("destroyed  {line}")
    );
    let mut lost = Change {
        reason: Reason::Lost,
        device: vol0(),
        failed: Some(32),
    };
    let text = format!("lost       {}, 32 I/O failed\n", line.trim_end());
    assert_eq!(event(&Update::Changed(lost.clone())), text);
    lost.failed = Some(0);
    assert_eq!(event(&Update::Changed(lost)), format!("lost       {line}"));
    assert_eq!(event(&Update::Ready(Vec::new())), "ready\n");
    assert!(event(&Update::Overrun).starts_with("overrun "));
}
