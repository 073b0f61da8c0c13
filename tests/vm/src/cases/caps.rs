// SPDX-License-Identifier: MIT OR Apache-2.0
//! `shunt caps` says what is so.

use serde_json::Value;

use crate::guest::command::run_words;
use crate::guest::flash::{BIG_BLOCKS, COUNT, flash};
use crate::guest::module::Module;
use crate::guest::shunt::{Device, json, refused};
use crate::guest::sysfs;

cases! {
    caps_says_of_drive_and_device_what_sysfs_says,
    all_that_a_drive_can_do_is_passed,
    a_request_queue_passes_all_but_polling,
    drives_that_differ_are_explained,
}

/// Capabilities, and the files in /sys/block/NAME/queue that have the same number.
const IN_SYSFS: &[(&str, &str)] = &[
    ("logical block", "logical_block_size"),
    ("physical block", "physical_block_size"),
    ("smallest preferred I/O", "minimum_io_size"),
    ("preferred I/O", "optimal_io_size"),
    ("segments of an I/O", "max_segments"),
    ("discard", "discard_max_hw_bytes"),
    ("discard granularity", "discard_granularity"),
    ("write zeroes", "write_zeroes_max_bytes"),
    ("write zeroes with unmap", "write_zeroes_unmap_max_hw_bytes"),
    ("atomic write, smallest", "atomic_write_unit_min_bytes"),
    ("atomic write, largest", "atomic_write_unit_max_bytes"),
    ("atomic write, merged", "atomic_write_max_bytes"),
    ("atomic write boundary", "atomic_write_boundary_bytes"),
    ("write streams", "max_write_streams"),
    ("write stream granularity", "write_stream_granularity"),
    ("zone append", "zone_append_max_bytes"),
    ("open zones", "max_open_zones"),
    ("active zones", "max_active_zones"),
    ("FUA", "fua"),
    ("polled I/O", "io_poll"),
    ("DAX", "dax"),
    ("stable writes", "stable_writes"),
    ("rotational", "rotational"),
];

#[track_caller]
fn caps(device: &Device) -> Vec<Value> {
    let document = json(&run_words(&["shunt", "caps", device.name(), "--json"]));
    assert_eq!(document["device"], device.now());
    let capabilities = document["capabilities"].as_array();
    capabilities.expect("caps has capabilities").clone()
}

#[track_caller]
fn not_passed(device: &Device) -> Vec<String> {
    let name = |found: &Value| found["capability"].as_str().expect("a name").to_owned();
    let caps = caps(device);
    let differ = caps.iter().filter(|found| found["passed"] == false);
    differ.map(name).collect()
}

fn caps_says_of_drive_and_device_what_sysfs_says() {
    let _module = Module::load();
    for number in 0..COUNT {
        let drive = flash(number);
        let device = Device::map("vol0", &drive.path);
        let caps = caps(&device);
        for (name, file) in IN_SYSFS {
            let found = caps.iter().find(|found| found["capability"] == *name);
            let found = found.unwrap_or_else(|| panic!("no capability {name}"));
            // The limits of zones are shown of zoned disks alone.
            let of = |disk: &str| match sysfs::read(&format!("/sys/block/{disk}/queue/{file}")) {
                Some(text) => text.parse().expect("a number"),
                None if file.ends_with("_zones") => 0,
                None => panic!("{disk} has no {file}"),
            };
            assert_eq!(
                found["drives"][0],
                of(&drive.name),
                "{name} of {}",
                drive.name
            );
            assert_eq!(
                found["device"],
                of(device.disk()),
                "{name} of {}",
                device.disk()
            );
        }
        let cached = sysfs::read(&format!("/sys/block/{}/queue/write_cache", drive.name));
        let found = caps
            .iter()
            .find(|found| found["capability"] == "write cache and flush");
        let cache = found.expect("there is one")["drives"][0] == 1;
        assert_eq!(cache, cached.as_deref() == Some("write back"));
    }
}

fn all_that_a_drive_can_do_is_passed() {
    let _module = Module::load();
    for number in 0..COUNT {
        let device = Device::map("vol0", &flash(number).path);
        assert_eq!(not_passed(&device), [""; 0]);
    }
}

fn a_request_queue_passes_all_but_polling() {
    let _module = Module::load();
    let device = Device::map_with("vol0", &flash(0).path, &["--queue", "mq"]);
    assert_eq!(not_passed(&device), ["polled I/O"]);
}

fn drives_that_differ_are_explained() {
    let _module = Module::load();
    let (small, big) = (flash(0).path, flash(BIG_BLOCKS).path);
    let device = Device::map_with("vol0", &small, &["--to", &big]);
    let differ = not_passed(&device);
    assert!(differ.contains(&"logical block".to_owned()), "{differ:?}");
    let table = run_words(&["shunt", "caps", "vol0"]);
    let line = table.lines().find(|line| line.starts_with("logical block"));
    let line = line.expect("there is one");
    assert!(line.ends_with("the most of the drives"), "{line}");
    assert!(refused(&["caps", "none"]).contains("no device has that name"));
}
