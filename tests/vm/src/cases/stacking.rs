// SPDX-License-Identifier: MIT OR Apache-2.0
//! Devices stand on other stacking devices and below them.

use crate::guest::command::run;
use crate::guest::direct::{Buffer, Direct};
use crate::guest::dm::Dm;
use crate::guest::fio::Fio;
use crate::guest::flash::flash;
use crate::guest::loop_device::Loop;
use crate::guest::module::Module;
use crate::guest::mount::Mount;
use crate::guest::shunt::{Device, list, refused};

cases! {
    a_device_on_a_device_adds_the_offsets,
    ten_devices_on_each_other_forward,
    device_mapper_on_a_device,
    a_device_on_device_mapper,
    a_device_on_a_loop_device_on_a_file_on_a_device,
    a_device_on_a_suspended_one_is_not_changed,
    devices_on_each_other_are_unmapped_with_one_command,
}

const MIB: u64 = 1 << 20;
const VERIFY: &str =
    "ioengine=io_uring rw=randrw bsrange=4k-64k size=8M iodepth=16 verify=crc32c verify_fatal=1";

/// Sees that what is written to `path` at `offset` is at `below_offset` of `below`.
#[track_caller]
fn assert_lands(path: &str, offset: u64, below: &str, below_offset: u64) {
    let pattern = Buffer::pattern(offset, 4096);
    Direct::open(path).write(offset, &pattern);
    assert!(
        Direct::open(below).read(below_offset, 4096)[..] == pattern[..],
        "{below} holds other bytes at {below_offset}"
    );
}

fn a_device_on_a_device_adds_the_offsets() {
    let _module = Module::load();
    let drive = flash(0);
    let lower = Device::map("lower", &format!("{},offset=3M", drive.path));
    let upper = Device::map("upper", &format!("{},offset=5M,length=16M", lower.path()));
    assert_lands(upper.path(), MIB, &drive.path, 9 * MIB);
    Fio::run(upper.path(), VERIFY);
}

fn ten_devices_on_each_other_forward() {
    let _module = Module::load();
    let drive = flash(0);
    let mut stack = vec![Device::map("level0", &format!("{},offset=1M", drive.path))];
    for level in 1..10 {
        let below = stack[level - 1].path();
        let device = Device::map(&format!("level{level}"), &format!("{below},offset=1M"));
        stack.push(device);
    }
    assert_lands(stack[9].path(), 0, &drive.path, 10 * MIB);
    Fio::run(stack[9].path(), VERIFY);
    while stack.pop().is_some() {}
}

fn device_mapper_on_a_device() {
    let _module = Module::load();
    let drive = flash(0);
    let device = Device::map("vol0", &format!("{},offset=2M,length=16M", drive.path));
    let upper = Dm::linear("upper", device.path(), device.bytes());
    assert_lands(&upper.path(), MIB, &drive.path, 3 * MIB);
    Fio::run(&upper.path(), VERIFY);
}

fn a_device_on_device_mapper() {
    let _module = Module::load();
    let drive = flash(0);
    let lower = Dm::linear("lower", &drive.path, 32 * MIB);
    let device = Device::map("vol0", &format!("{},offset=2M", lower.path()));
    assert_eq!(device.bytes(), 30 * MIB);
    assert_lands(device.path(), MIB, &drive.path, 3 * MIB);
    Fio::run(device.path(), VERIFY);
}

fn a_device_on_a_loop_device_on_a_file_on_a_device() {
    let _module = Module::load();
    let lower = Device::map("lower", &flash(0).path);
    run(&format!("mkfs.ext4 -q -F {}", lower.path()));
    let mount = Mount::ext4(lower.path());
    let file = mount.folder().join("image");
    std::fs::File::create(&file)
        .and_then(|file| file.set_len(32 * MIB))
        .expect("the file system takes files");
    let below = Loop::bind(&file.display().to_string(), "--direct-io=on");
    let device = Device::map("upper", &format!("{},offset=1M", below.path()));
    assert_lands(device.path(), MIB, below.path(), 2 * MIB);
    Fio::run(device.path(), VERIFY);
}

fn a_device_on_a_suspended_one_is_not_changed() {
    let _module = Module::load();
    let lower = Device::map("lower", &flash(0).path);
    let middle = Device::map("middle", &format!("{},length=64M", lower.path()));
    let upper = Device::map("upper", middle.path());
    let aside = Device::map("aside", &format!("{},length=8M", flash(2).path));
    let free = format!("{},offset=64M,length=8M", lower.path());
    lower.order("suspend", &[]);
    let other = flash(1).path;
    for words in [
        &["retarget", "upper", "--to", &other][..],
        &["resize", "upper"],
        &["suspend", "upper"],
        &["map", "more", "--to", &free],
        &["retarget", "aside", "--to", &free],
    ] {
        let line = refused(words);
        assert!(
            line.contains("it stands on shunt0, which is suspended"),
            "{line}"
        );
    }
    let ids = list()
        .iter()
        .map(|device| device["state"].clone())
        .collect::<Vec<_>>();
    assert_eq!(ids, ["suspended", "live", "live", "live"]);
    // Nothing of it is in flight, so nothing is waited for.
    upper.order("set", &["--stats", "off"]);
    upper.order("set", &["--read-only"]);
    upper.order("set", &["--read-write"]);
    upper.order("resume", &[]);
    lower.order("resume", &[]);
    upper.order("suspend", &[]);
    upper.order("resume", &[]);
    drop((aside, upper, middle));
}

/// Each but the topmost is in use until the one above is gone.
fn devices_on_each_other_are_unmapped_with_one_command() {
    let _module = Module::load();
    let mut below = flash(0).path;
    for level in 0..3 {
        run(&format!("shunt map level{level} --to {below}"));
        below = format!("/dev/shunt{level}");
    }
    run(&format!("shunt map other --to {}", flash(1).path));
    run("shunt unmap --all");
    assert!(list().is_empty(), "{:?}", list());
}
