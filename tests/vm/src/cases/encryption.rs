// SPDX-License-Identifier: MIT OR Apache-2.0
//! A file system can leave encryption to a device: the drive does it, where it can, and else the kernel.

use std::fs::File;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;

use crate::guest::case::skip;
use crate::guest::command::run;
use crate::guest::direct::checksum;
use crate::guest::encrypted::{
    NAME, OTHERS, assert_hidden, is_possible, make_file_system, read, read_with, wrapped_key,
    write, write_with,
};
use crate::guest::flash::flash;
use crate::guest::module::Module;
use crate::guest::mount::Mount;
use crate::guest::shunt::{Device, QUEUES};
use crate::guest::state::refused_without_change;
use crate::guest::sysfs;
use crate::guest::test_drive::{ALL_UNITS, BYTES, SLOTS, TestDrive, TestDrives};
use crate::guest::wait::wait_until;

cases! {
    what_is_encrypted_inline_is_encrypted_on_the_drive,
    a_drive_encrypts_what_a_file_system_leaves_to_it,
    a_retarget_takes_the_keys_along,
    retargets_under_encrypted_reads_leave_no_key_behind,
    a_forced_unmap_leaves_no_key_in_the_drive,
    a_retarget_to_a_drive_that_encrypts_less_is_refused,
    a_border_within_a_data_unit_takes_that_size_away,
    several_drives_encrypt_what_all_of_them_can,
    caps_says_who_encrypts,
    a_key_that_only_hardware_can_unwrap_is_used_through_a_device,
}

const MIB: u64 = 1 << 20;

fn needed() {
    if !is_possible() {
        skip("this kernel does not encrypt inline");
    }
}

/// Loads the drives, each with a sum of sizes of data units.
#[track_caller]
fn load(units: [u32; 2]) -> TestDrives {
    TestDrives::load(&format!("data_units={},{}", units[0], units[1]))
}

/// Sum of the sizes of data units that a disk encrypts, by sysfs.
fn units(disk: &str) -> Option<u32> {
    let text = sysfs::read(&format!("/sys/block/{disk}/queue/crypto/modes/AES-256-XTS"))?;
    let digits = text.strip_prefix("0x").expect("it is in hexadecimal");
    Some(u32::from_str_radix(digits, 16).expect("it is a number"))
}

/// Makes a file system on a device and encrypted files in it.
#[track_caller]
fn with_files(device: &Device) -> Mount {
    make_file_system(device.path(), 4096);
    let mount = Mount::ext4_encrypted_inline(device.path());
    write(&mount);
    mount
}

/// Copies all of a drive to another.
#[track_caller]
fn mirror(from: &TestDrive, to: &TestDrive) {
    let (from, to) = (&from.path, &to.path);
    run(&format!("dd if={from} of={to} bs=1M oflag=direct"));
}

fn what_is_encrypted_inline_is_encrypted_on_the_drive() {
    needed();
    let drive = flash(0);
    for queue in QUEUES {
        {
            let _module = Module::load();
            let to = format!("{},length=32M", drive.path);
            let device = Device::map_with("vol0", &to, &["--queue", queue]);
            make_file_system(device.path(), 1024);
            let mount = Mount::ext4_encrypted_inline(device.path());
            write(&mount);
            read(&mount);
        }
        assert_hidden(&drive.path, 32 * MIB);
        // The file system itself makes the same of it.
        let mount = Mount::ext4(&drive.path);
        read(&mount);
    }
}

fn a_drive_encrypts_what_a_file_system_leaves_to_it() {
    needed();
    for (queue, block) in QUEUES.into_iter().zip([4096, 1024]) {
        let drives = load([ALL_UNITS, 0]);
        let drive = drives.drive(0);
        {
            let _module = Module::load();
            let device = Device::map_with("vol0", &drive.path, &["--queue", queue]);
            make_file_system(device.path(), block);
            let mount = Mount::ext4_encrypted_inline(device.path());
            write(&mount);
            let programmed = drive.keys_programmed();
            assert!(
                programmed > SLOTS,
                "{programmed} keys of {} files, {queue}",
                OTHERS + 1
            );
            assert_eq!(drive.keys(), SLOTS);
            read(&mount);
            drop(mount);
            assert_eq!(drive.keys(), 0, "keys stay in the drive");
            // A key that took the slot of another one evicted nothing.
            assert_eq!(drive.keys_evicted(), SLOTS);
        }
        assert_hidden(&drive.path, BYTES);
        // By the drive without a device, and by the kernel, it is the same.
        read(&Mount::ext4_encrypted_inline(&drive.path));
        let programmed = drive.keys_programmed();
        read(&Mount::ext4(&drive.path));
        assert_eq!(drive.keys_programmed(), programmed);
    }
}

