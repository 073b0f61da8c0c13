// SPDX-License-Identifier: MIT OR Apache-2.0
//! Names of devices: a name that is accepted can be a file's name and one word of a shell, and shows as what it is.

use proptest::prelude::*;
use shunt_logic::name::{NameError, RULE, check};
use shunt_uapi::NAME_MAX;

const MAX: usize = NAME_MAX as usize;

/// The letters that are refused, as Unicode lists them: slash, controls (Cc), and what has the property White_Space.
fn forbidden(letter: char) -> bool {
    matches!(
        letter,
        '/' | '\0'..=' '
            | '\u{7f}'..='\u{a0}'
            | '\u{1680}'
            | '\u{2000}'..='\u{200a}'
            | '\u{2028}'
            | '\u{2029}'
            | '\u{202f}'
            | '\u{205f}'
            | '\u{3000}'
    )
}

/// Whether it is the link of a partition of some device: its name, `-part` and a number.
fn is_of_partition(name: &str) -> bool {
    let end = name.rsplit_once("-part").map(|(_, number)| number);
    end.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}

fn is_good(name: &str) -> bool {
    (1..=MAX).contains(&name.len())
        && name != "."
        && name != ".."
        && !name.contains(forbidden)
        && !is_of_partition(name)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_name_is_accepted_just_if_it_keeps_every_rule(name in prop::collection::vec(any::<u8>(), 0..2 * MAX)) {
        let good = String::from_utf8(name.clone()).is_ok_and(|name| is_good(&name));
        prop_assert_eq!(check(&name).is_ok(), good);
    }

    #[test]
    fn text_is_accepted_just_if_it_keeps_every_rule(name in r"[ -0a-z\n\u{7f}\u{9b}\u{a0}\u{2028}éß鐵🗲]{0,40}(-part)?[0-9]{0,3}") {
        prop_assert_eq!(check(name.as_bytes()).is_ok(), is_good(&name));
    }

    #[test]
    fn plain_words_are_accepted(name in "[A-Za-z0-9][A-Za-z0-9_.:+@-]{0,61}[a-z]") {
        prop_assert_eq!(check(name.as_bytes()), Ok(()));
    }

    #[test]
    fn the_refused_letter_is_the_first_bad_one(
        good in "[a-z]{0,20}",
        bad in r"[\x00- /\u{7f}-\u{a0}\u{2000}-\u{200a}\u{2028}\u{2029}\u{3000}]",
        rest in "[a-z/ ]{0,20}",
    ) {
        let name = format!("{good}{bad}{rest}");
        prop_assert_eq!(check(name.as_bytes()), Err(NameError::Letter(bad.chars().next().unwrap())));
    }
}

#[test]
fn each_letter_is_accepted_or_refused_as_documented() {
    for letter in '\0'..=char::MAX {
        let wanted = if forbidden(letter) {
            Err(NameError::Letter(letter))
        } else {
            Ok(())
        };
        assert_eq!(check(format!("v{letter}").as_bytes()), wanted, "{letter:?}");
    }
}

#[test]
fn a_name_that_the_link_of_a_partition_has_is_refused() {
    for name in ["a-part1", "-part0", "a-part1-part12", "ä-part007"] {
        assert_eq!(check(name.as_bytes()), Err(NameError::Partition), "{name}");
    }
    for name in [
        "a-part",
        "a-part1b",
        "part1",
        "a-Part1",
        "a-part٣",
        "a-part1-x",
    ] {
        assert_eq!(check(name.as_bytes()), Ok(()), "{name}");
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

#[test]
fn the_rule_in_words_has_the_number_of_the_specification() {
    assert!(RULE.contains(&format!(" {NAME_MAX} bytes")));
}

#[test]
fn a_letter_that_cannot_be_shown_is_named_by_its_number() {
    for (name, number) in [("a\u{9b}31m", "U+009B"), ("a\u{2028}b", "U+2028")] {
        let why = check(name.as_bytes()).unwrap_err().to_string();
        assert_eq!(
            why,
            format!("the name has white space or a control character, {number}")
        );
    }
}
