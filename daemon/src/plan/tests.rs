// SPDX-License-Identifier: MIT OR Apache-2.0
//! Plans for the fake, by each difference there may be.

use super::*;
use crate::{
    Client, Selector,
    config::{self, Wanted},
    model::DeviceChange,
    transport::fake::{Drive, Fake},
};

mod memory;
mod names;
mod refused;

const MIB: u64 = 1 << 20;

/// A kernel with drives a to d of 8 MiB.
fn kernel() -> Fake {
    let kernel = Fake::new();
    for (number, name) in ["a", "b", "c", "d"].into_iter().enumerate() {
        let drive = Drive::new(8, 16 * number as u32, 8 * MIB);
        kernel.add_drive(&format!("/dev/{name}"), drive);
    }
    kernel
}

fn wanted(text: &str) -> Vec<Wanted> {
    config::parse("f", text).unwrap()
}

fn map(kernel: &Fake, text: &str) {
    let mut client = Client::new(kernel.clone());
    crate::apply::apply(&mut client, &wanted(text), || kernel.clone()).unwrap();
}

/// What is known of the drives now.
fn learned(kernel: &Fake, text: &str) -> Memory {
    let mut memory = Memory::default();
    memory.learn(&wanted(text), &kernel.devices(), kernel);
    memory
}

fn change(kernel: &Fake, name: &str, change: &DeviceChange) {
    let mut client = Client::new(kernel.clone());
    client.change_device(&Selector::name(name), change).unwrap();
}

/// Somebody moves a device to a drive.
fn move_to(kernel: &Fake, name: &str, path: &str) {
    let to = DeviceChange::Retarget {
        targets: vec![crate::TargetSpec::whole(path)],
        stripe: None,
    };
    change(kernel, name, &to);
}

/// What is to be done about `text`, in words.
fn by(kernel: &Fake, text: &str, authority: Authority) -> Vec<String> {
    knowing(&Memory::default(), kernel, text, authority)
}

/// As [`by`], by who knows the drives from before.
fn knowing(memory: &Memory, kernel: &Fake, text: &str, authority: Authority) -> Vec<String> {
    let plan = plan(&wanted(text), &kernel.devices(), kernel, memory, authority);
    let steps = plan.steps.iter().map(Step::to_string);
    let waiting = plan.waiting.iter().map(Waiting::to_string);
    let refused = plan
        .refused
        .iter()
        .map(|remark| format!("refused: {remark}"));
    let left = plan.left.iter().map(|remark| format!("left: {remark}"));
    let others = plan.others.iter().map(|name| format!("other: {name}"));
    steps
        .chain(waiting)
        .chain(refused)
        .chain(left)
        .chain(others)
        .collect()
}

fn apply(kernel: &Fake, text: &str) -> Vec<String> {
    by(kernel, text, Authority::Apply)
}

#[track_caller]
fn one(words: &[String]) -> &str {
    assert_eq!(words.len(), 1, "{words:?}");
    &words[0]
}

const V: &str = "[device.v]\nto = '/dev/a'\n";

#[test]
fn a_device_that_is_not_there_is_mapped_and_then_nothing_is_to_be_done() {
    let kernel = kernel();
    assert_eq!(apply(&kernel, V), ["map v on /dev/a"]);
    map(&kernel, V);
    assert!(apply(&kernel, V).is_empty());
}

#[test]
fn a_device_of_a_missing_drive_waits_or_is_left_out() {
    let kernel = kernel();
    let text = "[device.v]\nto = ['/dev/a', '/dev/x', 'PARTUUID=1-2']\n";
    assert_eq!(
        apply(&kernel, text),
        ["v waits for /dev/x and PARTUUID=1-2"]
    );
    let text = "[device.v]\nto = '/dev/x'\nmissing = 'skip'\n";
    assert_eq!(apply(&kernel, text), ["v is left out: /dev/x is missing"]);
}

#[test]
fn a_device_that_is_not_in_the_files_is_left_alone() {
    let kernel = kernel();
    map(&kernel, V);
    assert_eq!(apply(&kernel, ""), ["other: v"]);
}

#[test]
fn each_setting_that_differs_is_set() {
    let kernel = kernel();
    map(&kernel, V);
    let text = format!("{V}stats = 'counters'\nread-only = true\n");
    assert_eq!(
        apply(&kernel, &text),
        ["set v: stats full -> counters, read-only no -> yes"]
    );
}

