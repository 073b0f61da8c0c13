// SPDX-License-Identifier: MIT OR Apache-2.0
//! Polled I/O goes through to the poll queues of the drive.

use crate::guest::case::skip;
use crate::guest::fio::Fio;
use crate::guest::flash::flash;
use crate::guest::module::Module;
use crate::guest::shunt::Device;
use crate::guest::sysfs;

cases!("polled":
    polled_io_completes_and_is_counted,
);

fn polled_io_completes_and_is_counted() {
    let drive = flash(0);
    if sysfs::read(&format!("/sys/block/{}/queue/io_poll", drive.name)).as_deref() != Some("1") {
        skip("the NVMe drive has no poll queue");
    }
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
