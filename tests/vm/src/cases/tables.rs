// SPDX-License-Identifier: MIT OR Apache-2.0
//! Tables of several targets, joined end to end or striped, hold each byte where the table says.

use crate::guest::command::run;
use crate::guest::direct::{Buffer, Direct};
use crate::guest::fio::Fio;
use crate::guest::flash::flash;
use crate::guest::module::Module;
use crate::guest::mount::Mount;
use crate::guest::shunt::{Device, list};
use crate::guest::state::refused_without_change;
use crate::guest::sysfs::DiskStats;
use crate::guest::trace::issued_during;

cases! {
    joined_targets_hold_their_bytes_on_either_side_of_the_border,
    striped_targets_take_turns_chunk_by_chunk,
    a_joined_device_gives_back_what_fio_wrote,
    a_striped_device_gives_back_what_fio_wrote,
    a_discard_over_many_chunks_keeps_to_its_range,
    write_zeroes_over_many_chunks_keep_to_their_range,
    a_flush_reaches_each_drive_once,
    a_commit_of_ext4_flushes_each_drive_before_it_is_written,
    an_io_that_is_split_counts_once,
    a_thousand_and_twenty_four_targets_work_and_are_shown,
    one_target_more_is_refused,
    stripes_that_cannot_be_are_refused,
    a_target_that_overlaps_another_of_its_table_is_refused,
}

const MIB: u64 = 1 << 20;
const CHUNK: u64 = 64 << 10;

/// 8 MiB of each of two drives, end to end.
fn joined() -> Device {
    let [one, other] = pieces();
    Device::map_with("vol0", &one, &["--to", &other])
}

/// 8 MiB of each of two drives, 64 KiB in turn.
fn striped() -> Device {
    let [one, other] = pieces();
    Device::map_with("vol0", &one, &["--to", &other, "--stripe", "64K"])
}

/// Where the pieces of [`joined`] and [`striped`] begin on their drives.
const OFFSETS: [u64; 2] = [MIB, 3 * MIB];

fn pieces() -> [String; 2] {
    [0, 1].map(|number| {
        let drive = flash(number as u32).path;
        format!("{drive},offset={},length=8M", OFFSETS[number])
    })
}

/// The bytes of the two pieces as they are on the drives.
fn below() -> [Buffer; 2] {
    [0, 1].map(|number| {
        let drive = Direct::open_to_read(&flash(number as u32).path);
        drive.read(OFFSETS[number], 8 << 20)
    })
}

/// The bytes of a striped device, put together from its pieces.
fn woven(pieces: &[Buffer; 2]) -> Vec<u8> {
    let chunk = CHUNK as usize;
    let turns = pieces[0].chunks(chunk).zip(pieces[1].chunks(chunk));
    turns
        .flat_map(|(one, other)| [one, other].concat())
        .collect()
}

#[track_caller]
fn assert_same(found: &[u8], wanted: &[u8], what: &str) {
    assert_eq!(found.len(), wanted.len(), "length of {what}");
    let mut sectors = found.chunks(512).zip(wanted.chunks(512));
    let wrong = sectors.position(|(found, wanted)| found != wanted);
    assert!(wrong.is_none(), "{what}: sector {wrong:?} is wrong");
}

fn joined_targets_hold_their_bytes_on_either_side_of_the_border() {
    let _module = Module::load();
    let device = joined();
    assert_eq!(device.bytes(), 16 * MIB);
    let starts: Vec<_> = device.shown()["targets"]
        .as_array()
        .expect("a device has targets")
        .iter()
        .map(|target| target["start_bytes"].as_u64())
        .collect();
    assert_eq!(starts, [Some(0), Some(8 * MIB)]);

    let above = Direct::open(device.path());
    let whole = Buffer::pattern(1, 16 << 20);
    above.write(0, &whole);
    // Each of these lies on both sides of the border, but for the last two.
    let border = 8 * MIB;
    let mut expected = whole.to_vec();
    for (seed, offset, length) in [
        (2, border - 512, 1024),
        (3, border - 4096, 64 << 10),
        (4, border - (1 << 20), (1 << 20) + 512),
        (5, border - 8192, 8192),
        (6, border, 8192),
    ] {
        let pattern = Buffer::pattern(seed, length);
        above.write(offset, &pattern);
        expected[offset as usize..][..length].copy_from_slice(&pattern);
        assert_same(&above.read(offset, length), &pattern, "what was written");
    }
    assert_same(
        &below().map(|piece| piece.to_vec()).concat(),
        &expected,
        "the drives",
    );
}

