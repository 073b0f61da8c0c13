// SPDX-License-Identifier: MIT OR Apache-2.0
//! Request queues on other devices that stack, and below them: on each other, on md, dm and loop, and under those.

use std::fs;

use crate::guest::command::{attempt, run, run_words};
use crate::guest::direct::{Buffer, Direct};
use crate::guest::dm::Dm;
use crate::guest::fio::Fio;
use crate::guest::flash::flash;
use crate::guest::loop_device::Loop;
use crate::guest::md::Md;
use crate::guest::module::Module;
use crate::guest::mount::Mount;
use crate::guest::null_blk::{NullBlk, NullDrive};
use crate::guest::shunt::{Device, QUEUES, refused};
use crate::guest::sysfs::DiskStats;

cases! {
    reads_ahead_go_through_two_queues,
    requests_that_were_merged_are_merged_again_below,
    twelve_queues_on_each_other_carry_a_file_system,
    as_many_queues_as_are_allowed_fit_the_stack_of_a_task,
    more_devices_on_each_other_than_are_safe_are_refused,
    batches_end_on_raid5,
    batches_end_on_raid1_with_a_bitmap,
    batches_end_on_raid10_with_a_bitmap,
    raid5_stands_on_queues,
    raid1_with_a_bitmap_stands_on_queues,
    queues_and_other_mappers_carry_a_file_system_in_turns,
}

const MIB: u64 = 1 << 20;

/// MiB of a drive in memory that XFS can be made on, or an array under it; what is not written takes none.
const PLENTY: u32 = 1536;

/// MiB of a member of an array.
const MEMBER: u64 = 360;

const BATCHES: &str = "ioengine=libaio iodepth=16 iodepth_batch=16 size=8M bsrange=4k-64k rw=randwrite verify=crc32c \
                       verify_fatal=1 do_verify=1";

/// Devices that may stand on each other.
const DEEPEST: usize = 16;

/// So many devices with request queues on each other, without I/O schedulers, over a drive; the topmost last.
fn stack(drive: &str, levels: usize) -> Vec<Device> {
    let mut stack: Vec<Device> = Vec::new();
    for level in 0..levels {
        let below = stack.last().map_or(drive, Device::path);
        let to = format!("{below},offset=1M");
        let device = Device::map_with(&format!("level{level}"), &to, &["--queue", "mq"]);
        let scheduler = format!("/sys/block/{}/queue/scheduler", device.disk());
        fs::write(&scheduler, "none").unwrap_or_else(|why| panic!("{scheduler}: {why}"));
        stack.push(device);
    }
    stack
}

/// Unmaps from the top down.
fn take_down(mut stack: Vec<Device>) {
    while stack.pop().is_some() {}
}

/// Makes a file system, writes and reads files in it through the page cache and past it, and looks whether it is whole.
#[track_caller]
fn carries_a_file_system(path: &str) {
    run(&format!("mkfs.xfs -q -f {path}"));
    let mount = Mount::of("xfs", path);
    let file = mount.folder().join("file").display().to_string();
    Fio::run(
        &file,
        "ioengine=psync direct=0 rw=write bs=64k size=16M end_fsync=1 invalidate=1 verify=crc32c do_verify=0",
    );
    fs::write("/proc/sys/vm/drop_caches", "3").expect("caches can be dropped");
    Fio::run(
        &file,
        "ioengine=psync direct=0 rw=read bs=64k size=16M invalidate=1 verify=crc32c verify_fatal=1",
    );
    let other = mount.folder().join("other").display().to_string();
    Fio::run(&other, BATCHES);
    drop(mount);
    run(&format!("xfs_repair -n {path}"));
}

fn reads_ahead_go_through_two_queues() {
    let _module = Module::load();
    let stack = stack(&flash(0).path, 2);
    let path = stack[1].path();
    run_words(&[
        "dd",
        &format!("if={path}"),
        "of=/dev/null",
        "bs=1M",
        "count=64",
        "status=none",
    ]);
    take_down(stack);
}

fn requests_that_were_merged_are_merged_again_below() {
    let _module = Module::load();
    let stack = stack(&flash(0).path, 2);
    let before = stack[0].stats().ios("write");
    Fio::run(
        stack[1].path(),
        "ioengine=libaio rw=write bs=4k size=64k iodepth=16 iodepth_batch=16",
    );
    // A device counts bios, whose merging its own queue has in its columns of /proc/diskstats.
    assert_eq!(stack[0].stats().ios("write") - before, 16);
    let of = |device: &Device| DiskStats::of(device.disk());
    let (lower, upper) = (of(&stack[0]), of(&stack[1]));
    assert_eq!((upper.writes, upper.merged_writes), (1, 15));
    assert_eq!((lower.writes, lower.merged_writes), (1, 15));
    take_down(stack);
}

fn twelve_queues_on_each_other_carry_a_file_system() {
    let _module = Module::load();
    let drive = NullDrive::make(PLENTY);
    let stack = stack(drive.path(), 12);
    carries_a_file_system(stack[11].path());
    take_down(stack);
}

