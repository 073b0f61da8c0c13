// SPDX-License-Identifier: MIT OR Apache-2.0
//! Plans that are carried out on the fake.

use std::ffi::CStr;

use proptest::{collection::vec, option, prelude::*};
use shunt_uapi::cmd;

use super::*;
use crate::{
    config::{self, Missing, Place, Policy, WantedTarget},
    model::{QueueMode, StatsMode},
    transport::{
        Dump,
        fake::{Drive, Fake},
    },
    wire::Message,
};

const MIB: u64 = 1 << 20;
const DRIVES: u32 = 6;

fn kernel() -> Fake {
    let kernel = Fake::new();
    for number in 0..DRIVES {
        let drive = Drive::new(8, 16 * number, 16 * MIB);
        kernel.add_drive(&format!("/dev/d{number}"), drive);
    }
    kernel
}

fn parsed(text: &str) -> Vec<Wanted> {
    config::parse("f", text).unwrap()
}

fn apply_to(kernel: &Fake, wanted: &[Wanted]) -> Applied {
    let machine = || kernel.clone();
    apply(&mut Client::new(kernel.clone()), wanted, machine).unwrap()
}

#[test]
fn what_one_device_gives_up_another_takes() {
    let kernel = kernel();
    apply_to(
        &kernel,
        &parsed("[device.v]\nto = '/dev/d0'\n[device.w]\nto = '/dev/d1'\n"),
    );
    // In this order the first is refused until the second has moved.
    let wanted = parsed("[device.v]\nto = '/dev/d1'\n[device.w]\nto = '/dev/d2'\n");
    let applied = apply_to(&kernel, &wanted);
    let done: Vec<_> = applied
        .done
        .iter()
        .map(|(step, _)| step.device.as_str())
        .collect();
    assert_eq!(done, ["w", "v"]);
    assert!(applied.failed.is_empty());
}

#[test]
fn what_leads_elsewhere_once_it_is_opened_is_refused_and_nothing_is_changed() {
    for (before, after) in [
        ("", "to = '/dev/d1'"),
        ("to = '/dev/d0'", "to = '/dev/d1'\nread-only = true"),
        ("to = '/dev/d0'", "to = ['/dev/d0', '/dev/d1']"),
        ("to = '/dev/d0'", "to = '/dev/d1'\nqueue = 'mq'"),
        ("to = '/dev/d1'", "to = '/dev/d1'\nqueue = 'mq'"),
    ] {
        let kernel = kernel();
        let file = |entry: &str| match entry {
            "" => Vec::new(),
            entry => parsed(&format!("[device.v]\n{entry}\n")),
        };
        apply_to(&kernel, &file(before));
        let present = kernel.devices();
        kernel.turn_at_open("/dev/d1", Drive::new(8, 99, 16 * MIB));
        let applied = apply_to(&kernel, &file(after));
        assert!(applied.done.is_empty(), "{applied:?}");
        assert_eq!(
            applied.failed[0].1.to_string(),
            "/dev/d1 led to 8:16 (diskseq 2) when this was planned and leads to 8:99 (diskseq 7) now; it \
             stays as it was"
        );
        assert_eq!(kernel.devices(), present, "{after}");
        // Who looks again takes what there is.
        let applied = apply_to(&kernel, &file(after));
        assert_eq!((applied.done.len(), applied.failed.len()), (1, 0));
    }
}

#[test]
fn apply_does_nothing_that_was_in_no_plan_before_it() {
    let kernel = kernel();
    let file =
        |v: &str, w: &str| parsed(&format!("[device.v]\nto = '{v}'\n[device.w]\nto = '{w}'\n"));
    apply_to(&kernel, &file("/dev/d0", "/dev/d2"));
    kernel.turn_at_open("/dev/d1", Drive::new(8, 99, 16 * MIB));
    let applied = apply_to(&kernel, &file("/dev/d1", "/dev/d3"));
    let error = &applied.failed[0].1.error;
    assert!(matches!(error, Error::LedElsewhere { .. }), "{applied:?}");
    let devices = kernel.devices();
    let minors: Vec<_> = devices
        .iter()
        .map(|device| device.targets[0].minor)
        .collect();
    assert_eq!(minors, [0, 48]);
}

#[test]
fn a_device_may_stand_on_one_that_is_mapped_with_it() {
    let kernel = kernel();
    let wanted = parsed("[device.upper]\nto = '/dev/shunt0'\n[device.lower]\nto = '/dev/d0'\n");
    let applied = apply_to(&kernel, &wanted);
    assert_eq!(applied.done.len(), 2);
    assert!(applied.rest.is_empty() && applied.rest.waiting.is_empty());
}

