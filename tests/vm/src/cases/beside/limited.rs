// SPDX-License-Identifier: MIT OR Apache-2.0
//! A row of the matrix with a limit of a control group (io.max), which holds bios back before a disk has them: on the device
//! itself, or on its drive.

use super::row::{change, end_by_force, used};
use crate::guest::case::step;
use crate::guest::cgroup::Cgroup;
use crate::guest::module::Module;
use crate::guest::null_blk::NullDrive;
use crate::guest::shunt::Device;
use crate::guest::sysfs;

const MIB: u32 = 16;
const BYTES: u64 = (MIB as u64) << 20;

/// The disk that is limited.
#[derive(Clone, Copy)]
pub(super) enum Limited {
    Device,
    Drive,
}

/// The device is used in a control group.
#[track_caller]
pub(super) fn on(queue: &str, limited: Limited) {
    let module = Module::load();
    let drive = NullDrive::make_named("drive0", MIB);
    let spare = NullDrive::make_named("spare", MIB);
    let less = format!("{},length={}", drive.path(), BYTES - (1 << 20));
    let device = Device::map_with("vol0", &less, &["--queue", queue]);
    let group = Cgroup::with("+io", "limited");
    let disk = match limited {
        Limited::Device => device.disk(),
        Limited::Drive => "drive0",
    };
    let number = sysfs::read(&format!("/sys/block/{disk}/dev")).expect("a disk has a number");
    group.set("io.max", &format!("{number} rbps=16777216 wbps=16777216"));
    group.enter();
    change(
        &device,
        device.path(),
        (drive.path(), BYTES),
        &[spare.path(), drive.path()],
    );

    step("loss of the drive");
    drive.take_out();
    used(device.path(), false);
    end_by_force(vec![device], &[]);
    drop((group, spare, module));
}
