// SPDX-License-Identifier: MIT OR Apache-2.0
//! A device takes up what the drive below has grown by, when it is told to.

use std::fs;

use nix::sys::statvfs::statvfs;

use crate::guest::command::run;
use crate::guest::direct::{Buffer, Direct};
use crate::guest::dm::Dm;
use crate::guest::events::Events;
use crate::guest::flash::flash;
use crate::guest::loop_device::Loop;
use crate::guest::module::Module;
use crate::guest::mount::Mount;
use crate::guest::shunt::Device;
use crate::guest::state::refused_without_change;
use crate::guest::sysfs;
use crate::guest::uevent::Uevents;

cases! {
    a_grown_drive_is_taken_up_and_told_of,
    a_grown_loop_device_is_taken_up,
    a_mounted_file_system_grows_with_the_device,
    a_length_that_was_asked_for_stays,
    the_last_of_joined_targets_grows,
    each_stripe_grows,
    a_shrunk_drive_is_refused,
    resize_without_growth_changes_nothing,
}

const MIB: u64 = 1 << 20;

/// A device-mapper device over the beginning of a flash drive, that can be given another length.
struct Lower {
    dm: Dm,
    drive: String,
}

impl Lower {
    fn new(number: u32, bytes: u64) -> Self {
        let drive = flash(number).path;
        Self {
            dm: Dm::linear(&format!("lower{number}"), &drive, bytes),
            drive,
        }
    }

    fn set_length(&self, bytes: u64) {
        self.dm
            .reload(&format!("0 {} linear {} 0\n", bytes / 512, self.drive));
    }

    fn path(&self) -> String {
        self.dm.path()
    }
}

#[track_caller]
fn assert_size(device: &Device, bytes: u64) {
    assert_eq!(device.now()["size_bytes"], bytes);
    let file = format!("/sys/block/{}/size", device.disk());
    assert_eq!(sysfs::number(&file) * 512, bytes);
    let pattern = Buffer::pattern(bytes, 4096);
    let above = Direct::open(device.path());
    above.write(bytes - 4096, &pattern);
    assert!(above.read(bytes - 4096, 4096)[..] == pattern[..]);
    let beyond = above.try_write(bytes, &pattern);
    assert!(beyond.is_err(), "a write past the end was taken");
}

fn a_grown_drive_is_taken_up_and_told_of() {
    let _module = Module::load();
    for mode in ["full", "counters", "off"] {
        let lower = Lower::new(0, 16 * MIB);
        let device = Device::map_with("vol0", &lower.path(), &["--stats", mode]);
        let (events, uevents) = (Events::listen(), Uevents::listen());
        events.present();
        lower.set_length(32 * MIB);
        assert_size(&device, 16 * MIB);
        device.order("resize", &[]);
        uevents.expect(&[&format!("DEVNAME={}", device.disk()), "RESIZE=1"]);
        let event = events.next();
        assert_eq!(
            (&event["event"], &event["device"]),
            (&"changed".into(), &device.now())
        );
        assert_eq!(device.now()["targets"][0]["length_bytes"], 32 * MIB);
        assert_size(&device, 32 * MIB);
        let pattern = Buffer::pattern(32 * MIB, 4096);
        let below = Direct::open_to_read(&flash(0).path);
        assert!(below.read(32 * MIB - 4096, 4096)[..] == pattern[..]);
    }
}

fn a_grown_loop_device_is_taken_up() {
    const FILE: &str = "/run/loop.img";
    let _module = Module::load();
    run(&format!("truncate --size 8M {FILE}"));
    {
        let lower = Loop::bind(FILE, "");
        let device = Device::map("vol0", lower.path());
        run(&format!("truncate --size 12M {FILE}"));
        run(&format!("losetup --set-capacity {}", lower.path()));
        device.order("resize", &[]);
        assert_size(&device, 12 * MIB);
    }
    fs::remove_file(FILE).expect("the file was made");
}

fn a_mounted_file_system_grows_with_the_device() {
    let _module = Module::load();
    let lower = Lower::new(0, 16 * MIB);
    let device = Device::map("vol0", &lower.path());
    run(&format!("mkfs.ext4 -q -F {}", device.path()));
    let mount = Mount::ext4(device.path());
    let file = mount.folder().join("file");
    let bytes = Buffer::pattern(1, 1 << 20).to_vec();
    fs::write(&file, &bytes).expect("the file system takes files");
    let size = || {
        let figures = statvfs(mount.folder()).expect("a mounted file system has figures");
        figures.blocks() * figures.fragment_size()
    };
    let before = size();
    lower.set_length(48 * MIB);
    device.order("resize", &[]);
    run(&format!("resize2fs {}", device.path()));
    assert!(
        size() > before + 24 * MIB,
        "it grew from {before} to {}",
        size()
    );
    assert!(fs::read(&file).expect("the file is there") == bytes);
    drop(mount);
    run(&format!("e2fsck -f -n {}", device.path()));
}

fn a_length_that_was_asked_for_stays() {
    let _module = Module::load();
    let lower = Lower::new(0, 16 * MIB);
    let device = Device::map("vol0", &format!("{},offset=1M,length=8M", lower.path()));
    let before = device.now();
    lower.set_length(32 * MIB);
    device.order("resize", &[]);
    assert_eq!(device.now(), before);
    assert_size(&device, 8 * MIB);
}

fn the_last_of_joined_targets_grows() {
    let _module = Module::load();
    let (one, other) = (Lower::new(0, 16 * MIB), Lower::new(1, 16 * MIB));
    let first = format!("{},length=8M", one.path());
    let device = Device::map_with("vol0", &first, &["--to", &other.path()]);
    one.set_length(32 * MIB);
    other.set_length(32 * MIB);
    device.order("resize", &[]);
    assert_size(&device, 40 * MIB);
}

fn each_stripe_grows() {
    let _module = Module::load();
    let (one, other) = (Lower::new(0, 16 * MIB), Lower::new(1, 16 * MIB));
    let device = Device::map_with(
        "vol0",
        &one.path(),
        &["--to", &other.path(), "--stripe", "64K"],
    );
    let pattern = Buffer::pattern(1, 32 << 20);
    Direct::open(device.path()).write(0, &pattern);
    one.set_length(24 * MIB);
    device.order("resize", &[]);
    assert_eq!(device.now()["size_bytes"], 32 * MIB);
    other.set_length(24 * MIB);
    device.order("resize", &[]);
    assert!(Direct::open_to_read(device.path()).read(0, 32 << 20)[..] == pattern[..]);
    assert_size(&device, 48 * MIB);
}

fn a_shrunk_drive_is_refused() {
    let _module = Module::load();
    let lower = Lower::new(0, 16 * MIB);
    let device = Device::map("vol0", &lower.path());
    let pattern = Buffer::pattern(1, 4096);
    Direct::open(device.path()).write(0, &pattern);
    lower.set_length(8 * MIB);
    let line = refused_without_change(&["resize", "vol0"]);
    assert!(
        line.contains("8388608") && line.contains("16777216"),
        "{line}"
    );
    assert!(Direct::open(device.path()).read(0, 4096)[..] == pattern[..]);
    lower.set_length(16 * MIB);
    device.order("resize", &[]);
    assert_size(&device, 16 * MIB);
}

fn resize_without_growth_changes_nothing() {
    let _module = Module::load();
    let device = Device::map("vol0", &flash(0).path);
    let before = device.now();
    device.order("resize", &[]);
    assert_eq!(device.now(), before);
}