#[test]
fn a_change_that_is_refused_in_part_is_taken_back() {
    let kernel = kernel();
    apply_to(
        &kernel,
        &parsed("[device.v]\nto = '/dev/d0'\n[device.w]\nto = '/dev/d1'\n"),
    );
    let before = kernel.devices();
    for read_only in [true, false] {
        // The drive is taken, which the plan does not know.
        let wanted =
            format!("[device.v]\nto = '/dev/d1'\nstats = 'off'\nread-only = {read_only}\n");
        let applied = apply_to(&kernel, &parsed(&wanted));
        assert_eq!(applied.failed.len(), 1);
        assert_eq!(kernel.devices(), before);
    }
}

#[test]
fn a_device_that_cannot_be_mapped_anew_is_mapped_as_it_was() {
    let kernel = kernel();
    apply_to(
        &kernel,
        &parsed("[device.v]\nto = '/dev/d0'\n[device.w]\nto = '/dev/d1'\n"),
    );
    let wanted = parsed("[device.v]\nto = '/dev/d1'\nqueue = 'mq'\n");
    let applied = apply_to(&kernel, &wanted);
    assert_eq!(applied.failed.len(), 1);
    let devices = kernel.devices();
    let v = devices.iter().find(|device| device.name == "v").unwrap();
    assert_eq!(
        (v.queue, v.targets[0].path.as_str()),
        (QueueMode::Bio, "/dev/d0")
    );
}

#[test]
fn a_device_that_somebody_opened_since_the_plan_is_not_unmapped() {
    let kernel = kernel();
    apply_to(&kernel, &parsed("[device.v]\nto = '/dev/d0'\n"));
    let wanted = parsed("[device.v]\nto = '/dev/d0'\nqueue = 'mq'\n");
    kernel.set_open_for(0, 10_000);
    let applied = apply_to(&kernel, &wanted);
    assert_eq!(applied.failed[0].1.error.errno(), Some(nix::libc::EBUSY));
    assert_eq!(kernel.devices().len(), 1);
    // If only for a moment, that is waited for.
    kernel.set_open_for(0, 3);
    let applied = apply_to(&kernel, &wanted);
    assert!(applied.failed.is_empty());
    assert_eq!(kernel.devices()[0].queue, QueueMode::Mq);
}

/// A remap that fails half way goes back to the same drives, however long these are by then, or not at
/// all.
#[test]
fn what_cannot_be_mapped_anew_goes_back_to_its_own_drives_and_grows_as_before() {
    let mapped = parsed("[device.v]\nto = '/dev/d0'\n[device.w]\nto = '/dev/d1'\n");
    let wanted = parsed("[device.v]\nto = '/dev/d1'\nqueue = 'mq'\n");
    let kernel = self::kernel();
    apply_to(&kernel, &mapped);
    let applied = apply_to(&kernel, &wanted);
    assert_eq!(applied.failed[0].1.left, Left::AsItWas);
    kernel.add_drive("/dev/d0", Drive::new(8, 0, 32 * MIB));
    let mut client = Client::new(kernel.clone());
    let grown = client.change_device(&Selector::name("v"), &DeviceChange::Resize);
    assert_eq!(grown.unwrap().size, 32 * MIB);

    let kernel = self::kernel();
    apply_to(&kernel, &mapped);
    kernel.add_drive("/dev/d0", Drive::new(8, 99, 16 * MIB));
    let applied = apply_to(&kernel, &wanted);
    assert_eq!(applied.failed[0].1.left, Left::Gone);
    assert!(kernel.devices().iter().all(|device| device.name != "v"));
}

#[test]
fn a_step_never_hits_another_device_that_has_the_number_by_now() {
    let kernel = kernel();
    apply_to(&kernel, &parsed("[device.v]\nto = '/dev/d0'\n"));
    for wanted in [
        "[device.v]\nto = '/dev/d1'\n",
        "[device.v]\nto = '/dev/d0'\nqueue = 'mq'\n",
    ] {
        let wanted = parsed(wanted);
        let memory = Memory::default();
        let plan = plan(
            &wanted,
            &kernel.devices(),
            &kernel,
            &memory,
            Authority::Apply,
        );
        let mut client = Client::new(kernel.clone());
        client.delete_device(&Selector::Id(0)).unwrap();
        apply_to(&kernel, &parsed("[device.tmp]\nto = '/dev/d2'\n"));
        let before = kernel.devices();
        let failed = carry_out(&mut client, &plan.steps[0]).unwrap_err();
        assert_eq!(failed.error.errno(), Some(nix::libc::ESTALE));
        assert_eq!(kernel.devices(), before);
        client.delete_device(&Selector::Id(0)).unwrap();
        apply_to(&kernel, &parsed("[device.v]\nto = '/dev/d0'\n"));
    }
}