fn a_retarget_takes_the_keys_along() {
    needed();
    for queue in QUEUES {
        let drives = load([ALL_UNITS; 2]);
        let (old, new) = (drives.drive(0), drives.drive(1));
        let _module = Module::load();
        let device = Device::map_with("vol0", &old.path, &["--queue", queue]);
        let mount = with_files(&device);
        read(&mount);
        // Its key stays the same one as long as it is open.
        let open = File::open(mount.folder().join(NAME)).expect("the file is there");
        device.order("suspend", &["--freeze"]);
        mirror(&old, &new);
        assert!(old.keys() > 0);
        device.retarget(&new.path);
        assert_eq!(old.keys(), 0, "keys stay in the old drive");
        device.order("resume", &[]);
        assert_eq!(new.keys(), 0);
        read(&mount);
        assert!(new.keys() > 0, "the new drive does not encrypt, {queue}");
        drop(open);
        drop(mount);
        assert_eq!((old.keys(), new.keys()), (0, 0));
    }
}

fn retargets_under_encrypted_reads_leave_no_key_behind() {
    needed();
    for queue in QUEUES {
        let drives = load([ALL_UNITS; 2]);
        let both = [drives.drive(0), drives.drive(1)];
        let _module = Module::load();
        let device = Device::map_with("vol0", &both[0].path, &["--queue", queue]);
        let mount = with_files(&device);
        device.order("suspend", &["--freeze"]);
        mirror(&both[0], &both[1]);
        device.order("resume", &[]);

        let file = mount.folder().join(NAME).display().to_string();
        let wanted = checksum(&file, 0..MIB / 4);
        let rounds = AtomicU32::new(0);
        let done = AtomicBool::new(false);
        let mut keys = Vec::new();
        thread::scope(|scope| {
            let reader = scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    assert_eq!(checksum(&file, 0..MIB / 4), wanted);
                    rounds.fetch_add(1, Ordering::Relaxed);
                }
            });
            // A panic here would leave the reader at work.
            for turn in 1..=6 {
                let (old, new) = (&both[(turn + 1) % 2], &both[turn % 2]);
                let seen = rounds.load(Ordering::Relaxed);
                wait_until("the file is read", || {
                    rounds.load(Ordering::Relaxed) > seen + 1 || reader.is_finished()
                });
                let before = old.keys();
                device.retarget(&new.path);
                keys.push((before > 0, old.keys()));
            }
            done.store(true, Ordering::Relaxed);
        });
        assert_eq!(keys, [(true, 0); 6], "keys in the old drive, {queue}");
        drop(mount);
        assert_eq!((both[0].keys(), both[1].keys()), (0, 0));
    }
}

fn a_forced_unmap_leaves_no_key_in_the_drive() {
    needed();
    for queue in QUEUES {
        let drives = load([ALL_UNITS, 0]);
        let drive = drives.drive(0);
        let _module = Module::load();
        let device = Device::map_with("vol0", &drive.path, &["--queue", queue]);
        let mount = with_files(&device);
        // A file system that is shut down forgets what is not in use.
        let open = File::open(mount.folder().join(NAME)).expect("the file is there");
        assert!(drive.keys() > 0);
        device.force_unmap();
        assert_eq!(drive.keys(), 0, "keys stay in the drive");
        drop(open);
        drop(mount);
        assert_eq!(drive.keys(), 0);
    }
}

