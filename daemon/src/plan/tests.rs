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
fn a_shorter_table_is_refused() {
    let kernel = kernel();
    map(&kernel, V);
    let text = "[device.v]\nto = { drive = '/dev/a', length = '1M' }\n";
    let words = apply(&kernel, text);
    assert!(
        one(&words)
            .starts_with("refused: f:1:9: v: the table has 1048576 bytes (1 MiB), and the device"),
        "{words:?}"
    );
}

#[test]
fn larger_blocks_are_refused() {
    let kernel = kernel();
    let drive = Drive {
        logical_block_size: 4096,
        ..Drive::new(9, 0, 8 * MIB)
    };
    kernel.add_drive("/dev/k", drive);
    map(&kernel, V);
    let words = apply(&kernel, "[device.v]\nto = '/dev/k'\n");
    assert!(
        one(&words).contains("/dev/k has logical blocks of 4096 bytes"),
        "{words:?}"
    );
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
    let to_b = DeviceChange::Retarget {
        targets: vec![crate::TargetSpec::whole("/dev/b")],
        stripe: None,
    };
    change(&kernel, "v", &to_b);
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

/// Drive a under other numbers.
const BACK: Drive = Drive {
    major: 8,
    minor: 48,
    size: 8 * MIB,
    logical_block_size: 512,
    serial: Some(8 << 32),
    diskseq: 0,
};

#[test]
fn a_lost_device_is_made_live_again_when_its_drive_is_back() {
    let kernel = kernel();
    map(&kernel, V);
    let memory = learned(&kernel, V);
    kernel.remove_drive("/dev/a");
    assert_eq!(by(&kernel, V, Authority::Keep), ["v waits for /dev/a"]);
    kernel.add_drive("/dev/a", BACK);
    for authority in [Authority::Keep, Authority::Reload, Authority::Apply] {
        assert_eq!(
            knowing(&memory, &kernel, V, authority),
            ["retarget v: target /dev/a (8:0) -> /dev/a (8:48), state lost -> live"]
        );
    }
}

#[test]
fn a_lost_device_takes_no_other_drive_that_has_the_name_of_its_own() {
    for minor in [0, 48] {
        for (serial, words) in [
            (Some(7), "what has the name of its drive is another drive"),
            (
                None,
                "nothing tells whether this is the drive that it was on",
            ),
        ] {
            let kernel = kernel();
            map(&kernel, V);
            let memory = learned(&kernel, V);
            kernel.remove_drive("/dev/a");
            kernel.add_drive(
                "/dev/a",
                Drive {
                    minor,
                    serial,
                    ..BACK
                },
            );
            for authority in [Authority::Keep, Authority::Reload] {
                let text = format!("{V}policy = 'restore'\n");
                let kept = knowing(&memory, &kernel, &text, authority);
                assert!(
                    one(&kept).starts_with(&format!("left: f:1:9: v: {words}")),
                    "{kept:?}"
                );
            }
            let applied = apply(&kernel, V);
            assert!(one(&applied).starts_with("retarget v: "), "{applied:?}");
        }
    }
}

#[test]
fn who_knows_nothing_takes_a_drive_back_by_a_name_that_is_its_own_only() {
    for (name, taken) in [
        ("/dev/a", false),
        ("/dev/disk/by-path/pci-1", false),
        ("/dev/disk/by-id/nvme-flash", true),
        ("/dev/disk/by-partuuid/1-2", true),
    ] {
        let kernel = kernel();
        kernel.add_drive(name, Drive::new(8, 0, 8 * MIB));
        let text = format!("[device.v]\nto = '{name}'\n");
        map(&kernel, &text);
        kernel.remove_drive(name);
        kernel.add_drive(name, BACK);
        let words = by(&kernel, &text, Authority::Keep);
        assert_eq!(one(&words).starts_with("retarget"), taken, "{words:?}");
    }
}

#[test]
fn a_piece_that_is_back_does_not_take_a_copy_of_another_along() {
    let kernel = kernel();
    let text = "[device.v]\nto = ['/dev/a', '/dev/b']\n";
    map(&kernel, text);
    let memory = learned(&kernel, text);
    kernel.add_drive("/dev/b", Drive::new(8, 99, 8 * MIB));
    kernel.remove_drive("/dev/a");
    kernel.add_drive("/dev/a", Drive::new(8, 0, 8 * MIB));
    for authority in [Authority::Keep, Authority::Reload] {
        let kept = knowing(&memory, &kernel, text, authority);
        assert!(
            one(&kept).contains("target 2 /dev/b (8:16) -> /dev/b (8:99)"),
            "{kept:?}"
        );
        assert!(kept[0].starts_with("left: "), "{kept:?}");
    }
    assert_eq!(
        apply(&kernel, text),
        [
            "retarget v: target 1 /dev/a (8:0) [diskseq 1] -> /dev/a (8:0) \
             [disk S34359738368, diskseq 6], target 2 /dev/b (8:16) -> /dev/b (8:99), state lost -> live"
        ]
    );
}

#[test]
fn what_else_the_file_changes_does_not_take_a_live_device_to_a_copy() {
    for (before, after, shown) in [
        (
            "to = { drive = '/dev/a', length = '4M' }",
            "to = { drive = '/dev/a', length = '6M' }",
            "retarget v: target /dev/a (8:0) -> /dev/a (8:64), length of target 4 MiB -> 6 MiB",
        ),
        (
            "to = '/dev/a'",
            "to = '/dev/a'\nqueue = 'mq'",
            "remap v: queue bio -> mq, target /dev/a (8:0) -> /dev/a (8:64)",
        ),
    ] {
        let kernel = kernel();
        let text = format!("[device.v]\n{before}\n");
        map(&kernel, &text);
        kernel.add_drive("/dev/a", Drive::new(8, 64, 8 * MIB));
        let text = format!("[device.v]\n{after}\nstats = 'off'\n");
        let words = by(&kernel, &text, Authority::Reload);
        assert_eq!(words[0], "set v: stats full -> off");
        assert!(
            words[1].contains("its drive has another name now"),
            "{words:?}"
        );
        let words = apply(&kernel, &text);
        assert_eq!(one(&words), format!("{shown}, stats full -> off"));
    }
}

#[test]
fn a_device_that_was_moved_by_hand_is_not_restored_to_a_copy() {
    let kernel = kernel();
    let text = format!("{V}policy = 'restore'\n");
    map(&kernel, &text);
    let memory = learned(&kernel, &text);
    let to_b = DeviceChange::Retarget {
        targets: vec![crate::TargetSpec::whole("/dev/b")],
        stripe: None,
    };
    change(&kernel, "v", &to_b);
    kernel.add_drive("/dev/a", Drive::new(8, 64, 8 * MIB));
    let kept = knowing(&memory, &kernel, &text, Authority::Keep);
    assert!(
        one(&kept).contains("its name leads to another drive than it did"),
        "{kept:?}"
    );
    Client::new(kernel.clone())
        .delete_device(&Selector::name("v"))
        .unwrap();
    let kept = knowing(&memory, &kernel, &text, Authority::Keep);
    assert!(
        one(&kept).contains("/dev/a (8:64) is another drive than it was"),
        "{kept:?}"
    );
    let mapped = knowing(&memory, &kernel, &text, Authority::Reload);
    assert_eq!(mapped, ["map v on /dev/a"]);
}

/// A machine with one drive, found by whatever name; the kernel knows it by a path of its own.
struct One(Option<crate::machine::Drive>);

impl Machine for One {
    fn find(&self, _: &config::DriveName) -> Found {
        self.0.clone().map_or(Found::Missing, Found::Drive)
    }

    fn way_down(&self, _: &crate::machine::Drive, _: &str) -> Option<Vec<String>> {
        None
    }

    fn users(&self, _: &str) -> Vec<String> {
        Vec::new()
    }

    fn lasting_name(&self, target: &crate::Target) -> config::DriveName {
        config::DriveName::Path(target.path.clone())
    }

    fn is_settled(&self) -> bool {
        true
    }
}

#[test]
fn a_partition_that_was_mapped_before_it_had_its_link_is_known_again() {
    let kernel = Fake::new();
    kernel.add_drive("/dev/sda2", Drive::new(8, 2, 8 * MIB));
    let wanted = wanted("[device.v]\nto = 'PARTUUID=1-2'\n");
    let part = |path: &str, minor| {
        One(Some(crate::machine::Drive {
            path: path.into(),
            disk: "sda2".into(),
            major: 8,
            minor,
            size: 8 * MIB,
            logical_block_size: 512,
            identity: crate::machine::Identity {
                hardware: Some("S1".into()),
                partition: Some("1-2".into()),
                ..crate::machine::Identity::default()
            },
        }))
    };
    let mut memory = Memory::default();
    let keep = |machine: &One, memory: &Memory| {
        plan(&wanted, &kernel.devices(), machine, memory, Authority::Keep)
    };
    let step = keep(&part("/dev/sda2", 2), &memory).steps.remove(0);
    crate::apply::carry_out(&mut Client::new(kernel.clone()), &step).unwrap();
    memory.learn(&wanted, &kernel.devices(), &part("/dev/sda2", 2));
    kernel.remove_drive("/dev/sda2");
    let gone = keep(&One(None), &memory);
    assert_eq!(gone.waiting[0].to_string(), "v waits for PARTUUID=1-2");
    let back = keep(&part("/dev/disk/by-partuuid/1-2", 18), &memory);
    assert_eq!(
        back.steps[0].to_string(),
        "retarget v: target /dev/sda2 (8:2) -> /dev/disk/by-partuuid/1-2 (8:18), state lost -> live"
    );
}

#[test]
fn a_lost_device_that_was_adopted_elsewhere_is_not_moved_back() {
    let kernel = kernel();
    map(&kernel, V);
    let to_b = DeviceChange::Retarget {
        targets: vec![crate::TargetSpec::whole("/dev/b")],
        stripe: None,
    };
    change(&kernel, "v", &to_b);
    kernel.remove_drive("/dev/b");
    let kept = by(&kernel, V, Authority::Keep);
    assert!(one(&kept).starts_with("left: "), "{kept:?}");
}

#[test]
fn a_live_device_stays_on_its_drive_when_the_name_leads_to_another() {
    let kernel = kernel();
    map(&kernel, V);
    kernel.add_drive("/dev/a", Drive::new(8, 64, 8 * MIB));
    for authority in [Authority::Keep, Authority::Reload] {
        let words = by(&kernel, &format!("{V}policy = 'restore'\n"), authority);
        assert!(
            one(&words).contains("its drive has another name now"),
            "{words:?}"
        );
    }
    assert_eq!(
        apply(&kernel, V),
        ["retarget v: target /dev/a (8:0) -> /dev/a (8:64)"]
    );
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

#[test]
fn what_does_not_fit_its_drive_is_refused_at_its_place() {
    let kernel = kernel();
    kernel.add_file("/dev/file");
    for (to, words) in [
        (
            "{ drive = '/dev/a', offset = '1M', length = '8M' }",
            "/dev/a: length 8388608 is above 7340032, the rest of the drive; make it smaller",
        ),
        (
            "{ drive = '/dev/a', offset = '8M' }",
            "/dev/a: offset 8388608 is not below the drive's size, 8388608; make it",
        ),
        ("'/dev/file'", "not a block device"),
    ] {
        let found = apply(&kernel, &format!("[device.v]\nto = {to}\n"));
        assert!(
            one(&found).starts_with(&format!("refused: f:2:6: v: {words}")),
            "{found:?}"
        );
    }
}

#[test]
fn two_names_of_one_drive_do_not_hide_an_overlap() {
    let kernel = kernel();
    kernel.add_drive("/dev/also-a", Drive::new(8, 0, 8 * MIB));
    let text = format!("{V}[device.w]\nto = '/dev/also-a'\n");
    let words = apply(&kernel, &text);
    assert_eq!(words.len(), 2, "{words:?}");
    assert_eq!(words[0], "map v on /dev/a");
    assert!(
        words[1]
            .starts_with("refused: f:4:6: w: /dev/also-a from 0 to the end overlaps what device v"),
        "{words:?}"
    );
}

#[test]
fn a_loop_through_its_own_device_is_refused() {
    let kernel = kernel();
    map(
        &kernel,
        "[device.v]\nto = '/dev/a'\n[device.w]\nto = '/dev/shunt0'\n",
    );
    let words = apply(
        &kernel,
        "[device.v]\nto = '/dev/shunt1'\n[device.w]\nto = '/dev/shunt0'\n",
    );
    assert!(
        words[0].starts_with(
            "refused: f:2:6: v: /dev/shunt1 leads back to the device itself (shunt1 on shunt0)"
        ),
        "{words:?}"
    );
}

#[test]
fn a_loop_that_only_the_files_have_is_refused() {
    let kernel = kernel();
    map(
        &kernel,
        "[device.v]\nto = '/dev/a'\n[device.w]\nto = '/dev/b'\n",
    );
    let words = apply(
        &kernel,
        "[device.v]\nto = '/dev/shunt1'\n[device.w]\nto = '/dev/shunt0'\n",
    );
    assert_eq!(words.len(), 2, "{words:?}");
    assert!(
        words
            .iter()
            .all(|w| w.contains("leads back to the device itself")),
        "{words:?}"
    );
}
