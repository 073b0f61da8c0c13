// SPDX-License-Identifier: MIT OR Apache-2.0
//! Requests against bytes written by hand, and the names of their parts.

use super::*;
use crate::error::Error;

fn spec() -> DeviceSpec {
    DeviceSpec {
        name: "v".into(),
        queue: QueueMode::Mq,
        stats: StatsMode::Counters,
        read_only: true,
        targets: vec![
            TargetSpec::whole("/a"),
            TargetSpec {
                path: "/b".into(),
                offset: 4096,
                length: Some(1 << 33),
                planned: None,
            },
        ],
        stripe: Some(65_536),
    }
}

#[rustfmt::skip]
const SPEC: [u8; 100] = [
    6, 0, 2, 0,  b'v', 0, 0, 0,
    8, 0, 4, 0,  1, 0, 0, 0,
    8, 0, 5, 0,  1, 0, 0, 0,
    8, 0, 6, 0,  1, 0, 0, 0,
    20, 0, 9, 0x80,
        7, 0, 1, 0,  b'/', b'a', 0, 0,
        8, 0, 2, 0,  0, 0, 0, 0,
    32, 0, 9, 0x80,
        7, 0, 1, 0,  b'/', b'b', 0, 0,
        8, 0, 2, 0,  0, 16, 0, 0,
        12, 0, 3, 0,  0, 0, 0, 0, 2, 0, 0, 0,
    8, 0, 13, 0,  0, 0, 1, 0,
    // What follows is put there by the tests that want more than a device.
    8, 0, 1, 0,  9, 0, 0, 0,
];
const SPEC_END: usize = SPEC.len() - 8;

#[test]
fn a_new_device_has_the_bytes_that_the_kernel_reads() {
    let message = create_device(&spec(), &[]).unwrap();
    assert_eq!(message.command, 1);
    assert_eq!(message.attributes, SPEC[..SPEC_END]);
    assert_eq!(decode_device_spec(&message.attributes).unwrap(), spec());
}

#[test]
fn one_device_is_named_by_id_or_by_name() {
    let by_id = one_device(cmd::DEVICE_DEL, &Selector::Id(9)).unwrap();
    assert_eq!(
        (by_id.command, &by_id.attributes[..]),
        (2, &SPEC[SPEC_END..])
    );
    assert_eq!(
        decode_selector(&by_id.attributes).unwrap(),
        (Selector::Id(9), false)
    );

    let by_name = one_device(cmd::STATS_GET, &Selector::name("v")).unwrap();
    assert_eq!((by_name.command, &by_name.attributes[..]), (5, &SPEC[..8]));
    assert_eq!(
        decode_selector(&by_name.attributes).unwrap(),
        (Selector::name("v"), false)
    );
}

#[test]
fn each_change_has_the_bytes_that_the_kernel_reads() {
    let selector = Selector::name("v");
    let settings = |stats, read_only| DeviceChange::Settings { stats, read_only };
    let retarget = DeviceChange::Retarget {
        targets: spec().targets,
        stripe: Some(65_536),
    };
    let suspend = |freeze| DeviceChange::Suspend { freeze };
    let number = |kind: u8, value: u8| vec![8, 0, kind, 0, value, 0, 0, 0];
    for (change, bytes) in [
        (retarget, SPEC[32..SPEC_END].to_vec()),
        (suspend(true), [number(3, 1), number(14, 1)].concat()),
        (suspend(false), [number(3, 1), number(14, 0)].concat()),
        (DeviceChange::Resume, number(3, 0)),
        (DeviceChange::Resize, number(15, 1)),
        (settings(Some(StatsMode::Full), None), number(5, 2)),
        (settings(None, Some(false)), number(6, 0)),
        (
            settings(Some(StatsMode::Off), Some(true)),
            [number(5, 0), number(6, 1)].concat(),
        ),
    ] {
        let message = change_device(&selector, &change, &[]).unwrap();
        assert_eq!(message.command, 6);
        assert_eq!(
            message.attributes,
            [&SPEC[..8], &bytes].concat(),
            "{change:?}"
        );
        let decoded = decode_change(&message.attributes).unwrap();
        assert_eq!(decoded, (selector.clone(), change));
    }
}

#[test]
fn changes_that_do_not_go_together_are_malformed() {
    let suspend_and_resize = [
        8, 0, 1, 0, 9, 0, 0, 0, 8, 0, 3, 0, 1, 0, 0, 0, 8, 0, 15, 0, 1, 0, 0, 0,
    ];
    assert!(decode_change(&suspend_and_resize).is_err());
    assert!(decode_change(&suspend_and_resize[..16]).is_ok());
}

#[test]
fn a_device_goes_by_force_if_it_is_told() {
    let message = force_delete_device(&Selector::Id(9)).unwrap();
    assert_eq!(message.command, 2);
    let bytes = [&SPEC[SPEC_END..], &[8, 0, 16, 0, 1, 0, 0, 0]].concat();
    assert_eq!(message.attributes, bytes);
    assert_eq!(decode_selector(&bytes).unwrap(), (Selector::Id(9), true));
}

#[test]
fn a_request_with_an_attribute_that_does_not_belong_is_malformed() {
    assert!(matches!(
        decode_device_spec(&SPEC),
        Err(Error::Malformed(what)) if what == "attribute 1 in a request"
    ));
    assert!(matches!(
        decode_selector(&SPEC[..16]),
        Err(Error::Malformed(what)) if what == "attribute 4 in a request"
    ));
    assert!(matches!(
        decode_selector(&[]),
        Err(Error::Malformed(what)) if what == "attribute id or name is missing"
    ));
}

#[test]
fn a_part_is_named_by_where_it_begins() {
    let part = |offset: usize| part_at(&SPEC, 20 + offset);
    let named = |offset| {
        let part = part(offset).unwrap();
        (part.word, part.target)
    };
    let of = |word: &str, target| (word.to_owned(), target);
    assert_eq!(named(0), of("name", None));
    assert_eq!(named(8), of("queue", None));
    assert_eq!(named(16), of("stats", None));
    assert_eq!(named(24), of("read-only", None));
    assert_eq!(named(32), of("target", Some(0)));
    assert_eq!(named(36), of("path", Some(0)));
    assert_eq!(named(44), of("offset", Some(0)));
    assert_eq!(named(52), of("target", Some(1)));
    assert_eq!(named(72), of("length", Some(1)));
    assert_eq!(named(84), of("stripe", None));
    assert_eq!(part(4), None);
    assert_eq!(part(4000), None);
    assert_eq!(part_at(&SPEC, 3), None);
}

#[test]
fn a_missing_part_is_named() {
    assert_eq!(missing_part(2, false).word, "name");
    assert_eq!(missing_part(1, true).word, "path");
    assert_eq!(missing_part(77, false).word, "attribute 77");
}

#[test]
fn a_text_that_fits_in_no_message_is_refused_before_it_is_sent() {
    let long = Selector::name("x".repeat(70_000));
    assert!(matches!(
        one_device(cmd::DEVICE_GET, &long),
        Err(Error::Unsendable(_))
    ));
}
