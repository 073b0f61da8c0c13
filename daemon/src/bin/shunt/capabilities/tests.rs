// SPDX-License-Identifier: MIT OR Apache-2.0

use std::collections::HashSet;

use shunt::{
    Capabilities, Client, DeviceSpec, Selector, TargetSpec,
    transport::fake::{Drive, Fake},
};

use super::*;

/// A device in `queue` mode over as many drives as there are sets of numbers.
fn caps(queue: QueueMode, device: &[(u16, u64)], drives: &[&[(u16, u64)]]) -> DeviceCaps {
    let kernel = Fake::new();
    let mut targets = Vec::new();
    for number in 0..drives.len() as u32 {
        let path = format!("/dev/{number}");
        kernel.add_drive(&path, Drive::new(8, number, 1 << 20));
        targets.push(TargetSpec::whole(path));
    }
    let mut client = Client::new(kernel);
    let spec = DeviceSpec {
        queue,
        ..DeviceSpec::new("vol0", targets)
    };
    client.create_device(&spec).unwrap();
    let set = |pairs: &[(u16, u64)]| Capabilities(pairs.iter().copied().collect());
    DeviceCaps {
        capabilities: set(device),
        targets: drives.iter().map(|drive| set(drive)).collect(),
        ..client.caps(&Selector::name("vol0")).unwrap()
    }
}

#[track_caller]
fn why_of(caps: &DeviceCaps, name: &str) -> Option<&'static str> {
    let verdicts = verdicts(caps);
    let found = verdicts.iter().find(|verdict| verdict.name == name);
    found.unwrap_or_else(|| panic!("no row {name}")).why
}

#[test]
fn every_capability_has_one_row() {
    let rows: HashSet<u16> = ROWS
        .iter()
        .map(|Row(_, attribute, ..)| *attribute)
        .collect();
    assert_eq!(rows.len(), ROWS.len());
    assert_eq!(rows, (1..=cap::INLINE_ENCRYPTION).collect());
}

#[test]
fn what_is_the_same_needs_no_reason() {
    let numbers: Vec<(u16, u64)> = (1..=cap::INLINE_ENCRYPTION).map(|n| (n, 1)).collect();
    let same = caps(QueueMode::Bio, &numbers, &[&numbers, &numbers]);
    assert!(verdicts(&same).iter().all(|verdict| verdict.why.is_none()));
}

#[test]
fn what_differs_has_its_reason() {
    let mixed = caps(
        QueueMode::Bio,
        &[(cap::LOGICAL_BLOCK_SIZE, 4096), (cap::DISCARD, 1 << 20)],
        &[
            &[(cap::LOGICAL_BLOCK_SIZE, 512), (cap::DISCARD, 1 << 20)],
            &[
                (cap::LOGICAL_BLOCK_SIZE, 4096),
                (cap::DISCARD, 1 << 30),
                (cap::DAX, 1),
            ],
        ],
    );
    assert_eq!(
        why_of(&mixed, "logical block"),
        Some("the most of the drives")
    );
    assert_eq!(why_of(&mixed, "discard"), Some("the least of the drives"));
    assert_eq!(
        why_of(&mixed, "DAX"),
        Some("every I/O is measured, and DAX is no I/O")
    );
    assert_eq!(why_of(&mixed, "FUA"), None);
}

#[test]
fn the_queue_mode_is_why_nothing_polls() {
    let queue = caps(QueueMode::Mq, &[], &[&[(cap::POLL, 1)]]);
    let why = why_of(&queue, "polled I/O");
    assert_eq!(why, Some("the request queue has no queues to poll"));
}

#[test]
fn numbers_are_shown_in_their_units() {
    assert_eq!(Unit::Mask.shown(3), "4 B");
    assert_eq!(Unit::Mask.shown(0), "1 B");
    assert_eq!(Unit::Power.shown(12), "4 KiB");
    assert_eq!(Unit::Power.shown(0), "-");
    assert_eq!(Unit::Bytes.shown(0), "-");
    assert_eq!(Unit::Flag.shown(1), "yes");
    assert_eq!(Unit::Checksum.shown(2), "CRC-16");
}
