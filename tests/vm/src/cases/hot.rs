// SPDX-License-Identifier: MIT OR Apache-2.0
//! A drive is pulled out of its slot while a device is on it, and plugged in again.

use crate::guest::events::Events;
use crate::guest::hot::Hot;
use crate::guest::load::Load;
use crate::guest::module::Module;
use crate::guest::shunt::Device;
use crate::guest::wait::wait_until;

cases!("hot":
    a_drive_that_is_asked_for_is_given_up_under_load,
);

/// Waits until the load has reached the device.
#[track_caller]
fn wait_for_writes(device: &Device) {
    let before = device.stats().ios("write");
    wait_until("writes are under way", || {
        device.stats().ios("write") > before + 100
    });
}

#[track_caller]
fn expect_lost(events: &Events) {
    let event = events.next();
    assert_eq!(event["event"], "lost", "{event}");
    assert!(event["failed"].is_u64(), "{event}");
}

fn a_drive_that_is_asked_for_is_given_up_under_load() {
    let _module = Module::load();
    let mut hot = Hot::plug(0);
    let device = Device::map("vol0", &hot.drive().path);
    let events = Events::listen();
    events.present();
    let load = Load::write(device.path());
    wait_for_writes(&device);
    hot.pull();
    expect_lost(&events);
    load.fails();
    assert_eq!(device.now()["state"], "lost");
    hot.plug_again();
    device.retarget(&hot.drive().path);
    assert_eq!(device.now()["state"], "live");
    device.unmap();
    hot.pull();
}
