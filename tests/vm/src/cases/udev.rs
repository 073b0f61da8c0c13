// SPDX-License-Identifier: MIT OR Apache-2.0
//! udev finds what is on a device, as it does on other disks: by UUID and label, in partitions, when it changes.

use std::os::unix::fs::MetadataExt;

use crate::guest::command::{attempt, run, run_with_input};
use crate::guest::direct::{Buffer, Direct};
use crate::guest::dm::Dm;
use crate::guest::flash::{Flash, flash};
use crate::guest::module::Module;
use crate::guest::null_blk::NullDrive;
use crate::guest::shunt::{Device, list};
use crate::guest::udev::{Udev, end_of, known, mounts, wait_for_link};

cases! {
    a_file_system_that_is_made_on_a_device_is_found,
    a_partition_is_found_by_what_its_table_says,
    a_luks_header_is_found_by_its_label,
    a_suspended_device_keeps_its_links_and_holds_udev_up_for_nothing,
    a_retarget_leads_the_links_to_what_is_there_now,
    a_retarget_leads_the_links_of_partitions_too,
    of_devices_on_each_other_the_topmost_has_the_links,
    links_stay_when_the_kernel_cannot_be_asked,
    a_link_of_the_drive_before_is_not_followed,
}

/// GUID of a partition.
const PART: &str = "6d1e2c3a-0000-4000-8000-0000000000a2";

fn by_label(label: &str) -> String {
    format!("/dev/disk/by-label/{label}")
}

/// A drive without anything on it that udev could find; so again on drop.
struct Blank(Flash);

impl Blank {
    #[track_caller]
    fn new(number: u32) -> Self {
        let blank = Self(flash(number));
        blank.wipe();
        blank
    }

    /// With an ext4 file system of this label, which udev knows.
    #[track_caller]
    fn with_label(number: u32, label: &str, udev: &Udev) -> Self {
        let blank = Self::new(number);
        make_file_system(&blank.0.path, label);
        udev.look_at(&blank.0.name);
        blank
    }

    /// With one partition, which has a name and a GUID.
    #[track_caller]
    fn with_partition(number: u32) -> Self {
        let blank = Self::new(number);
        // The table ends where every drive has something.
        let table =
            format!("label: gpt\nlast-lba: 100000\nstart=1M,size=16M,name=flashpart,uuid={PART}\n");
        run_with_input(&["sfdisk", "--quiet", &blank.0.path], &table);
        blank
    }

    /// As much of it as every drive has, as a target.
    fn part(&self) -> String {
        format!("{},length=64M", self.0.path)
    }

    fn wipe(&self) {
        let path = &self.0.path;
        run(&format!("wipefs --quiet --all {path}"));
        // What earlier cases left where a partition will be, udev would find in that.
        run(&format!(
            "dd if=/dev/zero of={path} bs=1M count=32 oflag=direct status=none"
        ));
        run(&format!("blockdev --rereadpt {path}"));
    }
}

impl Drop for Blank {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.wipe();
        }
    }
}

/// Two drives with the labels `one` and `other`.
#[track_caller]
fn one_and_other(udev: &Udev) -> (Blank, Blank) {
    (
        Blank::with_label(0, "one", udev),
        Blank::with_label(1, "other", udev),
    )
}

#[track_caller]
fn make_file_system(path: &str, label: &str) {
    run(&format!("mkfs.ext4 -q -F -L {label} {path} 8M"));
}

fn a_file_system_that_is_made_on_a_device_is_found() {
    let _module = Module::load();
    let udev = Udev::start();
    let drive = Blank::new(0);
    let device = Device::map("vol0", &drive.0.path);
    udev.settle();
    make_file_system(device.path(), "first");
    let uuid = run(&format!("blkid -p -s UUID -o value {}", device.path()));
    let by_uuid = format!("/dev/disk/by-uuid/{}", uuid.trim());
    wait_for_link(&by_uuid, Some(device.disk()));
    wait_for_link(&by_label("first"), Some(device.disk()));
    assert_eq!(known(device.path(), "FSTYPE"), "ext4");
    mounts(&format!("UUID={}", uuid.trim()), device.path());
    mounts("LABEL=first", device.path());
    run(&format!("tune2fs -L other {}", device.path()));
    wait_for_link(&by_label("other"), Some(device.disk()));
    wait_for_link(&by_label("first"), None);
    device.unmap();
    // Nobody has written to the drive itself.
    wait_for_link(&by_label("other"), Some(&drive.0.name));
    drop((drive, udev));
}

