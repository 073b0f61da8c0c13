// SPDX-License-Identifier: MIT OR Apache-2.0
//! Settings of a device change while it is in use.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::guest::command::{attempt, run};
use crate::guest::direct::{Buffer, Direct};
use crate::guest::events::Events;
use crate::guest::fio::Fio;
use crate::guest::flash::flash;
use crate::guest::module::Module;
use crate::guest::shunt::Device;
use crate::guest::state::refused_without_change;
use crate::guest::sysfs;

cases! {
    who_has_a_device_open_cannot_write_once_it_is_read_only,
    a_device_mapped_read_only_becomes_writable,
    a_device_on_a_read_only_drive_stays_read_only,
    a_device_with_several_targets_becomes_read_only_and_back,
    statistics_begin_and_end_with_the_mode,
    changes_of_the_statistics_mode_lose_no_io,
    each_change_is_told,
}

const MIB: u64 = 1 << 20;

#[track_caller]
fn assert_read_only(device: &Device, wanted: bool) {
    assert_eq!(device.now()["read_only"], wanted);
    let file = format!("/sys/block/{}/ro", device.disk());
    assert_eq!(sysfs::number(&file), u64::from(wanted));
}

/// Sees that nothing is written while the device is read-only, by who had it open before; `below` reads what the drive
/// has at [`MIB`].
#[track_caller]
fn turns_read_only_and_back(device: &Device, below: impl Fn() -> Buffer) {
    let file = Direct::open(device.path());
    for round in 1..4 {
        let held = Buffer::pattern(round, 4096);
        file.write(MIB, &held);
        device.order("set", &["--read-only"]);
        assert_read_only(device, true);
        let refused = file.try_write(MIB, &Buffer::pattern(9, 4096));
        assert!(refused.is_err(), "a write was taken");
        let discard = [
            "blkdiscard",
            "--force",
            "--offset=1M",
            "--length=4K",
            device.path(),
        ];
        assert_ne!(attempt(&discard).code, Some(0), "a discard was taken");
        assert!(file.read(MIB, 4096)[..] == held[..]);
        device.order("set", &["--read-write"]);
        assert_read_only(device, false);
        assert!(below()[..] == held[..], "a refused write reached the drive");
    }
}

fn who_has_a_device_open_cannot_write_once_it_is_read_only() {
    let _module = Module::load();
    let drive = flash(0);
    let device = Device::map("vol0", &drive.path);
    turns_read_only_and_back(&device, || {
        Direct::open_to_read(&drive.path).read(MIB, 4096)
    });
}

fn a_device_with_several_targets_becomes_read_only_and_back() {
    let _module = Module::load();
    let drive = flash(0);
    let other = format!("{},length=8M", flash(1).path);
    let device = Device::map_with(
        "vol0",
        &format!("{},length=8M", drive.path),
        &["--to", &other],
    );
    turns_read_only_and_back(&device, || {
        Direct::open_to_read(&drive.path).read(MIB, 4096)
    });
}

fn a_device_mapped_read_only_becomes_writable() {
    let _module = Module::load();
    let drive = flash(0);
    let device = Device::map_with("vol0", &drive.path, &["--read-only"]);
    let reader = Direct::open_to_read(device.path());
    device.order("set", &["--read-write"]);
    assert_read_only(&device, false);
    let pattern = Buffer::pattern(1, 4096);
    Direct::open(device.path()).write(MIB, &pattern);
    assert!(reader.read(MIB, 4096)[..] == pattern[..]);
}

fn a_device_on_a_read_only_drive_stays_read_only() {
    let _module = Module::load();
    let drive = flash(1);
    run(&format!("blockdev --setro {}", drive.path));
    let device = Device::map_with("vol0", &drive.path, &["--read-only"]);
    let line = refused_without_change(&["set", "vol0", "--read-write"]);
    assert!(line.contains("read-only"), "{line}");
    run(&format!("blockdev --setrw {}", drive.path));
    device.order("set", &["--read-write"]);
    assert_read_only(&device, false);
}

fn statistics_begin_and_end_with_the_mode() {
    let _module = Module::load();
    let device = Device::map_with("vol0", &flash(0).path, &["--stats", "off"]);
    let file = Direct::open(device.path());
    let read = |mode: &str| {
        device.order("set", &["--stats", mode]);
        assert_eq!(device.now()["stats"], mode);
        let before = device.stats();
        for _ in 0..3 {
            file.read(0, 4096);
        }
        let after = device.stats();
        (
            after.ios("read") - before.ios("read"),
            after.in_buckets("read") - before.in_buckets("read"),
        )
    };
    assert_eq!(read("full"), (3, 3));
    assert_eq!(read("counters").0, 3);
    assert_eq!(read("off").0, 0);
    assert_eq!(read("full"), (3, 3));
    assert_eq!(device.stats().in_flight(), Some(0));
}

fn changes_of_the_statistics_mode_lose_no_io() {
    let _module = Module::load();
    let other = format!("{},length=8M", flash(1).path);
    let joined = ["--to", &other];
    for words in [&[][..], &joined[..]] {
        let device = Device::map_with("vol0", &format!("{},length=8M", flash(0).path), words);
        let done = AtomicBool::new(false);
        let changes = thread::scope(|scope| {
            let changes = scope.spawn(|| {
                let mut changes = 0;
                while !done.load(Ordering::Relaxed) {
                    for mode in ["off", "counters", "full"] {
                        device.order("set", &["--stats", mode]);
                        changes += 1;
                    }
                }
                changes
            });
            Fio::run(
                device.path(),
                "ioengine=io_uring rw=randwrite bsrange=512-64k iodepth=32 size=4M verify=crc32c \
                 verify_fatal=1 verify_backlog=128",
            );
            done.store(true, Ordering::Relaxed);
            changes.join().expect("changes work")
        });
        assert!(changes >= 9, "only {changes} changes");
        assert_eq!(device.now()["stats"], "full");
        assert_eq!(device.stats().in_flight(), Some(0));
    }
}

fn each_change_is_told() {
    let _module = Module::load();
    let device = Device::map("vol0", &flash(0).path);
    let events = Events::listen();
    events.present();
    for (words, field, value) in [
        (
            ["--read-only"].as_slice(),
            "read_only",
            serde_json::json!(true),
        ),
        (&["--read-write"], "read_only", false.into()),
        (&["--stats", "off"], "stats", "off".into()),
        (
            &["--stats", "counters", "--read-only"],
            "stats",
            "counters".into(),
        ),
    ] {
        device.order("set", words);
        let event = events.next();
        assert_eq!(
            (&event["event"], &event["device"]),
            (&"changed".into(), &device.now())
        );
        assert_eq!(event["device"][field], value);
    }
    assert_eq!(device.now()["read_only"], true);
}
