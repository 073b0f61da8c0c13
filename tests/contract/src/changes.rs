// SPDX-License-Identifier: MIT OR Apache-2.0
//! Claims about devices that are there.

use shunt::{DeviceChange, Selector, State, StatsMode, TargetSpec, Transport};
use shunt_logic::refusal::{Refused, TargetError};

use crate::{Kernel, MIB, accepted, is_refused};

fn retarget(targets: Vec<TargetSpec>) -> DeviceChange {
    DeviceChange::Retarget {
        targets,
        stripe: None,
    }
}

pub(crate) fn a_device_is_found_by_what_it_is<T: Transport>(kernel: &mut Kernel<T>) {
    let target = kernel.piece(0, 0, MIB);
    let device = kernel.map("v", vec![target]);
    let (id, generation) = (device.id, device.generation);
    let by = [
        Selector::Id(id),
        Selector::name("v"),
        Selector::Exactly { id, generation },
    ];
    for selector in &by {
        assert_eq!(accepted(kernel.client.device(selector)), device);
    }
    let wanted = generation + 1;
    let other = Selector::Exactly {
        id,
        generation: wanted,
    };
    let reason = Refused::Generation { wanted, generation };
    is_refused(kernel.client.device(&other), reason);
    is_refused(kernel.client.delete_device(&other), reason);
    is_refused(
        kernel.client.change_device(&other, &DeviceChange::Resize),
        reason,
    );
    kernel.unmap("v");
    is_refused(kernel.client.device(&by[0]), Refused::UnknownId(id));
    is_refused(kernel.client.device(&by[1]), Refused::UnknownName);
    assert_eq!(accepted(kernel.client.devices()), []);
}

pub(crate) fn a_change_of_a_table_that_is_gone_is_refused<T: Transport>(kernel: &mut Kernel<T>) {
    let (one, other) = (kernel.piece(0, 0, MIB), kernel.piece(1, 0, MIB));
    let first = kernel.map("v", vec![one.clone()]);
    let seen = Selector::as_seen(&first);
    let settings = DeviceChange::Settings {
        stats: Some(StatsMode::Counters),
        read_only: None,
    };
    // What is no table leaves its number.
    let changed = accepted(kernel.client.change_device(&seen, &settings));
    assert_eq!(changed.table_number, first.table_number);
    let moved = accepted(kernel.client.change_device(&seen, &retarget(vec![other])));
    let reason = Refused::TableNumber {
        wanted: first.table_number,
        number: moved.table_number,
    };
    for change in [
        settings,
        retarget(vec![one.clone()]),
        DeviceChange::Resize,
        DeviceChange::Suspend { freeze: false },
    ] {
        is_refused(kernel.client.change_device(&seen, &change), reason);
    }
    is_refused(kernel.client.delete_device(&seen), reason);
    is_refused(kernel.client.force_delete_device(&seen), reason);
    assert_eq!(accepted(kernel.client.device(&Selector::name("v"))), moved);
    let seen = Selector::as_seen(&moved);
    let back = accepted(kernel.client.change_device(&seen, &retarget(vec![one])));
    // A table that it had before is another one all the same.
    assert_ne!(back.table_number, first.table_number);
    is_refused(
        kernel.client.delete_device(&seen),
        Refused::TableNumber {
            wanted: moved.table_number,
            number: back.table_number,
        },
    );
    accepted(kernel.client.delete_device(&Selector::as_seen(&back)));
}

pub(crate) fn a_retarget_keeps_what_was_promised<T: Transport>(kernel: &mut Kernel<T>) {
    let target = kernel.piece(0, 0, 2 * MIB);
    let device = kernel.map("v", vec![target]);
    let shorter = retarget(vec![kernel.piece(1, 0, MIB)]);
    let reason = Refused::Shorter {
        table: MIB,
        device: 2 * MIB,
    };
    let selector = Selector::of(&device);
    is_refused(kernel.client.change_device(&selector, &shorter), reason);
    let unchanged = accepted(kernel.client.device(&selector));
    assert_eq!(unchanged, device);
    let other = retarget(vec![kernel.piece(1, MIB, 3 * MIB)]);
    let moved = accepted(kernel.client.change_device(&selector, &other));
    assert_eq!((moved.size, moved.generation), (3 * MIB, device.generation));
    assert_eq!(moved.targets[0].offset, MIB);
    kernel.unmap("v");
}

