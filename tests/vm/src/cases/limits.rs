// SPDX-License-Identifier: MIT OR Apache-2.0
//! The queue limits of a device are those of its drive.

use crate::guest::command::{attempt, run};
use crate::guest::flash::{COUNT, flash, rich, zoned};
use crate::guest::loop_device::Loop;
use crate::guest::module::Module;
use crate::guest::scsi_debug::ScsiDebug;
use crate::guest::shunt::{Device, QUEUES};
use crate::guest::state::refused_without_change;
use crate::guest::sysfs;
use crate::guest::test_drive::TestDrives;

cases! {
    a_device_has_the_limits_of_its_drive,
    a_device_has_the_zones_of_its_drive,
    a_device_has_the_rare_abilities_of_its_drive,
    a_device_on_a_loop_device_has_the_limits_of_that,
    a_retarget_keeps_large_blocks_and_so_does_the_next_one,
    a_device_has_whole_blocks_on_a_drive_of_smaller_ones,
    a_retarget_keeps_what_the_user_set,
    a_device_does_not_move_to_a_drive_that_wants_pages_to_keep_still,
    atomic_writes_end_at_a_border_between_targets,
    a_device_does_not_move_to_a_drive_that_writes_less_atomically,
    a_drive_that_was_found_to_zero_nothing_takes_a_device,
    a_device_offers_no_discard_that_its_drive_has_switched_off,
}

/// Files in /sys/block/NAME/queue that a device always has like this, since the next drive may need it.
const ALWAYS: &[(&str, &str)] = &[("write_cache", "write back"), ("fua", "1")];

/// Files in /sys/block/NAME/queue that are about a request queue with a scheduler, which a device in bio mode has not.
const OF_REQUEST_QUEUES: &[&str] = &[
    "io_timeout",
    "iosched",
    "nomerges",
    "nr_requests",
    "async_depth",
    "rq_affinity",
    "scheduler",
    "wbt_lat_usec",
    "io_poll_delay",
];

fn a_device_has_the_limits_of_its_drive() {
    let _module = Module::load();
    for number in 0..COUNT {
        let drive = flash(number);
        let device = Device::map("vol0", &drive.path);
        assert_same_limits(&device, &drive.name);
    }
}

fn a_device_has_the_zones_of_its_drive() {
    let _module = Module::load();
    let drive = zoned(0);
    let device = Device::map("vol0", &drive.path);
    assert_same_limits(&device, &drive.name);
}

fn a_device_has_the_rare_abilities_of_its_drive() {
    let _module = Module::load();
    let drive = rich();
    let limit = |file: &str| sysfs::number(&format!("/sys/block/{}/queue/{file}", drive.name));
    assert!(limit("max_write_streams") > 0 && limit("atomic_write_unit_max_bytes") > 0);
    let device = Device::map("vol0", &drive.path);
    assert_same_limits(&device, &drive.name);
    let integrity = |disk: &str, file: &str| {
        sysfs::read(&format!("/sys/block/{disk}/integrity/{file}")).unwrap_or_default()
    };
    assert_eq!(integrity(&drive.name, "format"), "T10-DIF-TYPE1-CRC");
    for file in [
        "format",
        "tag_size",
        "protection_interval_bytes",
        "device_is_integrity_capable",
    ] {
        assert_eq!(
            integrity(device.disk(), file),
            integrity(&drive.name, file),
            "{file}"
        );
    }
}

fn a_device_on_a_loop_device_has_the_limits_of_that() {
    let _module = Module::load();
    std::fs::File::create("/tmp/image")
        .and_then(|file| file.set_len(32 << 20))
        .expect("/tmp takes files");
    let below = Loop::bind("/tmp/image", "--sector-size 4096");
    let device = Device::map("vol0", below.path());
    assert_same_limits(&device, below.path().trim_start_matches("/dev/"));
}

fn queue(device: &Device, file: &str) -> Option<String> {
    sysfs::read(&format!("/sys/block/{}/queue/{file}", device.disk()))
}

/// A disk of `bytes` with blocks of `block`.
#[track_caller]
fn disk(name: &str, block: u64, bytes: u64) -> Loop {
    let image = format!("/tmp/{name}");
    std::fs::File::create(&image)
        .and_then(|file| file.set_len(bytes))
        .expect("/tmp takes files");
    Loop::bind(&image, &format!("--sector-size {block}"))
}