fn a_partition_is_found_by_what_its_table_says() {
    let _module = Module::load();
    let udev = Udev::start();
    let drive = Blank::with_partition(0);
    let device = Device::map("vol0", &drive.0.path);
    let part = format!("{}p1", device.disk());
    wait_for_link(&format!("/dev/disk/by-partuuid/{PART}"), Some(&part));
    wait_for_link("/dev/disk/by-partlabel/flashpart", Some(&part));
    let path = format!("/dev/{part}");
    make_file_system(&path, "inside");
    wait_for_link(&by_label("inside"), Some(&part));
    for word in [
        &format!("PARTUUID={PART}"),
        "PARTLABEL=flashpart",
        "LABEL=inside",
    ] {
        mounts(word, &path);
    }
    assert_eq!(known(&path, "PTTYPE,PARTUUID"), format!("gpt {PART}"));
    // What udev knows of the drive's own partition does not take the links away.
    udev.look_at(&format!("{}p1", drive.0.name));
    wait_for_link(&format!("/dev/disk/by-partuuid/{PART}"), Some(&part));
    device.unmap();
    drop((drive, udev));
}

fn a_luks_header_is_found_by_its_label() {
    const UUID: &str = "6d1e2c3a-0000-4000-8000-0000000000b2";
    let _module = Module::load();
    let udev = Udev::start();
    let drive = Blank::new(0);
    // Where cryptsetup writes them, and all that blkid reads.
    let mut header = Buffer::zeroed(4096);
    for (place, bytes) in [
        (0, &b"LUKS\xba\xbe\0\x02"[..]),
        (8, &16384_u64.to_be_bytes()),
        (16, &1_u64.to_be_bytes()),
        (24, b"secret"),
        (72, b"sha256"),
        (168, UUID.as_bytes()),
    ] {
        header[place..place + bytes.len()].copy_from_slice(bytes);
    }
    Direct::open(&drive.0.path).write(0, &header);
    let device = Device::map("vol0", &drive.0.path);
    wait_for_link(&format!("/dev/disk/by-uuid/{UUID}"), Some(device.disk()));
    wait_for_link(&by_label("secret"), Some(device.disk()));
    udev.look_at(&drive.0.name);
    wait_for_link(&by_label("secret"), Some(device.disk()));
    device.unmap();
    drop((drive, udev));
}

fn a_suspended_device_keeps_its_links_and_holds_udev_up_for_nothing() {
    let _module = Module::load();
    let udev = Udev::start();
    let (one, other) = one_and_other(&udev);
    let device = Device::map("vol0", &one.part());
    wait_for_link(&by_label("one"), Some(device.disk()));
    device.order("suspend", &[]);
    udev.look_at(device.disk());
    assert_eq!(end_of(&by_label("one")).as_deref(), Some(device.disk()));
    assert_eq!(
        end_of("/dev/shunt/by-name/vol0").as_deref(),
        Some(device.disk())
    );
    assert_eq!(known(device.path(), "FSTYPE,LABEL"), "ext4 one");
    device.retarget(&other.part());
    udev.look_at(device.disk());
    assert_eq!(end_of(&by_label("one")).as_deref(), Some(device.disk()));
    device.order("resume", &[]);
    wait_for_link(&by_label("other"), Some(device.disk()));
    wait_for_link(&by_label("one"), Some(&one.0.name));
    device.unmap();
    drop((one, other, udev));
}

fn a_retarget_leads_the_links_to_what_is_there_now() {
    let _module = Module::load();
    let udev = Udev::start();
    let (one, other) = one_and_other(&udev);
    let device = Device::map("vol0", &one.part());
    wait_for_link(&by_label("one"), Some(device.disk()));
    run(&format!("tune2fs -L changed {}", device.path()));
    wait_for_link(&by_label("changed"), Some(device.disk()));
    device.retarget(&other.part());
    wait_for_link(&by_label("other"), Some(device.disk()));
    wait_for_link(&by_label("changed"), Some(&one.0.name));
    assert_eq!(known(device.path(), "LABEL"), "other");
    mounts("LABEL=other", device.path());
    udev.settle();
    device.unmap();
    wait_for_link(&by_label("other"), Some(&other.0.name));
    drop((one, other, udev));
}

