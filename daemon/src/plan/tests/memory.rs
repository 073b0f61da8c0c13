// SPDX-License-Identifier: MIT OR Apache-2.0
//! Plans of who knows the drives from before, where a table gets more rows or fewer, and where drives
//! have the names and the numbers of others.

use super::*;

const TWO: &str = "[device.v]\nto = ['/dev/a', '/dev/b']\npolicy = 'restore'\n";

#[test]
fn a_row_that_comes_or_goes_is_shown_with_its_drive() {
    let kernel = kernel();
    map(&kernel, V);
    assert_eq!(
        by(&kernel, TWO, Authority::Apply),
        ["retarget v: targets 1 -> 2, target 2 none -> /dev/b (8:16)"]
    );
    let text = "[device.w]\nto = [{ drive = '/dev/c', length = '1M' }, { drive = '/dev/d', length = '1M' }]\n";
    map(&kernel, text);
    assert_eq!(
        by(&kernel, "[device.w]\nto = '/dev/c'\n", Authority::Apply)[0],
        "retarget w: targets 2 -> 1, target 2 /dev/d (8:48) -> none"
    );
}

#[test]
fn a_table_gets_no_row_on_a_copy_below_apply() {
    let kernel = kernel();
    map(&kernel, TWO);
    let memory = learned(&kernel, TWO);
    let to_a = DeviceChange::Retarget {
        targets: vec![
            crate::TargetSpec::whole("/dev/a"),
            crate::TargetSpec::whole("/dev/c"),
            crate::TargetSpec::whole("/dev/b"),
        ],
        stripe: None,
    };
    let text = "[device.v]\nto = ['/dev/a', '/dev/c', '/dev/b', '/dev/d']\npolicy = 'restore'\n";
    let four = learned(&kernel, text);
    change(&kernel, "v", &to_a);
    kernel.add_drive("/dev/d", Drive::new(8, 99, 8 * MIB));
    for authority in [Authority::Keep, Authority::Reload] {
        let kept = knowing(&four, &kernel, text, authority);
        assert!(
            one(&kept).contains("target 4 none -> /dev/d (8:99); it stays where it is"),
            "{kept:?}"
        );
        // Whom nothing was said of the drive takes it as it is.
        let taken = knowing(&memory, &kernel, text, authority);
        assert_eq!(
            taken,
            ["retarget v: targets 3 -> 4, target 4 none -> /dev/d (8:99)"]
        );
    }
}

#[test]
fn a_lost_row_is_not_back_because_another_device_is_on_what_has_its_numbers() {
    let kernel = kernel();
    let one_of = |name: &str, offset: u64| {
        format!(
            "[device.{name}]\nto = {{ drive = '/dev/a', offset = '{offset}M', length = '1M' }}\n"
        )
    };
    map(&kernel, &one_of("w", 0));
    kernel.remove_drive("/dev/a");
    kernel.add_drive(
        "/dev/a",
        Drive {
            serial: Some(7),
            ..Drive::new(8, 0, 8 * MIB)
        },
    );
    map(&kernel, &one_of("v", 2));
    let both = one_of("v", 2) + &one_of("w", 0);
    let memory = learned(&kernel, &both);
    for authority in [Authority::Keep, Authority::Reload] {
        let kept = knowing(&memory, &kernel, &both, authority);
        assert!(one(&kept).starts_with("left: f:3:9: w: "), "{kept:?}");
    }
}

#[test]
fn who_starts_while_a_copy_has_the_name_knows_the_drive_when_it_has_its_name_again() {
    let kernel = kernel();
    map(&kernel, V);
    kernel.add_drive("/dev/a", Drive::new(8, 64, 8 * MIB));
    let mut memory = learned(&kernel, V);
    kernel.add_drive("/dev/a", Drive::new(8, 0, 8 * MIB));
    memory.learn(&wanted(V), &kernel.devices(), &kernel);
    assert_eq!(
        knowing(&memory, &kernel, V, Authority::Keep),
        [""; 0],
        "nothing is to be said"
    );
}

#[test]
fn a_device_does_not_follow_another_that_was_mapped_anew_on_a_copy() {
    let kernel = kernel();
    let text = "[device.v]\nto = { drive = '/dev/a', length = '1M' }\npolicy = 'restore'\n\
                [device.w]\nto = { drive = '/dev/a', offset = '2M', length = '1M' }\npolicy = 'restore'\n";
    map(&kernel, text);
    let mut memory = learned(&kernel, text);
    move_to(&kernel, "w", "/dev/b");
    kernel.add_drive("/dev/a", Drive::new(8, 64, 8 * MIB));
    Client::new(kernel.clone())
        .delete_device(&Selector::name("v"))
        .unwrap();
    map(
        &kernel,
        "[device.v]\nto = { drive = '/dev/a', length = '1M' }\n",
    );
    memory.learn(&wanted(text), &kernel.devices(), &kernel);
    let kept = knowing(&memory, &kernel, text, Authority::Reload);
    assert!(
        one(&kept).contains("w: its name leads to another drive than it did"),
        "{kept:?}"
    );
}
