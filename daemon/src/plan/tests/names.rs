// SPDX-License-Identifier: MIT OR Apache-2.0
//! Plans where the name of a drive leads to another drive than it did: to the same one that is back, or to a copy.

use super::*;

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
    move_to(&kernel, "v", "/dev/b");
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
    move_to(&kernel, "v", "/dev/b");
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