fn a_retarget_leads_the_links_of_partitions_too() {
    let _module = Module::load();
    let udev = Udev::start();
    let (one, other) = (Blank::with_partition(0), Blank::with_partition(1));
    for (drive, label) in [(&one, "one"), (&other, "other")] {
        make_file_system(&format!("{}p1", drive.0.path), label);
    }
    let device = Device::map("vol0", &one.part());
    let part = format!("{}p1", device.disk());
    wait_for_link(&by_label("one"), Some(&part));
    device.retarget(&other.part());
    wait_for_link(&by_label("other"), Some(&part));
    device.unmap();
    drop((one, other, udev));
}

fn of_devices_on_each_other_the_topmost_has_the_links() {
    let _module = Module::load();
    let udev = Udev::start();
    let drive = Blank::with_label(0, "data", &udev);
    let link = by_label("data");
    wait_for_link(&link, Some(&drive.0.name));
    let lower = Device::map("lower", &drive.0.path);
    wait_for_link(&link, Some(lower.disk()));
    let upper = Device::map("upper", lower.path());
    wait_for_link(&link, Some(upper.disk()));
    let above = Dm::linear_with_udev("above", upper.path(), upper.bytes());
    let name = end_of(&above.path()).expect("udev links it");
    wait_for_link(&link, Some(&name));
    // Not the one that was looked at last.
    for disk in [
        upper.disk(),
        lower.disk(),
        &drive.0.name,
        &name,
        lower.disk(),
    ] {
        udev.look_at(disk);
        assert_eq!(
            end_of(&link).as_deref(),
            Some(name.as_str()),
            "after {disk}"
        );
    }
    drop(above);
    wait_for_link(&link, Some(upper.disk()));
    udev.look_at(lower.disk());
    assert_eq!(end_of(&link).as_deref(), Some(upper.disk()));
    upper.unmap();
    wait_for_link(&link, Some(lower.disk()));
    lower.unmap();
    wait_for_link(&link, Some(&drive.0.name));
    drop((drive, udev));
}

fn links_stay_when_the_kernel_cannot_be_asked() {
    let _module = Module::load();
    let udev = Udev::start();
    let drive = Blank::with_label(0, "data", &udev);
    let device = Device::map("vol0", &drive.0.path);
    wait_for_link(&by_label("data"), Some(device.disk()));
    udev.lose_the_program();
    udev.look_at(device.disk());
    for link in ["/dev/shunt/by-name/vol0", &by_label("data")] {
        assert_eq!(end_of(link).as_deref(), Some(device.disk()), "{link}");
    }
    device.unmap();
    drop((drive, udev));
}

/// The kernel tells of a drive before udev has seen that the one before it is gone, which had its name and number.
fn a_link_of_the_drive_before_is_not_followed() {
    const FILE: &str = "/run/label.toml";
    // udev makes such links for drives with names of this kind.
    const DRIVE: &str = "vdz";
    let _module = Module::load();
    let udev = Udev::start();
    let link = by_label("data");
    let number = || std::fs::metadata(&link).map(|link| link.rdev()).ok();
    let before = NullDrive::make_named(DRIVE, 16);
    make_file_system(before.path(), "data");
    udev.look_at(DRIVE);
    wait_for_link(&link, Some(DRIVE));
    let was = number();
    run("udevadm control --stop-exec-queue");
    drop(before);
    // The kernel may take its time to let go of the number.
    let make = || Some(NullDrive::make_named(DRIVE, 16)).filter(|_| number() == was);
    let now = (0..50).find_map(|_| make());
    assert!(now.is_some(), "no other drive gets the number {was:?}");
    std::fs::write(FILE, format!("[device.v]\nto = '{link}'\n")).expect("/run takes files");
    let said = attempt(&["shunt", "apply", FILE]);
    assert!(list().is_empty(), "{said:?}");
    run("udevadm control --start-exec-queue");
    wait_for_link(&link, None);
    std::fs::remove_file(FILE).expect("nobody has it");
    drop((now, udev));
}
