// SPDX-License-Identifier: MIT OR Apache-2.0
//! `unmap --force` takes a device away from those who use it: their I/O fails and nothing hangs.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::errno::Errno;
use serde_json::json;

use crate::guest::background::Background;
use crate::guest::command::run;
use crate::guest::direct::{Buffer, Direct};
use crate::guest::dm::Dm;
use crate::guest::events::Events;
use crate::guest::flash::flash;
use crate::guest::load::Load;
use crate::guest::module::Module;
use crate::guest::mount::{Mount, append};
use crate::guest::shunt::{Device, MODES, PATIENT, QUEUES, list};
use crate::guest::state::refused_without_change;
use crate::guest::task::Task;
use crate::guest::wait::wait_until;
use crate::guest::ynl::Ynl;

cases! {
    io_under_load_ends_with_errors_and_the_device_goes,
    a_mounted_file_system_under_load_is_shut_down,
    io_that_waits_on_a_suspended_device_ends_with_an_error,
    io_that_waits_in_a_joined_device_ends_with_an_error,
    a_file_system_on_a_suspended_device_is_shut_down,
    a_file_system_that_a_suspend_has_frozen_is_shut_down,
    an_idle_device_is_unmapped_by_force,
    a_forced_unmap_of_another_table_undoes_no_change,
    the_drive_is_free_after_a_forced_unmap,
    a_device_that_is_not_there_is_not_unmapped_by_force,
    who_has_a_device_open_that_is_gone_is_refused_whatever_it_asks,
}

const MIB: u64 = 1 << 20;

#[track_caller]
fn assert_gone(disk: &str) {
    assert!(list().is_empty());
    assert!(!Path::new("/sys/block").join(disk).exists());
}

/// Waits until the load has reached the device.
#[track_caller]
fn wait_for_writes(device: &Device) {
    let before = device.stats().ios("write");
    wait_until("writes are under way", || {
        device.stats().ios("write") > before + 100
    });
}

fn io_under_load_ends_with_errors_and_the_device_goes() {
    let _module = Module::load();
    let (one, other) = (flash(0).path, flash(1).path);
    let joined = [
        "--to",
        &format!("{one},offset=4M,length=4M"),
        "--to",
        &format!("{other},length=4M"),
    ];
    for (to, words) in [
        (one.clone(), &[][..]),
        (one.clone(), &["--stats", "counters"]),
        (one.clone(), &["--queue", "mq"]),
        (format!("{one},length=4M"), &joined),
    ] {
        let device = Device::map_with("vol0", &to, words);
        let disk = device.disk().to_owned();
        let mut load = Load::write(device.path());
        wait_for_writes(&device);
        is_not_unmapped_without_force(&mut load);
        device.force_unmap();
        load.fails();
        assert_gone(&disk);
    }
}

/// Sees that without force it stays, and its load with it.
#[track_caller]
fn is_not_unmapped_without_force(load: &mut Load) {
    let line = refused_without_change(&["unmap", "vol0"]);
    assert!(line.contains("vol0"), "{line}");
    assert!(load.goes_on());
}

fn a_mounted_file_system_under_load_is_shut_down() {
    let _module = Module::load();
    let device = Device::map("vol0", &format!("{},length=64M", flash(0).path));
    let disk = device.disk().to_owned();
    run(&format!("mkfs.ext4 -q -F {}", device.path()));
    let mount = Mount::ext4(device.path());
    let file = mount.folder().join("file");
    let load = Load::write(&file.display().to_string());
    wait_for_writes(&device);
    let events = Events::listen();
    events.present();
    device.force_unmap();
    load.fails();
    assert_gone(&disk);
    let event = events.next();
    assert_eq!(
        (&event["event"], &event["device"]["name"]),
        (&"destroyed".into(), &"vol0".into())
    );
    append(&file).expect_err("the file system is shut down");
}

fn io_that_waits_on_a_suspended_device_ends_with_an_error() {
    let _module = Module::load();
    for mode in MODES {
        let device = Device::map_with("vol0", &flash(0).path, mode);
        let disk = device.disk().to_owned();
        device.order("suspend", &[]);
        let waiting: Vec<_> = (0..3)
            .map(|number| {
                let file = Direct::open(device.path());
                let task = Task::start(move || {
                    file.try_write(number * MIB, &Buffer::pattern(1, 4096))
                        .is_err()
                });
                task.waits();
                task
            })
            .collect();
        device.force_unmap();
        for task in waiting {
            assert!(task.end(), "a write of a device that is gone worked");
        }
        assert_gone(&disk);
    }
}

fn io_that_waits_in_a_joined_device_ends_with_an_error() {
    let _module = Module::load();
    let one = format!("{},length=4M", flash(0).path);
    let other = format!("{},length=4M", flash(1).path);
    let device = Device::map_with("vol0", &one, &["--to", &other]);
    let disk = device.disk().to_owned();
    device.order("suspend", &[]);
    let file = Direct::open(device.path());
    let task = Task::start(move || {
        file.try_write(4 * MIB - 4096, &Buffer::pattern(1, 8192))
            .is_err()
    });
    task.waits();
    let file = Direct::open(device.path());
    let flush = Task::start(move || file.flush().is_err());
    flush.waits();
    device.force_unmap();
    assert!(task.end() && flush.end());
    assert_gone(&disk);
}

