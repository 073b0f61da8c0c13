// SPDX-License-Identifier: MIT OR Apache-2.0
//! `uapi/shunt.yaml`, the Rust constants and the C header say the same, read by three parsers of which none is the
//! generator's.
#![expect(
    clippy::unwrap_used,
    reason = "a file that does not parse fails the test"
)]

mod spec {
    pub(crate) mod header;
    pub(crate) mod rust;
    pub(crate) mod yaml;
}

use shunt_uapi::{Op, QueueMode, Reason, State, StatsMode};
use spec::{header, rust, yaml};
use std::collections::BTreeMap;

/// Names with their values: `cmd::DEVICE_NEW` is `1`, `group::CONFIG` is `"config"`.
type Names = BTreeMap<String, String>;

#[test]
fn rust_constants_are_those_of_the_spec() {
    assert_eq!(rust::names(), yaml::names());
}

#[test]
fn c_header_is_that_of_the_rust_constants() {
    let wanted: Names = rust::names()
        .into_iter()
        .filter_map(|(name, value)| Some((header::spelled(&name)?, value)))
        .collect();
    assert_eq!(header::names(), wanted);
}

#[test]
fn words_of_the_enums_are_those_of_the_spec() {
    macro_rules! words {
        ($($kind:ident),*) => {
            BTreeMap::from([$((stringify!($kind).to_owned(), $kind::ALL.map(|value| (value as u32, value.name().to_owned())).to_vec())),*])
        };
    }
    let made: BTreeMap<String, Vec<(u32, String)>> =
        words!(Op, QueueMode, Reason, State, StatsMode);
    assert_eq!(made, yaml::words());
}

#[test]
fn enums_know_their_own_numbers_and_no_others() {
    macro_rules! check {
        ($($kind:ident),*) => {$(
            for value in $kind::ALL {
                assert_eq!($kind::from_u32(value as u32), Some(value));
            }
            let next = $kind::ALL.map(|value| value as u32).into_iter().max().unwrap() + 1;
            for unknown in [next, next + 1, u32::MAX] {
                assert_eq!($kind::from_u32(unknown), None);
            }
        )*};
    }
    check!(Op, QueueMode, Reason, State, StatsMode);
}
