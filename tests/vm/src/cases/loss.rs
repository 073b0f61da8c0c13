// SPDX-License-Identifier: MIT OR Apache-2.0
//! A drive goes while a device is on it: the device is lost at once, nothing hangs, and a retarget makes it live again.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::guest::background::Background;
use crate::guest::command::{attempt, run, run_with_input};
use crate::guest::direct::{Buffer, Direct};
use crate::guest::dm::Dm;
use crate::guest::events::Events;
use crate::guest::flash::flash;
use crate::guest::load::Load;
use crate::guest::module::Module;
use crate::guest::mount::{Mount, append};
use crate::guest::null_blk::NullDrive;
use crate::guest::removal::Removed;
use crate::guest::scsi_debug::ScsiDebug;
use crate::guest::shunt::{Device, MODES, PATIENT, QUEUES, list};
use crate::guest::state::State;
use crate::guest::sysfs;
use crate::guest::task::Task;
use crate::guest::wait::wait_until;

cases! {
    a_device_is_lost_with_its_drive_and_live_again_on_another,
    a_file_system_under_load_is_shut_down_with_the_drive,
    a_disk_that_is_deleted_is_named_as_lost,
    a_file_system_writes_all_out_before_a_drive_is_taken_out_orderly,
    a_file_system_on_a_suspended_device_does_not_keep_a_drive_from_going,
    the_drive_is_taken_up_again_when_it_is_back,
    a_drive_that_is_back_under_its_old_name_is_taken_up,
    two_devices_on_a_drive_are_lost_with_it,
    a_device_is_lost_at_once_though_another_has_yet_to_write_all_out,
    a_device_with_the_number_of_one_that_was_lost_is_not_told_as_lost,
    a_joined_device_is_lost_with_one_of_its_drives,
    a_device_that_takes_up_a_drive_which_is_being_taken_out_is_lost,
    a_suspended_device_is_lost_and_what_waits_fails_or_goes_on_elsewhere,
    a_drive_that_goes_during_retargets_leaves_a_device_that_works,
    a_lost_device_is_unmapped,
    a_lost_device_is_unmapped_by_force_while_it_is_open,
}

const MIB: u64 = 1 << 20;
const DRIVE: u32 = 1;

/// Takes the drive away, which must not take long.
#[track_caller]
fn remove() -> Removed {
    let begun = Instant::now();
    let removed = Removed::take(DRIVE);
    let taken = begun.elapsed();
    assert!(
        taken < Duration::from_secs(20),
        "the removal took {taken:?}"
    );
    removed
}

/// The next event, which has to tell that this device is lost, and how much failed with it.
#[track_caller]
fn lost(events: &Events, name: &str) -> Value {
    let event = events.next();
    assert_eq!(
        (&event["event"], &event["device"]["name"]),
        (&"lost".into(), &name.into())
    );
    assert!(event["failed"].is_u64(), "{event}");
    event["device"].clone()
}

#[track_caller]
fn wait_for_writes(device: &Device) {
    let before = device.stats().ios("write");
    wait_until("writes are under way", || {
        device.stats().ios("write") > before + 100
    });
}

fn a_device_is_lost_with_its_drive_and_live_again_on_another() {
    let _module = Module::load();
    for mode in [MODES[0], MODES[1], MODES[3]] {
        let to = format!("{},length=8M", flash(DRIVE).path);
        let device = Device::map_with("vol0", &to, mode);
        let events = Events::listen();
        events.present();
        let load = Load::write(device.path());
        wait_for_writes(&device);
        let file = Direct::open(device.path());
        let _removed = remove();
        assert_eq!(lost(&events, "vol0"), device.now());
        assert_eq!(device.now()["state"], "lost");
        assert_eq!(device.now()["targets"][0]["state"], "lost");
        load.fails();
        file.try_read(0, 4096).map(|_| ()).expect_err("it is lost");
        file.try_write(0, &Buffer::pattern(1, 4096))
            .expect_err("it is lost");

        device.retarget(&format!("{},length=8M", flash(0).path));
        assert_eq!(device.now()["state"], "live");
        assert_eq!(events.next()["device"], device.now());
        let pattern = Buffer::pattern(2, 4096);
        file.write(0, &pattern);
        assert!(file.read(0, 4096)[..] == pattern[..]);
    }
}

/// Maps vol0 to 64 MiB of the drive, with an empty file system.
#[track_caller]
fn with_file_system(queue: &str) -> Device {
    let to = format!("{},length=64M", flash(DRIVE).path);
    let device = Device::map_with("vol0", &to, &["--queue", queue]);
    run(&format!("mkfs.ext4 -q -F {}", device.path()));
    device
}

