// SPDX-License-Identifier: MIT OR Apache-2.0
//! The rules of the fake, met through a client as a program meets the kernel's.

use nix::libc::{
    E2BIG, EBUSY, EEXIST, EINVAL, ELOOP, ENODEV, ENOENT, ENOTBLK, EOPNOTSUPP, EPERM, ERANGE,
};

use super::*;
use crate::{
    client::Client,
    model::{DeviceChange, DeviceSpec, Selector, State, StatsMode, TargetSpec},
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
        planned: None,
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
        ("a b", "has white space or a control character, U+0020"),
        ("a\tb", "has white space or a control character, U+0009"),
        ("a\u{7f}", "has white space or a control character, U+007F"),
        (
            "a\u{2028}",
            "has white space or a control character, U+2028",
        ),
        (
            "a-part1",
            "ends in -part and a number, as links of partitions do",
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
            "length 1048576 is above 1044480, the rest",
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
        (4096, u64::MAX - 4095, ERANGE, "is above 1044480, the rest"),
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
    let (errno, text) = refusal(map(&kernel, "w", twice));
    let words = "target 2, /dev/a: overlaps target 1 of the table";
    assert_eq!((errno, text.as_str()), (EINVAL, words));
    let beside = vec![target("/dev/a", 0, 4096), target("/dev/a", 8192, 512)];
    map(&kernel, "w", beside).unwrap();
}

#[test]
fn one_of_several_targets_that_is_refused_is_named_by_number_and_path() {
    let kernel = kernel();
    let said = |targets| map(&kernel, "v", targets).unwrap_err().to_string();
    let a = || target("/dev/a", 0, 1024);
    // Found when it is opened, and by the kernel.
    assert_eq!(
        said(vec![a(), target("/dev/none", 0, 512)]),
        "target 2, /dev/none: no such path"
    );
    assert_eq!(
        said(vec![a(), target("/dev/a", 512, 512)]),
        "target 2, /dev/a: overlaps target 1 of the table"
    );
    assert_eq!(said(vec![target("/dev/none", 0, 512)]), "no such path");
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

fn change(kernel: &Fake, change: &DeviceChange) -> Result<Device> {
    Client::new(kernel.clone()).change_device(&Selector::Id(0), change)
}

fn retarget(kernel: &Fake, targets: Vec<TargetSpec>, stripe: Option<u64>) -> Result<Device> {
    change(kernel, &DeviceChange::Retarget { targets, stripe })
}

#[test]
fn a_retarget_may_keep_the_devices_own_bytes_and_not_those_of_others() {
    let kernel = kernel();
    map(&kernel, "v", vec![target("/dev/a", 0, 4096)]).unwrap();
    map(&kernel, "w", vec![target("/dev/a", 8192, 4096)]).unwrap();
    let own = vec![target("/dev/a", 0, 8192)];
    assert_eq!(retarget(&kernel, own, None).unwrap().size, 8192);
    let before = kernel.devices();
    let into_w = vec![target("/dev/a", 0, 8192 + 512)];
    assert_eq!(refusal(retarget(&kernel, into_w, None)).0, EBUSY);
    let shorter = vec![target("/dev/a", 0, 4096)];
    assert_eq!(
        refusal(retarget(&kernel, shorter, None)),
        (
            ERANGE,
            "the table has 4096 bytes, the device 8192".to_owned()
        )
    );
    let larger_blocks = vec![target("/dev/b", 0, 8192)];
    assert_eq!(
        refusal(retarget(&kernel, larger_blocks, None)).0,
        EOPNOTSUPP
    );
    assert_eq!(kernel.devices(), before);
}

#[test]
fn a_table_does_not_lead_back_to_its_device() {
    let kernel = kernel();
    map(&kernel, "v", vec![target("/dev/a", 0, 4096)]).unwrap();
    map(&kernel, "upper", vec![TargetSpec::whole("/dev/shunt0")]).unwrap();
    for path in ["/dev/shunt1", "/dev/shunt0"] {
        let refused = refusal(retarget(&kernel, vec![TargetSpec::whole(path)], None));
        let expected = match path {
            "/dev/shunt1" => (ELOOP, "leads back to the device itself".to_owned()),
            _ => (EBUSY, "overlaps shunt1, 4096 bytes from 0 on".to_owned()),
        };
        assert_eq!(refused, expected);
    }
}

#[test]
fn stripes_are_equally_long() {
    let kernel = kernel();
    let open_ended = |path: &str, offset| TargetSpec {
        offset,
        ..TargetSpec::whole(path)
    };
    let mut spec = DeviceSpec::new(
        "v",
        vec![open_ended("/dev/a", 0), open_ended("/dev/b", 4096)],
    );
    spec.stripe = Some(65_536);
    let device = Client::new(kernel.clone()).create_device(&spec).unwrap();
    assert_eq!(device.stripe, Some(65_536));
    assert_eq!(device.size, 2 * 15 * 65_536);
    let places: Vec<_> = device.targets.iter().map(|t| (t.start, t.length)).collect();
    assert_eq!(places, [(0, 15 * 65_536), (65_536, 15 * 65_536)]);

    let two = |length| vec![target("/dev/a", 0, 1 << 20), target("/dev/b", 0, length)];
    for (targets, stripe, words) in [
        (
            two(1 << 19),
            65_536,
            "target 1, /dev/a: length 1048576, but each stripe must have 524288",
        ),
        (
            two(4096),
            65_536,
            "target 1, /dev/a: length 1048576, but each stripe must have 65536",
        ),
        (
            two(1 << 20),
            512,
            "stripe 512 is not a multiple of the logical block, 4096",
        ),
        (
            two(1 << 20),
            0,
            "stripe 0 is not a multiple of the logical block, 4096",
        ),
        (
            vec![target("/dev/a", 0, 4096)],
            4096,
            "stripes need at least two targets",
        ),
    ] {
        let refused = refusal(retarget(&kernel, targets, Some(stripe)));
        assert_eq!(refused, (EINVAL, words.to_owned()));
    }
    let many = vec![TargetSpec::whole("/dev/a"); 1025];
    assert_eq!(refusal(retarget(&kernel, many, None)).0, E2BIG);
}

#[test]
fn a_suspension_outlives_a_loss() {
    let kernel = kernel();
    map(&kernel, "v", vec![TargetSpec::whole("/dev/a")]).unwrap();
    let state = |done: Result<Device>| done.unwrap().state;
    let suspend = |freeze| change(&kernel, &DeviceChange::Suspend { freeze });
    assert_eq!(state(suspend(true)), State::Suspended);
    // It is suspended already: nothing changes.
    assert_eq!(state(suspend(false)), State::Suspended);
    assert!(kernel.is_frozen(0));
    kernel.remove_drive("/dev/a");
    assert_eq!(kernel.devices()[0].state, State::Lost);
    let other = vec![TargetSpec::whole("/dev/disk/by-id/a")];
    assert_eq!(state(retarget(&kernel, other, None)), State::Suspended);
    let resume = || change(&kernel, &DeviceChange::Resume);
    assert_eq!(state(resume()), State::Live);
    assert_eq!(state(resume()), State::Live);
    assert!(!kernel.is_frozen(0));
}

#[test]
fn a_resize_takes_up_only_what_has_no_length() {
    let kernel = kernel();
    let targets = vec![target("/dev/a", 0, 4096), TargetSpec::whole("/dev/b")];
    map(&kernel, "v", targets).unwrap();
    kernel.add_drive("/dev/a", Drive::new(8, 0, 2 << 20));
    let large_blocks = Drive {
        logical_block_size: 4096,
        ..Drive::new(8, 16, 2 << 20)
    };
    kernel.add_drive("/dev/b", large_blocks);
    let device = change(&kernel, &DeviceChange::Resize).unwrap();
    let lengths: Vec<_> = device.targets.iter().map(|target| target.length).collect();
    assert_eq!(lengths, [4096, 2 << 20]);
    assert_eq!(device.size, 4096 + (2 << 20));
}

#[test]
fn settings_that_are_not_given_stay() {
    let kernel = kernel();
    map(&kernel, "v", vec![TargetSpec::whole("/dev/a")]).unwrap();
    let set = |stats, read_only| {
        let device = change(&kernel, &DeviceChange::Settings { stats, read_only }).unwrap();
        (device.stats, device.read_only)
    };
    assert_eq!(set(None, Some(true)), (StatsMode::Full, true));
    assert_eq!(set(Some(StatsMode::Off), None), (StatsMode::Off, true));
    assert_eq!(set(None, Some(false)), (StatsMode::Off, false));
}

#[test]
fn an_open_device_goes_by_force() {
    let kernel = kernel();
    map(&kernel, "v", vec![TargetSpec::whole("/dev/a")]).unwrap();
    kernel.set_open(0, true);
    let mut client = Client::new(kernel.clone());
    client.force_delete_device(&Selector::name("v")).unwrap();
    assert_eq!(kernel.devices(), []);
    let gone = client.force_delete_device(&Selector::name("v"));
    assert_eq!(gone.unwrap_err().errno(), Some(ENODEV));
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
