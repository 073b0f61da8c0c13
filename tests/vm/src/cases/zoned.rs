// SPDX-License-Identifier: MIT OR Apache-2.0
//! Zoned drives: reports, writes, appends and orders to zones go through, in terms of the device.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::guest::background::Background;
use crate::guest::case::skip;
use crate::guest::command::{attempt, run};
use crate::guest::direct::{Buffer, Direct};
use crate::guest::events::Events;
use crate::guest::fio::Fio;
use crate::guest::flash::{ZONE, flash, zoned};
use crate::guest::module::Module;
use crate::guest::null_blk::{NullBlk, NullDrive};
use crate::guest::nvmet::Namespace;
use crate::guest::scsi_debug::ScsiDebug;
use crate::guest::shunt::{Device, PATIENT, refused};
use crate::guest::sysfs;
use crate::guest::wait::wait_until;
use crate::guest::zones::{Zone, order, reset_all, zones};

cases! {
    a_piece_shows_its_zones_of_the_drive,
    zones_are_written_and_ordered_as_on_the_drive,
    a_reset_of_all_zones_is_one_of_the_piece_alone,
    an_append_ends_with_the_sector_of_the_device,
    appends_end_right_on_the_second_target,
    data_is_verified_across_zones,
    two_drives_are_one_row_of_zones,
    conventional_zones_are_passed,
    pieces_that_are_not_whole_zones_are_refused,
    zones_that_do_not_go_together_are_refused,
    a_retarget_keeps_the_zones_and_their_size,
    a_drive_that_goes_while_the_next_is_asked_for_its_zones_is_no_loss,
    all_zones_are_emptied_only_once_they_are_known,
    a_resume_waits_for_no_drive,
    zones_are_written_in_order_through_suspends_and_resumes,
}

const MODES: [&str; 3] = ["off", "counters", "full"];

const LONG: Duration = Duration::from_secs(60);

/// Parameters of a drive with zones of 8 MiB, of which the first can be written in any order.
fn of_8_mib(conventional: u32) -> String {
    format!("gb=1 memory_backed=1 zoned=1 zone_size=8 zone_nr_conv={conventional}")
}

/// A drive with every zone empty, and its path.
#[track_caller]
fn empty(number: u32) -> String {
    let path = zoned(number).path;
    reset_all(&path);
    path
}

/// Zones of a drive from zone `first` on, as a device has them that begins there.
#[track_caller]
fn piece_of(drive: &str, first: usize, count: usize) -> Vec<Zone> {
    let mut piece: Vec<Zone> = zones(drive).drain(first..first + count).collect();
    for zone in &mut piece {
        zone.start -= first as u64 * ZONE.0 / 512;
    }
    piece
}

#[track_caller]
fn conditions(path: &str) -> Vec<(u64, String)> {
    let zones = zones(path).into_iter();
    zones.map(|zone| (zone.written, zone.condition)).collect()
}

fn a_piece_shows_its_zones_of_the_drive() {
    let _module = Module::load();
    let drive = empty(0);
    let device = Device::map("vol0", &format!("{drive},offset=8M,length=24M"));
    let above = Direct::open(device.path());
    above.write(0, &Buffer::pattern(1, 64 << 10));
    above.write(2 * ZONE.0, &Buffer::pattern(2, 4096));
    order("finish", device.path(), 4, 1, ZONE.0);
    let found = zones(device.path());
    assert_eq!(found.len(), 6);
    assert_eq!(found, piece_of(&drive, 2, 6));
    assert_eq!(found[0].written, 128);
    assert_eq!(found[4].condition, "fu");
    assert_eq!(found[0].capacity, ZONE.1 / 512);
    // A report may begin anywhere.
    let one = run(&format!(
        "blkzone report --offset {} --count 1 {}",
        2 * ZONE.0 / 512,
        device.path()
    ));
    assert_eq!(one.lines().count(), 1);
    assert!(one.contains("start: 0x000004000"), "{one}");
}

