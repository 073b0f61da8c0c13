// SPDX-License-Identifier: MIT OR Apache-2.0
//! Bad input is refused whole: exit 1, one line that names the value and a remedy, and nothing changed.

use crate::guest::dm::Dm;
use crate::guest::flash::{BIG_BLOCKS, flash};
use crate::guest::module::Module;
use crate::guest::shunt::{Device, refused};
use crate::guest::state::refused_without_change;

cases! {
    a_path_that_is_not_there,
    a_path_that_is_no_block_device,
    an_offset_beyond_the_drive,
    a_length_beyond_the_drive,
    an_offset_and_length_that_overflow,
    targets_that_are_longer_together_than_a_device_can_be,
    a_length_of_nothing,
    an_offset_that_is_no_multiple_of_the_block,
    a_length_that_is_no_multiple_of_the_block,
    a_block_of_4096_bytes_is_not_cut,
    one_of_several_targets_is_named_by_number_and_path,
    a_name_that_is_taken,
    a_name_that_is_empty,
    a_name_that_is_too_long,
    a_name_with_a_slash,
    a_name_with_white_space_or_control_characters,
    a_name_of_dots,
    the_longest_name_is_taken,
    a_device_on_the_node_that_it_would_get_itself,
    a_device_that_is_not_there,
    no_module_loaded,
}

/// Sees that `shunt map NAME --to TO` is refused without a change, with a line that holds each of `words`.
#[track_caller]
fn map_is_refused(name: &str, to: &str, words: &[&str]) {
    is_refused(&["map", name, "--to", to], words);
}

#[track_caller]
fn is_refused(command: &[&str], words: &[&str]) {
    let line = refused_without_change(command);
    for word in words {
        assert!(line.contains(word), "{word:?} is not in {line:?}");
    }
}

fn a_path_that_is_not_there() {
    let _module = Module::load();
    map_is_refused("vol0", "/dev/nothing", &["/dev/nothing", "lsblk"]);
}

fn a_path_that_is_no_block_device() {
    let _module = Module::load();
    for path in ["/dev/null", "/etc/passwd", "/run"] {
        map_is_refused("vol0", path, &[path, "block device"]);
    }
}

fn an_offset_beyond_the_drive() {
    let _module = Module::load();
    let drive = flash(0);
    for offset in [drive.bytes, drive.bytes + 4096, 1 << 62] {
        map_is_refused(
            "vol0",
            &format!("{},offset={offset}", drive.path),
            &[&offset.to_string()],
        );
    }
}

fn a_length_beyond_the_drive() {
    let _module = Module::load();
    let drive = flash(0);
    let over = drive.bytes + 512;
    map_is_refused(
        "vol0",
        &format!("{},length={over}", drive.path),
        &[&over.to_string()],
    );
    let to = format!("{},offset=512,length={}", drive.path, drive.bytes);
    map_is_refused("vol0", &to, &[&drive.bytes.to_string()]);
}

fn an_offset_and_length_that_overflow() {
    let _module = Module::load();
    let huge = u64::MAX - 511;
    map_is_refused(
        "vol0",
        &format!("{},offset=1024,length={huge}", flash(0).path),
        &[&huge.to_string()],
    );
    map_is_refused(
        "vol0",
        &format!("{},offset={huge},length=1024", flash(0).path),
        &[&huge.to_string()],
    );
}

/// The kernel counts the bytes of a device in a signed word.
fn targets_that_are_longer_together_than_a_device_can_be() {
    let _module = Module::load();
    let longest = i64::MAX as u64 / 512;
    let zeroes =
        ["zero0", "zero1", "zero2"].map(|name| Dm::create(name, &format!("0 {longest} zero\n")));
    let [first, second, third] = &zeroes.each_ref().map(Dm::path);
    let joined = ["map", "vol0", "--to", first, "--to", second, "--to", third];
    is_refused(&joined, &["8 EiB"]);
    is_refused(&["map", "vol0", "--to", first, "--to", second], &["8 EiB"]);
    is_refused(
        &[
            "map", "vol0", "--stripe", "1M", "--to", first, "--to", second,
        ],
        &["8 EiB"],
    );
    // Each by itself is as long as a device can be.
    let device = Device::map("vol0", first);
    assert_eq!(device.bytes(), longest * 512);
    let part = format!("{second},length=1M");
    is_refused(
        &["retarget", "vol0", "--to", first, "--to", &part],
        &["8 EiB"],
    );
}

