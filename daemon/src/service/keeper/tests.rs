// SPDX-License-Identifier: MIT OR Apache-2.0
//! The keeper against the fake, turn by turn.

use super::*;
use crate::{
    model::{DeviceChange, DeviceSpec, Selector, State, StatsMode, TargetSpec},
    transport::fake::{Drive, Fake},
};

mod documented;
mod invariant;
mod stage;

use stage::{Stage, on};

const MIB: u64 = 1 << 20;

const V: &str = "[device.v]\nto = '/dev/a'\n";
const RESTORE: &str = "[device.v]\nto = '/dev/a'\npolicy = 'restore'\n";

#[test]
fn devices_are_mapped_at_the_start_and_one_of_a_missing_drive_when_that_comes() {
    let text = format!("{V}[device.w]\nto = '/dev/x'\n");
    let mut stage = Stage::new("start", &text);
    stage.start();
    assert_eq!(stage.devices(), on(&[("v", "/dev/a")]));
    stage.add("/dev/y", 1);
    assert_eq!(stage.devices(), on(&[("v", "/dev/a")]));
    stage.add("/dev/x", 2);
    assert_eq!(stage.devices(), on(&[("v", "/dev/a"), ("w", "/dev/x")]));
}

#[test]
fn a_device_that_is_to_be_left_out_comes_with_a_reload_only() {
    let mut stage = Stage::new("skip", "[device.w]\nto = '/dev/x'\nmissing = 'skip'\n");
    stage.start();
    stage.add("/dev/x", 2);
    assert_eq!(stage.devices(), []);
    stage.reload();
    assert_eq!(stage.devices(), on(&[("w", "/dev/x")]));
}

#[test]
fn a_start_takes_over_what_is_there() {
    let mut stage = Stage::new("takeover", V);
    stage.start();
    let before = stage.kernel.devices();
    stage.keeper = None;
    assert_eq!(stage.kernel.devices(), before);
    stage.start();
    assert_eq!(stage.kernel.devices(), before);
}

#[test]
fn a_lost_device_is_live_again_when_its_drive_comes_back() {
    let mut stage = Stage::new("lost", V);
    stage.start();
    for minor in 1..4 {
        stage.kernel.remove_drive("/dev/a");
        stage.turn();
        assert_eq!(stage.kernel.devices()[0].state, State::Lost);
        stage.add_again(minor);
        assert_eq!(stage.kernel.devices()[0].state, State::Live);
    }
}

#[test]
fn a_drive_that_udev_describes_once_it_is_mapped_is_known_when_it_comes_back() {
    let mut stage = Stage::new("described", V);
    let drive = |minor, serial| Drive {
        serial,
        ..Drive::new(8, minor, 8 * MIB)
    };
    stage.kernel.add_drive("/dev/a", drive(64, None));
    stage.start();
    stage.kernel.describe_drive("/dev/a", 7);
    stage.news(News::Came);
    stage.kernel.remove_drive("/dev/a");
    stage.turn();
    assert_eq!(stage.kernel.devices()[0].state, State::Lost);
    stage.kernel.add_drive("/dev/a", drive(80, Some(7)));
    stage.news(News::Came);
    assert_eq!(stage.kernel.devices()[0].state, State::Live);
    assert!(!stage.keeper().has_work());
    assert_eq!(stage.keeper().deadline(), None, "it is at rest");
}

#[test]
fn what_somebody_else_changed_is_adopted_until_a_reload() {
    let mut stage = Stage::new("adopt", V);
    stage.start();
    stage.retarget("/dev/b");
    stage.turn();
    stage.news(News::Anything);
    assert_eq!(stage.devices(), on(&[("v", "/dev/b")]));
    // Not even a new daemon moves it.
    stage.start();
    assert_eq!(stage.devices(), on(&[("v", "/dev/b")]));
    stage.reload();
    assert_eq!(stage.devices(), on(&[("v", "/dev/a")]));
}

#[test]
fn what_somebody_else_changed_is_restored() {
    let mut stage = Stage::new("restore", RESTORE);
    stage.start();
    stage.retarget("/dev/b");
    let stats = Some(StatsMode::Off);
    stage.change(&DeviceChange::Settings {
        stats,
        read_only: None,
    });
    stage.turn();
    assert_eq!(stage.devices(), on(&[("v", "/dev/a")]));
    assert_eq!(stage.kernel.devices()[0].stats, StatsMode::Full);
}

