// SPDX-License-Identifier: MIT OR Apache-2.0
//! Once a command has taken a device off a drive, nothing that was on its way there reaches the drive any more.

use crate::guest::load::Load;
use crate::guest::module::Module;
use crate::guest::scsi_debug::ScsiDebug;
use crate::guest::shunt::{Device, MODES};
use crate::guest::sysfs::DiskStats;
use crate::guest::wait::wait_until;

cases! {
    what_began_before_the_statistics_were_full_is_waited_for,
    a_forced_unmap_waits_for_what_the_drive_has,
}

/// A disk whose writes take 0.1 s.
fn lazy() -> ScsiDebug {
    ScsiDebug::load("dev_size_mb=16 ndelay=100000000")
}

fn in_flight(disk: &ScsiDebug) -> u64 {
    DiskStats::of(disk.name()).in_flight
}

fn what_began_before_the_statistics_were_full_is_waited_for() {
    let _module = Module::load();
    let disk = lazy();
    for mode in [MODES[1], MODES[2]] {
        let device = Device::map_with("vol0", disk.path(), mode);
        let load = Load::write(device.path());
        wait_until("writes are on their way", || in_flight(&disk) > 4);
        load.pause();
        device.order("set", &["--stats", "full"]);
        device.order("suspend", &[]);
        assert_eq!(in_flight(&disk), 0, "{}", mode[1]);
        device.order("resume", &[]);
        drop(load);
    }
}

fn a_forced_unmap_waits_for_what_the_drive_has() {
    let _module = Module::load();
    let disk = lazy();
    for mode in MODES {
        let device = Device::map_with("vol0", disk.path(), mode);
        let load = Load::write(device.path());
        wait_until("writes are on their way", || in_flight(&disk) > 4);
        device.force_unmap();
        assert_eq!(in_flight(&disk), 0, "{}", mode[1]);
        load.fails();
    }
}
