// SPDX-License-Identifier: MIT OR Apache-2.0
//! Generic netlink belongs to everybody: what waits for a drive keeps none of its users waiting, what is not for everybody's
//! eyes is not sent to everybody, and an answer tells of the change that was asked for.

use std::path::Path;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::json;

use crate::guest::background::{Background, succeeds_within};
use crate::guest::case::skip;
use crate::guest::command::{attempt, run};
use crate::guest::dm::Dm;
use crate::guest::eavesdropper::Eavesdropper;
use crate::guest::events::Events;
use crate::guest::flash::flash;
use crate::guest::link::Link;
use crate::guest::module::Module;
use crate::guest::shunt::{Device, PATIENT, refusal};
use crate::guest::ynl::Ynl;

cases! {
    a_command_that_waits_holds_up_no_other_family,
    a_drive_whose_driver_is_loaded_by_its_opening_holds_up_nobody,
    a_process_without_privilege_never_hears_a_path,
    in_another_network_namespace_events_come_or_are_refused_with_words,
    a_reply_that_finds_no_room_is_no_error_of_the_change,
    a_request_for_a_device_that_is_another_now_is_refused,
}

const MIB: u64 = 1 << 20;

/// Longest time for what waits for nothing.
const SOON: Duration = Duration::from_secs(15);

/// A module that registers a family of its own.
const FAMILY: &str = "nbd";

fn a_command_that_waits_holds_up_no_other_family() {
    let _module = Module::load();
    // It may be there from before.
    let _ = attempt(&["modprobe", "-r", FAMILY]);
    let drive = Dm::linear("drive", &flash(0).path, 64 * MIB);
    let device = Device::map("vol0", &drive.path());
    drive.suspend();
    let mut read = Background::read(device.path());
    read.waits();
    for words in [&["suspend", "vol0"][..], &["unmap", "vol0", "--force"]] {
        let words = [&["shunt"], words, &PATIENT].concat();
        let mut command = Background::start(&words);
        command.settles();
        assert!(command.goes_on(), "{} does not wait", words.join(" "));
        // It registers a family, and who asks for one waits for who registers one.
        let mut load = Background::start(&["modprobe", FAMILY, "nbds_max=1"]);
        load.succeeds_in(SOON);
        succeeds_within(SOON, &["shunt", "list"]);
        succeeds_within(SOON, &["modprobe", "-r", FAMILY]);
        assert!(
            command.goes_on(),
            "{} ended too soon to tell",
            words.join(" ")
        );
        command.signal(Signal::SIGTERM);
        command.ends_in(SOON);
    }
    drive.resume();
    read.ends_in(SOON);
    // The forced unmap that was ended by a signal may have been carried out.
    let _ = attempt(&["shunt", "unmap", "vol0", "--force"]);
    device.assume_gone();
}

fn a_drive_whose_driver_is_loaded_by_its_opening_holds_up_nobody() {
    let node = "/run/other-driver";
    let _module = Module::load();
    // It registers a family when it is loaded.
    let (module, major) = ("drbd", 147);
    let _ = attempt(&["modprobe", "-r", module]);
    let loaded = || Path::new("/sys/module").join(module).exists();
    assert!(!loaded(), "{module} is not to be loaded");
    run(&format!("mknod {node} b {major} 0"));
    let mut map = Background::start(&["shunt", "map", "vol0", "--to", node]);
    map.settles();
    succeeds_within(SOON, &["shunt", "list"]);
    // There is no such drive, or it has no size.
    refusal(&map.ends_in(SOON), &["map", "vol0"]);
    assert!(loaded(), "opening it did not load {module}");
    run(&format!("rm {node}"));
    run(&format!("modprobe -r {module}"));
}

fn a_process_without_privilege_never_hears_a_path() {
    let listener = Eavesdropper::start();
    let _module = Module::load();
    let (drive, other) = (&flash(0).path, &flash(1).path);
    let events = Events::listen();
    events.present();
    let device = Device::map("vol0", &format!("{drive},length=16M"));
    device.order("suspend", &[]);
    device.order("resume", &[]);
    device.retarget(&format!("{other},length=16M"));
    device.order("set", &["--stats", "off"]);
    device.unmap();
    while events.next()["event"] != "destroyed" {}
    // What is sent to everybody it does hear: that the family has gone, at last.
    drop((events, _module));
    let mut families = 0;
    while families < 2 {
        let message = listener.next();
        let holds = |text: &str| {
            message
                .windows(text.len())
                .any(|bytes| bytes == text.as_bytes())
        };
        assert!(
            !holds("/dev/"),
            "it heard {}",
            String::from_utf8_lossy(&message)
        );
        let of_controller = message.get(4..6) == Some(&[16, 0]);
        families += u32::from(of_controller && holds("shunt\0") && [1, 2].contains(&message[16]));
    }
}

fn in_another_network_namespace_events_come_or_are_refused_with_words() {
    let _module = Module::load();
    if attempt(&["unshare", "--net", "true"]).code != Some(0) {
        skip("this kernel has no network namespaces");
    }
    let words = ["unshare", "--net", "shunt", "events", "--json"];
    let mut listener = Background::start(&words);
    listener.settles();
    let device = Device::map("vol0", &flash(0).path);
    if listener.goes_on() {
        // It listens, so it hears.
        drop(listener);
        let listener = Events::listen_by(&words);
        listener.present();
        device.order("suspend", &[]);
        assert_eq!(listener.next()["event"], "changed");
    } else {
        let line = refusal(&listener.ends_in(SOON), &words);
        assert!(line.contains("network namespace"), "{line}");
    }
}

fn a_reply_that_finds_no_room_is_no_error_of_the_change() {
    let _module = Module::load();
    // The longer the path, the more room it takes in the reply, and none in the acknowledgement.
    let drive = Link::to(&flash(0).name, &"x".repeat(250));
    let _device = Device::map("vol0", drive.path());
    let mut client = Ynl::start();
    let mut replies_lost = 0;
    // From all the room there is to none at all.
    for waiting in 0..5 {
        let mode = ["off", "counters"][waiting % 2];
        let change = json!({"name": "vol0", "stats-mode": mode});
        let heard = client.ask_in_little_room("device-set", &change, waiting);
        let device = client.ask("device-get", &json!({"name": "vol0"}));
        assert_eq!(device["stats-mode"], mode);
        let error = &heard["error"];
        assert!(
            error == 0 || error.is_null(),
            "a change that was made ended with error {error}"
        );
        replies_lost += u32::from(heard["reply"] == false);
    }
    assert!(replies_lost > 0, "there was room for every reply");
}

fn a_request_for_a_device_that_is_another_now_is_refused() {
    let _module = Module::load();
    let device = Device::map("vol0", &flash(0).path);
    let mut client = Ynl::start();
    let mut generation = || client.ask("stats-get", &json!({"name": "vol0"}))["generation"].clone();
    let old = generation();
    device.unmap();
    let device = Device::map("vol0", &flash(0).path);
    let new = generation();
    assert_ne!(old, new);
    let before = device.now();
    let change =
        |generation| json!({"name": "vol0", "generation": generation, "stats-mode": "off"});
    let gone = json!({"name": "vol0", "generation": old});
    let line = client.refused("device-set", &change(&old));
    assert!(line.contains("generation"), "{line}");
    let line = client.refused("device-del", &gone);
    assert!(line.contains("generation"), "{line}");
    assert_eq!(device.now(), before);
    client.ask("device-set", &change(&new));
    assert_eq!(device.now()["stats"], "off");
    client.ask("device-del", &json!({"name": "vol0", "generation": new}));
    device.assume_gone();
}
