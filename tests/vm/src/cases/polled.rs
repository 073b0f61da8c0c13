// SPDX-License-Identifier: MIT OR Apache-2.0
//! Polled I/O goes through to the poll queues of the drive.

use std::time::{Duration, Instant};

use crate::guest::case::skip;
use crate::guest::debug_kernel;
use crate::guest::fio::Fio;
use crate::guest::flash::{Flash, flash};
use crate::guest::module::Module;
use crate::guest::shunt::Device;
use crate::guest::sysfs;

cases! {
    polled_io_completes_and_is_counted,
    polled_io_that_two_drives_have_completes_at_once,
}

/// A drive with poll queues.
#[track_caller]
fn polling(number: u32) -> Flash {
    let drive = flash(number);
    if sysfs::read(&format!("/sys/block/{}/queue/io_poll", drive.name)).as_deref() != Some("1") {
        skip("the NVMe drive has no poll queue");
    }
    drive
}

fn polled_io_that_two_drives_have_completes_at_once() {
    let _module = Module::load();
    let stripes = ["--to", &polling(1).path, "--stripe", "16K"];
    let device = Device::map_with("vol0", &polling(0).path, &stripes);
    let begun = Instant::now();
    Fio::run(
        device.path(),
        "ioengine=io_uring hipri=1 rw=randread bs=64k iodepth=4 number_ios=100 size=16M",
    );
    // What nobody polls for is found by the driver's time-out, after 30 s, again and again.
    let took = begun.elapsed();
    let limit = debug_kernel::limit(Duration::from_secs(20));
    assert!(took < limit, "it took {took:?}");
}

fn polled_io_completes_and_is_counted() {
    let drive = polling(0);
    let _module = Module::load();
    let device = Device::map("vol0", &format!("{},offset=1M", drive.path));
    assert_eq!(
        sysfs::number(&format!("/sys/block/{}/queue/io_poll", device.disk())),
        1
    );
    let before = device.stats();
    let done = Fio::run(
        device.path(),
        "ioengine=io_uring hipri=1 rw=randread bs=4k iodepth=4 number_ios=500 size=16M",
    );
    let after = device.stats();
    assert_eq!(after.ios("read") - before.ios("read"), done.ios("read"));
    assert_eq!(after.in_flight(), Some(0));
}
