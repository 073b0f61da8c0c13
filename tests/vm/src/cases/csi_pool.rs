// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the driver for Kubernetes does with the drives of a node: nobody's data reaches another, and nothing overlaps or leaks.
#![expect(clippy::unwrap_used, reason = "a case fails by a panic")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::thread;
use std::time::Duration;

use shunt_csi::proto::*;

use crate::guest::case::figure;
use crate::guest::csi::{Caller, Driver, Random, list};
use crate::guest::csi_calls::{
    Calls, MIB, block, code, mounted, staging, target, to_publish, to_stage, wanted,
};
use crate::guest::direct::{Buffer, Direct};
use crate::guest::flash::flash;
use crate::guest::module::Module;
use crate::guest::verified::under_verified_io;
use crate::guest::wait::Poll;

cases! {
    what_a_tenant_wrote_is_zero_for_the_next,
    volumes_come_and_go_and_nothing_overlaps_or_leaks,
    calls_for_one_volume_at_once_end_as_one,
    a_volume_grows_under_verified_io,
    a_volume_in_pieces_is_one_device,
}

const WRITER: i32 = access::SINGLE_NODE_WRITER;

fn what_a_tenant_wrote_is_zero_for_the_next() {
    let _module = Module::load();
    let drive = flash(2);
    // What was there before the pool is nobody's either.
    let last = drive.bytes / MIB * MIB - MIB;
    Direct::open(&drive.path).write(3 * MIB, &Buffer::pattern(1, 4096));
    Direct::open(&drive.path).write(last - 4096, &Buffer::pattern(2, 4096));
    let driver = Driver::start(&[&drive.path]);
    let raw = block(WRITER);
    let most = driver
        .capacity()
        .unwrap()
        .maximum_volume_size
        .unwrap()
        .value as u64;
    for tenant in 0..3 {
        let made = Poll::for_at_most(Duration::from_secs(20)).until(|| {
            match driver.create(wanted(&format!("tenant{tenant}"), most, &raw)) {
                Ok(volume) => Some(volume),
                Err((code, why)) => {
                    assert!(
                        code == code::RESOURCE_EXHAUSTED && why.contains("not zeroed yet"),
                        "{code}: {why}"
                    );
                    None
                }
            }
        });
        let volume = made.expect("what is freed is zeroed soon");
        driver.stage(to_stage(&volume, &raw)).unwrap();
        let publish = to_publish(&volume, &raw, 1);
        driver.publish(publish.clone()).unwrap();
        let device = Direct::open(&publish.target_path);
        for step in 0..most / MIB {
            let bytes = device.read(step * MIB, MIB as usize);
            assert!(
                bytes.iter().all(|byte| *byte == 0),
                "tenant {tenant} reads at {step} MiB what is not his"
            );
            device.write(
                step * MIB,
                &Buffer::pattern(tenant * 1000 + step, MIB as usize),
            );
        }
        drop(device);
        driver
            .unpublish(&volume.volume_id, &publish.target_path)
            .unwrap();
        driver.unstage(&volume.volume_id).unwrap();
        driver.delete(&volume.volume_id).unwrap();
    }
}

fn volumes_come_and_go_and_nothing_overlaps_or_leaks() {
    const ROUNDS: u64 = 30;
    let _module = Module::load();
    let drives = [flash(0).path, flash(1).path, flash(3).path];
    let driver = Driver::start(&drives.each_ref().map(|path| &**path));
    let room = driver.capacity().unwrap().available_capacity;
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut volumes: BTreeMap<String, u64> = BTreeMap::new();
    let mut full = 0;
    for round in 0..ROUNDS {
        if volumes.len() > 12 || (random.below(3) == 0 && !volumes.is_empty()) {
            let number = random.below(volumes.len() as u64) as usize;
            let id = volumes.keys().nth(number).unwrap().clone();
            driver.delete(&id).unwrap();
            volumes.remove(&id);
        } else {
            let bytes = (1 + random.below(100)) * MIB - random.below(2);
            match driver.create(wanted(&format!("round{round}"), bytes, &block(WRITER))) {
                Ok(volume) => {
                    assert!(volume.capacity_bytes as u64 >= bytes);
                    volumes.insert(volume.volume_id, volume.capacity_bytes as u64);
                }
                Err((code::RESOURCE_EXHAUSTED, _)) => full += 1,
                Err(other) => panic!("{other:?}"),
            }
        }
    }
    driver.check_tables();
    let list = list();
    let found = list["volumes"].as_array().unwrap().iter();
    let found: BTreeMap<String, u64> = found
        .map(|volume| {
            (
                volume["volume"].as_str().unwrap().to_owned(),
                volume["size_bytes"].as_u64().unwrap(),
            )
        })
        .collect();
    assert_eq!(found, volumes);
    for id in volumes.keys() {
        driver.delete(id).unwrap();
    }
    driver.leaked_nothing(room);
    figure(&format!(
        "{ROUNDS} rounds, {full} found no room, {} KiB resident",
        driver.status_kib("VmRSS")
    ));
}

