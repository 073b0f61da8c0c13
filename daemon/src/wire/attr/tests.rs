// SPDX-License-Identifier: MIT OR Apache-2.0
//! Attributes against bytes written by hand, and back and forth over random values.

use proptest::prelude::*;

use super::*;

/// Little-endian, as on every machine that the module is built for.
#[test]
fn attributes_have_the_kernels_bytes() {
    let mut writer = Writer::default();
    writer.u32(1, 7);
    writer.uint(2, 0xffff_ffff);
    writer.uint(3, 0x1_0000_0000);
    writer.string(4, "vol0").unwrap();
    let mut inner = Writer::default();
    inner.u32(1, 1);
    writer.nest(5, inner).unwrap();
    #[rustfmt::skip]
    assert_eq!(writer.into_bytes(), [
        8, 0, 1, 0,  7, 0, 0, 0,
        8, 0, 2, 0,  0xff, 0xff, 0xff, 0xff,
        12, 0, 3, 0,  0, 0, 0, 0, 1, 0, 0, 0,
        9, 0, 4, 0,  b'v', b'o', b'l', b'0', 0,  0, 0, 0,
        12, 0, 5, 0x80,  8, 0, 1, 0, 1, 0, 0, 0,
    ]);
}

#[test]
fn a_uint_is_read_from_4_and_from_8_bytes() {
    let attr = |value| Attr {
        kind: 1,
        value,
        start: 0,
    };
    assert_eq!(attr(&[5, 0, 0, 0]).uint().unwrap(), 5);
    assert_eq!(
        attr(&[5, 0, 0, 0, 1, 0, 0, 0]).uint().unwrap(),
        0x1_0000_0005
    );
    assert!(attr(&[5, 0]).uint().is_err());
    assert!(attr(&[]).u32().is_err());
}

#[test]
fn a_string_is_read_with_and_without_its_zero() {
    let attr = |value| Attr {
        kind: 1,
        value,
        start: 0,
    };
    assert_eq!(attr(b"vol0\0").string(), "vol0");
    assert_eq!(attr(b"vol0").string(), "vol0");
    assert_eq!(attr(b"\0").string(), "");
    assert_eq!(attr(b"a\xff\0").string(), "a\u{fffd}");
}

#[test]
fn an_attribute_that_is_cut_off_is_an_error_and_ends_the_list() {
    let bytes = [8, 0, 1, 0, 7, 0, 0, 0, 8, 0, 2, 0, 7];
    let read: Vec<_> = attributes(&bytes).collect();
    assert_eq!(read.len(), 2);
    assert!(read[0].is_ok());
    assert!(matches!(read[1], Err(Error::Malformed(_))));
}

#[test]
fn a_length_below_that_of_the_header_is_an_error() {
    for length in 0..4 {
        let bytes = [length, 0, 1, 0, 9, 9, 9, 9];
        let read: Vec<_> = attributes(&bytes).collect();
        assert!(matches!(read[..], [Err(Error::Malformed(_))]), "{length}");
    }
}

#[test]
fn what_no_attribute_can_hold_is_refused() {
    let mut writer = Writer::default();
    assert!(matches!(
        writer.string(1, "a\0b"),
        Err(Error::Unsendable(_))
    ));
    assert!(writer.string(1, &"x".repeat(VALUE_MAX - 1)).is_ok());
    assert!(matches!(
        writer.string(1, &"x".repeat(VALUE_MAX)),
        Err(Error::Unsendable(_))
    ));
    assert!(matches!(
        Writer::default().nest(1, writer),
        Err(Error::Unsendable(_))
    ));
}

#[derive(Clone, Debug)]
enum Value {
    U32(u32),
    Uint(u64),
    Text(String),
    Nest(Vec<(u16, u64)>),
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<u32>().prop_map(Value::U32),
        any::<u64>().prop_map(Value::Uint),
        any::<u32>().prop_map(|n| Value::Uint(n.into())),
        "[^\0]{0,40}".prop_map(Value::Text),
        prop::collection::vec((1..0x3fff_u16, any::<u64>()), 0..5).prop_map(Value::Nest),
    ]
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(values in prop::collection::vec((1..0x3fff_u16, value()), 0..20)) {
        let mut writer = Writer::default();
        for (kind, value) in &values {
            match value {
                Value::U32(n) => writer.u32(*kind, *n),
                Value::Uint(n) => writer.uint(*kind, *n),
                Value::Text(text) => writer.string(*kind, text).unwrap(),
                Value::Nest(pairs) => {
                    let mut inner = Writer::default();
                    for (kind, n) in pairs {
                        inner.uint(*kind, *n);
                    }
                    writer.nest(*kind, inner).unwrap();
                }
            }
        }
        let bytes = writer.into_bytes();
        prop_assert_eq!(bytes.len() % 4, 0);
        let read: Vec<_> = attributes(&bytes).collect::<Result<_>>().unwrap();
        prop_assert_eq!(read.len(), values.len());
        for (attr, (kind, value)) in read.iter().zip(&values) {
            prop_assert_eq!(attr.kind, *kind);
            prop_assert_eq!(
                &bytes[attr.start + 2..attr.start + 3],
                &kind.to_ne_bytes()[..1]
            );
            match value {
                Value::U32(n) => prop_assert_eq!(attr.u32().unwrap(), *n),
                Value::Uint(n) => prop_assert_eq!(attr.uint().unwrap(), *n),
                Value::Text(text) => prop_assert_eq!(&attr.string(), text),
                Value::Nest(pairs) => {
                    let inner: Vec<_> = attr
                        .nested()
                        .map(|attr| attr.and_then(|attr| Ok((attr.kind, attr.uint()?))))
                        .collect::<Result<_>>()
                        .unwrap();
                    prop_assert_eq!(&inner, pairs);
                }
            }
        }
    }

    #[test]
    fn reading_any_bytes_ends_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        for attr in attributes(&bytes).flatten() {
            let _ = (attr.u32(), attr.uint(), attr.string(), attr.nested().count());
        }
    }
}