fn as_many_queues_as_are_allowed_fit_the_stack_of_a_task() {
    let _module = Module::load();
    // It ends each operation where it is begun, so that the way up is on the same stack as the way down.
    let drive = NullBlk::load("irqmode=0");
    let stack = stack(drive.path(), DEEPEST);
    let top = stack[DEEPEST - 1].path();
    for rw in ["randread", "randwrite"] {
        Fio::run(
            top,
            &format!("ioengine=psync rw={rw} bs=4k size=8M number_ios=500"),
        );
        Fio::run(
            top,
            &format!(
                "ioengine=libaio rw={rw} bs=4k size=8M number_ios=500 iodepth=32 iodepth_batch=32"
            ),
        );
    }
    run_words(&[
        "dd",
        &format!("if={top}"),
        "of=/dev/null",
        "bs=1M",
        "count=64",
        "status=none",
    ]);
    Direct::open(top).flush().expect("a flush goes down");
    // Whoever asks one of them for the geometry or a command asks all of them.
    let _ = attempt(&["blockdev", "--getdiscardzeroes", top]);
    let _ = attempt(&["sg_inq", top]);
    take_down(stack);
}

fn more_devices_on_each_other_than_are_safe_are_refused() {
    for queue in QUEUES {
        let _module = Module::load();
        let drive = flash(0);
        let mut stack = vec![Device::map_with(
            "level0",
            &format!("{},offset=1M", drive.path),
            &["--queue", queue],
        )];
        for level in 1..DEEPEST {
            let below = format!("{},offset=1M", stack[level - 1].path());
            stack.push(Device::map_with(
                &format!("level{level}"),
                &below,
                &["--queue", queue],
            ));
        }
        let top = stack[DEEPEST - 1].path();
        let line = refused(&["map", "more", "--to", top, "--queue", queue]);
        assert!(
            line.contains("more than 16 devices would stand on each other"),
            "{line}"
        );
        // A retarget counts what stands on the device, too.
        let aside = Device::map("aside", &flash(1).path);
        let line = refused(&["retarget", "level0", "--to", aside.path()]);
        assert!(
            line.contains("more than 16 devices would stand on each other"),
            "{line}"
        );
        assert_eq!(stack[DEEPEST - 1].now()["state"], "live");
        Direct::open(top).write(0, &Buffer::pattern(1, 4096));
        take_down(stack);
    }
}

/// Pieces of a drive, as loop devices.
fn members(drive: &NullDrive, count: u64) -> Vec<Loop> {
    let bytes = MEMBER * MIB;
    let piece = |index| format!("--offset={} --sizelimit={bytes}", index * bytes);
    (0..count)
        .map(|index| Loop::bind(drive.path(), &piece(index)))
        .collect()
}

/// Batches of writes, and a file system, on an array.
#[track_caller]
fn batches_end(level: &str, count: u64, options: &str) {
    let _module = Module::load();
    let drive = NullDrive::make(PLENTY);
    let members = members(&drive, count);
    let paths: Vec<&str> = members.iter().map(Loop::path).collect();
    let raid = Md::create(level, &paths, options);
    for queue in QUEUES {
        let device = Device::map_with("vol0", raid.path(), &["--queue", queue]);
        Fio::run(device.path(), BATCHES);
    }
    let device = Device::map_with("vol0", raid.path(), &["--queue", "mq"]);
    carries_a_file_system(device.path());
    drop(device);
    drop(raid);
    drop(members);
}

fn batches_end_on_raid5() {
    batches_end("5", 3, "");
}

fn batches_end_on_raid1_with_a_bitmap() {
    batches_end("1", 2, "--bitmap=internal");
}

fn batches_end_on_raid10_with_a_bitmap() {
    batches_end("10", 4, "--bitmap=internal");
}

/// An array of queues, and a queue on it, with a file system.
#[track_caller]
fn raid_stands(level: &str, count: u64, options: &str) {
    let _module = Module::load();
    let drive = NullDrive::make(PLENTY);
    let devices: Vec<Device> = (0..count)
        .map(|index| {
            let offset = index * MEMBER;
            let to = format!("{},offset={offset}M,length={MEMBER}M", drive.path());
            Device::map_with(&format!("vol{index}"), &to, &["--queue", "mq"])
        })
        .collect();
    let paths: Vec<&str> = devices.iter().map(Device::path).collect();
    let raid = Md::create(level, &paths, options);
    Fio::run(raid.path(), BATCHES);
    let upper = Device::map_with("upper", raid.path(), &["--queue", "mq"]);
    carries_a_file_system(upper.path());
    drop(upper);
    drop(raid);
    drop(devices);
}

fn raid5_stands_on_queues() {
    raid_stands("5", 3, "");
}

fn raid1_with_a_bitmap_stands_on_queues() {
    raid_stands("1", 2, "--bitmap=internal");
}

fn queues_and_other_mappers_carry_a_file_system_in_turns() {
    let _module = Module::load();
    let mq = &["--queue", "mq"][..];
    let drive = NullDrive::make(PLENTY);
    let low = Device::map_with("low", drive.path(), mq);
    let linear = Dm::linear("linear", low.path(), low.bytes());
    let second = Device::map_with("second", &linear.path(), mq);
    run("modprobe dm_crypt");
    let sectors = second.bytes() / 512;
    let key = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
    let crypt = Dm::create(
        "crypt",
        &format!(
            "0 {sectors} crypt aes-xts-plain64 {key} 0 {} 0\n",
            second.path()
        ),
    );
    let third = Device::map_with("third", &crypt.path(), mq);
    let bound = Loop::bind(third.path(), "--direct-io=on");
    let top = Device::map_with("top", bound.path(), mq);
    carries_a_file_system(top.path());
    drop(top);
    drop(bound);
    drop(third);
    drop(crypt);
    drop(second);
    drop(linear);
}
