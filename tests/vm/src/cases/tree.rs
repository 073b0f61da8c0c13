// SPDX-License-Identifier: MIT OR Apache-2.0
//! A device shows in the system as what it is: a disk on its drive, with partitions of its own.

use std::fs;

use serde_json::Value;

use crate::guest::command::run;
use crate::guest::direct::{Buffer, Direct};
use crate::guest::flash::flash;
use crate::guest::module::Module;
use crate::guest::partition::Partition;
use crate::guest::shunt::Device;
use crate::guest::state::State;
use crate::guest::sysfs;

cases! {
    lsblk_shows_the_device_below_its_drive,
    two_devices_on_one_drive_are_both_its_holders,
    holders_and_slaves_go_with_the_device,
    a_partition_of_a_device_is_where_its_table_says,
    a_device_maps_a_partition,
}

const MIB: u64 = 1 << 20;

fn lsblk_shows_the_device_below_its_drive() {
    let _module = Module::load();
    let drive = flash(0);
    let device = Device::map("vol0", &drive.path);
    let tree: Value = serde_json::from_str(&run(&format!(
        "lsblk --json --bytes -o NAME,SIZE,TYPE,RO {}",
        drive.path
    )))
    .expect("JSON");
    let child = &tree["blockdevices"][0]["children"][0];
    assert_eq!(child["name"], device.disk(), "{tree}");
    assert_eq!(
        (&child["size"], &child["type"], &child["ro"]),
        (&device.bytes().into(), &"disk".into(), &false.into())
    );
}

fn two_devices_on_one_drive_are_both_its_holders() {
    let _module = Module::load();
    let drive = flash(0);
    let one = Device::map("one", &format!("{},length=8M", drive.path));
    let other = Device::map("other", &format!("{},offset=8M", drive.path));
    let holders = || sysfs::names(&format!("/sys/block/{}/holders", drive.name));
    assert_eq!(holders(), [one.disk(), other.disk()]);
    one.unmap();
    assert_eq!(holders(), [other.disk()]);
    assert_eq!(
        sysfs::names(&format!("/sys/block/{}/slaves", other.disk())),
        [drive.name.as_str()]
    );
}

fn holders_and_slaves_go_with_the_device() {
    let _module = Module::load();
    let before = State::now();
    let device = Device::map("vol0", &flash(0).path);
    assert_ne!(State::now(), before);
    device.unmap();
    assert_eq!(State::now(), before);
}

fn a_partition_of_a_device_is_where_its_table_says() {
    let _module = Module::load();
    let drive = flash(0);
    let device = Device::map("vol0", &format!("{},offset=3M,length=64M", drive.path));
    let part = Partition::create(device.path(), 2 * MIB, 8 * MIB);
    let pattern = Buffer::pattern(1, 8192);
    let above = Direct::open(&part.path());
    above.write(0, &pattern);
    above.write(8 * MIB - 8192, &pattern);
    let below = Direct::open_to_read(&drive.path);
    for offset in [5 * MIB, 13 * MIB - 8192] {
        assert!(
            below.read(offset, 8192)[..] == pattern[..],
            "the drive holds other bytes at {offset}"
        );
    }
}

fn a_device_maps_a_partition() {
    let _module = Module::load();
    let drive = flash(1);
    let part = Partition::create(&drive.path, 4 * MIB, 16 * MIB);
    let device = Device::map("vol0", &format!("{},offset=1M", part.path()));
    assert_eq!(device.bytes(), 15 * MIB);
    let pattern = Buffer::pattern(2, 4096);
    Direct::open(device.path()).write(0, &pattern);
    assert!(
        Direct::open(&drive.path).read(5 * MIB, 4096)[..] == pattern[..],
        "the drive holds other bytes"
    );
    let holders = format!(
        "/sys/block/{0}/{0}p1/holders/{1}",
        drive.name,
        device.disk()
    );
    assert!(
        fs::symlink_metadata(&holders).is_ok(),
        "{holders} is missing"
    );
}