#[test]
fn another_drive_offset_or_length_is_a_retarget() {
    let kernel = kernel();
    map(
        &kernel,
        "[device.v]\nto = { drive = '/dev/a', length = '1M' }\n",
    );
    for (to, words) in [
        (
            "{ drive = '/dev/b', length = '1M' }",
            "target /dev/a (8:0) -> /dev/b (8:16)",
        ),
        (
            "{ drive = '/dev/a', offset = '1M', length = '1M' }",
            "offset of target 0 B -> 1 MiB",
        ),
        (
            "{ drive = '/dev/a', length = '2M' }",
            "length of target 1 MiB -> 2 MiB",
        ),
        ("'/dev/a'", "size 1 MiB -> 8 MiB"),
        (
            "[{ drive = '/dev/a', length = '1M' }, '/dev/b']",
            "targets 1 -> 2, target 2 none -> /dev/b (8:16)",
        ),
    ] {
        let text = format!("[device.v]\nto = {to}\n");
        assert_eq!(apply(&kernel, &text), [format!("retarget v: {words}")]);
    }
}

#[test]
fn queue_and_stripe_take_a_new_mapping_while_nobody_has_it_open() {
    let kernel = kernel();
    map(
        &kernel,
        "[device.v]\nto = ['/dev/a', '/dev/b']\nstripe = '64K'\n",
    );
    let text = "[device.v]\nto = ['/dev/a', '/dev/b']\nstripe = '128K'\nqueue = 'mq'\n";
    let what = "queue bio -> mq, stripe 64 KiB -> 128 KiB";
    assert_eq!(apply(&kernel, text), [format!("remap v: {what}")]);
    assert_eq!(
        by(&kernel, text, Authority::Reload),
        [format!("remap v: {what}")]
    );
    let kept = by(&kernel, text, Authority::Keep);
    assert!(one(&kept).starts_with("left: f:1:9: v: "), "{kept:?}");
    kernel.set_open(0, true);
    let words = apply(&kernel, text);
    assert!(
        one(&words).starts_with(&format!(
            "refused: f:1:9: v: {what} cannot be changed while"
        )),
        "{words:?}"
    );
    assert!(words[0].contains("shunt0 is mounted at /mnt"));
}

#[test]
fn a_device_that_was_changed_is_adopted_or_restored_by_its_policy() {
    let kernel = kernel();
    map(&kernel, V);
    move_to(&kernel, "v", "/dev/b");
    let stats = Some(StatsMode::Off);
    change(
        &kernel,
        "v",
        &DeviceChange::Settings {
            stats,
            read_only: None,
        },
    );
    let kept = by(&kernel, V, Authority::Keep);
    assert!(
        one(&kept)
            .contains("(policy adopt): target /dev/b (8:16) -> /dev/a (8:0), stats off -> full"),
        "{kept:?}"
    );
    let restored = ["retarget v: target /dev/b (8:16) -> /dev/a (8:0), stats off -> full"];
    let text = format!("{V}policy = 'restore'\n");
    assert_eq!(by(&kernel, &text, Authority::Keep), restored);
    assert_eq!(by(&kernel, V, Authority::Reload), restored);
}

#[test]
fn a_drive_that_has_grown_is_taken_up_at_the_end_only() {
    let kernel = kernel();
    let text = "[device.v]\nto = ['/dev/a', '/dev/b']\n";
    map(&kernel, text);
    // What follows it must not move.
    kernel.add_drive("/dev/a", Drive::new(8, 0, 9 * MIB));
    assert!(apply(&kernel, text).is_empty());
    kernel.add_drive("/dev/b", Drive::new(8, 16, 10 * MIB));
    assert_eq!(
        by(&kernel, text, Authority::Keep),
        ["retarget v: size 16 MiB -> 18 MiB"]
    );
    let plan = plan(
        &wanted(text),
        &kernel.devices(),
        &kernel,
        &Memory::default(),
        Authority::Keep,
    );
    crate::apply::carry_out(&mut Client::new(kernel.clone()), &plan.steps[0]).unwrap();
    let lengths: Vec<_> = kernel.devices()[0]
        .targets
        .iter()
        .map(|t| t.length)
        .collect();
    assert_eq!(lengths, [8 * MIB, 10 * MIB]);
    assert!(apply(&kernel, text).is_empty());
}
