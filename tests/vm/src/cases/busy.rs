// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is in use stays as it is: devices, drives, ranges of drives, the module.

use std::fs::{self, File};
use std::path::Path;
use std::thread;
use std::time::Duration;

use nix::errno::Errno;
use shunt::{Client, Selector};

use crate::guest::command::{attempt, run};
use crate::guest::dm::Dm;
use crate::guest::flash::flash;
use crate::guest::module::Module;
use crate::guest::mount::Mount;
use crate::guest::partition::Partition;
use crate::guest::shunt::Device;
use crate::guest::state::{State, refused_without_change};
use crate::guest::swap::Swap;
use crate::guest::udev::{LOOKS, Udev};
use crate::guest::wait::wait_until;

cases! {
    an_open_device_is_not_unmapped,
    a_device_that_is_about_to_be_closed_is_unmapped,
    a_device_that_udev_has_a_program_look_at_is_unmapped,
    a_device_that_udev_has_a_program_look_at_is_mapped_anew,
    a_device_in_use_as_swap_is_not_unmapped_by_force,
    a_device_with_a_file_in_use_as_swap_is_not_unmapped_by_force,
    a_mounted_device_is_not_unmapped,
    a_device_with_a_device_on_it_is_not_unmapped,
    the_module_is_not_unloaded_while_a_device_exists,
    the_module_is_not_unloaded_while_a_device_is_open,
    a_mounted_drive_is_not_mapped,
    a_drive_held_by_device_mapper_is_not_mapped,
    an_overlapping_range_is_not_mapped,
    ranges_that_touch_are_mapped,
    a_mapped_drive_is_not_mounted_nor_taken_by_device_mapper,
    a_drive_is_free_again_after_unmap,
}

/// Sees that unmapping vol0 is refused as busy, and possible once `user` is dropped.
fn is_not_unmapped_until_dropped<T>(device: Device, user: T) {
    let line = refused_without_change(&["unmap", "vol0"]);
    assert!(line.contains("vol0"), "{line}");
    drop(user);
    device.unmap();
}

fn an_open_device_is_not_unmapped() {
    let _module = Module::load();
    let device = Device::map("vol0", &flash(0).path);
    let file = File::open(device.path()).expect("the device opens");
    is_not_unmapped_until_dropped(device, file);
}

fn a_device_that_is_about_to_be_closed_is_unmapped() {
    let _module = Module::load();
    let device = Device::map("vol0", &flash(0).path);
    let file = File::open(device.path()).expect("the device opens");
    let closing = thread::spawn(move || {
        thread::sleep(Duration::from_millis(200));
        drop(file);
    });
    device.unmap();
    closing.join().expect("it closes the device");
}

/// Has a program of udev's open a device.
#[track_caller]
fn have_udev_look(udev: &Udev, device: &Device) {
    udev.settle();
    udev.look_slowly();
    fs::write(format!("/sys/block/{}/uevent", device.disk()), "change").expect("it takes a word");
    wait_until("a program of udev's has the device open", || {
        Path::new(LOOKS).exists()
    });
}

fn a_device_that_udev_has_a_program_look_at_is_unmapped() {
    let _module = Module::load();
    let udev = Udev::start();
    let device = Device::map("vol0", &flash(0).path);
    have_udev_look(&udev, &device);
    device.unmap();
    assert!(
        !Path::new(LOOKS).exists(),
        "it was unmapped while it was open"
    );
}

fn a_device_that_udev_has_a_program_look_at_is_mapped_anew() {
    const FILE: &str = "/run/busy.toml";
    let _module = Module::load();
    let udev = Udev::start();
    let drive = flash(0).path;
    let device = Device::map("vol0", &drive);
    have_udev_look(&udev, &device);
    fs::write(
        FILE,
        format!("[device.vol0]\nto = \"{drive}\"\nqueue = \"mq\"\n"),
    )
    .expect("/run takes files");
    run(&format!("shunt apply {FILE}"));
    assert_eq!(device.now()["queue"], "mq");
    device.unmap();
    drop(udev);
    fs::remove_file(FILE).expect("it is there");
}

/// Sees that unmapping vol0 by force is refused, with what is in use as swap.
#[track_caller]
fn swap_is_not_torn_out(path: &str) {
    let line = refused_without_change(&["unmap", "vol0", "--force"]);
    assert!(
        line.contains(&format!("in use as swap ({path})")) && line.contains("swapoff"),
        "{line}"
    );
}

fn a_device_in_use_as_swap_is_not_unmapped_by_force() {
    let _module = Module::load();
    let device = Device::map("vol0", &flash(0).path);
    let part = Partition::create(device.path(), 1 << 20, 16 << 20);
    // Another client does not look: the kernel sees what is on the disk and its partitions itself.
    let mut client = Client::connect().expect("the module is loaded");
    for path in [part.path(), device.path().to_owned()] {
        let swap = Swap::on(&path);
        swap_is_not_torn_out(&path);
        let refused = client.force_delete_device(&Selector::name("vol0"));
        let refused = refused.expect_err("there is swap on it");
        assert!(refused.to_string().contains("in use as swap"), "{refused}");
        drop(swap);
    }
    drop(part);
    device.force_unmap();
}