fn a_file_system_under_load_is_shut_down_with_the_drive() {
    let _module = Module::load();
    for queue in QUEUES {
        let device = with_file_system(queue);
        let mount = Mount::ext4(device.path());
        let file = mount.folder().join("file");
        let load = Load::write(&file.display().to_string());
        wait_for_writes(&device);
        let removed = remove();
        load.fails();
        assert_eq!(device.now()["state"], "lost");
        append(&file).expect_err("the file system is shut down");
        drop(mount);
        // What was written until then is there when the drive is back.
        let drive = removed.bring_back();
        device.retarget(&format!("{},length=64M", drive.path));
        let mount = Mount::ext4(device.path());
        assert!(mount.folder().join("file").exists());
        drop(mount);
        run(&format!("e2fsck -f -n {}", device.path()));
    }
}

fn a_disk_that_is_deleted_is_named_as_lost() {
    let _module = Module::load();
    for queue in QUEUES {
        let disk = ScsiDebug::load("dev_size_mb=16");
        let beside = format!("{},length=8M", flash(0).path);
        let device = Device::map_with("vol0", &beside, &["--to", disk.path(), "--queue", queue]);
        let events = Events::listen();
        events.present();
        let load = Load::write_to(device.path(), "--offset=8M");
        wait_for_writes(&device);
        disk.delete();
        let told = lost(&events, "vol0");
        assert_eq!(told["targets"][0]["state"], "live");
        assert_eq!(told["targets"][1]["state"], "lost");
        assert_eq!(told["targets"][1]["path"], disk.path());
        assert_eq!((&told["state"], &told), (&"lost".into(), &device.now()));
        load.fails();
        let other = format!("{},length=16M", flash(DRIVE).path);
        device.order("retarget", &["--to", &beside, "--to", &other]);
        assert_eq!(device.now()["state"], "live");
        Direct::open(device.path()).write(8 * MIB, &Buffer::pattern(1, 4096));
    }
}

fn a_file_system_writes_all_out_before_a_drive_is_taken_out_orderly() {
    const DIRTY: u64 = 4 << 20;
    let _module = Module::load();
    for queue in QUEUES {
        let drive = NullDrive::make(64);
        let device = Device::map_with("vol0", drive.path(), &["--queue", queue]);
        run(&format!("mkfs.ext4 -q -F {}", device.path()));
        let mount = Mount::ext4(device.path());
        let file = mount.folder().join("file");
        std::fs::write(file, vec![7; DIRTY as usize]).expect("it is in the page cache");
        let before = device.stats();
        drive.take_out();
        let after = device.stats();
        assert_eq!(device.now()["state"], "lost");
        assert_eq!(after.errors("write"), before.errors("write"));
        let written = after.bytes("write") - before.bytes("write");
        assert!(
            written >= DIRTY,
            "only {written} bytes were written out, {queue}"
        );
    }
}

fn a_file_system_on_a_suspended_device_does_not_keep_a_drive_from_going() {
    let _module = Module::load();
    for queue in QUEUES {
        let device = with_file_system(queue);
        let mount = Mount::ext4(device.path());
        let file = mount.folder().join("file");
        std::fs::write(&file, vec![7; 4 << 20]).expect("it is in the page cache");
        device.order("suspend", &[]);
        let writer = Task::start(move || append(&file));
        writer.waits();
        let _removed = remove();
        assert_eq!(device.now()["state"], "lost");
        device.order("resume", &[]);
        writer.end().expect_err("the file system is shut down");
    }
}

fn the_drive_is_taken_up_again_when_it_is_back() {
    let _module = Module::load();
    let device = Device::map("vol0", &flash(DRIVE).path);
    let pattern = Buffer::pattern(1, 4096);
    let file = Direct::open(device.path());
    for round in 0..3 {
        file.write(round * MIB, &pattern);
        assert_eq!(attempt(&["shunt", "status"]).code, Some(0));
        let drive = remove().bring_back();
        // That it is back is not enough.
        assert_eq!(device.now()["state"], "lost");
        let status = attempt(&["shunt", "status"]);
        assert_eq!(status.code, Some(1));
        assert!(status.stdout.contains("vol0 is lost"), "{}", status.stdout);
        file.try_read(0, 4096).map(|_| ()).expect_err("it is lost");
        device.retarget(&drive.path);
        assert_eq!(device.now()["state"], "live");
        for before in 0..=round {
            assert!(file.read(before * MIB, 4096)[..] == pattern[..]);
        }
    }
}

