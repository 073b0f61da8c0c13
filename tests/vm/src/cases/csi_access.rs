// SPDX-License-Identifier: MIT OR Apache-2.0
//! How volumes of the driver for Kubernetes are used: file systems and block devices, by one or by many, to be read only.
#![expect(clippy::unwrap_used, reason = "a case fails by a panic")]

use std::fs;
use std::path::Path;

use shunt_csi::proto::*;

use crate::guest::command::run;
use crate::guest::csi::{Driver, list};
use crate::guest::csi_calls::{
    Calls, MIB, block, code, mounted, range, refused, staging, target, to_publish, to_stage, wanted,
};
use crate::guest::direct::{Buffer, Direct};
use crate::guest::flash::flash;
use crate::guest::module::Module;
use crate::guest::null_blk::NullDrive;

cases! {
    xfs_is_made_and_grows,
    a_block_device_is_shown_as_it_is,
    one_pod_has_a_volume_that_is_for_one_and_many_have_one_that_is_for_many,
    a_volume_that_is_read_only_is_not_written_to,
    a_volume_in_use_is_neither_deleted_nor_unstaged,
    what_is_on_a_volume_is_not_made_anew,
}

const WRITER: i32 = access::SINGLE_NODE_WRITER;

fn xfs_is_made_and_grows() {
    run("modprobe xfs");
    // It has no order for zeroes, so these are written.
    let disk = NullDrive::make_named("memory", 420);
    let _module = Module::load();
    let driver = Driver::start(&[disk.path()]);
    let capability = mounted("xfs", WRITER);
    let volume = driver.create(wanted("xfs", MIB, &capability)).unwrap();
    assert_eq!(
        volume.capacity_bytes as u64,
        300 * MIB,
        "mkfs.xfs takes no less"
    );
    let id = &volume.volume_id;
    driver.stage(to_stage(&volume, &capability)).unwrap();
    let publish = to_publish(&volume, &capability, 1);
    driver.publish(publish.clone()).unwrap();
    driver.grow(id, &publish.target_path, 400 * MIB, 90 * MIB);
    driver.unpublish(id, &publish.target_path).unwrap();
    driver.unstage(id).unwrap();
    driver.delete(id).unwrap();
}

fn a_block_device_is_shown_as_it_is() {
    let _module = Module::load();
    let driver = Driver::start(&[&flash(3).path]);
    let capability = block(WRITER);
    let volume = driver.create(wanted("raw", 16 * MIB, &capability)).unwrap();
    let id = &volume.volume_id;
    let publish = to_publish(&volume, &capability, 1);
    for _ in 0..2 {
        driver.stage(to_stage(&volume, &capability)).unwrap();
        driver.publish(publish.clone()).unwrap();
    }
    let device = Direct::open(&publish.target_path);
    let bytes = Buffer::pattern(7, 8192);
    device.write(4 * MIB, &bytes);
    drop(device);
    let usage = driver.stats(id, &publish.target_path).unwrap();
    assert_eq!((usage.len(), usage[0].total as u64), (1, 16 * MIB));
    for path in [&publish.target_path, &staging(id)] {
        let request = NodeExpandVolumeRequest {
            volume_id: id.clone(),
            volume_path: path.clone(),
            capacity_range: Some(range(24 * MIB, 0)),
            staging_target_path: staging(id),
            volume_capability: Some(capability.clone()),
        };
        let answer: NodeExpandVolumeResponse =
            driver.ask(NODE, "NodeExpandVolume", request).unwrap();
        assert_eq!(answer.capacity_bytes as u64, 24 * MIB);
    }
    let device = Direct::open(&publish.target_path);
    assert_eq!(device.read(4 * MIB, 8192)[..], bytes[..]);
    device.write(24 * MIB - 8192, &bytes);
    drop(device);
    // The same bytes are on the drive, where the list says.
    let place = list()["volumes"][0]["pieces"][0]["offset_bytes"]
        .as_u64()
        .unwrap();
    let drive = Direct::open_to_read(&flash(3).path);
    assert_eq!(drive.read(place + 4 * MIB, 8192)[..], bytes[..]);
    refused(
        driver.stage(to_stage(&volume, &mounted("ext4", WRITER))),
        code::ALREADY_EXISTS,
    );
    driver.unpublish(id, &publish.target_path).unwrap();
    driver.unstage(id).unwrap();
    driver.delete(id).unwrap();
}

fn one_pod_has_a_volume_that_is_for_one_and_many_have_one_that_is_for_many() {
    let _module = Module::load();
    let driver = Driver::start(&[&flash(0).path]);
    for (mode, many) in [
        (access::SINGLE_NODE_WRITER, false),
        (access::SINGLE_NODE_SINGLE_WRITER, false),
        (access::SINGLE_NODE_READER_ONLY, false),
        (access::SINGLE_NODE_MULTI_WRITER, true),
    ] {
        for capability in [mounted("ext4", mode), block(mode)] {
            let volume = driver.create(wanted("it", 16 * MIB, &capability)).unwrap();
            let id = &volume.volume_id;
            driver.stage(to_stage(&volume, &capability)).unwrap();
            driver.publish(to_publish(&volume, &capability, 1)).unwrap();
            let second = driver.publish(to_publish(&volume, &capability, 2));
            match many {
                true => drop(second.unwrap()),
                false => refused(second, code::FAILED_PRECONDITION),
            }
            driver.unpublish(id, &target(id, 1)).unwrap();
            driver.publish(to_publish(&volume, &capability, 2)).unwrap();
            driver.unpublish(id, &target(id, 2)).unwrap();
            driver.unstage(id).unwrap();
            driver.delete(id).unwrap();
            driver.settled();
        }
    }
}

