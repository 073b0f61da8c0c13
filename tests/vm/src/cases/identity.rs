// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a target is: the drive that was given. Its name may lead elsewhere, another drive may get its number, its neighbours
//! may grow: a device stays where it is.

use std::fs::{self, File};
use std::os::unix::fs::symlink;

use crate::guest::command::{attempt, run};
use crate::guest::direct::{Buffer, Direct, checksum};
use crate::guest::dm::Dm;
use crate::guest::flash::flash;
use crate::guest::loop_device::Loop;
use crate::guest::module::Module;
use crate::guest::null_blk::NullDrive;
use crate::guest::shunt::{Device, QUEUES};
use crate::guest::sysfs;
use crate::guest::wait::wait_until;

cases! {
    a_device_stays_on_its_drive_when_the_name_leads_to_another,
    a_device_stays_on_its_drive_when_the_node_has_another_number,
    a_drive_that_has_grown_is_taken_up_without_its_name,
    a_lost_drive_has_no_claim_on_another_with_its_number,
    a_join_keeps_its_data_when_a_drive_before_the_last_has_grown,
    stripes_keep_their_data_when_one_drive_has_grown,
}

const MIB: u64 = 1 << 20;

/// A name of the case's own.
const NAME: &str = "/run/drive";

/// A name that may lead to one drive after another; gone on drop.
struct Name;

impl Name {
    /// Lets it be a link to a drive.
    #[track_caller]
    fn link(drive: &str) -> Self {
        let _ = fs::remove_file(NAME);
        symlink(drive, NAME).expect("/run takes links");
        Self
    }

    /// Lets it be a node with the number of a drive.
    #[track_caller]
    fn node(drive: &str) -> Self {
        let _ = fs::remove_file(NAME);
        let number = number(drive);
        let (major, minor) = number.split_once(':').expect("a number has two parts");
        run(&format!("mknod {NAME} b {major} {minor}"));
        Self
    }
}

impl Drop for Name {
    fn drop(&mut self) {
        let _ = fs::remove_file(NAME);
    }
}

/// The number of a drive, as sysfs has it.
#[track_caller]
fn number(drive: &str) -> String {
    let name = drive.trim_start_matches("/dev/");
    sysfs::read(&format!("/sys/block/{name}/dev")).expect("a drive has a number")
}

/// Tries every command that may look at the drive again, and sees that the device stays on `drive`. Any may be refused.
#[track_caller]
fn stays(device: &Device, drive: &str) {
    let pattern = Buffer::pattern(7, 4096);
    Direct::open(drive).write(0, &pattern);
    for words in [
        &["resize"][..],
        &["set", "--stats", "off"],
        &["set", "--read-only"],
        &["set", "--read-write"],
        &["suspend"],
        &["resize"],
        &["resume"],
    ] {
        let (verb, options) = words.split_first().expect("a command has a verb");
        let ended = attempt(&[&["shunt", verb, device.name()], options].concat());
        let now = device.now();
        assert_eq!(
            now["targets"][0]["dev"],
            number(drive),
            "after {words:?}: {ended:?}"
        );
        if now["state"] == "live" {
            let read = Direct::open_to_read(device.path()).read(0, 4096);
            assert!(
                read[..] == pattern[..],
                "after {words:?} another drive is read"
            );
        }
    }
}

fn a_device_stays_on_its_drive_when_the_name_leads_to_another() {
    let _module = Module::load();
    let (drive, larger) = (flash(1).path, flash(0).path);
    for options in [&[][..], &["--read-only"], &["--queue", "mq"]] {
        let _name = Name::link(&drive);
        let device = Device::map_with("vol0", NAME, options);
        let _name = Name::link(&larger);
        stays(&device, &drive);
    }
}

fn a_device_stays_on_its_drive_when_the_node_has_another_number() {
    let _module = Module::load();
    let (drive, larger) = (flash(1).path, flash(0).path);
    for options in [&[][..], &["--read-only"]] {
        let _name = Name::node(&drive);
        let device = Device::map_with("vol0", NAME, options);
        let _name = Name::node(&larger);
        stays(&device, &drive);
    }
}