#[test]
fn a_device_that_somebody_else_unmapped_stays_so_or_is_restored() {
    let mut stage = Stage::new("unmapped", V);
    stage.start();
    stage.unmap();
    stage.turn();
    stage.news(News::Anything);
    assert_eq!(stage.devices(), []);
    stage.reload();
    assert_eq!(stage.devices(), on(&[("v", "/dev/a")]));
    stage.write(RESTORE);
    stage.reload();
    stage.unmap();
    stage.turn();
    assert_eq!(stage.devices(), on(&[("v", "/dev/a")]));
}

#[test]
fn a_reload_makes_what_is_wanted_now_and_leaves_what_is_wanted_no_more() {
    let mut stage = Stage::new("reload", V);
    stage.start();
    stage.write("[device.v]\nto = '/dev/b'\n");
    stage.reload();
    assert_eq!(stage.devices(), on(&[("v", "/dev/b")]));
    stage.write("");
    stage.reload();
    assert_eq!(stage.devices(), on(&[("v", "/dev/b")]));
}

#[test]
fn a_bad_file_changes_nothing() {
    let mut stage = Stage::new("bad", V);
    stage.start();
    let before = stage.kernel.devices();
    for text in [
        "[device.v]\nto = /dev/b\n",
        "[device.v]\nto = '/dev/b'\nqeuue = 'mq'\n",
        "[device.v]\nto = { drive = '/dev/b', length = '9M' }\n[device.w]\nto = '/dev/c'\n",
        "[device.v]\nto = '/dev/shunt0'\n[device.w]\nto = '/dev/c'\n",
    ] {
        stage.write(text);
        stage.reload();
        assert_eq!(stage.kernel.devices(), before, "{text}");
    }
    // What was wanted before is wanted still.
    stage.kernel.set_loaded(false);
    stage.turn();
    stage.kernel.set_loaded(true);
    stage.turn();
    assert_eq!(stage.devices(), on(&[("v", "/dev/a")]));
}

#[test]
fn a_bad_file_at_the_start_is_mended_by_a_reload() {
    let mut stage = Stage::new("bad-start", "x");
    stage.start();
    assert_eq!(stage.devices(), []);
    stage.write(V);
    stage.reload();
    assert_eq!(stage.devices(), on(&[("v", "/dev/a")]));
}

#[test]
fn at_the_start_what_does_not_fit_keeps_no_other_device_back() {
    let text = format!("[device.w]\nto = {{ drive = '/dev/b', length = '9M' }}\n{V}");
    let mut stage = Stage::new("misfit", &text);
    stage.start();
    assert_eq!(stage.devices(), on(&[("v", "/dev/a")]));
}

#[test]
fn a_module_that_is_loaded_again_gets_its_devices_again() {
    let mut stage = Stage::new("module", V);
    stage.start();
    for _ in 0..3 {
        stage.kernel.set_loaded(false);
        stage.turn();
        assert!(!stage.keeper().is_loaded());
        stage.kernel.set_loaded(true);
        stage.turn();
        assert_eq!(stage.devices(), on(&[("v", "/dev/a")]));
    }
}

#[test]
fn a_loss_of_messages_is_counted_and_what_was_missed_is_restored() {
    let mut stage = Stage::new("overrun", RESTORE);
    stage.start();
    stage.kernel.set_room(2);
    for _ in 0..10 {
        stage.retarget("/dev/b");
        stage.retarget("/dev/c");
    }
    stage.turn();
    assert_eq!(stage.devices(), on(&[("v", "/dev/a")]));
    assert_eq!(stage.keeper().overruns(), 1);
}

#[test]
fn many_devices_are_mapped_without_a_loss_of_messages() {
    let devices = (0..200).map(|n| {
        let offset = n * 4096;
        format!("[device.v{n}]\nto = {{ drive = '/dev/a', offset = {offset}, length = 4096 }}\n")
    });
    let mut stage = Stage::new("many", &devices.collect::<String>());
    stage.kernel.set_room(4);
    stage.start();
    assert_eq!(stage.devices().len(), 200);
    assert_eq!(stage.keeper().overruns(), 0);
}

#[test]
fn what_was_refused_is_tried_again_when_something_changes() {
    let mut stage = Stage::new("refused", V);
    let mut other = Client::new(stage.kernel.clone());
    let spec = DeviceSpec::new("other", vec![TargetSpec::whole("/dev/a")]);
    other.create_device(&spec).unwrap();
    stage.start();
    assert_eq!(stage.devices(), on(&[("other", "/dev/a")]));
    other.delete_device(&Selector::name("other")).unwrap();
    stage.turn();
    assert_eq!(stage.devices(), on(&[("v", "/dev/a")]));
}

#[test]
fn a_live_device_does_not_follow_its_drives_name() {
    let mut stage = Stage::new("moved", RESTORE);
    stage.start();
    let before = stage.kernel.devices();
    stage.add("/dev/a", 7);
    stage.news(News::Anything);
    stage.reload();
    assert_eq!(stage.kernel.devices(), before);
}

