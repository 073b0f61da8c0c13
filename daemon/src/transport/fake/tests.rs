// SPDX-License-Identifier: MIT OR Apache-2.0
//! The rules of the fake, met through a client as a program meets the kernel's.

use nix::libc::{EBUSY, EEXIST, ENODEV, ENOENT, ENOTBLK, ERANGE};

use super::*;
use crate::{
    client::Client,
    model::{DeviceSpec, QueueMode, State, StatsMode, TargetSpec},
};

fn kernel() -> Fake {
    let kernel = Fake::new();
    kernel.add_drive("/dev/a", Drive::new(8, 0, 1 << 20));
    kernel.add_drive("/dev/disk/by-id/a", Drive::new(8, 0, 1 << 20));
    let large_blocks = Drive {
        logical_block_size: 4096,
        ..Drive::new(8, 16, 1 << 20)
    };
    kernel.add_drive("/dev/b", large_blocks);
    kernel.add_file("/etc/passwd");
    kernel
}

fn target(path: &str, offset: u64, length: u64) -> TargetSpec {
    TargetSpec {
        path: path.into(),
        offset,
        length: Some(length),
    }
}

fn map(kernel: &Fake, name: &str, targets: Vec<TargetSpec>) -> Result<Device> {
    Client::new(kernel.clone()).create_device(&DeviceSpec::new(name, targets))
}

