// SPDX-License-Identifier: MIT OR Apache-2.0
//! What others see of the I/O of a device and of its drive, as with dm: tracepoints and so blktrace, a cgroup's io.stat, the
//! columns of a partition; and what they see of a drive that does not do what it said.

use std::fs;
use std::path::Path;

use crate::guest::cgroup::Cgroup;
use crate::guest::command::{run, run_words};
use crate::guest::direct::{Buffer, Direct};
use crate::guest::flash::flash;
use crate::guest::module::Module;
use crate::guest::partition::Partition;
use crate::guest::scsi_debug::ScsiDebug;
use crate::guest::shunt::{Device, MODES, QUEUES};
use crate::guest::sysfs::{self, DiskStats};
use crate::guest::trace::{bios_during, requests_completed_during};

cases! {
    the_trace_of_a_device_shows_what_has_ended,
    the_trace_of_a_drive_shows_where_it_came_from,
    a_cgroup_has_the_bytes_of_device_and_drive,
    a_partition_has_its_own_columns_and_those_of_the_disk,
    zeroing_falls_back_once_the_drive_has_rejected_it,
}

const MIB: u64 = 1 << 20;
const READS: u64 = 8;
const LENGTH: usize = 4096;

/// Sectors before the device on its drive.
const OFFSET: u64 = 3 * MIB / 512;

/// Maps a device behind [`OFFSET`].
#[track_caller]
fn map(options: &[&str]) -> Device {
    Device::map_with("vol0", &format!("{},offset=3M", flash(0).path), options)
}

/// Reads from places that do not touch.
fn read(path: &str) {
    let file = Direct::open_to_read(path);
    for index in 0..READS {
        file.read(index * MIB, LENGTH);
    }
}

/// Where the reads are, with sectors of `before` in front.
fn places(before: u64) -> Vec<(u64, u64)> {
    (0..READS)
        .map(|index| (before + index * MIB / 512, LENGTH as u64 / 512))
        .collect()
}

fn the_trace_of_a_device_shows_what_has_ended() {
    let _module = Module::load();
    for mode in MODES {
        let device = map(mode);
        let of_device = || read(device.path());
        // A request queue ends requests, a device without one bios.
        let ended = match mode.contains(&"mq") {
            true => requests_completed_during(device.disk(), of_device),
            false => bios_during(device.disk(), "block_bio_complete", of_device),
        };
        assert_eq!(ended, places(0), "{mode:?}");
    }
}

fn the_trace_of_a_drive_shows_where_it_came_from() {
    let _module = Module::load();
    for mode in MODES {
        let device = map(mode);
        for event in ["block_bio_remap", "block_bio_complete"] {
            let seen = bios_during(&flash(0).name, event, || read(device.path()));
            // The drive ends requests, not bios.
            let wanted = match event {
                "block_bio_remap" => places(OFFSET),
                _ => Vec::new(),
            };
            assert_eq!(seen, wanted, "{event} in {mode:?}");
        }
    }
}

/// A figure of a disk in a cgroup's io.stat.
fn io_stat(group: &str, disk: &str, figure: &str) -> u64 {
    let number = sysfs::read(&format!("/sys/block/{disk}/dev")).expect("a disk has a number");
    let text = sysfs::read(&format!("{group}/io.stat")).unwrap_or_default();
    let line = text
        .lines()
        .find(|line| line.split(' ').next() == Some(&number));
    line.and_then(|line| line.split_once(&format!("{figure}=")))
        .and_then(|(_, rest)| rest.split(' ').next())
        .map_or(0, |text| text.parse().expect("figures are numbers"))
}

fn a_cgroup_has_the_bytes_of_device_and_drive() {
    let _module = Module::load();
    for mode in MODES {
        let group = Cgroup::with("+io", "observed");
        let device = map(mode);
        for words in [
            "if={} of=/dev/null count=16 iflag",
            "if=/dev/zero of={} count=8 oflag",
        ] {
            let words = words.replace("{}", device.path());
            let line = format!("exec dd {words}=direct bs=64k status=none");
            run_words(&group.words(&line).each_ref().map(String::as_str));
        }
        for disk in [device.disk(), &flash(0).name] {
            let bytes = ["rbytes", "wbytes"].map(|figure| io_stat(group.folder(), disk, figure));
            assert_eq!(bytes, [MIB, MIB / 2], "{disk} in {mode:?}");
        }
        drop((device, group));
    }
}

fn a_partition_has_its_own_columns_and_those_of_the_disk() {
    const LENGTH: usize = 8192;
    let _module = Module::load();
    let device = map(&[]);
    let partition = Partition::create(device.path(), MIB, 16 * MIB);
    let name = format!("{0}/{0}p1", device.disk());
    let before = [DiskStats::of(&name), DiskStats::of(device.disk())];
    let file = Direct::open(&partition.path());
    for index in 0..100 {
        file.write(index * LENGTH as u64, &Buffer::pattern(index, LENGTH));
        file.read(index * LENGTH as u64, LENGTH);
    }
    let now = [DiskStats::of(&name), DiskStats::of(device.disk())];
    for (now, before) in now.into_iter().zip(before) {
        let since = now.since(before);
        assert_eq!((since.reads, since.writes, since.in_flight), (100, 100, 0));
        let bytes = 100 * LENGTH as u64;
        assert_eq!((since.read_bytes, since.write_bytes), (bytes, bytes));
    }
    drop(file);
    drop(partition);
}

/// Has a SCSI disk reject a command once, as one that it does not have.
#[track_caller]
fn reject(disk: &ScsiDebug, opcode: &str) {
    const DEBUG: &str = "/sys/kernel/debug";
    if !Path::new(&format!("{DEBUG}/scsi_debug")).exists() {
        run(&format!("mount -t debugfs debugfs {DEBUG}"));
    }
    let device = fs::read_link(format!("/sys/block/{}/device", disk.name()));
    let device = device.expect("a disk has a device");
    let address = device.file_name().expect("it has a name");
    let file = Path::new(DEBUG)
        .join("scsi_debug")
        .join(address)
        .join("error");
    // Kind 2 fails a command, so many times, with a status of 2 and sense: illegal request, invalid operation code.
    fs::write(&file, format!("2 -1 {opcode} 0 0 2 5 20 0"))
        .unwrap_or_else(|why| panic!("{}: {why}", file.display()));
}

const WRITE_SAME_16: &str = "93";

fn zeroing_falls_back_once_the_drive_has_rejected_it() {
    let _module = Module::load();
    for queue in QUEUES {
        for stats in ["off", "full"] {
            let disk = ScsiDebug::load("dev_size_mb=16 lbpws=1 lbpu=1 lbprz=1");
            let device =
                Device::map_with("vol0", disk.path(), &["--queue", queue, "--stats", stats]);
            Direct::open(device.path()).write(0, &Buffer::pattern(1, MIB as usize));
            let limit = format!("/sys/block/{}/queue/write_zeroes_max_bytes", device.disk());
            assert!(sysfs::number(&limit) > 0, "the device does not zero");
            reject(&disk, WRITE_SAME_16);
            run(&format!(
                "fallocate --zero-range --offset 0 --length 512K {}",
                device.path()
            ));
            assert_eq!(sysfs::number(&limit), 0, "{queue} {stats}");
            let found = Direct::open_to_read(device.path()).read(0, MIB as usize);
            assert!(found[..MIB as usize / 2].iter().all(|byte| *byte == 0));
            assert!(
                found[MIB as usize / 2..] == Buffer::pattern(1, MIB as usize)[MIB as usize / 2..]
            );
        }
    }
}