fn striped_targets_take_turns_chunk_by_chunk() {
    let _module = Module::load();
    let device = striped();
    assert_eq!(device.bytes(), 16 * MIB);
    let above = Direct::open(device.path());
    let mut expected = Buffer::pattern(1, 16 << 20).to_vec();
    above.write(0, &Buffer::pattern(1, 16 << 20));
    for (seed, offset, length) in [
        (2, CHUNK - 512, 1024),
        (3, 5 * CHUNK - 512, 3 * CHUNK as usize),
        (4, 16 * MIB - 512, 512),
    ] {
        let pattern = Buffer::pattern(seed, length);
        above.write(offset, &pattern);
        expected[offset as usize..][..length].copy_from_slice(&pattern);
        assert_same(&above.read(offset, length), &pattern, "what was written");
    }
    assert_same(&woven(&below()), &expected, "the drives");
}

const VERIFIED: &str = "ioengine=io_uring rw=randwrite bsrange=512-256k iodepth=32 size=16M \
                        verify=crc32c verify_fatal=1 fsync=16";

fn a_joined_device_gives_back_what_fio_wrote() {
    let _module = Module::load();
    Fio::run(joined().path(), VERIFIED);
}

fn a_striped_device_gives_back_what_fio_wrote() {
    let _module = Module::load();
    Fio::run(striped().path(), VERIFIED);
}

fn a_discard_over_many_chunks_keeps_to_its_range() {
    zeroes_exactly("blkdiscard --force");
}

fn write_zeroes_over_many_chunks_keep_to_their_range() {
    zeroes_exactly("blkdiscard --force --zeroout");
}

fn zeroes_exactly(command: &str) {
    let _module = Module::load();
    for make in [joined, striped] {
        let device = make();
        let path = device.path();
        // Over the border of the joined targets, and from the middle of a chunk to that of another.
        for (offset, length) in [
            (8 * MIB - 36 * 1024, 5 * MIB + 8192),
            (CHUNK - 4096, 8192),
            (0, 16 * MIB),
        ] {
            let above = Direct::open(path);
            let mut expected = Buffer::pattern(1, 16 << 20);
            above.write(0, &expected);
            run(&format!(
                "{command} --offset {offset} --length {length} {path}"
            ));
            expected[offset as usize..][..length as usize].fill(0);
            assert_same(&above.read(0, 16 << 20), &expected, command);
        }
    }
}

fn a_flush_reaches_each_drive_once() {
    let _module = Module::load();
    // Two targets on the first drive, one on the second.
    let (one, other) = (flash(0), flash(1));
    let device = Device::map_with(
        "vol0",
        &format!("{},length=8M", one.path),
        &[
            "--to",
            &format!("{},length=8M", other.path),
            "--to",
            &format!("{},offset=8M,length=8M", one.path),
        ],
    );
    let file = Direct::open(device.path());
    let before = [&one, &other].map(|drive| DiskStats::of(&drive.name));
    for _ in 0..5 {
        file.flush().expect("a flush works");
    }
    for (drive, before) in [&one, &other].into_iter().zip(before) {
        let flushes = DiskStats::of(&drive.name).since(before).flushes;
        assert_eq!(flushes, 5, "flushes of {}", drive.path);
    }
}

fn a_commit_of_ext4_flushes_each_drive_before_it_is_written() {
    let _module = Module::load();
    for make in [joined, striped] {
        let device = make();
        run(&format!("mkfs.ext4 -q -F {}", device.path()));
        for number in [0, 1] {
            let mount = Mount::ext4(device.path());
            let issued = issued_during(&flash(number).name, || {
                let file = std::fs::File::create(mount.folder().join("file"))
                    .expect("the file system takes files");
                file.sync_all().expect("fsync works");
            });
            assert!(
                issued.iter().any(|request| request.what.starts_with("FF")),
                "no flush of drive {number} in {issued:?}"
            );
        }
        run(&format!("e2fsck -f -n {}", device.path()));
    }
}