fn a_volume_that_is_read_only_is_not_written_to() {
    let _module = Module::load();
    let driver = Driver::start(&[&flash(0).path]);
    let many = mounted("ext4", access::SINGLE_NODE_MULTI_WRITER);
    let volume = driver.create(wanted("it", 16 * MIB, &many)).unwrap();
    let id = &volume.volume_id;
    driver.stage(to_stage(&volume, &many)).unwrap();
    driver.publish(to_publish(&volume, &many, 1)).unwrap();
    let reader = NodePublishVolumeRequest {
        readonly: true,
        ..to_publish(&volume, &many, 2)
    };
    for _ in 0..2 {
        driver.publish(reader.clone()).unwrap();
    }
    fs::write(Path::new(&target(id, 1)).join("file"), "seen").unwrap();
    let seen = Path::new(&target(id, 2)).join("file");
    assert_eq!(fs::read_to_string(&seen).unwrap(), "seen");
    let why = fs::write(&seen, "not written").unwrap_err();
    assert_eq!(why.raw_os_error(), Some(nix::libc::EROFS));
    driver.unpublish(id, &target(id, 1)).unwrap();
    driver.unpublish(id, &target(id, 2)).unwrap();
    driver.unstage(id).unwrap();
    let options = VolumeCapability {
        access_type: Some(AccessType::Mount(MountVolume {
            fs_type: "ext4".into(),
            mount_flags: vec!["noatime".into(), "nodev,errors=remount-ro".into()],
            ..Default::default()
        })),
        ..many.clone()
    };
    driver.stage(to_stage(&volume, &options)).unwrap();
    let mounts = fs::read_to_string("/proc/mounts").unwrap();
    let line = mounts
        .lines()
        .find(|line| line.contains(&**id))
        .unwrap_or(&mounts);
    for option in ["noatime", "nodev", "errors=remount-ro"] {
        assert!(line.contains(option), "{line}");
    }
    driver.unstage(id).unwrap();
    driver.delete(id).unwrap();

    let raw = block(WRITER);
    let volume = driver.create(wanted("raw", 8 * MIB, &raw)).unwrap();
    let id = &volume.volume_id;
    driver.stage(to_stage(&volume, &raw)).unwrap();
    let reader = NodePublishVolumeRequest {
        readonly: true,
        ..to_publish(&volume, &raw, 1)
    };
    driver.publish(reader.clone()).unwrap();
    Direct::open_to_read(&reader.target_path).read(0, 4096);
    let refused = Direct::open(&reader.target_path).try_write(0, &Buffer::pattern(1, 4096));
    assert_eq!(refused.unwrap_err().raw_os_error(), Some(nix::libc::EPERM));
    driver.unpublish(id, &reader.target_path).unwrap();
    driver.publish(to_publish(&volume, &raw, 1)).unwrap();
    Direct::open(&reader.target_path).write(0, &Buffer::pattern(1, 4096));
    driver.unpublish(id, &reader.target_path).unwrap();
    driver.unstage(id).unwrap();
    driver.delete(id).unwrap();
}

fn a_volume_in_use_is_neither_deleted_nor_unstaged() {
    let _module = Module::load();
    let driver = Driver::start(&[&flash(0).path]);
    let capability = mounted("ext4", WRITER);
    let volume = driver.create(wanted("it", 16 * MIB, &capability)).unwrap();
    let id = &volume.volume_id;
    driver.stage(to_stage(&volume, &capability)).unwrap();
    refused(driver.delete(id), code::FAILED_PRECONDITION);
    driver.publish(to_publish(&volume, &capability, 1)).unwrap();
    refused(driver.unstage(id), code::FAILED_PRECONDITION);
    refused(driver.delete(id), code::FAILED_PRECONDITION);
    fs::write(Path::new(&target(id, 1)).join("file"), "still there").unwrap();
    driver.unpublish(id, &target(id, 1)).unwrap();
    driver.unstage(id).unwrap();
    driver.delete(id).unwrap();
}

fn what_is_on_a_volume_is_not_made_anew() {
    let _module = Module::load();
    let driver = Driver::start(&[&flash(0).path]);
    let raw = block(WRITER);
    let volume = driver.create(wanted("it", 32 * MIB, &raw)).unwrap();
    let id = &volume.volume_id;
    driver.stage(to_stage(&volume, &raw)).unwrap();
    run(&format!("mkfs.btrfs -q -f --mixed /dev/{}", disk_of(id)));
    driver.unstage(id).unwrap();
    refused(
        driver.stage(to_stage(&volume, &mounted("ext4", WRITER))),
        code::FAILED_PRECONDITION,
    );
    let found = run(&format!("blkid -p -o value -s TYPE /dev/{}", disk_of(id)));
    assert_eq!(found.trim(), "btrfs");
    driver.unstage(id).unwrap();
    driver.delete(id).unwrap();
}

/// Name of the disk of a volume.
#[track_caller]
fn disk_of(id: &str) -> String {
    let shown = run(&format!("shunt show pvc-{id} --json"));
    let shown: serde_json::Value = serde_json::from_str(&shown).expect("it is JSON");
    format!("shunt{}", shown["device"]["id"])
}