fn a_retarget_keeps_large_blocks_and_so_does_the_next_one() {
    let _module = Module::load();
    let [big, small, other] =
        [("big", 4096), ("small", 512), ("other", 512)].map(|(n, b)| disk(n, b, 8 << 20));
    let device = Device::map("vol0", big.path());
    device.retarget(small.path());
    device.order("resize", &[]);
    device.retarget(other.path());
    assert_eq!(
        queue(&device, "logical_block_size").as_deref(),
        Some("4096")
    );
    assert_eq!(device.now()["logical_block_size"], 4096);
    device.retarget(big.path());
}

/// A disk takes no part of a block: what is behind the last whole one could not be read.
fn a_device_has_whole_blocks_on_a_drive_of_smaller_ones() {
    const BLOCK: u64 = 4096;
    const WHOLE: u64 = (8 << 20) + BLOCK;
    let _module = Module::load();
    let big = disk("big", BLOCK, 8 << 20);
    let small = disk("small", 512, WHOLE + 512);
    for mode in QUEUES {
        let device = Device::map_with("vol0", big.path(), &["--queue", mode]);
        device.retarget(small.path());
        for order in ["retarget", "resize"] {
            let all = std::fs::read(device.path()).map(|all| all.len() as u64);
            assert_eq!(all.ok(), Some(WHOLE), "{order}, {mode}");
            assert_eq!(device.now()["size_bytes"], WHOLE, "{order}, {mode}");
            device.order("resize", &[]);
        }
    }
}

fn a_retarget_keeps_what_the_user_set() {
    let _module = Module::load();
    for mode in QUEUES {
        let device = Device::map_with("vol0", &flash(0).path, &["--queue", mode]);
        let set = [
            ("write_cache", "write through"),
            ("iostats", "0"),
            ("add_random", "1"),
        ];
        for (file, value) in set {
            let file = format!("/sys/block/{}/queue/{file}", device.disk());
            std::fs::write(&file, value).unwrap_or_else(|why| panic!("{file}: {why}"));
        }
        device.order("resize", &[]);
        for (file, value) in set {
            assert_eq!(
                queue(&device, file).as_deref(),
                Some(value),
                "{file}, {mode}"
            );
        }
    }
}

/// A file system asks for that when it is mounted, and not again.
fn a_device_does_not_move_to_a_drive_that_wants_pages_to_keep_still() {
    let _module = Module::load();
    let (drive, other) = (flash(0), flash(1));
    let still = |disk: &str, value: &str| {
        let file = format!("/sys/block/{disk}/queue/stable_writes");
        std::fs::write(&file, value).unwrap_or_else(|why| panic!("{file}: {why}"));
    };
    let [from, to] = [&drive, &other].map(|drive| format!("{},length=16M", drive.path));
    for mode in QUEUES {
        let device = Device::map_with("vol0", &from, &["--queue", mode]);
        still(&other.name, "1");
        let line = refused_without_change(&["retarget", "vol0", "--to", &to]);
        still(&other.name, "0");
        assert!(line.contains("pages"), "{line}");
        device.retarget(&to);
        drop(device);
        // One that has asked for it so far may move either way.
        still(&drive.name, "1");
        let device = Device::map_with("vol0", &from, &["--queue", mode]);
        still(&drive.name, "0");
        device.retarget(&to);
        still(&drive.name, "1");
        device.retarget(&from);
        still(&drive.name, "0");
    }
}

fn atomic_writes_end_at_a_border_between_targets() {
    let _module = Module::load();
    let disk = ScsiDebug::load("dev_size_mb=32 atomic_wr=1");
    let most = sysfs::number(&format!(
        "/sys/block/{}/queue/atomic_write_unit_max_bytes",
        disk.name()
    ));
    assert!(most > 4096, "the disk writes only {most} at once");
    for (length, wanted) in [("8M", most), ("8392704", 4096)] {
        let rest = format!("{},offset=16M,length=8M", disk.path());
        let to = format!("{},length={length}", disk.path());
        let device = Device::map_with("vol0", &to, &["--to", &rest]);
        let found = queue(&device, "atomic_write_unit_max_bytes");
        assert_eq!(found, Some(wanted.to_string()), "{length}");
    }
}

