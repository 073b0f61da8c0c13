// SPDX-License-Identifier: MIT OR Apache-2.0
//! Names of devices: which there may be, and how a device is named on the command line.

use std::fs::{self, File};
use std::os::unix::fs::symlink;

use crate::guest::command::{attempt, run_words};
use crate::guest::flash::flash;
use crate::guest::module::Module;
use crate::guest::shunt::{Device, json, list, refused};

cases! {
    white_space_and_control_characters_of_unicode_are_refused,
    a_name_that_the_link_of_a_partition_has_is_refused,
    advice_is_a_command_that_works,
    a_device_is_named_by_its_name_node_link_or_number,
}

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

fn a_device_is_named_by_its_name_node_link_or_number() {
    const LINK: &str = "/run/link-to-device";
    let _module = Module::load();
    let drive = flash(0).path;
    let _other = Device::map("other", &format!("{drive},length=8M"));
    let device = Device::map("vol0", &format!("{drive},offset=8M,length=8M"));
    let _number = Device::map("0", &format!("{drive},offset=16M,length=8M"));
    let _ = fs::remove_file(LINK);
    symlink(device.path(), LINK).expect("/run takes links");
    let id = device.shown()["id"].to_string();
    for said in ["vol0", device.path(), LINK, &id] {
        let shown = json(&run_words(&["shunt", "show", said, "--json"]));
        assert_eq!(shown["device"]["name"], "vol0", "{said}");
        for words in [
            &["caps", said][..],
            &["stats", said],
            &["suspend", said],
            &["resume", said],
            &["resize", said],
            &["set", said, "--stats", "counters"],
            &[
                "retarget",
                said,
                "--to",
                &format!("{drive},offset=8M,length=8M"),
            ],
        ] {
            run_words(&[&["shunt"], words].concat());
        }
        assert_eq!(device.now()["stats"], "counters", "{said}");
        run_words(&["shunt", "set", said, "--stats", "full"]);
    }
    // Its name goes before the number of another.
    let shown = json(&run_words(&["shunt", "show", "0", "--json"]));
    assert_eq!(shown["device"]["name"], "0");
    for said in [&drive, "/dev/no-such-node", "/dev/shunt77", "77"] {
        let line = refused(&["show", said]);
        assert!(line.contains("shunt list shows the devices"), "{line}");
    }
    run_words(&["shunt", "unmap", LINK]);
    device.assume_gone();
    fs::remove_file(LINK).expect("it is there");
}
