// SPDX-License-Identifier: MIT OR Apache-2.0
//! Messages and lists in every order that a listener can meet them in.

use proptest::prelude::*;

use super::*;
use crate::model::{QueueMode, StatsMode};

fn device(id: u32, generation: u64, state: State) -> Device {
    Device {
        id,
        name: format!("vol{id}"),
        state,
        queue: QueueMode::Bio,
        stats: StatsMode::Full,
        read_only: false,
        size: 4096,
        logical_block_size: 512,
        targets: Vec::new(),
        stripe: None,
        generation,
        table_number: 3,
    }
}

fn told(reason: Reason, device: Device) -> Notification {
    Notification {
        sequence: 0,
        reason,
        failed: None,
        device,
    }
}

fn world(devices: &[Device]) -> World {
    let mut world = World::default();
    world.replace(devices.to_vec());
    world
}

#[test]
fn a_life_is_told_step_by_step() {
    let mut world = World::default();
    let live = device(0, 1, State::Live);
    let lost = device(0, 1, State::Lost);
    for (reason, device) in [
        (Reason::Created, live.clone()),
        (Reason::Lost, lost.clone()),
        (Reason::Changed, live),
    ] {
        let change = world.apply(told(reason, device.clone()));
        assert_eq!(change, Some(Change::new(reason, device.clone())));
        assert_eq!(world.devices().collect::<Vec<_>>(), [&device]);
    }
    let change = world.apply(told(Reason::Destroyed, lost.clone()));
    assert_eq!(change, Some(Change::new(Reason::Destroyed, lost)));
    assert_eq!(world.devices().count(), 0);
}

#[test]
fn what_the_list_already_showed_is_not_told_again() {
    let live = device(0, 1, State::Live);
    let mut world = world(std::slice::from_ref(&live));
    assert_eq!(world.apply(told(Reason::Created, live.clone())), None);
    assert_eq!(world.apply(told(Reason::Changed, live)), None);
    let gone = device(1, 9, State::Live);
    for reason in [Reason::Changed, Reason::Lost, Reason::Destroyed] {
        assert_eq!(world.apply(told(reason, gone.clone())), None, "{reason:?}");
    }
    assert_eq!(world.devices().count(), 1);
}

#[test]
fn the_end_of_an_older_device_does_not_take_its_successor() {
    let new = device(0, 2, State::Live);
    let mut world = world(std::slice::from_ref(&new));
    let stale = told(Reason::Destroyed, device(0, 1, State::Live));
    assert_eq!(world.apply(stale), None);
    assert_eq!(world.devices().collect::<Vec<_>>(), [&new]);
}

#[test]
fn a_new_list_tells_what_went_what_came_and_what_changed() {
    let mut world = world(&[
        device(0, 1, State::Live),
        device(1, 2, State::Live),
        device(2, 3, State::Live),
        device(3, 4, State::Live),
        device(4, 5, State::Live),
    ]);
    let now = vec![
        device(0, 1, State::Live),
        device(2, 6, State::Live),
        device(3, 4, State::Lost),
        device(4, 5, State::Suspended),
        device(7, 7, State::Live),
    ];
    let changes = world.replace(now.clone());
    assert_eq!(
        changes,
        [
            Change::new(Reason::Destroyed, device(1, 2, State::Live)),
            Change::new(Reason::Destroyed, device(2, 3, State::Live)),
            Change::new(Reason::Created, device(2, 6, State::Live)),
            Change::new(Reason::Lost, device(3, 4, State::Lost)),
            Change::new(Reason::Changed, device(4, 5, State::Suspended)),
            Change::new(Reason::Created, device(7, 7, State::Live)),
        ]
    );
    assert!(world.devices().eq(&now));
}

fn any_devices() -> impl Strategy<Value = Vec<Device>> {
    let state = prop::sample::select(State::ALL.to_vec());
    prop::collection::btree_map(0..6_u32, (1..3_u64, state), 0..6).prop_map(|devices| {
        devices
            .into_iter()
            .map(|(id, (generation, state))| device(id, generation, state))
            .collect()
    })
}

proptest! {
    /// Whoever applies the differences one by one ends with the list itself.
    #[test]
    fn the_differences_lead_from_one_list_to_the_other(before in any_devices(), after in any_devices()) {
        let mut follower = world(&before);
        let mut replaced = world(&before);
        for Change { reason, device, .. } in replaced.replace(after.clone()) {
            prop_assert!(follower.apply(told(reason, device)).is_some());
        }
        prop_assert_eq!(&follower, &replaced);
        prop_assert!(follower.devices().eq(&after));
        prop_assert_eq!(replaced.replace(after), vec![]);
    }
}