fn zones_are_written_and_ordered_as_on_the_drive() {
    let _module = Module::load();
    let drive = empty(0);
    for mode in MODES {
        let device = Device::map_with("vol0", &format!("{drive},offset=4M"), &["--stats", mode]);
        let path = device.path();
        let above = Direct::open(path);
        let pattern = Buffer::pattern(7, 256 << 10);
        above.write(ZONE.0, &pattern);
        assert_eq!(&*above.read(ZONE.0, pattern.len()), &*pattern);
        assert!(
            above.try_write(ZONE.0 + (1 << 20), &pattern).is_err(),
            "a write behind the write pointer went through"
        );
        order("open", path, 3, 2, ZONE.0);
        order("close", path, 4, 1, ZONE.0);
        order("finish", path, 5, 2, ZONE.0);
        let expected: [(u64, &str); 7] = [
            (0, "em"),
            (512, "oi"),
            (0, "em"),
            (0, "oe"),
            (0, "cl"),
            (0, "fu"),
            (0, "fu"),
        ];
        let found = conditions(path);
        for (zone, (written, condition)) in expected.iter().enumerate() {
            assert_eq!(found[zone].1, *condition, "zone {zone} of {found:?}");
            assert!(
                *condition == "fu" || found[zone].0 == *written,
                "zone {zone} of {found:?}"
            );
        }
        assert_eq!(zones(path), piece_of(&drive, 1, 15));
        order("reset", path, 1, 6, ZONE.0);
        assert!(
            conditions(path)
                .iter()
                .all(|(_, condition)| condition == "em")
        );
        above.write(ZONE.0, &pattern);
        order("reset", path, 1, 1, ZONE.0);
    }
}

fn a_reset_of_all_zones_is_one_of_the_piece_alone() {
    let _module = Module::load();
    let drive = empty(0);
    let raw = Direct::open(&drive);
    for zone in [1, 2, 5, 6] {
        raw.write(zone * ZONE.0, &Buffer::pattern(zone, 4096));
    }
    let device = Device::map("vol0", &format!("{drive},offset=8M,length=16M"));
    reset_all(device.path());
    let left = |path: &str| -> Vec<u64> {
        let written = (0..)
            .zip(conditions(path))
            .filter(|(_, (written, _))| *written > 0);
        written.map(|(zone, _)| zone).collect()
    };
    assert_eq!(left(&drive), [1, 6]);
    drop(device);
    let device = Device::map("vol0", &drive);
    reset_all(device.path());
    assert_eq!(left(&drive), [0; 0]);
}

fn an_append_ends_with_the_sector_of_the_device() {
    let _module = Module::load();
    let drive = empty(0);
    let file = "/run/append";
    let pattern = Buffer::pattern(3, 8192);
    fs::write(file, &*pattern).expect("/run takes files");
    for mode in MODES {
        let device = Device::map_with("vol0", &format!("{drive},offset=12M"), &["--stats", mode]);
        let Some(namespace) = Namespace::over(device.path()) else {
            skip("this kernel has no NVMe target");
        };
        let zone = ZONE.0 / 512;
        let blocks: Vec<u64> = (0..3)
            .map(|_| namespace.append(2 * zone, file, 8192))
            .collect();
        assert_eq!(
            blocks,
            [2 * zone, 2 * zone + 16, 2 * zone + 32],
            "in mode {mode}"
        );
        assert_eq!(namespace.append(0, file, 8192), 0);
        drop(namespace);
        let below = Direct::open_to_read(&drive);
        assert_eq!(
            &*below.read((12 << 20) + 2 * ZONE.0 + 16384, 8192),
            &*pattern
        );
        reset_all(device.path());
    }
}