/// As NVMe drives are not while anybody has the old one open.
fn a_drive_that_is_back_under_its_old_name_is_taken_up() {
    let _module = Module::load();
    let drive = NullDrive::make(16);
    let pattern = Buffer::pattern(1, 4096);
    for queue in QUEUES {
        let device = Device::map_with("vol0", drive.path(), &["--queue", queue]);
        let file = Direct::open(device.path());
        file.write(0, &pattern);
        drive.take_out();
        assert_eq!(device.now()["state"], "lost");
        drive.bring_back();
        device.retarget(drive.path());
        assert!(file.read(0, 4096)[..] == pattern[..]);
        let below = format!("/sys/block/{}/slaves", device.disk());
        let name = drive.path().trim_start_matches("/dev/");
        assert_eq!(sysfs::names(&below), [name]);

        // The same of a device that stands on another one of ours.
        let above = Device::map_with("above", device.path(), &["--queue", queue]);
        let path = device.path().to_owned();
        drop(file);
        device.force_unmap();
        assert_eq!(above.now()["state"], "lost");
        let device = Device::map_with("vol0", drive.path(), &["--queue", queue]);
        assert_eq!(device.path(), path);
        above.retarget(&path);
        assert!(Direct::open(above.path()).read(0, 4096)[..] == pattern[..]);
        above.unmap();
        device.unmap();
    }
}

/// The drive tells the holder of each of its partitions, and one of these has something to write first.
fn a_device_that_takes_up_a_drive_which_is_being_taken_out_is_lost() {
    const LONG: Duration = Duration::from_secs(20);
    let _module = Module::load();
    let going = NullDrive::make_named("pulled", 64);
    let table = "label: dos\nstart=1M,size=16M\nstart=32M,size=16M\n";
    run_with_input(&["sfdisk", "--quiet", going.path()], table);
    let [taken_up, beside] = ["1", "2"].map(|part| format!("{}{part}", going.path()));
    wait_until("the partitions have nodes", || {
        [&taken_up, &beside]
            .iter()
            .all(|node| Path::new(node).exists())
    });
    let slow = Dm::linear("slow", &flash(0).path, 32 * MIB);
    let writes = Device::map_with("writes", &slow.path(), &["--to", &beside]);
    run(&format!("mkfs.ext4 -q -F {}", writes.path()));
    let mount = Mount::ext4(writes.path());
    let file = mount.folder().join("file");
    std::fs::write(file, vec![7; 4 << 20]).expect("it is in the page cache");

    let like_it = NullDrive::make_named("like", 16);
    let old = Dm::linear("old", like_it.path(), 16 * MIB);
    let device = Device::map("vol0", &old.path());
    old.suspend();
    let mut read = Background::read(device.path());
    read.waits();
    let retarget = ["shunt", "retarget", "vol0", "--to", &taken_up];
    let mut retarget = Background::start(&[&retarget[..], &PATIENT].concat());
    retarget.settles();
    assert!(retarget.goes_on(), "{:?}", retarget.ended());
    // The new drive is shown below the device before what is on its way to the old one is waited for.
    let below = format!("/sys/block/{}/slaves", device.disk());
    let name = taken_up.trim_start_matches("/dev/");
    wait_until("the new drive is open", || {
        sysfs::names(&below).iter().any(|slave| slave == name)
    });
    slow.suspend();
    let power = format!("{}/power", going.folder());
    let mut removal = Background::start(&["sh", "-c", &format!("echo 0 > {power}")]);
    removal.waits();
    wait_until("the first of its holders knows", || {
        writes.now()["state"] == "lost"
    });
    old.resume();
    read.succeeds_in(LONG);
    retarget.succeeds_in(LONG);
    slow.resume();
    removal.succeeds_in(LONG);
    assert_eq!(device.now()["state"], "lost");
    drop(mount);
}

fn two_devices_on_a_drive_are_lost_with_it() {
    let _module = Module::load();
    let path = flash(DRIVE).path;
    let one = Device::map("one", &format!("{path},length=8M"));
    let other = Device::map("other", &format!("{path},offset=8M,length=8M"));
    let aside = Device::map("aside", &flash(0).path);
    let events = Events::listen();
    events.present();
    let removed = remove();
    for device in [&one, &other] {
        assert_eq!(device.now()["state"], "lost");
    }
    lost(&events, "one");
    lost(&events, "other");
    assert_eq!(aside.now()["state"], "live");
    Direct::open(aside.path()).read(0, 4096);
    let drive = removed.bring_back();
    one.retarget(&format!("{},length=8M", drive.path));
    assert_eq!(one.now()["state"], "live");
    assert_eq!(other.now()["state"], "lost");
    other.retarget(&format!("{},offset=8M,length=8M", drive.path));
    assert_eq!(other.now()["state"], "live");
}

