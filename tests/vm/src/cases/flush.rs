// SPDX-License-Identifier: MIT OR Apache-2.0
//! Flushes, FUA, discards, write zeroes and streams reach the drive as they would without a device between.

use nix::fcntl::OFlag;

use crate::guest::command::run;
use crate::guest::direct::{Buffer, Direct};
use crate::guest::dm::Dm;
use crate::guest::flash::{Flash, flash, rich};
use crate::guest::module::Module;
use crate::guest::mount::Mount;
use crate::guest::null_blk::NullDrive;
use crate::guest::shunt::{Device, MODES, QUEUES};
use crate::guest::sysfs::DiskStats;
use crate::guest::task::Task;
use crate::guest::trace::{Issued, issued_during, management_during};

cases! {
    the_drive_gets_the_requests_that_it_gets_without_a_device_between,
    each_fsync_is_a_flush_of_the_drive,
    a_synchronous_write_is_a_fua_write_of_the_drive,
    a_commit_of_ext4_is_flushed_and_fua_on_the_drive,
    discarded_and_zeroed_ranges_read_as_zeroes,
    a_write_reaches_the_drive_in_its_stream,
    a_flush_that_waits_for_a_retarget_reaches_the_cache_of_the_new_drive,
}

const MIB: u64 = 1 << 20;

/// Every kind of I/O that a program can ask a block device for.
fn exercise(path: &str) {
    let device = Direct::open(path);
    device.write(0, &Buffer::pattern(1, 4096));
    device.write(MIB, &Buffer::pattern(2, 128 << 10));
    device.read(MIB, 64 << 10);
    device.flush().expect("a flush works");
    Direct::open_with(path, OFlag::O_DSYNC).write(2 * MIB, &Buffer::pattern(3, 8192));
    run(&format!(
        "blkdiscard --force --offset {} --length {} {path}",
        3 * MIB,
        MIB
    ));
    run(&format!(
        "blkdiscard --force --zeroout --offset {} --length {} {path}",
        4 * MIB,
        MIB
    ));
}

fn the_drive_gets_the_requests_that_it_gets_without_a_device_between() {
    const OFFSET: u64 = 9 * MIB;
    let drive = flash(0);
    let raw = issued_during(&drive.name, || exercise(&drive.path));
    let _module = Module::load();
    let device = Device::map("vol0", &format!("{},offset=9M", drive.path));
    let mut through = issued_during(&drive.name, || exercise(device.path()));
    for request in &mut through {
        if request.sectors > 0 {
            request.sector -= OFFSET / 512;
        }
    }
    assert!(raw.len() > 6, "too few requests to compare: {raw:?}");
    assert_eq!(through, raw);
}

fn with_device(work: impl FnOnce(&Flash, &Device)) {
    let _module = Module::load();
    let drive = flash(0);
    let device = Device::map("vol0", &drive.path);
    work(&drive, &device);
}

fn each_fsync_is_a_flush_of_the_drive() {
    with_device(|drive, device| {
        let file = Direct::open(device.path());
        let before = DiskStats::of(&drive.name);
        for _ in 0..5 {
            file.flush().expect("a flush works");
        }
        assert_eq!(DiskStats::of(&drive.name).since(before).flushes, 5);
    });
}

fn a_synchronous_write_is_a_fua_write_of_the_drive() {
    with_device(|drive, device| {
        let file = Direct::open_with(device.path(), OFlag::O_DSYNC);
        let issued = issued_during(&drive.name, || file.write(MIB, &Buffer::pattern(1, 4096)));
        let is_it = |request: &&Issued| request.sector == MIB / 512 && request.sectors == 8;
        let write = issued
            .iter()
            .find(is_it)
            .unwrap_or_else(|| panic!("no such write among {issued:?}"));
        assert!(
            write.what.starts_with("WF"),
            "the write is not FUA: {write:?}"
        );
    });
}

fn a_commit_of_ext4_is_flushed_and_fua_on_the_drive() {
    with_device(|drive, device| {
        run(&format!("mkfs.ext4 -q -F {}", device.path()));
        let mount = Mount::ext4(device.path());
        let issued = issued_during(&drive.name, || {
            let file = std::fs::File::create(mount.folder().join("file"))
                .expect("the file system takes files");
            file.sync_all().expect("fsync works");
        });
        assert!(
            issued.iter().any(|request| request.what.starts_with("FF")),
            "no flush in {issued:?}"
        );
        assert!(
            issued.iter().any(|request| request.what.starts_with("WF")),
            "no FUA write in {issued:?}"
        );
    });
}

fn discarded_and_zeroed_ranges_read_as_zeroes() {
    let _module = Module::load();
    let drive = flash(0);
    let device = Device::map("vol0", &format!("{},offset=1M,length=16M", drive.path));
    let above = Direct::open(device.path());
    for command in ["blkdiscard --force", "blkdiscard --force --zeroout"] {
        let pattern = Buffer::pattern(1, 3 << 20);
        above.write(0, &pattern);
        run(&format!(
            "{command} --offset 1M --length 1M {}",
            device.path()
        ));
        let found = above.read(0, pattern.len());
        let (first, rest) = found.split_at(1 << 20);
        let (middle, last) = rest.split_at(1 << 20);
        assert!(
            first == &pattern[..1 << 20] && last == &pattern[2 << 20..],
            "{command} went past its range"
        );
        assert!(middle.iter().all(|byte| *byte == 0), "{command} left data");
    }
}

/// A hint how long data will live is a stream on a drive that has streams.
fn a_write_reaches_the_drive_in_its_stream() {
    let drive = rich();
    let streams_on = |path: &str| {
        let hints = ["none", "short"].into_iter();
        let written = hints.map(|hint| {
            management_during(&drive.name, || {
                run(&format!(
                    "fio --name=hint --filename={path} --rw=write --bs=4k --size=16k --direct=1 --write_hint={hint}"
                ));
            })
        });
        written.collect::<Vec<_>>()
    };
    let raw = streams_on(&drive.path);
    assert!(raw[0] != raw[1], "no streams: {raw:?}");
    let _module = Module::load();
    for queue in QUEUES {
        let device = Device::map_with("vol0", &drive.path, &["--queue", queue]);
        assert_eq!(streams_on(device.path()), raw, "in queue mode {queue}");
    }
}

/// The old drive has no cache, and would need no flush.
fn a_flush_that_waits_for_a_retarget_reaches_the_cache_of_the_new_drive() {
    let _module = Module::load();
    let (drive, new) = (NullDrive::make(64), flash(0));
    // dm wants memory to be aligned as much as the new drive does.
    let old = Dm::linear("old", drive.path(), 64 * MIB);
    for mode in MODES {
        let device = Device::map_with("vol0", &old.path(), mode);
        let file = Direct::open(device.path());
        file.flush().expect("a flush works");
        let synchronous = Direct::open_with(device.path(), OFlag::O_DSYNC);
        device.order("suspend", &[]);
        let flush = Task::start(move || file.flush());
        flush.waits();
        let write = Task::start(move || synchronous.write(MIB, &Buffer::pattern(1, 4096)));
        write.waits();
        device.retarget(&format!("{},length=64M", new.path));
        let issued = issued_during(&new.name, || {
            device.order("resume", &[]);
            flush.end().expect("a flush works");
            write.end();
        });
        let kinds: Vec<&str> = issued.iter().map(|one| one.what.as_str()).collect();
        assert!(kinds.iter().any(|what| what.starts_with("FF")), "{kinds:?}");
        assert!(kinds.iter().any(|what| what.starts_with("WF")), "{kinds:?}");
    }
}