#[test]
fn a_device_stands_on_another_of_the_file() {
    let text = format!("[device.upper]\nto = '/dev/shunt0'\n{V}");
    let mut stage = Stage::new("stack", &text);
    stage.start();
    assert_eq!(
        stage.devices(),
        on(&[("v", "/dev/a"), ("upper", "/dev/shunt0")])
    );
}

#[test]
fn a_queue_mode_is_never_changed_without_being_asked() {
    let mut stage = Stage::new("queue", RESTORE);
    stage.start();
    stage.write(&format!("{RESTORE}queue = 'mq'\n"));
    let before = stage.kernel.devices();
    stage.start();
    assert_eq!(stage.kernel.devices(), before);
    stage.kernel.set_open(0, true);
    stage.reload();
    assert_eq!(stage.kernel.devices(), before);
    stage.kernel.set_open(0, false);
    stage.reload();
    assert_eq!(stage.kernel.devices()[0].queue, crate::QueueMode::Mq);
}

#[test]
fn a_turn_is_one_step_and_a_reload_forgets_what_is_not_done_yet() {
    let text = |names: &[&str]| -> String {
        let device = |name: &&str| format!("[device.{name}]\nto = '/dev/{name}'\n");
        names.iter().map(device).collect()
    };
    let mut stage = Stage::new("step", "");
    stage.start();
    stage.write(&text(&["a", "b", "c"]));
    stage.keeper().reload();
    stage.one_turn();
    assert_eq!(stage.devices(), on(&[("a", "/dev/a")]));
    assert!(stage.keeper().has_work());
    stage.write(&text(&["a", "c"]));
    stage.reload();
    assert_eq!(stage.devices(), on(&[("a", "/dev/a"), ("c", "/dev/c")]));
    assert_eq!(stage.keeper().reloads(), 2);
}

#[test]
fn what_somebody_else_does_between_two_steps_is_seen_before_the_second() {
    let text = |a: &str, v: &str| format!("[device.a]\nto = '{a}'\n[device.v]\nto = '{v}'\n");
    let mut stage = Stage::new("between", &text("/dev/a", "/dev/b"));
    for (number, name) in ["x", "y", "z"].into_iter().enumerate() {
        let drive = Drive::new(9, number as u32, 8 * MIB);
        stage.kernel.add_drive(&format!("/dev/{name}"), drive);
    }
    stage.start();
    stage.write(&text("/dev/x", "/dev/y"));
    stage.keeper().reload();
    stage.one_turn();
    assert_eq!(stage.devices(), on(&[("a", "/dev/x"), ("v", "/dev/b")]));
    stage.unmap();
    let mut other = Client::new(stage.kernel.clone());
    let spec = DeviceSpec::new("tmp", vec![TargetSpec::whole("/dev/z")]);
    let tmp = other.create_device(&spec).unwrap();
    assert_eq!(tmp.id, 1, "it has the number of v");
    stage.turn();
    assert_eq!(stage.devices(), on(&[("a", "/dev/x"), ("tmp", "/dev/z")]));
}

#[test]
fn its_own_remap_that_failed_is_not_taken_for_somebody_elses_unmap() {
    let mut stage = Stage::new("half", V);
    // It sees the drive, while the kernel cannot open it for a moment.
    let looks = Stage::new("half-looks", "").kernel.clone();
    let mut keeper = Keeper::start(stage.kernel.clone(), |_| {}).unwrap();
    let machine = looks.clone();
    keeper.keep_to(Wants::of_file(&stage.file, false, move || {
        Box::new(machine.clone())
    }));
    stage.keeper = Some(keeper);
    stage.turn();
    stage.write(&format!("{V}queue = 'mq'\n"));
    stage.kernel.set_hung("/dev/a", true);
    stage.keeper().reload();
    stage.turn();
    stage.kernel.remove_drive("/dev/a");
    stage.kernel.set_hung("/dev/a", false);
    stage.settle();
    assert_eq!(stage.devices(), []);
    looks.remove_drive("/dev/a");
    for kernel in [&looks, &stage.kernel] {
        kernel.add_drive("/dev/a", Drive::new(8, 0, 8 * MIB));
    }
    stage.news(News::Came);
    assert_eq!(stage.devices(), on(&[("v", "/dev/a")]));
    assert_eq!(stage.kernel.devices()[0].queue, crate::QueueMode::Mq);
}