fn a_drive_that_has_grown_is_taken_up_without_its_name() {
    let _module = Module::load();
    let file = "/run/growing";
    let grow = |bytes| {
        File::options()
            .write(true)
            .create(true)
            .truncate(false)
            .open(file)
            .and_then(|file| file.set_len(bytes))
            .expect("/run takes files");
    };
    for queue in QUEUES {
        grow(16 * MIB);
        let drive = Loop::bind(file, "");
        let name = Name::link(drive.path());
        let device = Device::map_with("vol0", NAME, &["--queue", queue]);
        drop(name);
        grow(24 * MIB);
        run(&format!("losetup --set-capacity {}", drive.path()));
        device.order("resize", &[]);
        assert_eq!(device.now()["size_bytes"], 24 * MIB);
        Direct::open(device.path()).read(24 * MIB - 4096, 4096);
        device.unmap();
        drop(drive);
        fs::remove_file(file).expect("it can go");
    }
}

fn a_lost_drive_has_no_claim_on_another_with_its_number() {
    let _module = Module::load();
    for queue in QUEUES {
        let first = NullDrive::make_named("first", 16);
        let old = number(first.path());
        let lost = Device::map_with("lost", first.path(), &["--queue", queue]);
        first.take_out();
        wait_until("the device is lost", || lost.now()["state"] == "lost");
        let second = NullDrive::make_named("second", 16);
        assert_eq!(
            number(second.path()),
            old,
            "the kernel gives the number again"
        );
        let device = Device::map_with("vol0", second.path(), &["--queue", queue]);
        let pattern = Buffer::pattern(3, 4096);
        Direct::open(device.path()).write(0, &pattern);
        assert_eq!(lost.now()["state"], "lost");
        Direct::open(lost.path())
            .try_read(0, 4096)
            .map(|_| ())
            .expect_err("its drive is gone");
        second.take_out();
        wait_until("the loss of the second drive is noticed", || {
            device.now()["state"] == "lost"
        });
    }
}

/// Maps two drives as one device by `options`, lets the first grow and has the device resized; gives whether its data is
/// where it was.
#[track_caller]
fn keeps_its_data(options: &[&str]) {
    let _module = Module::load();
    for queue in QUEUES {
        let drives = [("first", flash(0)), ("second", flash(1))].map(|(name, drive)| {
            let dm = Dm::linear(name, &drive.path, 2 * MIB);
            (dm, drive)
        });
        let (first, second) = (&drives[0].0, &drives[1].0);
        let beside = second.path();
        let options = [&["--to", &beside, "--queue", queue], options].concat();
        let device = Device::map_with("vol0", &first.path(), &options);
        assert_eq!(device.bytes(), 4 * MIB);
        for place in 0..4 {
            let pattern = Buffer::pattern(place, MIB as usize);
            Direct::open(device.path()).write(place * MIB, &pattern);
        }
        let before = checksum(device.path(), 0..4 * MIB);
        first.reload(&format!(
            "0 {} linear {} 0\n",
            4 * MIB / 512,
            drives[0].1.path
        ));
        for words in [
            &["resize"][..],
            &["set", "--read-only"],
            &["set", "--read-write"],
            &["resize"],
        ] {
            let (verb, options) = words.split_first().expect("a command has a verb");
            let ended = attempt(&[&["shunt", verb, device.name()], options].concat());
            assert!(
                checksum(device.path(), 0..4 * MIB) == before,
                "the data has moved after {words:?}: {ended:?}"
            );
        }
    }
}

fn a_join_keeps_its_data_when_a_drive_before_the_last_has_grown() {
    keeps_its_data(&[]);
}

fn stripes_keep_their_data_when_one_drive_has_grown() {
    keeps_its_data(&["--stripe", "64K"]);
}