fn appends_end_right_on_the_second_target() {
    let _module = Module::load();
    let (one, other) = (empty(0), empty(1));
    fs::write("/run/append", &*Buffer::pattern(4, 4096)).expect("/run takes files");
    let to = format!("{one},length=8M");
    let device = Device::map_with("vol0", &to, &["--to", &format!("{other},offset=8M")]);
    let Some(namespace) = Namespace::over(device.path()) else {
        skip("this kernel has no NVMe target");
    };
    let zone = ZONE.0 / 512;
    for (number, expected) in [(0, 0), (3, 0), (3, 8), (1, 0), (3, 16)] {
        let block = namespace.append(number * zone, "/run/append", 4096);
        assert_eq!(block, number * zone + expected);
    }
    assert_eq!(conditions(&other)[3].0, 24);
}

fn data_is_verified_across_zones() {
    let _module = Module::load();
    let drive = empty(1);
    let device = Device::map("vol0", &format!("{drive},offset=4M"));
    let done = Fio::run(
        device.path(),
        "ioengine=libaio iodepth=8 zonemode=zbd max_open_zones=4 rw=write bs=64k size=36M verify=crc32c do_verify=1",
    );
    assert!(done.ios("write") > 0 && done.ios("read") > 0);
    let stats = device.stats();
    assert_eq!(stats.errors("write") + stats.errors("read"), 0);
}

fn two_drives_are_one_row_of_zones() {
    let _module = Module::load();
    let (one, other) = (empty(0), empty(1));
    let to = format!("{one},offset=4M,length=8M");
    let device = Device::map_with("vol0", &to, &["--to", &format!("{other},length=12M")]);
    let above = Direct::open(device.path());
    for zone in 0..5 {
        above.write(
            zone * ZONE.0,
            &Buffer::pattern(zone, (zone as usize + 1) * 4096),
        );
    }
    let found: Vec<u64> = zones(device.path())
        .iter()
        .map(|zone| zone.written)
        .collect();
    assert_eq!(found, [8, 16, 24, 32, 40]);
    let row: Vec<u64> = zones(device.path()).iter().map(|zone| zone.start).collect();
    assert_eq!(row, [0, 0x2000, 0x4000, 0x6000, 0x8000]);
    assert_eq!(conditions(&one)[2].0, 16);
    assert_eq!(conditions(&other)[2].0, 40);
    order("reset", device.path(), 1, 2, ZONE.0);
    assert_eq!((conditions(&one)[2].0, conditions(&other)[0].0), (0, 0));
    reset_all(device.path());
    assert!(conditions(&other).iter().all(|(written, _)| *written == 0));
}

fn conventional_zones_are_passed() {
    let _module = Module::load();
    let drive = NullBlk::load(&of_8_mib(2));
    let device = Device::map("vol0", &format!("{},offset=8M,length=32M", drive.path()));
    let found: Vec<String> = conditions(device.path())
        .into_iter()
        .map(|(_, condition)| condition)
        .collect();
    assert_eq!(found, ["nw", "em", "em", "em"]);
    let above = Direct::open(device.path());
    let pattern = Buffer::pattern(9, 4096);
    // Anywhere in a conventional zone, and only at the begin of another.
    above.write(1 << 20, &pattern);
    assert!(above.try_write((8 << 20) + 4096, &pattern).is_err());
    // After an error the block layer wants to see where the zone is written to.
    assert_eq!(conditions(device.path())[1].0, 0);
    above.write(8 << 20, &pattern);
    reset_all(device.path());
    assert_eq!(&*above.read(1 << 20, 4096), &*pattern);
    assert_eq!(conditions(device.path())[1], (0, "em".to_owned()));
}

fn pieces_that_are_not_whole_zones_are_refused() {
    let _module = Module::load();
    let drive = empty(0);
    let map = |to: &str| refused(&["map", "vol0", "--to", to]);
    let line = map(&format!("{drive},offset=1M"));
    assert!(
        line.contains("offset 1048576 is not a multiple of the zone size, 4194304"),
        "{line}"
    );
    let line = map(&format!("{drive},length=6M"));
    assert!(
        line.contains("length 6291456 is not a multiple of the zone size, 4194304"),
        "{line}"
    );
}