#[test]
fn what_leads_elsewhere_once_it_is_opened_is_planned_anew() {
    let mut stage = Stage::new("elsewhere", RESTORE);
    stage.start();
    stage.retarget("/dev/b");
    let copy = Drive::new(8, 99, 8 * MIB);
    stage.kernel.turn_at_open("/dev/a", copy);
    stage.turn();
    assert!(!stage.kernel.is_turning("/dev/a"));
    assert_eq!(
        stage.devices(),
        on(&[("v", "/dev/b")]),
        "a copy is no way back"
    );
    // Nothing was there before, so what there is now is taken.
    stage.write("[device.w]\nto = '/dev/c'\n");
    stage
        .kernel
        .turn_at_open("/dev/c", Drive::new(8, 98, 8 * MIB));
    stage.reload();
    assert_eq!(stage.devices(), on(&[("v", "/dev/b"), ("w", "/dev/c")]));
    assert_eq!(stage.kernel.devices()[1].targets[0].minor, 98);
}

#[test]
fn two_that_want_different_things_do_not_swap_a_device_for_ever() {
    let mut one = Stage::new("two-one", RESTORE);
    one.start();
    let text = "[device.v]\nto = '/dev/b'\npolicy = 'restore'\n";
    let mut two = Stage::new("two-two", text);
    two.kernel = one.kernel.clone();
    two.start();
    let (mut moves, mut at) = (0, one.devices());
    for _ in 0..100 {
        for stage in [&mut one, &mut two] {
            stage.one_turn();
            let now = stage.devices();
            moves += usize::from(now != at);
            at = now;
        }
    }
    assert!(moves <= 21, "{moves} moves");
    assert!(one.keeper().deadline().is_some(), "it is tried again later");
}

#[test]
fn a_drive_that_does_not_answer_holds_up_its_own_device_only() {
    let names = ["a", "b", "c"];
    let text: String = names
        .iter()
        .map(|name| format!("[device.{name}]\nto = '/dev/{name}'\n"))
        .collect();
    let mut stage = Stage::new("hung", &text);
    stage.kernel.set_hung("/dev/a", true);
    stage.start();
    assert_eq!(stage.devices(), on(&[("b", "/dev/b"), ("c", "/dev/c")]));
    stage.reload();
    stage.kernel.set_hung("/dev/a", false);
    stage.settle();
    let mut devices = stage.devices();
    devices.sort();
    let all = on(&[("a", "/dev/a"), ("b", "/dev/b"), ("c", "/dev/c")]);
    assert_eq!(devices, all);
}

#[test]
fn a_remap_that_does_not_end_is_waited_for_only_so_long() {
    let mut stage = Stage::new("finish", V);
    stage.start();
    stage.write(&format!("{V}queue = 'mq'\n"));
    stage.kernel.set_hung("/dev/a", true);
    stage.reload();
    assert_eq!(stage.devices(), []);
    stage.keeper().finish(Duration::from_millis(1));
    assert_eq!(stage.devices(), []);
    stage.kernel.set_hung("/dev/a", false);
}

#[test]
fn an_answer_that_comes_late_is_not_taken_for_the_newest() {
    let mut stage = Stage::new("late", "[device.v]\nto = '/dev/a'\npolicy = 'restore'\n");
    stage.kernel.set_hung("/dev/a", true);
    stage.start();
    stage.kernel.set_hung("/dev/a", false);
    // It is mapped, and before the answer is taken up somebody moves it.
    stage.keeper().wait();
    stage.retarget("/dev/b");
    stage.turn();
    assert_eq!(stage.devices(), on(&[("v", "/dev/a")]));
}

#[test]
fn what_is_read_while_the_kernel_is_at_a_device_is_done_after_that() {
    let mut stage = Stage::new("reread", "[device.v]\nto = '/dev/a'\n");
    stage.start();
    stage.kernel.set_hung("/dev/b", true);
    stage.write("[device.v]\nto = '/dev/b'\n");
    stage.reload();
    assert_eq!(stage.devices(), on(&[("v", "/dev/a")]));
    stage.write("[device.v]\nto = '/dev/c'\n");
    stage.reload();
    // It looks again before the kernel answers, which is no reload.
    stage.news(News::Anything);
    stage.kernel.set_hung("/dev/b", false);
    stage.settle();
    assert_eq!(stage.devices(), on(&[("v", "/dev/c")]));
}

#[test]
fn what_is_left_out_while_it_is_missing_is_not_while_a_boot_goes_on() {
    let mut stage = Stage::new("boot", "[device.w]\nto = '/dev/x'\nmissing = 'skip'\n");
    stage.kernel.set_settled(false);
    stage.start();
    assert!(
        stage.keeper().deadline().is_some(),
        "it looks again by itself"
    );
    stage.add("/dev/x", 2);
    assert_eq!(stage.devices(), on(&[("w", "/dev/x")]));
}