fn calls_for_one_volume_at_once_end_as_one() {
    const CALLERS: usize = 4;
    let _module = Module::load();
    let driver = Driver::start(&[&flash(0).path]);
    let capability = mounted("ext4", access::SINGLE_NODE_MULTI_WRITER);
    // Each caller tries again while another is at it, as kubelet and the sidecars do.
    fn patient<A>(mut call: impl FnMut() -> Result<A, (i32, String)>) -> A {
        let done = Poll::for_at_most(Duration::from_secs(60)).until(|| match call() {
            Err((code::ABORTED, _)) => None,
            other => Some(other.unwrap_or_else(|why| panic!("{why:?}"))),
        });
        done.expect("it is not for ever that another one is at it")
    }
    let all = |work: &(dyn Fn(&Caller, u32) + Sync)| {
        thread::scope(|scope| {
            for number in 0..CALLERS as u32 {
                let driver = &driver;
                scope.spawn(move || work(&driver.another(), number));
            }
        });
    };
    for round in 0..2 {
        let request = wanted(&format!("race{round}"), 16 * MIB, &capability);
        let volume = driver.create(request.clone()).unwrap();
        driver.delete(&volume.volume_id).unwrap();
        driver.settled();
        all(&|caller, _| {
            let made = patient(|| caller.create(request.clone()));
            assert_eq!(made, volume);
        });
        assert_eq!(list()["volumes"].as_array().unwrap().len(), 1);
        let id = &volume.volume_id;
        let stage = || to_stage(&volume, &capability);
        let publish = |pod| to_publish(&volume, &capability, pod);
        all(&|caller, _| _ = patient(|| caller.stage(stage())));
        all(&|caller, pod| _ = patient(|| caller.publish(publish(pod))));
        all(&|caller, pod| {
            let grown = patient(|| caller.expand(id, &target(id, pod), 24 * MIB));
            assert_eq!(grown, 24 * MIB);
        });
        all(&|caller, pod| _ = patient(|| caller.unpublish(id, &target(id, pod))));
        all(&|caller, _| _ = patient(|| caller.unstage(id)));
        all(&|caller, _| _ = patient(|| caller.delete(id)));
        assert_eq!(list()["volumes"], serde_json::json!([]));
        driver.settled();
    }
}

fn a_volume_grows_under_verified_io() {
    let _module = Module::load();
    let driver = Driver::start(&[&flash(0).path]);
    let raw = block(WRITER);
    let volume = driver.create(wanted("raw", 16 * MIB, &raw)).unwrap();
    let id = &volume.volume_id;
    driver.stage(to_stage(&volume, &raw)).unwrap();
    let publish = to_publish(&volume, &raw, 1);
    driver.publish(publish.clone()).unwrap();
    under_verified_io("growth of a volume", &publish.target_path, 8, |round| {
        let bytes = (17 + u64::from(round)) * MIB;
        assert_eq!(driver.expand(id, &publish.target_path, bytes), Ok(bytes));
    });
    assert_eq!(
        driver.stats(id, &publish.target_path).unwrap()[0].total as u64,
        24 * MIB
    );
    assert_eq!(driver.health(id), Ok(Vec::new()));
    driver.unpublish(id, &publish.target_path).unwrap();
    driver.unstage(id).unwrap();
    driver.delete(id).unwrap();
}

fn a_volume_in_pieces_is_one_device() {
    let _module = Module::load();
    let driver = Driver::start(&[&flash(2).path]);
    let raw = block(WRITER);
    let make = |name: &str, mib: u64| {
        driver
            .create(wanted(name, mib * MIB, &raw))
            .unwrap()
            .volume_id
    };
    let room = driver.capacity().unwrap().available_capacity as u64 / MIB;
    let names: Vec<String> = (0..4)
        .map(|number| make(&format!("v{number}"), room / 4))
        .collect();
    driver.delete(&names[0]).unwrap();
    driver.delete(&names[2]).unwrap();
    driver.settled();
    let volume = driver
        .create(wanted(
            "wide",
            (room / 2 - 1) * MIB,
            &mounted("ext4", WRITER),
        ))
        .unwrap();
    let id = &volume.volume_id;
    let list = list();
    let found = list["volumes"]
        .as_array()
        .unwrap()
        .iter()
        .find(|found| found["volume"] == **id);
    assert_eq!(found.unwrap()["pieces"].as_array().unwrap().len(), 2);
    let capability = mounted("ext4", WRITER);
    driver.stage(to_stage(&volume, &capability)).unwrap();
    driver.publish(to_publish(&volume, &capability, 1)).unwrap();
    let file = Path::new(&target(id, 1)).join("file");
    let bytes = Buffer::pattern(3, ((room / 2 - 12) * MIB) as usize);
    fs::write(&file, &bytes[..]).unwrap();
    driver.unpublish(id, &target(id, 1)).unwrap();
    driver.unstage(id).unwrap();
    driver.stage(to_stage(&volume, &capability)).unwrap();
    assert!(fs::read(Path::new(&staging(id)).join("file")).unwrap() == bytes[..]);
    driver.unstage(id).unwrap();
    for id in names.iter().chain([id]) {
        driver.delete(id).unwrap();
    }
}
