// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is written through a device is on the drive, at the place that the table says.

use std::fs;
use std::path::Path;
use std::thread;

use crate::guest::command::run;
use crate::guest::direct::checksum;
use crate::guest::fio::{Fio, has_engine};
use crate::guest::flash::{BIG_BLOCKS, flash, rich};
use crate::guest::loop_device::Loop;
use crate::guest::module::Module;
use crate::guest::mount::Mount;
use crate::guest::shunt::{Device, QUEUES};

cases! {
    map_mkfs_mount_write_unmap_same_bytes_on_the_drive,
    fio_verifies_what_it_wrote_at_depth_32_by_io_uring,
    fio_verifies_on_blocks_of_4096_bytes,
    protected_data_is_verified_at_another_place,
    two_devices_on_one_drive_do_not_mix_under_load,
}

const MIB: u64 = 1 << 20;

fn map_mkfs_mount_write_unmap_same_bytes_on_the_drive() {
    const OFFSET: u64 = 5 * MIB;
    const LENGTH: u64 = 64 * MIB;
    let module = Module::load();
    let drive = flash(0);
    let device = Device::map("vol0", &format!("{},offset=5M,length=64M", drive.path));
    assert_eq!(device.bytes(), LENGTH);

    run(&format!("mkfs.ext4 -q -F {}", device.path()));
    let mount = Mount::ext4(device.path());
    write_tree(mount.folder());
    drop(mount);
    let above = checksum(device.path(), 0..LENGTH);
    device.unmap();
    drop(module);

    assert_eq!(
        checksum(&drive.path, OFFSET..OFFSET + LENGTH),
        above,
        "the drive holds other bytes than the device showed"
    );
    let below = Loop::bind(
        &drive.path,
        &format!("--read-only --offset {OFFSET} --sizelimit {LENGTH}"),
    );
    run(&format!("e2fsck -f -n {}", below.path()));
    let mount = Mount::ext4_to_read(below.path());
    assert_tree(mount.folder());
}

fn protected_data_is_verified_at_another_place() {
    let _module = Module::load();
    let drive = rich();
    let options = "rw=randwrite bsrange=4k-64k size=8M verify=crc32c do_verify=1";
    for queue in QUEUES {
        let to = format!("{},offset=8M,length=16M", drive.path);
        let device = Device::map_with("vol0", &to, &["--queue", queue]);
        Fio::run(device.path(), options);
        // Each block is tagged with its place on the drive, which the drive looks at: so this would fail if the tags were
        // those of the device.
        let above = checksum(device.path(), 0..8 * MIB);
        assert_eq!(checksum(&drive.path, 8 * MIB..16 * MIB), above);
        assert_eq!(device.stats().errors("read"), 0);
    }
}

/// Folders and files of many sizes, empty ones included, whose content follows from their path.
const SIZES: [usize; 8] = [0, 1, 511, 4096, 4097, 100_000, 1 << 20, 3_000_001];

fn write_tree(top: &Path) {
    for (folder, file, size) in tree() {
        fs::create_dir_all(top.join(&folder)).expect("the file system takes folders");
        fs::write(top.join(&folder).join(file), content(&folder, size))
            .expect("the file system takes files");
    }
}

fn assert_tree(top: &Path) {
    for (folder, file, size) in tree() {
        let path = top.join(&folder).join(file);
        let found = fs::read(&path).unwrap_or_else(|why| panic!("{}: {why}", path.display()));
        assert!(
            found == content(&folder, size),
            "{} holds other bytes than were written",
            path.display()
        );
    }
}

fn tree() -> impl Iterator<Item = (String, String, usize)> {
    let folders = ["a", "a/b", "a/b/c", "d"];
    folders.into_iter().flat_map(|folder| {
        SIZES
            .into_iter()
            .map(|size| (folder.to_owned(), format!("file-{size}"), size))
    })
}

fn content(folder: &str, size: usize) -> Vec<u8> {
    let seed = crc32fast::hash(format!("{folder} {size}").as_bytes());
    (0..size as u32)
        .map(|index| (seed ^ index).wrapping_mul(2_654_435_761).to_be_bytes()[0])
        .collect()
}

const VERIFY: &str =
    "rw=randrw bsrange=4k-256k size=48M iodepth=32 verify=crc32c verify_fatal=1 do_verify=1";

fn fio_verifies_what_it_wrote_at_depth_32_by_io_uring() {
    let engine = if has_engine("io_uring") {
        "io_uring"
    } else {
        "libaio"
    };
    let _module = Module::load();
    let device = Device::map("vol0", &format!("{},offset=1M", flash(1).path));
    let done = Fio::run(device.path(), &format!("ioengine={engine} {VERIFY}"));
    assert!(
        done.bytes("write") > 10 * MIB,
        "fio wrote next to nothing: {done:?}"
    );
}

fn fio_verifies_on_blocks_of_4096_bytes() {
    let _module = Module::load();
    let device = Device::map("vol0", &format!("{},offset=1M", flash(BIG_BLOCKS).path));
    let done = Fio::run(
        device.path(),
        "ioengine=psync rw=randrw bsrange=4k-64k size=8M verify=crc32c verify_fatal=1",
    );
    assert!(
        done.bytes("write") > MIB,
        "fio wrote next to nothing: {done:?}"
    );
}

fn two_devices_on_one_drive_do_not_mix_under_load() {
    let _module = Module::load();
    let drive = flash(0);
    // Side by side, so that a bio which leaves its range shows in the other.
    let left = Device::map("left", &format!("{},offset=1M,length=24M", drive.path));
    let right = Device::map("right", &format!("{},offset=25M,length=24M", drive.path));
    thread::scope(|scope| {
        for (device, seed) in [(&left, 7), (&right, 8)] {
            scope.spawn(move || {
                let load = "ioengine=io_uring rw=randwrite bsrange=4k-128k size=24M iodepth=16 verify=crc32c verify_fatal=1";
                Fio::run(device.path(), &format!("{load} allrandrepeat=0 randseed={seed}"))
            });
        }
    });
}
