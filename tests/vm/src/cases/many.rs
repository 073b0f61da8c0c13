// SPDX-License-Identifier: MIT OR Apache-2.0
//! Many devices at once, and commands at the same time.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use serde_json::Value;

use crate::guest::command::attempt;
use crate::guest::command::run;
use crate::guest::direct::{Buffer, Direct};
use crate::guest::flash::flash;
use crate::guest::module::Module;
use crate::guest::shunt::{Device, json, list, refusal};

cases! {
    sixty_four_devices_are_listed_whole_and_in_order,
    a_list_during_changes_has_every_lasting_device_once,
    of_two_who_map_the_same_name_one_wins,
    of_two_who_map_the_same_range_one_wins,
    names_and_ids_are_free_again_after_unmap,
}

const MIB: u64 = 1 << 20;

fn map_many(count: u64) -> Vec<Device> {
    let drive = flash(0);
    (0..count)
        .map(|index| {
            Device::map(
                &format!("vol{index}"),
                &format!("{},offset={index}M,length=1M", drive.path),
            )
        })
        .collect()
}

fn sixty_four_devices_are_listed_whole_and_in_order() {
    let _module = Module::load();
    let devices = map_many(64);
    // 64 devices do not fit one message of a dump.
    let listed = list();
    assert_eq!(
        listed,
        devices
            .iter()
            .map(|device| device.shown().clone())
            .collect::<Vec<_>>()
    );
    let stats = json(&run("shunt stats --json"));
    let names = |values: &[Value]| {
        values
            .iter()
            .map(|value| value["name"].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        names(
            stats["devices"]
                .as_array()
                .expect("statistics have devices")
        ),
        names(&listed)
    );
    for (index, device) in devices.iter().enumerate() {
        Direct::open(device.path()).write(MIB - 4096, &Buffer::pattern(index as u64, 4096));
    }
    let drive = Direct::open_to_read(&flash(0).path);
    for index in 0..64 {
        let found = drive.read((index + 1) * MIB - 4096, 4096);
        assert!(
            found[..] == Buffer::pattern(index, 4096)[..],
            "the write to device {index} is elsewhere"
        );
    }
}

fn a_list_during_changes_has_every_lasting_device_once() {
    let _module = Module::load();
    // Between the lasting devices there are gaps, which the passing ones fill and leave.
    let mut lasting = map_many(48);
    let passing: Vec<Device> = (0..16)
        .rev()
        .map(|index| lasting.remove(index * 3))
        .collect();
    passing.into_iter().for_each(Device::unmap);
    let lasting: Vec<Value> = lasting
        .iter()
        .map(|device| device.shown().clone())
        .collect::<Vec<_>>();
    let drive = flash(1);
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                let some: Vec<Device> = (0..4)
                    .map(|index| {
                        Device::map(
                            &format!("passing{index}"),
                            &format!("{},offset={index}M,length=1M", drive.path),
                        )
                    })
                    .collect();
                some.into_iter().for_each(Device::unmap);
            }
        });
        for _ in 0..20 {
            let listed = list();
            let ids: Vec<_> = listed.iter().map(|device| device["id"].as_u64()).collect();
            assert!(
                ids.is_sorted() && ids.windows(2).all(|pair| pair[0] != pair[1]),
                "ids are not in order: {ids:?}"
            );
            let still: Vec<Value> = listed
                .into_iter()
                .filter(|device| lasting.contains(device))
                .collect();
            assert_eq!(still.len(), lasting.len(), "a lasting device was left out");
        }
        done.store(true, Ordering::Relaxed);
    });
}

/// Runs two commands at the same moment; exactly one has to win. Gives the refusal of the other.
#[track_caller]
fn one_wins(one: &[&str], other: &[&str]) -> String {
    let (one, other) = thread::scope(|scope| {
        let first = scope.spawn(|| (attempt(one), one));
        let second = (attempt(other), other);
        (first.join().expect("commands end"), second)
    });
    let (winner, loser) = if one.0.code == Some(0) {
        (one, other)
    } else {
        (other, one)
    };
    assert_eq!(
        winner.0.code,
        Some(0),
        "both were refused: {winner:?} {loser:?}"
    );
    refusal(&loser.0, loser.1)
}

fn of_two_who_map_the_same_name_one_wins() {
    let _module = Module::load();
    for _ in 0..8 {
        let (one, other) = (flash(0).path, flash(1).path);
        let line = one_wins(
            &["shunt", "map", "same", "--to", &one],
            &["shunt", "map", "same", "--to", &other],
        );
        assert!(line.contains("same"), "{line}");
        run("shunt unmap same");
        assert!(list().is_empty());
    }
}

fn of_two_who_map_the_same_range_one_wins() {
    let _module = Module::load();
    let drive = flash(0).path;
    for _ in 0..8 {
        let line = one_wins(
            &["shunt", "map", "one", "--to", &drive],
            &["shunt", "map", "other", "--to", &drive],
        );
        assert!(line.contains(&drive), "{line}");
        let listed = list();
        assert_eq!(listed.len(), 1);
        run(&format!(
            "shunt unmap {}",
            listed[0]["name"].as_str().expect("a device has a name")
        ));
    }
}

fn names_and_ids_are_free_again_after_unmap() {
    let _module = Module::load();
    let drive = flash(0);
    let first = Device::map("vol0", &drive.path).shown().clone();
    for _ in 0..5 {
        assert_eq!(*Device::map("vol0", &drive.path).shown(), first);
    }
}
