// SPDX-License-Identifier: MIT OR Apache-2.0
//! Secure erase: it reaches the drives, and on them what the device covers and nothing else.

use std::ops::Range;

use crate::guest::command::{attempt, run};
use crate::guest::direct::{Buffer, Direct};
use crate::guest::module::Module;
use crate::guest::shunt::{Device, QUEUES, refused};
use crate::guest::test_drive::{BYTES, TestDrive, TestDrives};
use crate::guest::trace::issued_during;

cases! {
    a_secure_erase_erases_its_range_of_the_drive_for_good,
    a_secure_erase_of_a_table_erases_the_share_of_each_drive,
    what_one_drive_cannot_erase_for_good_a_device_cannot,
    a_retarget_to_a_drive_that_cannot_erase_for_good_is_refused,
}

const MIB: u64 = 1 << 20;

/// Fills a drive with what is not zero anywhere.
#[track_caller]
fn fill(drive: &TestDrive) {
    let (full, pattern) = (Direct::open(&drive.path), Buffer::pattern(1, MIB as usize));
    for place in (0..BYTES).step_by(MIB as usize) {
        full.write(place, &pattern);
    }
}

/// Asserts that a filled drive has zeroes in this range and what it was filled with elsewhere; fills it again.
#[track_caller]
fn assert_erased(drive: &TestDrive, range: &Range<u64>) {
    let (below, pattern) = (
        Direct::open_to_read(&drive.path),
        Buffer::pattern(1, MIB as usize),
    );
    for place in (0..BYTES).step_by(MIB as usize) {
        let found = below.read(place, MIB as usize);
        let inside = |end: u64| (end.clamp(place, place + MIB) - place) as usize;
        let (start, end) = (inside(range.start), inside(range.end));
        let erased = found[start..end].iter().all(|byte| *byte == 0);
        let kept = found[..start] == pattern[..start] && found[end..] == pattern[end..];
        assert!(
            erased && kept,
            "{} after an erasure of {range:?}: the MiB at {place} is wrong",
            drive.name
        );
    }
    fill(drive);
}

fn a_secure_erase_erases_its_range_of_the_drive_for_good() {
    let _module = Module::load();
    let drives = TestDrives::load("");
    let drive = drives.drive(0);
    fill(&drive);
    for queue in QUEUES {
        let to = format!("{},offset=4M,length=8M", drive.path);
        let device = Device::map_with("vol0", &to, &["--queue", queue]);
        let ranges = [
            ("--offset 1536 --length 1M", 4 * MIB + 1536..5 * MIB + 1536),
            ("", 4 * MIB..12 * MIB),
        ];
        for (options, range) in ranges {
            let before = drive.secure_erases();
            let line = format!("blkdiscard --force --secure {options} {}", device.path());
            let issued = issued_during(&drive.name, || {
                run(&line);
            });
            let mut erased: Vec<Range<u64>> = issued
                .iter()
                .filter(|request| request.what.starts_with("DE"))
                .map(|request| request.sector * 512..(request.sector + request.sectors) * 512)
                .collect();
            erased.sort_by_key(|range| range.start);
            assert!(!erased.is_empty(), "{line}: no secure erase in {issued:?}");
            assert_eq!(drive.secure_erases() - before, erased.len() as u64);
            let ends = erased.first().map_or(0, |first| first.start)
                ..erased.last().map_or(0, |last| last.end);
            assert_eq!(ends, range, "{line}, queue mode {queue}");
            assert_erased(&drive, &range);
        }
    }
}

fn a_secure_erase_of_a_table_erases_the_share_of_each_drive() {
    let _module = Module::load();
    let drives = TestDrives::load("");
    let both = [drives.drive(0), drives.drive(1)];
    both.iter().for_each(fill);
    let joined = format!("{},length=8M", both[0].path);
    let next = format!("{},offset=2M,length=8M", both[1].path);
    for queue in QUEUES {
        for stripe in [&[][..], &["--stripe", "64K"]] {
            let words = [&["--to", &next, "--queue", queue], stripe].concat();
            let device = Device::map_with("vol0", &joined, &words);
            let before = [both[0].secure_erases(), both[1].secure_erases()];
            run(&format!("blkdiscard --force --secure {}", device.path()));
            assert!(both[0].secure_erases() > before[0] && both[1].secure_erases() > before[1]);
            assert_erased(&both[0], &(0..8 * MIB));
            assert_erased(&both[1], &(2 * MIB..10 * MIB));
        }
    }
}

fn what_one_drive_cannot_erase_for_good_a_device_cannot() {
    let _module = Module::load();
    let drives = TestDrives::load("secure_erase=1,0");
    let (can, cannot) = (drives.drive(0), drives.drive(1));
    fill(&can);
    fill(&cannot);
    for queue in QUEUES {
        let tables: [&[&str]; 3] = [
            &[&cannot.path],
            &[&can.path, "--to", &cannot.path],
            &[&cannot.path, "--to", &can.path],
        ];
        for table in tables {
            let words = [&table[1..], &["--queue", queue]].concat();
            let device = Device::map_with("vol0", table[0], &words);
            let ended = attempt(&["blkdiscard", "--force", "--secure", device.path()]);
            assert!(
                ended.code != Some(0) && ended.stderr.contains("Operation not supported"),
                "{table:?}, queue mode {queue}: {ended:?}"
            );
        }
    }
    assert_eq!((can.secure_erases(), cannot.secure_erases()), (0, 0));
    assert_erased(&can, &(0..0));
    assert_erased(&cannot, &(0..0));
}

fn a_retarget_to_a_drive_that_cannot_erase_for_good_is_refused() {
    let _module = Module::load();
    let drives = TestDrives::load("secure_erase=1,0");
    let device = Device::map("vol0", &drives.drive(0).path);
    let before = device.now();
    let why = refused(&["retarget", "vol0", "--to", &drives.drive(1).path]);
    assert!(why.contains("secure erase"), "{why}");
    assert_eq!(device.now(), before);
    run(&format!("blkdiscard --force --secure {}", device.path()));
    assert!(drives.drive(0).secure_erases() > 0);
}