/// The hardware of both writes as much, but one I/O of the second takes less. A file system looks when it is mounted, and
/// what it sends later fails if it is larger than the disk shows by then.
fn a_device_does_not_move_to_a_drive_that_writes_less_atomically() {
    let _module = Module::load();
    let drives = TestDrives::load("atomic_write=65536,65536 max_io=1048576,32768");
    let [more, less] = [0, 1].map(|number| drives.drive(number).path);
    for mode in QUEUES {
        let most = |device: &Device| queue(device, "atomic_write_unit_max_bytes");
        let device = Device::map_with("vol0", &less, &["--queue", mode]);
        assert_eq!(most(&device).as_deref(), Some("32768"), "{mode}");
        device.retarget(&more);
        assert_eq!(most(&device).as_deref(), Some("65536"), "{mode}");
        let line = refused_without_change(&["retarget", "vol0", "--to", &less]);
        assert!(line.contains("larger atomic writes"), "{line}");
        assert_eq!(most(&device).as_deref(), Some("65536"), "{mode}");
    }
}

#[track_caller]
fn assert_same_limits(device: &Device, below: &str) {
    let queue = |disk: &str| format!("/sys/block/{disk}/queue");
    let files = sysfs::names(&queue(below));
    assert!(files.len() > 20, "too few limits to compare: {files:?}");
    let differs = files
        .iter()
        .filter(|file| !OF_REQUEST_QUEUES.contains(&file.as_str()))
        .filter_map(|file| {
            let read = |disk: &str| sysfs::read(&format!("{}/{file}", queue(disk)));
            let always = ALWAYS.iter().find(|(name, _)| name == file);
            let wanted = always.map_or_else(|| read(below), |(_, value)| Some((*value).to_owned()));
            let found = read(device.disk());
            (wanted != found).then(|| format!("{file} is {found:?}, not {wanted:?}"))
        });
    let differs: Vec<String> = differs.collect();
    assert!(differs.is_empty(), "on {below}: {}", differs.join("; "));
}

#[track_caller]
fn limit(disk: &str, file: &str) -> u64 {
    sysfs::number(&format!("/sys/block/{disk}/queue/{file}"))
}

/// A disk takes a device of either kind, which has this limit at 0, and moves to it again.
#[track_caller]
fn takes_devices_with_none(disk: &ScsiDebug, file: &str) {
    for queue in QUEUES {
        let device = Device::map_with("vol0", disk.path(), &["--queue", queue]);
        assert_eq!(limit(device.disk(), file), 0);
        device.retarget(disk.path());
    }
}

/// A SCSI disk that frees the blocks that it zeroes, and rejects the order to zero what it keeps: its driver then switches
/// off the one limit, and leaves the other.
fn a_drive_that_was_found_to_zero_nothing_takes_a_device() {
    const WRITE_SAME: [u8; 2] = [0x41, 0x93];
    let _module = Module::load();
    let disk = ScsiDebug::load("dev_size_mb=16 lbpws=1 lbprz=1");
    for opcode in WRITE_SAME {
        disk.reject(opcode);
    }
    run(&format!("blkdiscard --force --zeroout {}", disk.path()));
    assert_eq!(limit(disk.name(), "write_zeroes_max_bytes"), 0);
    assert_ne!(limit(disk.name(), "write_zeroes_unmap_max_hw_bytes"), 0);
    takes_devices_with_none(&disk, "write_zeroes_unmap_max_hw_bytes");
}

fn a_device_offers_no_discard_that_its_drive_has_switched_off() {
    const UNMAP: u8 = 0x42;
    let _module = Module::load();
    let disk = ScsiDebug::load("dev_size_mb=16 lbpu=1");
    disk.reject(UNMAP);
    let ended = attempt(&["blkdiscard", "--force", disk.path()]);
    assert_ne!(ended.code, Some(0), "a rejected discard was done");
    assert_eq!(limit(disk.name(), "discard_max_bytes"), 0);
    assert_ne!(limit(disk.name(), "discard_max_hw_bytes"), 0);
    takes_devices_with_none(&disk, "discard_max_bytes");
}
