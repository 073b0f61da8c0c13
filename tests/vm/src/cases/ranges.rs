// SPDX-License-Identifier: MIT OR Apache-2.0
//! Offset and length hold to the sector at both ends.

use nix::errno::Errno;

use crate::guest::command::run;
use crate::guest::direct::{Buffer, Direct};
use crate::guest::flash::{BIG_BLOCKS, Flash, flash};
use crate::guest::module::Module;
use crate::guest::shunt::Device;
use crate::guest::sysfs;

cases! {
    first_and_last_block_land_where_the_table_says,
    first_and_last_block_of_4096_bytes_land_where_the_table_says,
    a_map_without_a_range_covers_the_whole_drive,
    an_offset_alone_goes_to_the_end_of_the_drive,
    sizes_with_units_mean_what_they_say,
    io_past_the_end_is_refused,
    a_long_io_is_split_and_stays_in_order,
}

const MIB: u64 = 1 << 20;

fn first_and_last_block_land_where_the_table_says() {
    ends_land_where_the_table_says(&flash(0), 512 * 4099, 512 * 3001);
}

fn first_and_last_block_of_4096_bytes_land_where_the_table_says() {
    ends_land_where_the_table_says(&flash(BIG_BLOCKS), 4096 * 129, 4096 * 77);
}

fn ends_land_where_the_table_says(drive: &Flash, offset: u64, length: u64) {
    let block = drive.block as usize;
    let around = 4 * drive.block;
    let below = Direct::open(&drive.path);
    let before = Buffer::pattern(1, (length + 2 * around) as usize);
    below.write(offset - around, &before);

    let _module = Module::load();
    let device = Device::map(
        "vol0",
        &format!(
            "{},offset={}s,length={}s",
            drive.path,
            offset / 512,
            length / 512
        ),
    );
    assert_eq!(device.bytes(), length);
    let above = Direct::open(device.path());
    let held = above.read(0, length as usize);
    assert!(
        held[..] == before[around as usize..][..length as usize],
        "the device shows other bytes than its range has"
    );

    let (first, last) = (Buffer::pattern(2, block), Buffer::pattern(3, block));
    above.write(0, &first);
    above.write(length - drive.block, &last);
    let mut expected = before;
    let start = around as usize;
    let end = start + length as usize;
    expected[start..start + block].copy_from_slice(&first);
    expected[end - block..end].copy_from_slice(&last);
    let found = below.read(offset - around, expected.len());
    let wrong = (0..expected.len() / 512)
        .find(|sector| found[sector * 512..][..512] != expected[sector * 512..][..512]);
    assert!(
        wrong.is_none(),
        "sector {} from the start of the device is wrong",
        wrong.unwrap_or(0) as i64 - around as i64 / 512
    );
}

fn a_map_without_a_range_covers_the_whole_drive() {
    let _module = Module::load();
    for number in 0..4 {
        let drive = flash(number);
        let device = Device::map("vol0", &drive.path);
        assert_sizes(&device, drive.bytes);
        assert_eq!(device.shown()["logical_block_size"], drive.block);
        let target = &device.shown()["targets"][0];
        assert_eq!(target["path"], drive.path);
        assert_eq!(
            target["dev"],
            sysfs::read(&format!("/sys/block/{}/dev", drive.name)).expect("a disk has a number")
        );
        assert_eq!(
            (&target["start_bytes"], &target["offset_bytes"]),
            (&0.into(), &0.into())
        );
        assert_eq!(target["length_bytes"], drive.bytes);
    }
}

fn an_offset_alone_goes_to_the_end_of_the_drive() {
    let _module = Module::load();
    let drive = flash(2);
    let device = Device::map("vol0", &format!("{},offset=3s", drive.path));
    assert_sizes(&device, drive.bytes - 3 * 512);
    let pattern = Buffer::pattern(4, 512);
    Direct::open(device.path()).write(device.bytes() - 512, &pattern);
    assert!(
        Direct::open(&drive.path).read(drive.bytes - 512, 512)[..] == pattern[..],
        "the last sector is elsewhere"
    );
}

fn sizes_with_units_mean_what_they_say() {
    let _module = Module::load();
    let drive = flash(0);
    for (text, bytes) in [
        ("1048576", MIB),
        ("1048576B", MIB),
        ("1024K", MIB),
        ("1M", MIB),
        ("2048s", MIB),
    ] {
        let device = Device::map(
            "vol0",
            &format!("{},offset={text},length={text}", drive.path),
        );
        let target = &device.shown()["targets"][0];
        assert_eq!(
            (&target["offset_bytes"], &target["length_bytes"]),
            (&bytes.into(), &bytes.into()),
            "{text}"
        );
    }
}

fn assert_sizes(device: &Device, bytes: u64) {
    assert_eq!(device.bytes(), bytes);
    assert_eq!(
        run(&format!("blockdev --getsize64 {}", device.path())).trim(),
        bytes.to_string()
    );
    assert_eq!(
        sysfs::number(&format!("/sys/block/{}/size", device.disk())) * 512,
        bytes
    );
}

/// At its end a device does what a drive does, though the drive below goes on.
fn io_past_the_end_is_refused() {
    const LENGTH: u64 = 64 * 512;
    let _module = Module::load();
    let drive = flash(0);
    let below = Direct::open(&drive.path);
    let beyond = Buffer::pattern(5, 4096);
    below.write(MIB + LENGTH, &beyond);
    let device = Device::map("vol0", &format!("{},offset=1M,length=64s", drive.path));
    let above = Direct::open(device.path());
    let intruder = Buffer::pattern(6, 4096);

    assert_eq!(
        above
            .try_read(LENGTH, 512)
            .expect("a read at the end is no error")
            .len(),
        0
    );
    assert_eq!(
        above
            .try_read(LENGTH - 512, 4096)
            .expect("a read over the end is cut")
            .len(),
        512
    );
    assert_eq!(
        above
            .try_write(LENGTH - 512, &intruder)
            .expect("a write over the end is cut"),
        512
    );
    for offset in [LENGTH, LENGTH + 512, 1 << 40] {
        let refused = above
            .try_write(offset, &intruder)
            .expect_err("a write past the end is refused");
        assert_eq!(
            refused.raw_os_error(),
            Some(Errno::ENOSPC as i32),
            "write at {offset}"
        );
    }
    assert!(
        below.read(MIB + LENGTH, 4096)[..] == beyond[..],
        "a write past the end reached the drive"
    );
}

fn a_long_io_is_split_and_stays_in_order() {
    let _module = Module::load();
    let drive = flash(0);
    let device = Device::map("vol0", &format!("{},offset=7s,length=32M", drive.path));
    let pattern = Buffer::pattern(9, 8 << 20);
    let above = Direct::open(device.path());
    above.write(512 * 11, &pattern);
    assert!(
        above.read(512 * 11, pattern.len())[..] == pattern[..],
        "the device gives back other bytes"
    );
    let below = Direct::open(&drive.path).read(512 * 18, pattern.len());
    assert!(below[..] == pattern[..], "the drive holds other bytes");
}