fn zones_that_do_not_go_together_are_refused() {
    let _module = Module::load();
    let (drive, plain) = (empty(0), flash(0).path);
    let other = NullBlk::load(&of_8_mib(0));
    let join = |to: &str| refused(&["map", "vol0", "--to", &drive, "--to", to]);
    let line = join(&plain);
    assert!(
        line.contains("zone size 0, but 4194304 in the targets before"),
        "{line}"
    );
    let line = join(other.path());
    assert!(
        line.contains("zone size 8388608, but 4194304 in the targets before"),
        "{line}"
    );
    let line = refused(&[
        "map",
        "vol0",
        "--to",
        &drive,
        "--to",
        &zoned(1).path,
        "--stripe",
        "4M",
    ]);
    assert!(line.contains("zoned drives cannot be striped"), "{line}");
    let line = refused(&["map", "vol0", "--to", &drive, "--queue", "mq"]);
    assert!(
        line.contains("zoned drives cannot have a request queue above their own"),
        "{line}"
    );
}

fn a_retarget_keeps_the_zones_and_their_size() {
    let _module = Module::load();
    let (one, other) = (empty(0), empty(1));
    let device = Device::map("vol0", &format!("{one},length=16M"));
    let above = Direct::open(device.path());
    above.write(0, &Buffer::pattern(1, 8192));
    let retarget = |to: &str| refused(&["retarget", "vol0", "--to", to]);
    let line = retarget(&flash(0).path);
    assert!(
        line.contains("the device has promised zones, which the table lacks"),
        "{line}"
    );
    let larger = NullBlk::load(&of_8_mib(0));
    let line = retarget(larger.path());
    assert!(
        line.contains("the device has promised zones of another size"),
        "{line}"
    );
    assert_eq!(conditions(device.path())[0].0, 16);
    // A longer piece brings more zones.
    device.retarget(&format!("{other},offset=4M,length=20M"));
    assert_eq!(zones(device.path()), piece_of(&other, 1, 5));
    above.write(4 * ZONE.0, &Buffer::pattern(2, 4096));
    order("reset", device.path(), 4, 1, ZONE.0);
    drop(above);
    drop(device);
    let plain = Device::map("vol0", &format!("{},length=16M", flash(0).path));
    let line = refused(&["retarget", plain.name(), "--to", &one]);
    assert!(
        line.contains("the device has promised writes in any order"),
        "{line}"
    );
    assert_eq!(attempt(&["blkzone", "report", plain.path()]).code, Some(1));
}

/// A device of 64 MiB that is being moved from both drives to 128 MiB of the second one, which takes long for each command. I/O
/// goes there alone already, but the block layer has yet to ask for the zones.
#[track_caller]
fn on_its_way(first: &NullDrive, second: &ScsiDebug) -> (Device, Background) {
    // It has promised what both can do.
    let to = format!("{},offset=96M,length=32M", second.path());
    let device = Device::map_with(
        "vol0",
        &format!("{},length=32M", first.path()),
        &["--to", &to],
    );
    second.slow_down(Duration::from_millis(900));
    let to = format!("{},length=128M", second.path());
    let retarget = ["shunt", "retarget", "vol0", "--to", &to];
    let retarget = Background::start(&[&retarget[..], &PATIENT[..]].concat());
    let slaves = format!("/sys/block/{}/slaves", device.disk());
    wait_until("I/O goes to the second drive alone", || {
        sysfs::names(&slaves) == [second.name()]
            && sysfs::number(&format!("/sys/block/{}/size", device.disk())) == (128 << 20) / 512
    });
    (device, retarget)
}

fn second_drive() -> ScsiDebug {
    ScsiDebug::load(
        "dev_size_mb=128 zbc=host-managed zone_size_mb=8 zone_nr_conv=0 zone_max_open=0",
    )
}