fn a_device_with_a_file_in_use_as_swap_is_not_unmapped_by_force() {
    let _module = Module::load();
    let device = Device::map("vol0", &flash(0).path);
    run(&format!("mkfs.ext4 -q -F {}", device.path()));
    let mount = Mount::ext4(device.path());
    let file = mount.folder().join("swap").display().to_string();
    run(&format!(
        "dd if=/dev/zero of={file} bs=1M count=8 status=none"
    ));
    run(&format!("chmod 600 {file}"));
    let swap = Swap::on(&file);
    swap_is_not_torn_out(&file);
    drop((swap, mount));
    device.force_unmap();
}

fn a_mounted_device_is_not_unmapped() {
    let _module = Module::load();
    let device = Device::map("vol0", &flash(0).path);
    run(&format!("mkfs.ext4 -q -F {}", device.path()));
    let mount = Mount::ext4(device.path());
    is_not_unmapped_until_dropped(device, mount);
}

fn a_device_with_a_device_on_it_is_not_unmapped() {
    let _module = Module::load();
    let device = Device::map("vol0", &flash(0).path);
    let upper = Device::map("upper", device.path());
    is_not_unmapped_until_dropped(device, upper);
}

fn the_module_is_not_unloaded_while_a_device_exists() {
    let module = Module::load();
    let device = Device::map("vol0", &flash(0).path);
    assert_in_use(&module);
    device.unmap();
    assert_eq!(module.references(), 0);
}

fn the_module_is_not_unloaded_while_a_device_is_open() {
    let module = Module::load();
    let device = Device::map("vol0", &flash(0).path);
    let file = File::open(device.path()).expect("the device opens");
    assert_in_use(&module);
    drop(file);
}

#[track_caller]
fn assert_in_use(module: &Module) {
    let before = State::now();
    let refused = module.try_unload().expect_err("the module is in use");
    assert!(
        matches!(refused, Errno::EAGAIN | Errno::EBUSY),
        "refused with {refused}"
    );
    assert_eq!(State::now(), before);
}

fn a_mounted_drive_is_not_mapped() {
    let _module = Module::load();
    let drive = flash(1);
    run(&format!("mkfs.ext4 -q -F {}", drive.path));
    let _mount = Mount::ext4(&drive.path);
    let line = refused_without_change(&["map", "vol0", "--to", &drive.path]);
    assert!(line.contains(&drive.path), "{line}");
}

fn a_drive_held_by_device_mapper_is_not_mapped() {
    let _module = Module::load();
    let drive = flash(1);
    let _holder = Dm::linear("holder", &drive.path, drive.bytes);
    let line = refused_without_change(&["map", "vol0", "--to", &drive.path]);
    assert!(line.contains(&drive.path), "{line}");
}

fn an_overlapping_range_is_not_mapped() {
    let _module = Module::load();
    let drive = flash(0);
    let device = Device::map("vol0", &format!("{},offset=8M,length=8M", drive.path));
    for range in [
        "",
        ",offset=8M,length=8M",
        ",offset=8M,length=1s",
        ",offset=32767s,length=1s",
        ",length=16385s",
        ",offset=10M",
    ] {
        let line =
            refused_without_change(&["map", "vol1", "--to", &format!("{}{range}", drive.path)]);
        assert!(
            line.contains(&drive.path) && line.contains(device.disk()),
            "{line}"
        );
    }
}

fn ranges_that_touch_are_mapped() {
    let _module = Module::load();
    let drive = flash(0);
    let _middle = Device::map("middle", &format!("{},offset=8M,length=8M", drive.path));
    let _below = Device::map("below", &format!("{},length=8M", drive.path));
    let _above = Device::map("above", &format!("{},offset=16M", drive.path));
}

fn a_mapped_drive_is_not_mounted_nor_taken_by_device_mapper() {
    let _module = Module::load();
    let drive = flash(1);
    run(&format!("mkfs.ext4 -q -F {}", drive.path));
    let _device = Device::map("vol0", &format!("{},length=8M", drive.path));
    let before = State::now();
    let mounted = attempt(&["mount", &drive.path, "/mnt"]);
    assert_ne!(mounted.code, Some(0), "the drive of a device was mounted");
    run("modprobe dm_mod");
    let taken = attempt(&[
        "dmsetup",
        "create",
        "thief",
        "--table",
        &format!("0 8 linear {} 0", drive.path),
    ]);
    assert_ne!(
        taken.code,
        Some(0),
        "device-mapper took the drive of a device"
    );
    assert_eq!(State::now(), before);
}

fn a_drive_is_free_again_after_unmap() {
    let _module = Module::load();
    let drive = flash(1);
    run(&format!("mkfs.ext4 -q -F {}", drive.path));
    Device::map("vol0", &drive.path).unmap();
    let _mount = Mount::ext4(&drive.path);
}