fn refusal(result: Result<Device>) -> (i32, String) {
    match result {
        Err(Error::Refused(refusal)) => (refusal.errno, refusal.to_string()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn targets_are_joined_in_their_order() {
    let kernel = kernel();
    let targets = vec![target("/dev/b", 4096, 8192), TargetSpec::whole("/dev/a")];
    let device = map(&kernel, "joined", targets).unwrap();
    assert_eq!(device.size, 8192 + (1 << 20));
    assert_eq!(device.logical_block_size, 4096);
    let places: Vec<_> = device
        .targets
        .iter()
        .map(|target| (target.minor, target.start, target.offset, target.length))
        .collect();
    assert_eq!(places, [(16, 0, 4096, 8192), (0, 8192, 0, 1 << 20)]);
    assert_eq!(kernel.devices(), [device]);
}

#[test]
fn names_are_checked_and_unique() {
    let kernel = kernel();
    for (name, words) in [
        ("", "is empty"),
        (".", "is that of a folder"),
        ("..", "is that of a folder"),
        ("a/b", "has a slash"),
        ("a b", "has white space or a control character, byte 32"),
        ("a\tb", "has white space or a control character, byte 9"),
        (
            "a\u{7f}",
            "has white space or a control character, byte 127",
        ),
    ] {
        let (errno, text) = refusal(map(&kernel, name, vec![target("/dev/a", 0, 512)]));
        assert_eq!(
            (errno, text),
            (EINVAL, format!("the name {words}")),
            "{name:?}"
        );
    }
    let long = map(&kernel, &"x".repeat(64), vec![target("/dev/a", 0, 512)]);
    assert_eq!(refusal(long).0, ERANGE);
    let longest = "x".repeat(63);
    map(&kernel, &longest, vec![target("/dev/a", 0, 512)]).unwrap();
    let again = map(&kernel, &longest, vec![target("/dev/a", 512, 512)]);
    assert_eq!(refusal(again).0, EEXIST);
}

#[test]
fn a_target_is_a_block_device_that_exists() {
    let kernel = kernel();
    let missing = map(&kernel, "v", vec![TargetSpec::whole("/dev/nothing")]);
    assert_eq!(refusal(missing).0, ENOENT);
    let file = vec![target("/dev/a", 0, 512), TargetSpec::whole("/etc/passwd")];
    assert_eq!(refusal(map(&kernel, "v", file)).0, ENOTBLK);
    assert_eq!(refusal(map(&kernel, "v", Vec::new())).0, EINVAL);
    assert_eq!(kernel.devices(), []);
}

#[test]
fn ranges_keep_to_the_blocks_and_to_the_drive() {
    let kernel = kernel();
    for (offset, length, errno, words) in [
        (
            4097,
            4096,
            EINVAL,
            "offset 4097 is not a multiple of the logical block, 4096",
        ),
        (
            4096,
            512,
            EINVAL,
            "length 512 is not a multiple of the logical block, 4096",
        ),
        (0, 0, EINVAL, "length 0 is too short"),
        (
            4096,
            1 << 20,
            ERANGE,
            "length 1048576 is above the 1044480 bytes",
        ),
        (
            1 << 20,
            4096,
            ERANGE,
            "offset 1048576 is not below the drive's size, 1048576",
        ),
        (
            u64::MAX - 4095,
            4096,
            ERANGE,
            "is not below the drive's size",
        ),
        (4096, u64::MAX - 4095, ERANGE, "is above the 1044480 bytes"),
    ] {
        let found = refusal(map(&kernel, "v", vec![target("/dev/b", offset, length)]));
        assert_eq!(found.0, errno, "{offset} {length}");
        assert!(found.1.contains(words), "{}", found.1);
    }
}

#[test]
fn no_byte_of_a_drive_is_mapped_twice() {
    let kernel = kernel();
    map(&kernel, "v", vec![target("/dev/a", 4096, 4096)]).unwrap();
    for (offset, length) in [(0, 4608), (7680, 512), (4096, 4096), (0, 1 << 20)] {
        let other = vec![target("/dev/disk/by-id/a", offset, length)];
        assert_eq!(
            refusal(map(&kernel, "w", other)).0,
            EBUSY,
            "{offset} {length}"
        );
    }
    let twice = vec![target("/dev/a", 0, 1024), target("/dev/a", 512, 512)];
    assert_eq!(refusal(map(&kernel, "w", twice)).0, EBUSY);
    let beside = vec![target("/dev/a", 0, 4096), target("/dev/a", 8192, 512)];
    map(&kernel, "w", beside).unwrap();
}

#[test]
fn an_open_device_stays() {
    let kernel = kernel();
    let mut client = Client::new(kernel.clone());
    map(&kernel, "v", vec![TargetSpec::whole("/dev/a")]).unwrap();
    kernel.set_open(0, true);
    let busy = client.delete_device(&Selector::name("v"));
    assert_eq!(busy.unwrap_err().errno(), Some(EBUSY));
    kernel.set_open(0, false);
    client.delete_device(&Selector::Id(0)).unwrap();
    let gone = client.delete_device(&Selector::Id(0));
    assert_eq!(gone.unwrap_err().errno(), Some(ENODEV));
}

#[test]
fn ids_are_used_again_and_generations_are_not() {
    let kernel = kernel();
    let mut client = Client::new(kernel.clone());
    let first = map(&kernel, "v", vec![target("/dev/a", 0, 512)]).unwrap();
    let second = map(&kernel, "w", vec![target("/dev/a", 512, 512)]).unwrap();
    client.delete_device(&Selector::Id(first.id)).unwrap();
    let third = map(&kernel, "v", vec![target("/dev/a", 0, 512)]).unwrap();
    assert_eq!((first.id, second.id, third.id), (0, 1, 0));
    assert!(first.generation < second.generation && second.generation < third.generation);
    assert_eq!(client.devices().unwrap(), [third.clone(), second]);
    assert_eq!(client.device(&Selector::name("v")).unwrap(), third);
}

#[test]
fn queue_mode_mq_is_refused_for_now() {
    let kernel = kernel();
    let mut spec = DeviceSpec::new("v", vec![TargetSpec::whole("/dev/a")]);
    spec.queue = QueueMode::Mq;
    let error = Client::new(kernel).create_device(&spec).unwrap_err();
    assert_eq!(error.errno(), Some(EOPNOTSUPP));
}

#[test]
fn a_drive_that_goes_loses_its_devices() {
    let kernel = kernel();
    let joined = vec![target("/dev/a", 0, 4096), target("/dev/b", 0, 4096)];
    map(&kernel, "joined", joined).unwrap();
    map(&kernel, "other", vec![target("/dev/b", 4096, 4096)]).unwrap();
    kernel.remove_drive("/dev/a");
    let devices = kernel.devices();
    let states = |device: &Device| {
        let targets: Vec<_> = device.targets.iter().map(|target| target.state).collect();
        (device.state, targets)
    };
    assert_eq!(
        states(&devices[0]),
        (State::Lost, vec![State::Lost, State::Live])
    );
    assert_eq!(states(&devices[1]), (State::Live, vec![State::Live]));
}

#[test]
fn statistics_follow_the_mode() {
    let kernel = kernel();
    let mut client = Client::new(kernel.clone());
    for (id, mode) in StatsMode::ALL.into_iter().enumerate() {
        let offset = id as u64 * 4096;
        let mut spec = DeviceSpec::new(mode.name(), vec![target("/dev/a", offset, 4096)]);
        spec.stats = mode;
        client.create_device(&spec).unwrap();
        kernel.complete(id as u32, Op::Write, 512, Duration::from_nanos(100), true);
    }
    kernel.advance(Duration::from_nanos(7));
    let figures: Vec<_> = client
        .all_stats()
        .unwrap()
        .into_iter()
        .map(|stats| {
            let write = &stats.ops[Op::Write as usize];
            let latency = (write.latency.sum, write.latency.count());
            (stats.time, write.ios, write.bytes, write.errors, latency)
        })
        .collect();
    assert_eq!(
        figures,
        [
            (7, 0, 0, 0, (0, 0)),
            (7, 1, 512, 0, (0, 0)),
            (7, 1, 512, 1, (100, 1)),
        ]
    );
}

#[test]
fn without_the_privilege_only_statistics_are_shown() {
    let kernel = kernel();
    map(&kernel, "v", vec![TargetSpec::whole("/dev/a")]).unwrap();
    kernel.set_privileged(false);
    let mut client = Client::new(kernel);
    assert_eq!(client.devices().unwrap_err().errno(), Some(EPERM));
    assert_eq!(client.device_events().unwrap_err().errno(), Some(EPERM));
    assert_eq!(client.all_stats().unwrap().len(), 1);
    assert_eq!(client.stats(&Selector::name("v")).unwrap().id, 0);
}

#[test]
fn without_the_module_every_call_says_so() {
    let kernel = kernel();
    kernel.set_loaded(false);
    let mut client = Client::new(kernel);
    assert!(matches!(client.devices(), Err(Error::NotLoaded)));
    assert!(matches!(client.all_stats(), Err(Error::NotLoaded)));
    assert!(matches!(client.device_events(), Err(Error::NotLoaded)));
}