/// Unmaps a suspended device by force from under a mounted file system whose `sync` waits, if anything does.
#[track_caller]
fn unmaps_suspended(queue: &str, suspend: &[&str]) {
    let device = Device::map_with(
        "vol0",
        &format!("{},length=64M", flash(0).path),
        &["--queue", queue],
    );
    run(&format!("mkfs.ext4 -q -F {}", device.path()));
    let mount = Mount::ext4(device.path());
    let file = mount.folder().join("file");
    std::fs::write(&file, vec![7; 4 << 20]).expect("it is in the page cache");
    device.order("suspend", suspend);
    let writer = Task::start(move || append(&file));
    writer.waits();
    let disk = device.disk().to_owned();
    let begun = std::time::Instant::now();
    device.force_unmap();
    assert!(begun.elapsed().as_secs() < 20);
    assert_gone(&disk);
    writer.end().expect_err("the file system is shut down");
}

fn a_file_system_on_a_suspended_device_is_shut_down() {
    let _module = Module::load();
    for queue in QUEUES {
        unmaps_suspended(queue, &[]);
    }
}

fn a_file_system_that_a_suspend_has_frozen_is_shut_down() {
    for queue in QUEUES {
        // That it can go shows that the file system has.
        let _module = Module::load();
        unmaps_suspended(queue, &["--freeze"]);
    }
}

fn an_idle_device_is_unmapped_by_force() {
    let _module = Module::load();
    let device = Device::map("vol0", &flash(0).path);
    let disk = device.disk().to_owned();
    device.force_unmap();
    assert_gone(&disk);
}

fn a_forced_unmap_of_another_table_undoes_no_change() {
    const LONG: Duration = Duration::from_secs(60);
    let _module = Module::load();
    let drive = Dm::linear("drive", &flash(0).path, 16 * MIB);
    let device = Device::map("vol0", &drive.path());
    let mut client = Ynl::start();
    let number = client.ask("device-get", &json!({"name": "vol0"}))["table-number"].as_u64();
    drive.suspend();
    let mut read = Background::read(device.path());
    read.waits();
    let to = format!("{},length=16M", flash(1).path);
    let retarget = ["shunt", "retarget", "vol0", "--to", &to];
    let mut retarget = Background::start(&[&retarget[..], &PATIENT[..]].concat());
    retarget.settles();
    assert!(retarget.goes_on(), "the drive answers");

    let other = number.expect("a table has a number") + 1;
    let unmap = json!({"name": "vol0", "force": true, "table-number": other});
    let refusal = client.refused("device-del", &unmap);
    assert!(refusal.contains("Stale file handle"), "{refusal}");
    drive.resume();
    retarget.succeeds_in(LONG);
    read.succeeds_in(LONG);
    assert_eq!(device.now()["targets"][0]["path"], flash(1).path.as_str());
}

fn the_drive_is_free_after_a_forced_unmap() {
    let _module = Module::load();
    let drive = flash(1);
    let device = Device::map("vol0", &drive.path);
    let file = Direct::open(device.path());
    device.force_unmap();
    // The one who had the device open still has it open, and gets nothing from it.
    let read = file.try_read(0, 4096).map_or(0, |read| read.len());
    assert_eq!(read, 0, "bytes read from a device that is gone");
    file.try_write(0, &Buffer::pattern(1, 4096))
        .expect_err("the device is gone");
    run(&format!("mkfs.ext4 -q -F {}", drive.path));
    drop(Mount::ext4(&drive.path));
    let again = Device::map("vol0", &drive.path);
    Direct::open(again.path()).read(0, 4096);
}

fn a_device_that_is_not_there_is_not_unmapped_by_force() {
    let _module = Module::load();
    let line = refused_without_change(&["unmap", "vol0", "--force"]);
    assert!(line.contains("vol0"), "{line}");
}

/// Opens the device, says so, waits until it is told that the device is gone, and then says how each command ends.
const ASK: &str = "
import errno, fcntl, os, sys
HDIO_GETGEO, SG_IO, NVME_ADMIN, BLKREPORTZONE, BLKGETSIZE64 = 0x301, 0x2285, 0xc0484e41, 0xc0101282, 0x80081272
device = os.open(sys.argv[1], os.O_RDONLY)
print('open', flush=True)
sys.stdin.readline()
for command in HDIO_GETGEO, SG_IO, NVME_ADMIN, BLKREPORTZONE:
    try:
        fcntl.ioctl(device, command, bytearray(128))
        print('done')
    except OSError as why:
        print(errno.errorcode[why.errno])
fcntl.ioctl(device, BLKGETSIZE64, bytearray(8))
";

fn who_has_a_device_open_that_is_gone_is_refused_whatever_it_asks() {
    for queue in QUEUES {
        let module = Module::load();
        let device = Device::map_with("vol0", &flash(0).path, &["--queue", queue]);
        let mut asker = Command::new("python3")
            .args(["-c", ASK, device.path()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 runs");
        let mut said = BufReader::new(asker.stdout.take().expect("it is piped")).lines();
        let mut next = || said.next().expect("a line").expect("text");
        assert_eq!(next(), "open");
        device.force_unmap();
        assert_eq!(module.try_unload(), Err(Errno::EAGAIN), "it is in use");
        drop(asker.stdin.take());
        for command in ["HDIO_GETGEO", "SG_IO", "NVME_ADMIN", "BLKREPORTZONE"] {
            let answer = next();
            assert!(
                ["ENOTTY", "ENXIO"].contains(&&*answer),
                "{command}: {answer}"
            );
        }
        assert!(asker.wait().expect("it ends").success());
    }
}
