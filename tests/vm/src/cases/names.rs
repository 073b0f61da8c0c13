// SPDX-License-Identifier: MIT OR Apache-2.0
//! Names of devices: which there may be.

use std::fs::File;

use crate::guest::command::{attempt, run_words};
use crate::guest::flash::flash;
use crate::guest::module::Module;
use crate::guest::shunt::{Device, list, refused};

cases!("names":
    white_space_and_control_characters_of_unicode_are_refused,
    a_name_that_the_link_of_a_partition_has_is_refused,
    advice_is_a_command_that_works,
);

#[track_caller]
fn is_refused(name: &str, words: &str) {
    let to = format!("{},length=8M", flash(0).path);
    let line = refused(&["map", "--to", &to, "--", name]);
    assert!(line.contains(words), "{name:?}: {line}");
    assert!(
        !line.contains(|letter: char| letter.is_control()),
        "{line:?}"
    );
    assert!(list().is_empty(), "{name:?} was taken");
}

fn white_space_and_control_characters_of_unicode_are_refused() {
    let _module = Module::load();
    for letter in [
        '\u{85}', '\u{9b}', '\u{a0}', '\u{1680}', '\u{2028}', '\u{2029}', '\u{3000}',
    ] {
        let code = format!("U+{:04X}", u32::from(letter));
        is_refused(&format!("a{letter}b"), &code);
    }
}

fn a_name_that_the_link_of_a_partition_has_is_refused() {
    let _module = Module::load();
    is_refused("vol0-part1", "-part and a number");
    is_refused("-part12", "-part and a number");
    Device::map("vol0-part", &flash(0).path).unmap();
}

fn advice_is_a_command_that_works() {
    let _module = Module::load();
    for name in [
        "vol0", "-x", "--help", "$(id)", "it's", "a;b", "*", "~", "a#b", "ü→", "a\"b\\c",
    ] {
        let to = format!("{},length=8M", flash(0).path);
        let path = run_words(&["shunt", "map", "--to", &to, "--", name]);
        let open = File::open(path.trim()).expect("the device opens");
        let line = refused(&["unmap", "--", name]);
        let advice = line.split_once("fail: ").expect("there is advice").1;
        assert!(advice.starts_with("shunt unmap "), "{line}");
        let ended = attempt(&["sh", "-c", advice]);
        assert_eq!(ended.code, Some(0), "{advice}: {}", ended.stderr);
        assert!(list().is_empty(), "{advice}");
        drop(open);
    }
}
