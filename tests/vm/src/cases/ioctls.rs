// SPDX-License-Identifier: MIT OR Apache-2.0
//! Commands that programs give a block device past reads and writes.

use crate::guest::command::{attempt, run};
use crate::guest::direct::{Buffer, Direct};
use crate::guest::flash::flash;
use crate::guest::module::Module;
use crate::guest::partition::Partition;
use crate::guest::scsi_debug::ScsiDebug;
use crate::guest::shunt::{Device, QUEUES};
use crate::guest::trace::zeroes_during;

cases! {
    nvme_commands_reach_the_drive_of_a_whole_device,
    nvme_commands_stop_at_a_device_that_is_not_all_of_one_drive,
    scsi_commands_reach_the_disk_of_a_whole_device,
    a_geometry_is_that_of_the_drive_with_the_size_of_the_device,
    blocks_are_kept_or_freed_by_write_zeroes_as_asked,
    partitions_come_and_go_and_buffers_are_flushed,
}

const MIB: u64 = 1 << 20;
const ID_CTRL: &[&str] = &["nvme", "id-ctrl", "--output-format=json"];

/// How a command to the controller of `path` ends, and what it says.
#[track_caller]
fn id_ctrl(path: &str) -> (Option<i32>, String) {
    let ended = attempt(&[ID_CTRL, &[path]].concat());
    (ended.code, ended.stdout)
}

fn nvme_commands_reach_the_drive_of_a_whole_device() {
    let _module = Module::load();
    let drive = flash(0).path;
    for queue in QUEUES {
        let device = Device::map_with("vol0", &drive, &["--queue", queue]);
        let (code, said) = id_ctrl(device.path());
        assert_eq!(code, Some(0));
        assert_eq!(said, id_ctrl(&drive).1);
        let pattern = Buffer::pattern(5, 512);
        Direct::open(device.path()).write(7 * 512, &pattern);
        run(&format!(
            "nvme read {} --start-block=7 --block-count=0 --data-size=512 --data=/run/block",
            device.path()
        ));
        let found = std::fs::read("/run/block").expect("nvme wrote it");
        assert!(found == pattern[..], "an I/O command read other bytes");
    }
}

fn nvme_commands_stop_at_a_device_that_is_not_all_of_one_drive() {
    let _module = Module::load();
    let (drive, other) = (flash(0).path, flash(1).path);
    let is_refused = |path: &str| {
        let (code, said) = id_ctrl(path);
        assert!(
            code != Some(0) && said.contains("Inappropriate ioctl"),
            "{path}: {code:?} {said}"
        );
    };
    for to in [format!("{drive},length=16M"), format!("{drive},offset=4K")] {
        is_refused(Device::map("vol0", &to).path());
    }
    let joined = Device::map_with("vol0", &drive, &["--to", &other]);
    is_refused(joined.path());
    drop(joined);
    // Nor does a partition of the device stand for the drive.
    let device = Device::map("vol0", &drive);
    let part = Partition::create(device.path(), MIB, MIB);
    is_refused(&part.path());
}

fn scsi_commands_reach_the_disk_of_a_whole_device() {
    let _module = Module::load();
    let disk = ScsiDebug::load("dev_size_mb=16");
    let id = |path: &str| {
        let device = format!("--device={path}");
        attempt(&["/usr/lib/udev/scsi_id", "--whitelisted", &device]).stdout
    };
    let wanted = id(disk.path());
    assert!(wanted.len() > 8, "the disk has no id: {wanted:?}");
    let device = Device::map("vol0", disk.path());
    assert_eq!(id(device.path()), wanted);
    drop(device);
    let device = Device::map("vol0", &format!("{},length=8M", disk.path()));
    assert_eq!(id(device.path()), "");
}

/// Heads, sectors, cylinders and start, as HDIO_GETGEO has them.
#[track_caller]
fn geometry(path: &str) -> (u8, u8, u16, u64) {
    let ask = format!(
        "import fcntl, struct; b = bytearray(16); fcntl.ioctl(open({path:?}, 'rb'), 0x0301, b); print(*struct.unpack('BBHxxxxQ', b))"
    );
    let said = crate::guest::command::run_words(&["python3", "-c", &ask]);
    let numbers: Vec<u64> = said
        .split_whitespace()
        .map(|word| word.parse().expect("a number"))
        .collect();
    (
        numbers[0] as u8,
        numbers[1] as u8,
        numbers[2] as u16,
        numbers[3],
    )
}

fn a_geometry_is_that_of_the_drive_with_the_size_of_the_device() {
    let _module = Module::load();
    let drive = flash(0).path;
    let raw = geometry(&drive);
    let device = Device::map("vol0", &drive);
    assert_eq!(geometry(device.path()), raw);
    drop(device);
    let device = Device::map("vol0", &format!("{drive},offset=1M,length=16M"));
    let track = u64::from(raw.0) * u64::from(raw.1);
    let cylinders = (16 * MIB / 512 / track) as u16;
    assert_eq!(geometry(device.path()), (raw.0, raw.1, cylinders, 0));
}

fn blocks_are_kept_or_freed_by_write_zeroes_as_asked() {
    let _module = Module::load();
    let drive = flash(0);
    let order = |path: &str| {
        for how in ["--zero-range", "--punch-hole"] {
            run(&format!("fallocate {how} --offset 1M --length 1M {path}"));
        }
    };
    let raw = zeroes_during(&drive.name, || order(&drive.path));
    assert!(
        raw.len() > 1 && raw.first() != raw.last(),
        "no difference to see in {raw:?}"
    );
    for queue in QUEUES {
        let device = Device::map_with("vol0", &drive.path, &["--queue", queue]);
        assert_eq!(zeroes_during(&drive.name, || order(device.path())), raw);
    }
}

fn partitions_come_and_go_and_buffers_are_flushed() {
    let _module = Module::load();
    let drive = flash(1).path;
    let device = Device::map("vol0", &format!("{drive},offset=8M"));
    let part = Partition::create(device.path(), 4 * MIB, 4 * MIB);
    // Through the page cache, and out of it.
    let pattern = Buffer::pattern(8, 4096);
    std::fs::write("/run/pattern", &*pattern).expect("/run takes files");
    run(&format!(
        "dd if=/run/pattern of={} bs=4k conv=notrunc status=none",
        part.path()
    ));
    run(&format!("blockdev --flushbufs {}", part.path()));
    assert!(Direct::open_to_read(&drive).read(12 * MIB, 4096)[..] == pattern[..]);
    // What is read again comes from the drive.
    Direct::open(&drive).write(12 * MIB, &Buffer::zeroed(4096));
    run(&format!("blockdev --flushbufs {}", part.path()));
    run(&format!("cmp --bytes=4096 {} /dev/zero", part.path()));
}
