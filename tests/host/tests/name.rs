// SPDX-License-Identifier: MIT OR Apache-2.0
//! Names of devices: a name that is accepted can be a file's name and one word of a shell.

use proptest::prelude::*;
use shunt_host_tests::name::{NameError, check};
use shunt_uapi::NAME_MAX;

const MAX: usize = NAME_MAX as usize;

/// The rule in other words than the driver's: slash, white space and control characters of ASCII.
fn forbidden(byte: u8) -> bool {
    byte == b'/' || byte.is_ascii_whitespace() || byte.is_ascii_control()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_name_is_accepted_just_if_it_keeps_every_rule(name in prop::collection::vec(any::<u8>(), 0..2 * MAX)) {
        let good = (1..=MAX).contains(&name.len())
            && name != b"."
            && name != b".."
            && !name.iter().copied().any(forbidden)
            && String::from_utf8(name.clone()).is_ok();
        prop_assert_eq!(check(&name).is_ok(), good);
    }

    #[test]
    fn text_is_accepted_just_if_it_keeps_every_rule(name in r"[ -0a-z\n\u{7f}éß鐵🗲]{0,40}") {
        let good = (1..=MAX).contains(&name.len()) && name != "." && name != ".." && !name.bytes().any(forbidden);
        prop_assert_eq!(check(name.as_bytes()).is_ok(), good);
    }

    #[test]
    fn plain_words_are_accepted(name in "[A-Za-z0-9][A-Za-z0-9_.:+@-]{0,62}") {
        prop_assert_eq!(check(name.as_bytes()), Ok(()));
    }

    #[test]
    fn the_refused_byte_is_the_first_bad_one(
        good in "[a-z]{0,20}",
        bad in any::<u8>().prop_filter("a bad byte", |byte| forbidden(*byte)),
        rest in "[a-z/ ]{0,20}",
    ) {
        let name = [good.as_bytes(), &[bad], rest.as_bytes()].concat();
        prop_assert_eq!(check(&name), Err(NameError::Byte(bad)));
    }
}

#[test]
fn each_byte_of_ascii_is_accepted_or_refused_as_documented() {
    for byte in 0..=0x7f {
        let wanted = if forbidden(byte) {
            Err(NameError::Byte(byte))
        } else {
            Ok(())
        };
        assert_eq!(check(&[b'v', byte]), wanted, "byte {byte:#04x}");
    }
}

#[test]
fn an_empty_name_is_refused() {
    assert_eq!(check(b""), Err(NameError::Empty));
}

#[test]
fn the_longest_name_is_accepted_and_one_byte_more_refused() {
    assert_eq!(check(&[b'a'; MAX]), Ok(()));
    assert_eq!(check(&[b'a'; MAX + 1]), Err(NameError::TooLong));
}

#[test]
fn names_of_folders_are_refused_and_others_with_dots_accepted() {
    assert_eq!(check(b"."), Err(NameError::Dots));
    assert_eq!(check(b".."), Err(NameError::Dots));
    for name in [&b"..."[..], b".a", b"a.", b"a..b", b"..a"] {
        assert_eq!(check(name), Ok(()));
    }
}

#[test]
fn letters_beyond_ascii_are_accepted_if_they_are_utf8() {
    assert_eq!(check("größe".as_bytes()), Ok(()));
    for name in [
        &b"gr\xf6\xdfe"[..],
        b"\x80",
        b"a\xc3",
        b"\xed\xa0\x80",
        b"\xc0\xae",
    ] {
        assert_eq!(check(name), Err(NameError::NotUtf8), "{name:?}");
    }
}
