// SPDX-License-Identifier: MIT OR Apache-2.0
//! Answers against bytes written by hand, and back and forth over random values.

use proptest::prelude::*;

use super::*;
use crate::error::Error;

#[rustfmt::skip]
const DEVICE: [u8; 168] = [
    8, 0, 1, 0,  3, 0, 0, 0,
    9, 0, 2, 0,  b'v', b'o', b'l', b'0', 0,  0, 0, 0,
    8, 0, 3, 0,  2, 0, 0, 0,
    8, 0, 4, 0,  0, 0, 0, 0,
    8, 0, 5, 0,  2, 0, 0, 0,
    8, 0, 6, 0,  1, 0, 0, 0,
    12, 0, 7, 0,  0, 0, 0, 0, 2, 0, 0, 0,
    8, 0, 8, 0,  0, 2, 0, 0,
    72, 0, 9, 0x80,
        7, 0, 1, 0,  b'/', b'd', 0, 0,
        8, 0, 2, 0,  0, 16, 0, 0,
        12, 0, 3, 0,  0, 0, 0, 0, 2, 0, 0, 0,
        8, 0, 4, 0,  0, 0, 0, 0,
        8, 0, 5, 0,  3, 1, 0, 0,
        8, 0, 6, 0,  5, 0, 0, 0,
        8, 0, 10, 0,  77, 0, 0, 0,
        8, 0, 7, 0,  2, 0, 0, 0,
    8, 0, 10, 0,  17, 0, 0, 0,
    8, 0, 22, 0,  3, 0, 0, 0,
    8, 0, 13, 0,  0, 0, 1, 0,
];

fn device() -> Device {
    Device {
        id: 3,
        name: "vol0".into(),
        state: State::Lost,
        queue: QueueMode::Bio,
        stats: StatsMode::Full,
        read_only: true,
        size: 1 << 33,
        logical_block_size: 512,
        targets: vec![Target {
            path: "/d".into(),
            major: 259,
            minor: 5,
            diskseq: 77,
            start: 0,
            offset: 4096,
            length: 1 << 33,
            state: State::Lost,
        }],
        stripe: Some(65_536),
        generation: 17,
        table_number: 3,
    }
}

#[test]
fn a_device_is_read_from_the_kernels_bytes() {
    assert_eq!(decode_device(&DEVICE).unwrap(), device());
    let mut writer = Writer::default();
    encode_device(&mut writer, &device()).unwrap();
    assert_eq!(writer.into_bytes(), DEVICE);
}

#[test]
fn an_attribute_of_a_newer_module_is_skipped() {
    let mut bytes = DEVICE.to_vec();
    bytes.extend([8, 0, 99, 0, 1, 2, 3, 4]);
    assert_eq!(decode_device(&bytes).unwrap(), device());
}

#[test]
fn a_missing_part_is_named_and_an_unknown_state_is_shown_as_its_number() {
    let without_id = decode_device(&DEVICE[8..]);
    assert!(
        matches!(&without_id, Err(Error::Malformed(what)) if what == "attribute id of a device is missing"),
        "{without_id:?}"
    );
    let mut bytes = DEVICE;
    bytes[24] = 9;
    let unknown = decode_device(&bytes).unwrap();
    assert_eq!(unknown.state.name(), "9");
    assert_eq!(unknown.name, device().name);
}

fn any_state() -> impl Strategy<Value = State> {
    prop::sample::select(State::ALL.to_vec())
}

prop_compose! {
    fn any_target()(
        path in "/[a-z/,]{1,60}", major: u32, minor: u32, diskseq: u64, start: u64, offset: u64, length: u64,
        state in any_state(),
    ) -> Target {
        Target { path, major, minor, diskseq, start, offset, length, state }
    }
}

prop_compose! {
    fn any_device()(
        id: u32, name in "[^\0]{0,63}", state in any_state(),
        queue in prop::sample::select(QueueMode::ALL.to_vec()),
        stats in prop::sample::select(StatsMode::ALL.to_vec()),
        read_only: bool, size: u64, logical_block_size: u32,
        targets in prop::collection::vec(any_target(), 0..9), stripe: Option<u64>, generation: u64,
        table_number: u64,
    ) -> Device {
        Device {
            id, name, state, queue, stats, read_only, size, logical_block_size, targets,
            stripe, generation, table_number,
        }
    }
}

proptest! {
    #[test]
    fn a_device_survives_the_wire(device in any_device()) {
        let mut writer = Writer::default();
        encode_device(&mut writer, &device).unwrap();
        prop_assert_eq!(decode_device(&writer.into_bytes()).unwrap(), device);
    }
}
