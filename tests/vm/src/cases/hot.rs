// SPDX-License-Identifier: MIT OR Apache-2.0
//! A drive is pulled out of its slot, announced or not, while a device is on it, and plugged in again.

use std::time::{Duration, Instant};

use crate::guest::command::run;
use crate::guest::direct::{Buffer, Direct};
use crate::guest::events::Events;
use crate::guest::flash::flash;
use crate::guest::hot::Hot;
use crate::guest::load::Load;
use crate::guest::module::Module;
use crate::guest::mount::Mount;
use crate::guest::shunt::{Device, QUEUES};
use crate::guest::sysfs;
use crate::guest::task::Task;
use crate::guest::wait::wait_until;

cases! {
    a_drive_that_is_asked_for_is_given_up_under_load,
    a_drive_that_is_torn_out_leaves_a_lost_device_and_comes_back,
    a_file_system_on_a_drive_that_is_torn_out_is_shut_down,
    a_drive_that_is_torn_out_in_the_middle_of_a_retarget_leaves_a_device_that_works,
}

/// Waits until the load has reached the device.
#[track_caller]
fn wait_for_writes(device: &Device) {
    let before = device.stats().ios("write");
    wait_until("writes are under way", || {
        device.stats().ios("write") > before + 100
    });
}

/// Tears the drive out with I/O of the load on its way that nobody will ever answer.
///
/// The load stands still in the moment itself: the emulated drive does not survive to be torn out of its own work.
#[track_caller]
fn tear_out_under<T>(hot: &Hot, device: &Device, load: &Load, meanwhile: impl FnOnce() -> T) -> T {
    load.pause();
    wait_until("nothing is in flight", || {
        device.stats().in_flight() == Some(0)
    });
    hot.tear_out(|| {
        load.go_on();
        wait_until("I/O is in flight", || {
            device.stats().in_flight().is_some_and(|bios| bios > 0)
        });
        meanwhile()
    })
}

#[track_caller]
fn expect_lost(events: &Events) {
    let event = events.next();
    assert_eq!(event["event"], "lost", "{event}");
    assert!(event["failed"].is_u64(), "{event}");
}

fn a_drive_that_is_asked_for_is_given_up_under_load() {
    let mut hot = Hot::plug(0);
    let _module = Module::load();
    let device = Device::map("vol0", &hot.drive().path);
    let events = Events::listen();
    events.present();
    let load = Load::write(device.path());
    wait_for_writes(&device);
    hot.pull();
    expect_lost(&events);
    load.fails();
    assert_eq!(device.now()["state"], "lost");
}

fn a_drive_that_is_torn_out_leaves_a_lost_device_and_comes_back() {
    let mut hot = Hot::plug(0);
    let _module = Module::load();
    for queue in QUEUES {
        let path = hot.drive().path.clone();
        let device = Device::map_with("vol0", &path, &["--queue", queue]);
        let events = Events::listen();
        events.present();
        let file = Direct::open(device.path());
        let kept = Buffer::pattern(1, 4096);
        file.write(32 << 20, &kept);
        let load = Load::write(device.path());
        wait_for_writes(&device);
        let begun = Instant::now();
        tear_out_under(&hot, &device, &load, || ());
        expect_lost(&events);
        load.fails();
        hot.gone();
        assert!(
            begun.elapsed() < Duration::from_secs(20),
            "{queue}: it took {:?}",
            begun.elapsed()
        );
        assert_eq!(device.now()["state"], "lost");
        file.try_read(0, 4096).map(|_| ()).expect_err("it is lost");
        hot.plug_again();
        device.retarget(&hot.drive().path);
        assert_eq!(device.now()["state"], "live");
        assert!(file.read(32 << 20, 4096)[..] == kept[..]);
        file.write(0, &kept);
    }
}

fn a_file_system_on_a_drive_that_is_torn_out_is_shut_down() {
    let mut hot = Hot::plug(0);
    let _module = Module::load();
    let device = Device::map("vol0", &hot.drive().path);
    run(&format!("mkfs.ext4 -q -F {}", device.path()));
    let mount = Mount::ext4(device.path());
    let load = Load::write(&mount.folder().join("file").display().to_string());
    wait_for_writes(&device);
    tear_out_under(&hot, &device, &load, || ());
    load.fails();
    hot.gone();
    std::fs::write(mount.folder().join("new"), "").expect_err("the file system is shut down");
    drop(mount);
    hot.plug_again();
    device.retarget(&hot.drive().path);
    drop(Mount::ext4(device.path()));
    run(&format!("e2fsck -f -n {}", device.path()));
}

fn a_drive_that_is_torn_out_in_the_middle_of_a_retarget_leaves_a_device_that_works() {
    let mut hot = Hot::plug(0);
    let _module = Module::load();
    let safe = format!("{},length=64M", flash(0).path);
    let device = Device::map("vol0", &hot.drive().path);
    let load = Load::write(device.path());
    wait_for_writes(&device);
    // What is in flight has to end before the move can, and it only ends with the drive.
    let retarget = tear_out_under(&hot, &device, &load, || {
        let retarget = Task::start(move || run(&format!("shunt retarget vol0 --to {safe}")));
        let below = format!("/sys/block/{}/slaves", device.disk());
        wait_until("the move is under way", || sysfs::names(&below).len() == 2);
        assert!(retarget.goes_on());
        retarget
    });
    retarget.end();
    hot.gone();
    assert_eq!(device.now()["state"], "live");
    drop(load);
    Direct::open(device.path()).write(0, &Buffer::pattern(1, 4096));
    assert_eq!(device.stats().in_flight(), Some(0));
}