/// A file system that has something to write to a drive of its device which keeps it waiting.
#[track_caller]
fn with_something_to_write(device: &Device) -> Mount {
    run(&format!("mkfs.ext4 -q -F {}", device.path()));
    let mount = Mount::ext4(device.path());
    let file = mount.folder().join("file");
    std::fs::write(file, vec![7; 4 << 20]).expect("it is in the page cache");
    mount
}

/// Begins to take a drive out, which waits for a file system.
#[track_caller]
fn take_out(drive: &NullDrive) -> Background {
    let power = format!("{}/power", drive.folder());
    let mut removal = Background::start(&["sh", "-c", &format!("echo 0 > {power}")]);
    removal.waits();
    removal
}

fn a_device_is_lost_at_once_though_another_has_yet_to_write_all_out() {
    const LONG: Duration = Duration::from_secs(20);
    let _module = Module::load();
    let [going, other] = ["pulled", "other"].map(|name| NullDrive::make_named(name, 64));
    let [half, rest] =
        ["length=16M", "offset=16M"].map(|piece| format!("{},{piece}", going.path()));
    let slow = Dm::linear("slow", &flash(0).path, 32 * MIB);
    let writes = Device::map_with("writes", &slow.path(), &["--to", &half]);
    let beside = Device::map("beside", &rest);
    let mounts = [&writes, &beside].map(with_something_to_write);
    let sync = std::fs::File::open(mounts[1].folder()).expect("it is mounted");
    nix::unistd::syncfs(&sync).expect("the drive works");
    drop(sync);
    let events = Events::listen();
    events.present();
    slow.suspend();
    let mut removal = take_out(&going);
    for device in [&writes, &beside] {
        assert_eq!(lost(&events, device.name()), device.now());
    }
    beside.retarget(other.path());
    assert!(removal.goes_on(), "the file system has written all out");
    slow.resume();
    removal.succeeds_in(LONG);
    // Nobody has its file system shut down any more.
    assert_eq!(beside.now()["state"], "live");
    std::fs::write(mounts[1].folder().join("more"), "x").expect("the file system goes on");
    drop(mounts);
    beside.unmap();
}

/// Users are told of a loss one after another, and they may have much to write: by then others may have its number.
fn a_device_with_the_number_of_one_that_was_lost_is_not_told_as_lost() {
    const LONG: Duration = Duration::from_secs(20);
    let _module = Module::load();
    let going = NullDrive::make_named("pulled", 64);
    let slow = Dm::linear("slow", &flash(0).path, 32 * MIB);
    let first = Device::map("first", going.path());
    let above = Device::map_with("above", &slow.path(), &["--to", first.path()]);
    let mount = with_something_to_write(&above);
    let events = Events::listen();
    events.present();
    slow.suspend();
    let mut removal = take_out(&going);
    wait_until("the devices are lost", || {
        [&first, &above]
            .iter()
            .all(|device| device.now()["state"] == "lost")
    });
    let number = first.shown()["id"].clone();
    first.force_unmap();
    let second = Device::map("second", &flash(1).path);
    assert_eq!(second.shown()["id"], number);
    // Nobody is told of this; what is told of the device after it is news to the programs.
    run(&format!("blockdev --setro {}", second.path()));
    assert!(removal.goes_on(), "the file system has written all out");
    slow.resume();
    removal.succeeds_in(LONG);
    let last = Device::map("last", &flash(2).path);
    loop {
        let event = events.next();
        if event["device"]["name"] == "last" {
            break;
        }
        let told = (&event["event"], &event["device"]["name"]);
        assert_ne!(told, (&"lost".into(), &"second".into()), "{event}");
    }
    drop((mount, last));
}