fn an_io_that_is_split_counts_once() {
    let _module = Module::load();
    for make in [joined, striped] {
        let device = make();
        let file = Direct::open(device.path());
        let (before, disk) = (device.stats(), DiskStats::of(device.disk()));
        let offset = 8 * MIB - 64 * 1024;
        file.write(offset, &Buffer::pattern(1, 128 << 10));
        file.read(offset, 128 << 10);
        file.flush().expect("a flush works");
        run(&format!(
            "blkdiscard --force --offset {offset} --length 128K {}",
            device.path()
        ));
        run(&format!(
            "blkdiscard --force --zeroout --offset {offset} --length 128K {}",
            device.path()
        ));
        let after = device.stats();
        let disk = DiskStats::of(device.disk()).since(disk);
        for (op, bytes) in [
            ("read", 128 << 10),
            ("write", 128 << 10),
            ("flush", 0),
            ("discard", 128 << 10),
            ("write_zeroes", 128 << 10),
        ] {
            assert_eq!(
                (
                    after.ios(op) - before.ios(op),
                    after.bytes(op) - before.bytes(op),
                    after.in_buckets(op) - before.in_buckets(op)
                ),
                (1, bytes, 1),
                "{op}s"
            );
        }
        assert_eq!(after.in_flight(), Some(0));
        assert_eq!((disk.reads, disk.discards, disk.in_flight), (1, 1, 0));
    }
}

/// `--to` of `count` pieces of 64 KiB, from the end of the first drive to its beginning.
fn backwards(count: u64) -> Vec<String> {
    let drive = flash(0).path;
    let piece = |index| {
        let offset = (count - 1 - index) * CHUNK;
        [
            "--to".to_owned(),
            format!("{drive},offset={offset},length={CHUNK}"),
        ]
    };
    (0..count).flat_map(piece).collect()
}

fn a_thousand_and_twenty_four_targets_work_and_are_shown() {
    const COUNT: u64 = 1024;
    let _module = Module::load();
    let pieces = backwards(COUNT);
    let rest: Vec<&str> = pieces[2..].iter().map(String::as_str).collect();
    let device = Device::map_with("vol0", &pieces[1], &rest);
    assert_eq!(device.bytes(), COUNT * CHUNK);
    assert_eq!(list(), [device.shown().clone()]);
    let targets = device.shown()["targets"]
        .as_array()
        .expect("a device has targets");
    assert_eq!(targets.len(), COUNT as usize);
    for (index, target) in (0..).zip(targets) {
        assert_eq!(
            (&target["start_bytes"], &target["offset_bytes"]),
            (
                &(index * CHUNK).into(),
                &((COUNT - 1 - index) * CHUNK).into()
            )
        );
    }
    // Over every target, with an I/O that spans sixteen at a time.
    let above = Direct::open(device.path());
    let below = Direct::open_to_read(&flash(0).path);
    for first in (0..COUNT).step_by(16) {
        let pattern = Buffer::pattern(first, 16 * CHUNK as usize);
        above.write(first * CHUNK, &pattern);
        let found = below.read((COUNT - 16 - first) * CHUNK, pattern.len());
        let chunks = found.chunks(CHUNK as usize).rev();
        let found: Vec<u8> = chunks.flatten().copied().collect();
        assert_same(&found, &pattern, "the drive");
    }
}

fn one_target_more_is_refused() {
    let _module = Module::load();
    let pieces = backwards(1025);
    let words: Vec<&str> = ["map", "vol0"]
        .into_iter()
        .chain(pieces.iter().map(String::as_str))
        .collect();
    let line = refused_without_change(&words);
    assert!(line.contains("1024"), "{line}");
}

fn stripes_that_cannot_be_are_refused() {
    let _module = Module::load();
    let (one, other, big) = (flash(0).path, flash(1).path, flash(3).path);
    let (one_8m, other_8m) = (format!("{one},length=8M"), format!("{other},length=8M"));
    let longer = format!("{other},length=9M");
    for (targets, stripe, said) in [
        (vec![one_8m.as_str()], "64K", "two targets"),
        (vec![&one_8m, &longer], "64K", "9437184"),
        (vec![&one_8m, &other_8m], "1000", "1000"),
        (vec![&one_8m, &other_8m], "16M", "16777216"),
        (vec![&one_8m, &big], "1s", "4096"),
    ] {
        let mut words = vec!["map", "vol0", "--stripe", stripe];
        words.extend(targets.iter().flat_map(|target| ["--to", *target]));
        let line = refused_without_change(&words);
        assert!(line.contains(said), "{words:?}: {line}");
    }
}

fn a_target_that_overlaps_another_of_its_table_is_refused() {
    let _module = Module::load();
    let drive = flash(0).path;
    let line = refused_without_change(&[
        "map",
        "vol0",
        "--to",
        &format!("{drive},length=8M"),
        "--to",
        &format!("{drive},offset=16M,length=8M"),
        "--to",
        &format!("{drive},offset=7M,length=2M"),
    ]);
    assert!(line.contains("overlaps"), "{line}");
}