fn a_retarget_to_a_drive_that_encrypts_less_is_refused() {
    needed();
    for fewer in [0, 512] {
        let drives = load([ALL_UNITS, fewer]);
        let _module = Module::load();
        let device = Device::map("vol0", &drives.drive(0).path);
        let mount = with_files(&device);
        let keys = drives.drive(0).keys();
        let to = drives.drive(1).path;
        let why = refused_without_change(&["retarget", "vol0", "--to", &to]);
        assert!(why.contains("inline encryption"), "{why}");
        assert_eq!(units(device.disk()), Some(ALL_UNITS));
        assert_eq!(drives.drive(0).keys(), keys);
        read(&mount);
    }
}

fn a_border_within_a_data_unit_takes_that_size_away() {
    needed();
    let drives = load([ALL_UNITS; 2]);
    let (one, other) = (drives.drive(0), drives.drive(1));
    let _module = Module::load();
    for (first, words, wanted) in [
        ("length=8M", ["--queue", "bio"], ALL_UNITS),
        ("offset=512,length=8M", ["--queue", "mq"], ALL_UNITS),
        ("length=8390656", ["--queue", "bio"], 512 + 1024 + 2048),
        ("length=8389120", ["--queue", "mq"], 512),
        ("length=8M", ["--stripe", "64K"], ALL_UNITS),
    ] {
        let to = format!("{},{first}", one.path);
        let next = format!("{},length=8M", other.path);
        let words = [&["--to", &next], &words[..]].concat();
        let device = Device::map_with("vol0", &to, &words);
        assert_eq!(units(device.disk()), Some(wanted), "{first}, {words:?}");
        let programmed = || one.keys_programmed() + other.keys_programmed();
        let before = programmed();
        let mount = with_files(&device);
        read(&mount);
        // Without blocks of that size, the kernel encrypts.
        assert_eq!(programmed() > before, wanted & 4096 != 0, "{first}");
        drop(mount);
        assert_eq!((one.keys(), other.keys()), (0, 0));
    }
}

fn several_drives_encrypt_what_all_of_them_can() {
    needed();
    for (offered, wanted) in [
        ([ALL_UNITS, 0], None),
        ([0, ALL_UNITS], None),
        ([512, 4096], None),
        ([ALL_UNITS, 512 + 4096], Some(512 + 4096)),
    ] {
        let drives = load(offered);
        let _module = Module::load();
        let other = drives.drive(1).path;
        let device = Device::map_with("vol0", &drives.drive(0).path, &["--to", &other]);
        assert_eq!(units(device.disk()), wanted, "{offered:?}");
    }
}

fn caps_says_who_encrypts() {
    needed();
    let drives = load([ALL_UNITS, 0]);
    let _module = Module::load();
    let line = |device: &Device| {
        let table = run(&format!("shunt caps {}", device.name()));
        let mut lines = table.lines().map(str::to_owned);
        let line = lines.find(|line| line.starts_with("inline encryption"));
        line.expect("caps has a line on inline encryption")
    };
    let device = Device::map("vol0", &drives.drive(0).path);
    let words = line(&device);
    assert_eq!(words.matches("yes").count(), 2, "{words}");
    drop(device);
    let device = Device::map("vol0", &drives.drive(1).path);
    let words = line(&device);
    assert!(!words.contains("yes"), "{words}");
}

fn a_key_that_only_hardware_can_unwrap_is_used_through_a_device() {
    needed();
    for queue in QUEUES {
        let drives = load([ALL_UNITS, 0]);
        let drive = drives.drive(0);
        let _module = Module::load();
        let device = Device::map_with("vol0", &drive.path, &["--queue", queue]);
        let says =
            |file: &str| sysfs::read(&format!("/sys/block/{}/queue/crypto/{file}", device.disk()));
        assert_eq!(says("hw_wrapped_keys").as_deref(), Some("supported"));
        assert_eq!(says("raw_keys").as_deref(), Some("supported"));
        let key = wrapped_key(device.path());
        make_file_system(device.path(), 4096);
        {
            let mount = Mount::ext4_encrypted_inline(device.path());
            write_with(&mount, &key);
            assert_eq!(drive.keys(), 1);
            read_with(&mount, &key);
        }
        assert_eq!(drive.keys(), 0);
        drop(device);
        assert_hidden(&drive.path, BYTES);
        // The drive itself takes the key that came through the device.
        read_with(&Mount::ext4_encrypted_inline(&drive.path), &key);
    }
}