fn a_joined_device_is_lost_with_one_of_its_drives() {
    let _module = Module::load();
    let first = format!("{},length=8M", flash(0).path);
    let second = |path: &str| format!("{path},length=8M");
    for stripe in [&[][..], &["--stripe", "64K"]] {
        let to = second(&flash(DRIVE).path);
        let device = Device::map_with("vol0", &first, &[&["--to", to.as_str()], stripe].concat());
        let file = Direct::open(device.path());
        let whole = Buffer::pattern(1, 16 << 20);
        file.write(0, &whole);
        let load = Load::write(device.path());
        wait_for_writes(&device);
        let removed = remove();
        let now = device.now();
        assert_eq!(
            (
                &now["state"],
                &now["targets"][0]["state"],
                &now["targets"][1]["state"]
            ),
            (&"lost".into(), &"live".into(), &"lost".into())
        );
        drop(load);
        let read = file.try_read(0, 16 << 20).map_or(0, |read| read.len());
        assert!(read < 16 << 20, "all of it was read with a drive gone");
        let to = second(&removed.bring_back().path);
        let words = [&["--to", first.as_str(), "--to", &to], stripe].concat();
        device.order("retarget", &words);
        file.write(0, &whole);
        assert!(file.read(0, 16 << 20)[..] == whole[..]);
    }
}

fn a_suspended_device_is_lost_and_what_waits_fails_or_goes_on_elsewhere() {
    let _module = Module::load();
    let in_queue = |queue: &'static str| [false, true].map(|elsewhere| (queue, elsewhere));
    for (queue, elsewhere) in QUEUES.into_iter().flat_map(in_queue) {
        let to = format!("{},length=8M", flash(DRIVE).path);
        let device = Device::map_with("vol0", &to, &["--queue", queue]);
        device.order("suspend", &[]);
        let file = Direct::open(device.path());
        let write = Task::start(move || file.try_write(0, &Buffer::pattern(3, 4096)).is_ok());
        write.waits();
        let _removed = remove();
        assert_eq!(device.now()["state"], "lost");
        if elsewhere {
            device.retarget(&format!("{},length=8M", flash(0).path));
        }
        device.order("resume", &[]);
        assert_eq!(write.end(), elsewhere);
        if elsewhere {
            let found = Direct::open_to_read(&flash(0).path).read(0, 4096);
            assert!(found[..] == Buffer::pattern(3, 4096)[..]);
        }
    }
}

fn a_drive_that_goes_during_retargets_leaves_a_device_that_works() {
    let _module = Module::load();
    let safe = format!("{},length=8M", flash(0).path);
    for round in 0..3 {
        let unsafe_one = format!("{},length=8M", flash(DRIVE).path);
        let device = Device::map_with("vol0", &safe, &["--queue", QUEUES[round % 2]]);
        let done = AtomicBool::new(false);
        let removed = thread::scope(|scope| {
            let (safe, done) = (&safe, &done);
            let mover = scope.spawn(move || {
                let mut moves = 0;
                while !done.load(Ordering::Relaxed) {
                    for to in [&unsafe_one, safe] {
                        // Once the drive is gone, this is refused.
                        if attempt(&["shunt", "retarget", "vol0", "--to", to]).code == Some(0) {
                            moves += 1;
                        }
                    }
                }
                moves
            });
            wait_until("retargets are under way", || {
                device.now()["targets"][0]["path"] == flash(DRIVE).path
            });
            for _ in 0..round * 4 {
                device.stats();
            }
            let removed = remove();
            done.store(true, Ordering::Relaxed);
            assert!(mover.join().expect("commands end") > 0);
            removed
        });
        let now = device.now();
        assert!(now["state"] == "live" || now["state"] == "lost", "{now}");
        device.retarget(&safe);
        assert_eq!(device.now()["state"], "live");
        Direct::open(device.path()).write(0, &Buffer::pattern(1, 4096));
        drop(removed);
    }
}

fn a_lost_device_is_unmapped() {
    let _module = Module::load();
    let device = Device::map("vol0", &flash(DRIVE).path);
    let removed = remove();
    device.unmap();
    assert!(list().is_empty());
    let drive = removed.bring_back();
    let before = State::now();
    Device::map("vol0", &drive.path).unmap();
    assert_eq!(State::now(), before);
}

fn a_lost_device_is_unmapped_by_force_while_it_is_open() {
    let _module = Module::load();
    for queue in QUEUES {
        let to = format!("{},length=32M", flash(DRIVE).path);
        let device = Device::map_with("vol0", &to, &["--queue", queue]);
        run(&format!("mkfs.ext4 -q -F {}", device.path()));
        let _mount = Mount::ext4(device.path());
        let _removed = remove();
        assert_eq!(device.now()["state"], "lost");
        device.force_unmap();
        assert!(list().is_empty());
    }
}
