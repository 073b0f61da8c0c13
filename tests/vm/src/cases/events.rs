// SPDX-License-Identifier: MIT OR Apache-2.0
//! The event stream gives the present state, then every change, in order and numbered.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::guest::command::attempt;
use crate::guest::events::Events;
use crate::guest::flash::flash;
use crate::guest::module::Module;
use crate::guest::shunt::{Device, list, refused, show};

cases! {
    the_present_state_comes_first_and_ends_with_ready,
    creation_and_destruction_are_told_with_growing_numbers,
    a_refused_command_makes_no_event,
    a_device_that_is_unmapped_as_it_comes_is_told_as_created_first,
    no_change_is_lost_between_the_present_state_and_the_stream,
    two_listeners_hear_the_same,
}

fn the_present_state_comes_first_and_ends_with_ready() {
    let _module = Module::load();
    assert!(Events::listen().present().is_empty());
    let _one = Device::map("one", &flash(0).path);
    let _two = Device::map("two", &flash(1).path);
    assert_eq!(Events::listen().present(), list());
}

fn creation_and_destruction_are_told_with_growing_numbers() {
    let _module = Module::load();
    let events = Events::listen();
    events.present();
    let mut last = None;
    for round in 0..3 {
        let device = Device::map(&format!("vol{round}"), &flash(0).path);
        let shown = device.shown().clone();
        device.unmap();
        for what in ["created", "destroyed"] {
            let event = events.next();
            assert_eq!(event["event"], what);
            assert_eq!(
                (&event["device"]["id"], &event["device"]["name"]),
                (&shown["id"], &shown["name"])
            );
            if what == "created" {
                assert_eq!(
                    event["device"], shown,
                    "the device of the event and that of show"
                );
            }
            let number = event["seq"].as_u64().expect("an event has a number");
            assert!(
                last.is_none_or(|last| number == last + 1),
                "event {number} came after {last:?}"
            );
            last = Some(number);
        }
    }
}

fn a_refused_command_makes_no_event() {
    let _module = Module::load();
    let events = Events::listen();
    events.present();
    refused(&["map", "vol0", "--to", "/dev/nothing"]);
    refused(&["unmap", "vol0"]);
    let _device = Device::map("vol1", &flash(0).path);
    let event = events.next();
    assert_eq!(
        (&event["event"], &event["device"]["name"]),
        (&"created".into(), &"vol1".into())
    );
}

/// Another command finds a device before that which maps it has ended.
fn a_device_that_is_unmapped_as_it_comes_is_told_as_created_first() {
    const ROUNDS: usize = 100;
    let _module = Module::load();
    let events = Events::listen();
    events.present();
    let path = flash(0).path;
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                // It is there or not.
                attempt(&["shunt", "unmap", "vol0"]);
            }
        });
        for _ in 0..ROUNDS {
            attempt(&["shunt", "map", "vol0", "--to", &path]);
        }
        done.store(true, Ordering::Relaxed);
    });
    attempt(&["shunt", "unmap", "vol0"]);
    let _last = Device::map("last", &flash(1).path);
    let (mut known, mut came) = (Vec::new(), 0);
    while !known.contains(&"last".into()) {
        let event = events.next();
        let device = event["device"]["name"].clone();
        match event["event"].as_str() {
            Some("created") => {
                came += 1;
                known.push(device);
            }
            Some("destroyed") => {
                let place = known.iter().position(|other| *other == device);
                let place = place.unwrap_or_else(|| panic!("{device:?} went before it came"));
                known.remove(place);
            }
            _ => panic!("unexpected {event}"),
        }
    }
    assert_eq!(known.len(), 1, "some never went: {known:?}");
    assert!(came > ROUNDS / 4, "only {came} devices came");
}

/// A listener that starts while devices come and go ends up with the state that the kernel has.
fn no_change_is_lost_between_the_present_state_and_the_stream() {
    let _module = Module::load();
    for _ in 0..3 {
        let events = thread::scope(|scope| {
            let churn = scope.spawn(|| {
                for round in 0..8 {
                    Device::map(&format!("churn{round}"), &flash(0).path).unmap();
                }
            });
            let events = Events::listen();
            churn.join().expect("mapping works");
            events
        });
        let _last = Device::map("last", &flash(1).path);
        let mut known: Vec<_> = events
            .present()
            .iter()
            .map(|device| device["name"].clone())
            .collect();
        while !known.contains(&"last".into()) {
            let event = events.next();
            let name = event["device"]["name"].clone();
            match event["event"].as_str() {
                Some("created") => known.push(name),
                Some("destroyed") => known.retain(|other| *other != name),
                _ => panic!("unexpected {event}"),
            }
        }
        assert_eq!(known, [show("last")["name"].clone()]);
    }
}

fn two_listeners_hear_the_same() {
    let _module = Module::load();
    let (one, other) = (Events::listen(), Events::listen());
    one.present();
    other.present();
    Device::map("vol0", &flash(0).path).unmap();
    for _ in 0..2 {
        assert_eq!(one.next(), other.next());
    }
}
