// SPDX-License-Identifier: MIT OR Apache-2.0
//! The documents, letter by letter: programs rely on them.

use shunt::{Change, QueueMode, Reason, State, StatsMode};

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
            diskseq: 9,
            start: 0,
            offset: 1_048_576,
            length: 1_073_741_824,
            state: State::Live,
        }],
        stripe: None,
        generation: 9,
        table_number: 3,
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
fn a_striped_device_has_the_length_of_a_chunk() {
    let striped = Device {
        stripe: Some(65_536),
        state: State::Suspended,
        ..vol0()
    };
    let expected = VOL0
        .replace(
            r#""logical_block_size":512,"#,
            r#""logical_block_size":512,"stripe_bytes":65536,"#,
        )
        .replacen(r#""state":"live""#, r#""state":"suspended""#, 1);
    assert_eq!(
        text(device(&striped)),
        format!(r#"{{"schema":1,"device":{expected}}}"#)
    );
}

#[test]
fn a_loss_tells_how_many_operations_failed() {
    let mut lost = vol0();
    lost.state = State::Lost;
    lost.targets[0].state = State::Lost;
    let update = Update::Changed(Change {
        reason: Reason::Lost,
        device: lost,
        failed: Some(32),
    });
    let expected = VOL0.replace(r#""state":"live""#, r#""state":"lost""#);
    assert_eq!(
        text(event(7, &update)),
        format!(r#"{{"schema":1,"seq":7,"event":"lost","failed":32,"device":{expected}}}"#)
    );
}

#[test]
fn an_event_has_a_device_if_it_is_about_one() {
    let changed = |reason| {
        Update::Changed(Change {
            reason,
            device: vol0(),
            failed: None,
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
