// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is left when a drive of the driver for Kubernetes goes, or the driver itself, at any moment.
#![expect(clippy::unwrap_used, reason = "a case fails by a panic")]

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use shunt_csi::proto::*;

use crate::guest::case::figure;
use crate::guest::csi::{Caller, Driver, Random};
use crate::guest::csi_calls::{
    Calls, MIB, block, code, mounted, refused, target, to_publish, to_stage, wanted,
};
use crate::guest::direct::{Buffer, Direct};
use crate::guest::flash::flash;
use crate::guest::module::Module;
use crate::guest::removal::Removed;
use crate::guest::wait::{Poll, wait_until};

cases! {
    a_drive_that_is_pulled_is_told_and_taken_up_again,
    a_driver_killed_at_any_moment_leaves_nothing_behind,
}

const WRITER: i32 = access::SINGLE_NODE_WRITER;

fn a_drive_that_is_pulled_is_told_and_taken_up_again() {
    let _module = Module::load();
    let driver = Driver::start(&[&flash(1).path]);
    let (raw, fs_capability) = (block(WRITER), mounted("ext4", WRITER));
    let raw_volume = driver.create(wanted("raw", 8 * MIB, &raw)).unwrap();
    let fs_volume = driver
        .create(wanted("fs", 16 * MIB, &fs_capability))
        .unwrap();
    let (raw_id, fs_id) = (&raw_volume.volume_id, &fs_volume.volume_id);
    driver.stage(to_stage(&raw_volume, &raw)).unwrap();
    driver.publish(to_publish(&raw_volume, &raw, 1)).unwrap();
    driver.stage(to_stage(&fs_volume, &fs_capability)).unwrap();
    driver
        .publish(to_publish(&fs_volume, &fs_capability, 1))
        .unwrap();
    let bytes = Buffer::pattern(5, 4096);
    Direct::open(&target(raw_id, 1)).write(0, &bytes);
    let file = Path::new(&target(fs_id, 1)).join("file");
    fs::write(&file, "kept").unwrap();
    fs::File::open(&file)
        .and_then(|file| file.sync_all())
        .unwrap();

    let removed = Removed::take(1);
    for id in [raw_id, fs_id] {
        wait_until("the driver tells that the drive is lost", || {
            driver
                .health(id)
                .unwrap()
                .iter()
                .any(|entry| (entry.status, &*entry.reason) == (health::INACCESSIBLE, "DriveLost"))
        });
    }
    let storage: NodeGetStorageHealthResponse =
        driver.ask(NODE, "NodeGetStorageHealth", Empty {}).unwrap();
    assert_eq!(storage.backend_health[0].status, health::STORAGE_DEGRADED);
    assert_eq!(driver.capacity().unwrap().available_capacity, 0);
    refused(driver.stage(to_stage(&raw_volume, &raw)), code::NOT_FOUND);

    removed.bring_back();
    // What has no file system goes on by itself, in the pod that has it.
    // Until it has done that for both, it is at work on them.
    for id in [raw_id, fs_id] {
        wait_until("the device is live again", || {
            let health = driver.health(id).unwrap();
            health.iter().all(|entry| entry.reason != "DriveLost")
        });
    }
    let again = || driver.unpublish(fs_id, &target(fs_id, 1)).ok();
    let patience = Poll::for_at_most(Duration::from_secs(20));
    let device = Direct::open(&target(raw_id, 1));
    assert_eq!(device.read(0, 4096)[..], bytes[..]);
    drop(device);
    // A file system has shut down: the pod ends and comes again.
    patience
        .until(again)
        .expect("nothing is at work on it for ever");
    driver.unstage(fs_id).unwrap();
    driver.stage(to_stage(&fs_volume, &fs_capability)).unwrap();
    driver
        .publish(to_publish(&fs_volume, &fs_capability, 1))
        .unwrap();
    assert_eq!(fs::read_to_string(&file).unwrap(), "kept");
    let storage: NodeGetStorageHealthResponse =
        driver.ask(NODE, "NodeGetStorageHealth", Empty {}).unwrap();
    assert_eq!(storage.backend_health, []);

    // One that is away may be left for good: its pods end all the same.
    let removed = Removed::take(1);
    for id in [raw_id, fs_id] {
        driver.unpublish(id, &target(id, 1)).unwrap();
        driver.unstage(id).unwrap();
        driver.unstage(id).unwrap();
    }
    removed.bring_back();
    for id in [raw_id, fs_id] {
        driver.delete(id).unwrap();
    }
}

fn a_driver_killed_at_any_moment_leaves_nothing_behind() {
    const ROUNDS: u64 = 12;
    let _module = Module::load();
    let drives = [flash(0).path, flash(1).path];
    let mut driver = Driver::start(&drives.each_ref().map(|path| &**path));
    let room = driver.capacity().unwrap().available_capacity;
    let capability = mounted("ext4", WRITER);
    let mut random = Random(77);
    let mut steps = [0; 7];
    for round in 0..ROUNDS {
        let caller = driver.another();
        let (name, stop) = (format!("round{}", round / 2), AtomicBool::new(false));
        let reached = thread::scope(|scope| {
            let life = scope.spawn(|| life(&caller, &name, &capability, &stop));
            // The moment is what is random here; nothing is waited for.
            thread::sleep(Duration::from_millis(random.below(400)));
            stop.store(true, Ordering::Relaxed);
            driver.kill();
            life.join().expect("a life ends with its driver")
        });
        steps[reached] += 1;
        driver.restart();
        driver.check_tables();
    }
    // Each is done again, to its end.
    for round in 0..ROUNDS.div_ceil(2) {
        let caller = driver.another();
        let stop = AtomicBool::new(false);
        assert_eq!(
            life(&caller, &format!("round{round}"), &capability, &stop),
            6
        );
    }
    driver.leaked_nothing(room);
    figure(&format!(
        "killed after create, stage, publish, expand, unpublish, unstage, delete: {steps:?}"
    ));
}

/// A life of a volume, as far as the driver lives; gives how many of its calls had ended.
fn life(caller: &Caller, name: &str, capability: &VolumeCapability, stop: &AtomicBool) -> usize {
    // Of a driver that has been killed comes UNAVAILABLE, or the end of the stream.
    let must = |answer: Result<(), (i32, String)>| match answer {
        Ok(()) => true,
        Err(why) => {
            assert!(stop.load(Ordering::Relaxed), "{why:?}");
            false
        }
    };
    let volume = match caller.create(wanted(name, 16 * MIB, capability)) {
        Ok(volume) => volume,
        Err(why) => {
            assert!(stop.load(Ordering::Relaxed), "{why:?}");
            return 0;
        }
    };
    let id = &volume.volume_id;
    let at = target(id, 1);
    let calls: [&dyn Fn() -> Result<(), (i32, String)>; 6] = [
        &|| caller.stage(to_stage(&volume, capability)).map(drop),
        &|| caller.publish(to_publish(&volume, capability, 1)).map(drop),
        &|| caller.expand(id, &at, 32 * MIB).map(drop),
        &|| caller.unpublish(id, &at).map(drop),
        &|| caller.unstage(id).map(drop),
        &|| caller.delete(id).map(drop),
    ];
    calls.iter().take_while(|call| must(call())).count()
}