/// A kernel in which somebody gives `v` another table right before the first change arrives.
struct Overtaking {
    kernel: Fake,
    elsewhere: Option<DeviceChange>,
}

impl Transport for Overtaking {
    type Events = <Fake as Transport>::Events;

    fn request(&mut self, message: &Message) -> Result<Vec<Message>> {
        let is_change = [cmd::DEVICE_SET, cmd::DEVICE_DEL].contains(&message.command);
        if let Some(elsewhere) = self.elsewhere.take_if(|_| is_change) {
            let mut somebody = Client::new(self.kernel.clone());
            somebody
                .change_device(&Selector::name("v"), &elsewhere)
                .unwrap();
        }
        self.kernel.request(message)
    }

    fn dump(&mut self, message: &Message) -> Result<Dump> {
        self.kernel.dump(message)
    }

    fn subscribe(&mut self, group: &CStr) -> Result<Self::Events> {
        self.kernel.subscribe(group)
    }
}

#[test]
fn a_step_that_somebodys_retarget_overtook_is_refused_and_changes_nothing() {
    let kernel = kernel();
    for wanted in [
        "to = '/dev/d1'",
        "to = '/dev/d1'\nread-only = true",
        "to = { drive = '/dev/d0', length = '4M' }",
        "to = '/dev/d0'\nqueue = 'mq'",
    ] {
        apply_to(
            &kernel,
            &parsed("[device.v]\nto = { drive = '/dev/d0', length = '2M' }\n"),
        );
        let wanted = parsed(&format!("[device.v]\n{wanted}\n"));
        let memory = Memory::default();
        let present = kernel.devices();
        let plan = plan(&wanted, &present, &kernel, &memory, Authority::Apply);
        let mut client = Client::new(Overtaking {
            kernel: kernel.clone(),
            elsewhere: Some(DeviceChange::Retarget {
                targets: vec![crate::TargetSpec::whole("/dev/d2")],
                stripe: None,
            }),
        });
        let failed = carry_out(&mut client, &plan.steps[0]).unwrap_err();
        assert!(failed.error.is_too_late(), "{failed}");
        assert_eq!(failed.left, Left::AsItWas);
        let left = &kernel.devices()[0];
        assert_eq!(left.targets[0].path, "/dev/d2");
        assert!(!left.read_only);
        client.delete_device(&Selector::name("v")).unwrap();
    }
}

#[test]
fn a_step_that_somebody_takes_back_counts_as_failed() {
    let kernel = kernel();
    apply_to(&kernel, &parsed("[device.v]\nto = '/dev/d0'\n"));
    let looks = std::cell::Cell::new(0);
    let machine = || {
        looks.set(looks.get() + 1);
        if looks.get() > 1 {
            let back = DeviceChange::Retarget {
                targets: vec![crate::TargetSpec::whole("/dev/d0")],
                stripe: None,
            };
            let mut other = Client::new(kernel.clone());
            other.change_device(&Selector::name("v"), &back).unwrap();
        }
        kernel.clone()
    };
    let wanted = parsed("[device.v]\nto = '/dev/d1'\n[device.w]\nto = '/dev/d2'\n");
    let applied = apply(&mut Client::new(kernel.clone()), &wanted, machine).unwrap();
    assert_eq!(applied.failed.len(), 1, "{applied:?}");
    assert!(matches!(applied.failed[0].1.error, Error::TakenBack));
}

/// For any state of the devices and any names of the drives.
#[test]
fn to_apply_what_is_exported_does_nothing() {
    let kernel = kernel();
    apply_to(
        &kernel,
        &parsed(
            "[device.live]\nto = '/dev/d0'\n[device.moved]\nto = '/dev/d1'\n\
             [device.lost]\nto = '/dev/d2'\n[device.other]\nto = '/dev/d3'\n",
        ),
    );
    // A copy has the name, and the drive has another.
    kernel.add_drive("/dev/d1", Drive::new(8, 99, 16 * MIB));
    kernel.add_drive("/dev/its-other-name", Drive::new(8, 16, 16 * MIB));
    kernel.remove_drive("/dev/d2");
    kernel.remove_drive("/dev/d3");
    kernel.add_drive("/dev/d3", Drive::new(8, 98, 16 * MIB));
    let before = kernel.devices();
    let (wanted, left_out) = config::wanted(&before, &kernel);
    let text = config::export(&wanted);
    assert!(text.contains("/dev/its-other-name"), "{text}");
    assert!(
        left_out[0].starts_with("other is left out: "),
        "{left_out:?}"
    );
    let applied = apply_to(&kernel, &parsed(&text));
    assert!(
        applied.done.is_empty() && applied.failed.is_empty(),
        "{applied:?}"
    );
    assert_eq!(kernel.devices(), before);
}

