// SPDX-License-Identifier: MIT OR Apache-2.0
//! Plans that are carried out on the fake.

use proptest::{collection::vec, option, prelude::*};

use super::*;
use crate::{
    config::{self, Missing, Place, Policy, WantedTarget},
    model::{QueueMode, StatsMode},
    transport::fake::{Drive, Fake},
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
    assert_eq!(applied.failed[0].1.errno(), Some(nix::libc::EBUSY));
    assert_eq!(kernel.devices().len(), 1);
    // If only for a moment, that is waited for.
    kernel.set_open_for(0, 3);
    let applied = apply_to(&kernel, &wanted);
    assert!(applied.failed.is_empty());
    assert_eq!(kernel.devices()[0].queue, QueueMode::Mq);
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
        let rest = plan(&after, &kernel.devices(), &kernel, Authority::Apply);
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
        let text = config::export(&config::wanted(&kernel.devices(), &kernel));
        let read = parsed(&text);
        let plan = plan(&read, &kernel.devices(), &kernel, Authority::Apply);
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
