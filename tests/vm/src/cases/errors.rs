// SPDX-License-Identifier: MIT OR Apache-2.0
//! An error of the drive arrives as that error, for exactly the sectors that it is about.

use nix::errno::Errno;

use crate::guest::command::run;
use crate::guest::direct::{Buffer, Direct};
use crate::guest::dm::Dm;
use crate::guest::flash::{Flash, flash};
use crate::guest::module::Module;
use crate::guest::shunt::Device;

cases! {
    bad_sectors_of_the_drive_are_the_bad_sectors_of_the_device,
    failed_reads_and_writes_are_counted_as_errors,
    errors_of_reads_alone_leave_writes_alone,
    a_failed_flush_is_an_error_of_fsync,
    a_device_works_again_when_its_drive_does,
}

const MIB: u64 = 1 << 20;
const EIO: Option<i32> = Some(Errno::EIO as i32);

fn bad_sectors_of_the_drive_are_the_bad_sectors_of_the_device() {
    let _module = Module::load();
    let bad = 4096..4112;
    let broken = Dm::with_bad_sectors("broken", &flash(0), bad.clone());
    let device = Device::map("vol0", &format!("{},offset=1M", broken.path()));
    let file = Direct::open(device.path());
    for sector in 4096 - 16..4112 + 16 {
        let offset = sector * 512 - MIB;
        let read = file
            .try_read(offset, 512)
            .map(|_| ())
            .map_err(|why| why.raw_os_error());
        let written = file
            .try_write(offset, &Buffer::pattern(1, 512))
            .map(|_| ())
            .map_err(|why| why.raw_os_error());
        let expected = if bad.contains(&sector) {
            Err(EIO)
        } else {
            Ok(())
        };
        assert_eq!(
            (read, written),
            (expected, expected),
            "read and write of sector {sector} of the drive"
        );
    }
    let over = file
        .try_read(bad.end * 512 - 512 - MIB, 4096)
        .map(|read| read.len());
    assert_eq!(
        over.map_err(|why| why.raw_os_error()),
        Err(EIO),
        "a read that only begins in a bad sector"
    );
}

fn failed_reads_and_writes_are_counted_as_errors() {
    let _module = Module::load();
    let broken = Dm::with_bad_sectors("broken", &flash(0), 4096..4104);
    let device = Device::map("vol0", &broken.path());
    let before = device.stats();
    let file = Direct::open(device.path());
    let bad = 4096 * 512;
    for _ in 0..3 {
        file.try_read(bad, 512)
            .map(|_| ())
            .expect_err("a bad sector");
    }
    for _ in 0..2 {
        file.try_write(bad, &Buffer::zeroed(1024))
            .expect_err("a bad sector");
    }
    file.read(0, 512);
    let after = device.stats();
    let grown = |op| {
        (
            after.ios(op) - before.ios(op),
            after.errors(op) - before.errors(op),
        )
    };
    assert_eq!(grown("read"), (4, 3), "reads and their errors");
    assert_eq!(grown("write"), (2, 2), "writes and their errors");
    assert_eq!(after.in_flight(), Some(0));
}

fn errors_of_reads_alone_leave_writes_alone() {
    let _module = Module::load();
    let drive = flash(1);
    let flaky = flaky(&drive, "error_reads");
    let device = Device::map("vol0", &flaky.path());
    let file = Direct::open(device.path());
    let pattern = Buffer::pattern(1, 4096);
    file.write(MIB, &pattern);
    assert_eq!(
        file.try_read(MIB, 4096)
            .map(|_| ())
            .expect_err("reads fail")
            .raw_os_error(),
        EIO
    );
    assert!(
        Direct::open(&drive.path).read(MIB, 4096)[..] == pattern[..],
        "the write is not on the drive"
    );
}

fn a_failed_flush_is_an_error_of_fsync() {
    let _module = Module::load();
    let flaky = flaky(&flash(1), "error_writes");
    let device = Device::map("vol0", &flaky.path());
    let file = Direct::open(device.path());
    let before = device.stats();
    let failed = file.flush().expect_err("the drive below fails each flush");
    assert_eq!(failed.raw_os_error(), EIO);
    let after = device.stats();
    assert_eq!(after.errors("flush") - before.errors("flush"), 1);
}

/// The whole of a drive, up for 0 s and down for an hour: `what` is what fails meanwhile.
fn flaky(drive: &Flash, what: &str) -> Dm {
    run("modprobe dm_flakey");
    Dm::create(
        "flaky",
        &format!(
            "0 {} flakey {} 0 0 3600 1 {what}\n",
            drive.bytes / 512,
            drive.path
        ),
    )
}

fn a_device_works_again_when_its_drive_does() {
    let _module = Module::load();
    let drive = flash(1);
    let sectors = drive.bytes / 512;
    let lower = Dm::linear("lower", &drive.path, drive.bytes);
    let device = Device::map("vol0", &lower.path());
    let file = Direct::open(device.path());
    lower.reload(&format!("0 {sectors} error\n"));
    assert_eq!(
        file.try_read(0, 4096)
            .map(|_| ())
            .expect_err("the drive fails")
            .raw_os_error(),
        EIO
    );
    lower.reload(&format!("0 {sectors} linear {} 0\n", drive.path));
    file.read(0, 4096);
    file.write(0, &Buffer::pattern(1, 4096));
    file.flush().expect("a flush works");
}