fn a_length_of_nothing() {
    let _module = Module::load();
    map_is_refused("vol0", &format!("{},length=0", flash(0).path), &["0"]);
}

fn an_offset_that_is_no_multiple_of_the_block() {
    let _module = Module::load();
    map_is_refused(
        "vol0",
        &format!("{},offset=1000", flash(0).path),
        &["1000", "512"],
    );
}

fn a_length_that_is_no_multiple_of_the_block() {
    let _module = Module::load();
    map_is_refused(
        "vol0",
        &format!("{},length=1025", flash(0).path),
        &["1025", "512"],
    );
}

fn a_block_of_4096_bytes_is_not_cut() {
    let _module = Module::load();
    let drive = flash(BIG_BLOCKS);
    map_is_refused(
        "vol0",
        &format!("{},offset=1s", drive.path),
        &["512", "4096"],
    );
    map_is_refused(
        "vol0",
        &format!("{},length=9s", drive.path),
        &["4608", "4096"],
    );
}

fn one_of_several_targets_is_named_by_number_and_path() {
    let _module = Module::load();
    let (free, taken) = (flash(0).path, flash(1).path);
    let _holder = Device::map("vol0", &format!("{taken},length=1M"));
    let _device = Device::map("vol1", &format!("{},length=1M", flash(2).path));
    let first = format!("{free},length=1M");
    let named = format!("target 2, {taken}: ");
    for (options, words) in [
        (",offset=100", "is not a multiple of the logical block"),
        (",offset=512K,length=1M", "overlaps shunt0"),
        (",length=0", "length 0 is too short"),
    ] {
        let second = format!("{taken}{options}");
        is_refused(
            &["map", "vol2", "--to", &first, "--to", &second],
            &[&named, words],
        );
        is_refused(
            &["retarget", "vol1", "--to", &first, "--to", &second],
            &[&named, words],
        );
    }
    let twice = format!("{free},offset=512K,length=1M");
    is_refused(
        &["map", "vol2", "--to", &first, "--to", &twice],
        &[
            &format!("target 2, {free}: overlaps target 1 of the table"),
            "a part of its own",
        ],
    );
}

fn a_name_that_is_taken() {
    let _module = Module::load();
    let _device = Device::map("vol0", &flash(0).path);
    map_is_refused("vol0", &flash(1).path, &["vol0"]);
}

fn a_name_that_is_empty() {
    let _module = Module::load();
    map_is_refused("", &flash(0).path, &["name"]);
}

fn a_name_that_is_too_long() {
    let _module = Module::load();
    map_is_refused(&"n".repeat(64), &flash(0).path, &["63"]);
}

fn a_name_with_a_slash() {
    let _module = Module::load();
    map_is_refused("a/b", &flash(0).path, &["a/b", "a name is 1 to 63 bytes"]);
}

fn a_name_with_white_space_or_control_characters() {
    let _module = Module::load();
    map_is_refused("a b", &flash(0).path, &["a b"]);
    map_is_refused("a\tb", &flash(0).path, &["name"]);
    map_is_refused("a\nb", &flash(0).path, &["name"]);
    map_is_refused("a\u{7f}b", &flash(0).path, &["name"]);
}

fn a_name_of_dots() {
    let _module = Module::load();
    map_is_refused(".", &flash(0).path, &["name"]);
    map_is_refused("..", &flash(0).path, &["name"]);
}

fn the_longest_name_is_taken() {
    let _module = Module::load();
    let name = "n".repeat(63);
    let device = Device::map(&name, &flash(0).path);
    assert_eq!(device.shown()["name"], name);
}

fn a_device_on_the_node_that_it_would_get_itself() {
    let _module = Module::load();
    map_is_refused("vol0", "/dev/shunt0", &["/dev/shunt0"]);
}

fn a_device_that_is_not_there() {
    let _module = Module::load();
    for command in ["unmap", "show", "stats"] {
        is_refused(&[command, "vol7"], &["vol7", "shunt list"]);
    }
}

fn no_module_loaded() {
    for command in [
        &["list"][..],
        &["map", "vol0", "--to", "/dev/nvme0n1"],
        &["unmap", "vol0"],
        &["stats"],
        &["events"],
    ] {
        let line = refused(command);
        // The image has none that modprobe could find.
        for words in ["none is installed for this kernel", "insmod"] {
            assert!(
                line.contains(words),
                "{line:?} does not say how to load the module"
            );
        }
    }
}