pub(crate) fn what_grows_is_the_end<T: Transport>(kernel: &mut Kernel<T>) {
    // The drive of both targets is a device that grows.
    let small = kernel.piece(0, 0, 2 * MIB);
    let below = kernel.map("below", vec![small]);
    let whole = TargetSpec::whole(below.path());
    let joined = vec![whole.clone(), kernel.piece(1, 0, MIB)];
    let first = kernel.map("first", joined);
    let grow = retarget(vec![kernel.piece(0, 0, 4 * MIB)]);
    accepted(kernel.client.change_device(&Selector::of(&below), &grow));
    let selector = Selector::of(&first);
    let resized = kernel
        .client
        .change_device(&selector, &DeviceChange::Resize);
    assert_eq!(accepted(resized).targets, first.targets);
    kernel.unmap("first");

    let joined = vec![kernel.piece(1, 0, MIB), whole];
    let last = kernel.map("last", joined);
    assert_eq!(last.size, 5 * MIB);
    let grow = retarget(vec![kernel.piece(0, 0, 6 * MIB)]);
    accepted(kernel.client.change_device(&Selector::of(&below), &grow));
    let selector = Selector::of(&last);
    let resized = kernel
        .client
        .change_device(&selector, &DeviceChange::Resize);
    assert_eq!(accepted(resized).size, 7 * MIB);
    kernel.unmap("last");
    kernel.unmap("below");
}

pub(crate) fn no_device_stands_on_itself<T: Transport>(kernel: &mut Kernel<T>) {
    let target = kernel.piece(0, 0, MIB);
    let below = kernel.map("below", vec![target]);
    let above = kernel.map("above", vec![TargetSpec::whole(below.path())]);
    let change = retarget(vec![TargetSpec::whole(above.path())]);
    let answer = kernel.client.change_device(&Selector::of(&below), &change);
    is_refused(answer, TargetError::LeadsBack.at(0));
    kernel.unmap("above");
    kernel.unmap("below");
}

pub(crate) fn a_suspended_device_is_shown_as_such<T: Transport>(kernel: &mut Kernel<T>) {
    let target = kernel.piece(0, 0, MIB);
    let device = kernel.map("v", vec![target]);
    let selector = Selector::of(&device);
    let suspend = DeviceChange::Suspend { freeze: false };
    // Twice does no harm, either way.
    for (change, state) in [
        (&suspend, State::Suspended),
        (&suspend, State::Suspended),
        (&DeviceChange::Resume, State::Live),
        (&DeviceChange::Resume, State::Live),
    ] {
        let changed = accepted(kernel.client.change_device(&selector, change));
        assert_eq!(changed.state, state);
        assert_eq!(accepted(kernel.client.device(&selector)).state, state);
    }
    accepted(kernel.client.change_device(&selector, &suspend));
    let freeze = DeviceChange::Suspend { freeze: true };
    let answer = kernel.client.change_device(&selector, &freeze);
    is_refused(answer, Refused::SuspendedUnfrozen);
    kernel.unmap("v");
}

pub(crate) fn settings_that_are_not_given_stay<T: Transport>(kernel: &mut Kernel<T>) {
    let target = kernel.piece(0, 0, MIB);
    let device = kernel.map("v", vec![target]);
    let selector = Selector::of(&device);
    let settings = |stats, read_only| DeviceChange::Settings { stats, read_only };
    for (change, stats, read_only) in [
        (settings(Some(StatsMode::Off), None), StatsMode::Off, false),
        (settings(None, Some(true)), StatsMode::Off, true),
        (settings(None, None), StatsMode::Off, true),
        (
            settings(Some(StatsMode::Full), Some(false)),
            StatsMode::Full,
            false,
        ),
    ] {
        let changed = accepted(kernel.client.change_device(&selector, &change));
        assert_eq!((changed.stats, changed.read_only), (stats, read_only));
    }
    kernel.unmap("v");
}

pub(crate) fn a_number_is_used_again_and_a_generation_is_not<T: Transport>(kernel: &mut Kernel<T>) {
    let piece = |kernel: &Kernel<T>, number: u64| vec![kernel.piece(0, number * MIB, MIB)];
    let targets = piece(kernel, 0);
    let zero = kernel.map("zero", targets);
    let targets = piece(kernel, 1);
    let one = kernel.map("one", targets);
    assert_eq!((zero.id, one.id), (0, 1));
    assert!(zero.generation < one.generation);
    kernel.unmap("zero");
    let targets = piece(kernel, 0);
    let again = kernel.map("again", targets);
    assert_eq!(again.id, 0);
    assert!(one.generation < again.generation);
    kernel.unmap("again");
    kernel.unmap("one");
}