#[test]
fn what_a_newer_module_does_is_left_out_of_an_export_and_the_rest_is_not() {
    let kernel = kernel();
    let text =
        "[device.v]\nto = '/dev/d0'\n[device.w]\nto = '/dev/d1'\n[device.x]\nto = '/dev/d2'\n";
    apply_to(&kernel, &parsed(text));
    let mut devices = kernel.devices();
    devices[0].queue = QueueMode::Unknown(7);
    devices[2].stats = StatsMode::Unknown(8);
    let (wanted, left_out) = config::wanted(&devices, &kernel);
    let read = config::parse("f", &config::export(&wanted)).unwrap();
    assert_eq!(read.len(), 1);
    assert_eq!(read[0].name, "w");
    let remedy = "which is of a newer module; export it with the shunt of that";
    assert_eq!(
        left_out,
        [
            format!("v is left out: no file can want queue 7, {remedy}"),
            format!("x is left out: no file can want stats 8, {remedy}"),
        ]
    );
}

/// Devices on drives of the fake that do not overlap: each has its own megabytes of each drive.
fn devices() -> impl Strategy<Value = Vec<Wanted>> {
    let target = (0..DRIVES, 0..2u64, 1..9u64)
        .prop_map(|(drive, offset, length)| (format!("/dev/d{drive}"), offset, length));
    let device = (
        vec(target, 1..4),
        option::of(1..4u64),
        prop::sample::select(&QueueMode::ALL),
        prop::sample::select(&StatsMode::ALL),
        any::<bool>(),
    );
    vec(option::of(device), 4).prop_map(|devices| {
        let mut wanted = Vec::new();
        for (number, device) in devices.into_iter().enumerate() {
            let Some((mut targets, stripe, queue, stats, read_only)) = device else {
                continue;
            };
            targets.sort();
            targets.dedup_by(|a, b| a.0 == b.0);
            let stripe = stripe.filter(|_| targets.len() > 1);
            let shortest = targets.iter().map(|target| target.2).min();
            let place = Place::file("");
            let targets = targets.into_iter().map(|(path, offset, length)| {
                let length = stripe.map_or(length, |_| shortest.unwrap_or(1));
                WantedTarget {
                    drive: config::DriveName::Path(path),
                    // Two megabytes for each of four devices, in steps of 128 KiB.
                    offset: (2 * number as u64 * MIB) + offset * MIB / 8,
                    length: Some(length * MIB / 8),
                    place: place.clone(),
                }
            });
            wanted.push(Wanted {
                name: format!("vol{number}"),
                targets: targets.collect(),
                stripe: stripe
                    .map(|stripe| stripe << 12)
                    .filter(|stripe| (MIB / 8) % stripe == 0),
                queue,
                stats,
                read_only,
                missing: Missing::Wait,
                policy: Policy::Adopt,
                place,
            });
        }
        wanted
    })
}

proptest! {
    #[test]
    fn the_plan_after_apply_is_empty(before in devices(), after in devices()) {
        let kernel = kernel();
        let applied = apply_to(&kernel, &before);
        prop_assert!(applied.failed.is_empty() && applied.rest.is_empty(), "{applied:?}");
        let applied = apply_to(&kernel, &after);
        prop_assert!(applied.failed.is_empty(), "{applied:?}");
        let rest = plan(&after, &kernel.devices(), &kernel, &Memory::default(), Authority::Apply);
        prop_assert_eq!(&rest, &applied.rest);
        prop_assert!(rest.steps.is_empty() && rest.waiting.is_empty(), "{rest:?}");
        // What is left is refused with a reason, and only a device that would shrink is.
        for refused in &rest.refused {
            prop_assert!(refused.text.contains("which it keeps while it is there"), "{refused}");
        }
    }

    #[test]
    fn what_is_exported_is_what_there_is(devices in devices()) {
        let kernel = kernel();
        apply_to(&kernel, &devices);
        let text = config::export(&config::wanted(&kernel.devices(), &kernel).0);
        let read = parsed(&text);
        let plan = plan(&read, &kernel.devices(), &kernel, &Memory::default(), Authority::Apply);
        prop_assert_eq!(plan, Plan::default());
        let elsewhere = self::kernel();
        apply_to(&elsewhere, &read);
        let same = |kernel: &Fake| -> Vec<Device> {
            let devices = kernel.devices().into_iter();
            devices.map(|device| Device { generation: 0, ..device }).collect()
        };
        prop_assert_eq!(same(&elsewhere), same(&kernel));
    }
}