fn a_drive_that_goes_while_the_next_is_asked_for_its_zones_is_no_loss() {
    let _module = Module::load();
    let (old, next) = (NullDrive::make_zoned(128, 8), second_drive());
    let events = Events::listen();
    assert!(events.present().is_empty());
    let (device, mut retarget) = on_its_way(&old, &next);
    old.take_out();
    assert!(retarget.goes_on(), "the next drive was asked already");
    assert_eq!(device.now()["state"], "live");
    retarget.succeeds_in(LONG);
    next.slow_down(Duration::ZERO);
    assert_eq!(events.next()["event"], "created");
    assert_eq!(events.next()["event"], "changed");
    assert_eq!(device.now()["state"], "live");
    assert_eq!(zones(device.path()).len(), 16);
}

fn all_zones_are_emptied_only_once_they_are_known() {
    let _module = Module::load();
    let (old, next) = (NullDrive::make_zoned(128, 8), second_drive());
    let (device, mut retarget) = on_its_way(&old, &next);
    let reset = attempt(&["blkzone", "reset", device.path()]);
    assert!(
        reset.stderr.contains("Resource temporarily unavailable"),
        "{reset:?}"
    );
    assert!(retarget.goes_on(), "the next drive was asked already");
    retarget.succeeds_in(LONG);
    next.slow_down(Duration::ZERO);
    Direct::open(device.path()).write(15 * (8 << 20), &Buffer::pattern(1, 4096));
    reset_all(device.path());
    assert_eq!(conditions(device.path())[15], (0, "em".to_owned()));
}

/// Each operation of the drive takes a third of a second, and it has one at a time.
fn a_resume_waits_for_no_drive() {
    const WRITERS: u64 = 16;
    let _module = Module::load();
    let slow = "queue_mode=2 irqmode=2 completion_nsec=333000000 submit_queues=1 hw_queue_depth=1";
    let drive = NullBlk::load(&format!("{} {slow}", of_8_mib(0)));
    let device = Device::map_with("vol0", drive.path(), &PATIENT);
    run("shunt suspend vol0 --timeout 60");
    let to = format!("of={}", device.path());
    let mut writers: Vec<Background> = (0..WRITERS)
        .map(|zone| {
            let place = format!("seek={}B", zone * (8 << 20));
            Background::start(&[
                "dd",
                "if=/dev/zero",
                &to,
                "bs=4k",
                "count=1",
                &place,
                "oflag=direct",
                "conv=nocreat,notrunc",
            ])
        })
        .collect();
    for writer in &mut writers {
        writer.waits();
    }
    let begun = Instant::now();
    run("shunt resume vol0");
    let taken = begun.elapsed();
    assert!(taken < Duration::from_secs(2), "the resume took {taken:?}");
    // Some still wait, and wait for the next resume then.
    run("shunt suspend vol0 --timeout 60");
    assert!(writers.iter_mut().any(Background::goes_on));
    run("shunt resume vol0");
    for writer in &mut writers {
        writer.succeeds_in(LONG);
    }
    let found = conditions(device.path());
    assert!(
        found[..WRITERS as usize]
            .iter()
            .all(|(written, _)| *written == 8),
        "{found:?}"
    );
}

fn zones_are_written_in_order_through_suspends_and_resumes() {
    let _module = Module::load();
    let drive = empty(1);
    let device = Device::map("vol0", &format!("{drive},offset=4M"));
    let ended = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let done = Fio::run(
                device.path(),
                "ioengine=libaio iodepth=16 zonemode=zbd max_open_zones=2 rw=write bs=4k size=36M verify=crc32c do_verify=1",
            );
            assert!(done.ios("write") > 0 && done.ios("read") > 0);
            ended.store(true, Ordering::Relaxed);
        });
        let mut rounds = 0;
        while !ended.load(Ordering::Relaxed) && rounds < 30 {
            run("shunt suspend vol0");
            run("shunt resume vol0");
            rounds += 1;
        }
        assert!(rounds > 5, "only {rounds} suspends");
    });
    let stats = device.stats();
    assert_eq!(stats.errors("write") + stats.errors("read"), 0);
}
