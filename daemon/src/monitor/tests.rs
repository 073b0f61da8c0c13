// SPDX-License-Identifier: MIT OR Apache-2.0
//! The monitor against the fake: nothing that happened is lost without a word.

use std::ffi::CStr;

use proptest::prelude::*;

use super::*;
use crate::{
    model::{DeviceSpec, Reason, Selector, TargetSpec},
    poll::{readable, wait},
    transport::{
        Dump,
        fake::{Drive, Fake},
    },
    wire::Message,
};

const DRIVES: u32 = 6;

fn kernel() -> Fake {
    let kernel = Fake::new();
    for n in 0..DRIVES {
        kernel.add_drive(&format!("/dev/d{n}"), Drive::new(259, n, 1 << 20));
    }
    kernel
}

fn map(kernel: &Fake, n: u32) -> bool {
    let target = TargetSpec::whole(format!("/dev/d{n}"));
    let spec = DeviceSpec::new(format!("vol{n}"), vec![target]);
    Client::new(kernel.clone()).create_device(&spec).is_ok()
}

fn unmap(kernel: &Fake, n: u32) -> bool {
    let selector = Selector::name(format!("vol{n}"));
    Client::new(kernel.clone()).delete_device(&selector).is_ok()
}

fn updates<T: Transport>(monitor: &mut Monitor<T>) -> Vec<Update> {
    std::iter::from_fn(|| monitor.next_update().unwrap()).collect()
}

/// Updates as short words: `+vol0` exists, `ready`, `created vol0`, `overrun`.
fn words<T: Transport>(monitor: &mut Monitor<T>) -> Vec<String> {
    let word = |update| match update {
        Update::Exists(device) => format!("+{}", device.name),
        Update::Ready(_) => "ready".to_owned(),
        Update::Changed(change) => format!("{} {}", change.reason.name(), change.device.name),
        Update::Overrun => "overrun".to_owned(),
    };
    updates(monitor).into_iter().map(word).collect()
}

#[test]
fn the_present_state_comes_first_then_every_change() {
    let kernel = kernel();
    map(&kernel, 0);
    map(&kernel, 1);
    let mut monitor = Monitor::start(Client::new(kernel.clone())).unwrap();
    assert_eq!(words(&mut monitor), ["+vol0", "+vol1", "ready"]);
    assert_eq!(monitor.sequence(), 0);
    map(&kernel, 2);
    kernel.remove_drive("/dev/d0");
    unmap(&kernel, 1);
    assert_eq!(
        words(&mut monitor),
        ["created vol2", "lost vol0", "destroyed vol1"]
    );
    assert_eq!(monitor.sequence(), 5);
    assert!(monitor.world.devices().eq(&kernel.devices()));
}

#[test]
fn a_loss_is_followed_by_the_whole_state_and_by_what_differs() {
    let kernel = kernel();
    kernel.set_room(2);
    map(&kernel, 0);
    let mut monitor = Monitor::start(Client::new(kernel.clone())).unwrap();
    words(&mut monitor);
    for n in 1..5 {
        map(&kernel, n);
    }
    unmap(&kernel, 0);
    let told = updates(&mut monitor);
    assert_eq!(told[0], Update::Overrun);
    let exists: Vec<_> = kernel.devices().into_iter().map(Update::Exists).collect();
    assert_eq!(told[1..5], exists);
    match &told[5..] {
        [Update::Ready(changes)] => {
            let reasons: Vec<_> = changes.iter().map(|change| change.reason).collect();
            let mut expected = vec![Reason::Created; 5];
            expected[0] = Reason::Destroyed;
            assert_eq!(reasons, expected);
        }
        other => panic!("{other:?}"),
    }
    map(&kernel, 5);
    assert_eq!(words(&mut monitor), ["created vol5"]);
}

#[test]
fn a_gap_in_the_numbers_is_a_loss() {
    let kernel = kernel();
    let mut monitor = Monitor::start(Client::new(kernel.clone())).unwrap();
    map(&kernel, 0);
    assert_eq!(words(&mut monitor), ["ready", "created vol0"]);
    kernel.lose_next();
    map(&kernel, 1);
    assert_eq!(words(&mut monitor), [""; 0]);
    map(&kernel, 2);
    assert_eq!(
        words(&mut monitor),
        ["overrun", "+vol0", "+vol1", "+vol2", "ready"]
    );
    map(&kernel, 3);
    assert_eq!(words(&mut monitor), ["created vol3"]);
}

#[test]
fn an_interrupted_list_is_asked_for_again() {
    let kernel = kernel();
    map(&kernel, 0);
    map(&kernel, 1);
    kernel.interrupt_dumps(3);
    let mut monitor = Monitor::start(Client::new(kernel.clone())).unwrap();
    assert_eq!(words(&mut monitor), ["+vol0", "+vol1", "ready"]);
}

#[test]
fn what_changes_too_fast_to_be_listed_at_the_start_is_listed_after_the_next_change() {
    let kernel = kernel();
    map(&kernel, 0);
    kernel.interrupt_dumps(16);
    let mut monitor = Monitor::start(Client::new(kernel.clone())).unwrap();
    assert_eq!(words(&mut monitor), [""; 0]);
    map(&kernel, 1);
    assert_eq!(words(&mut monitor), ["overrun", "+vol0", "+vol1", "ready"]);
}

#[test]
fn what_changes_too_fast_to_be_listed_after_a_loss_is_listed_after_the_next_change() {
    let kernel = kernel();
    map(&kernel, 0);
    let mut monitor = Monitor::start(Client::new(kernel.clone())).unwrap();
    map(&kernel, 5);
    assert_eq!(words(&mut monitor), ["+vol0", "ready", "created vol5"]);
    kernel.lose_next();
    map(&kernel, 1);
    kernel.interrupt_dumps(16);
    map(&kernel, 2);
    assert_eq!(words(&mut monitor), ["overrun"]);
    // It follows the last one that was seen, and still does not do.
    kernel.interrupt_dumps(16);
    unmap(&kernel, 0);
    assert_eq!(words(&mut monitor), ["overrun"]);
    map(&kernel, 3);
    assert_eq!(
        words(&mut monitor),
        ["overrun", "+vol3", "+vol5", "+vol1", "+vol2", "ready"]
    );
    assert!(monitor.world.devices().eq(&kernel.devices()));
    map(&kernel, 4);
    assert_eq!(words(&mut monitor), ["created vol4"]);
}

/// A kernel in which a device comes just before each list is made and one just after.
struct Busy {
    kernel: Fake,
    next: u32,
}

impl Busy {
    fn map(&mut self) {
        assert!(map(&self.kernel, self.next));
        self.next += 1;
    }
}

impl Transport for Busy {
    type Events = <Fake as Transport>::Events;

    fn request(&mut self, message: &Message) -> Result<Vec<Message>> {
        self.kernel.request(message)
    }

    fn dump(&mut self, message: &Message) -> Result<Dump> {
        self.map();
        let dump = self.kernel.dump(message);
        self.map();
        dump
    }

    fn subscribe(&mut self, group: &CStr) -> Result<Self::Events> {
        self.kernel.subscribe(group)
    }
}

#[test]
fn what_happens_while_the_list_is_made_is_told_once() {
    let busy = Busy {
        kernel: kernel(),
        next: 0,
    };
    let mut monitor = Monitor::start(Client::new(busy)).unwrap();
    assert_eq!(words(&mut monitor), ["+vol0", "ready", "created vol1"]);
}

#[test]
fn the_end_of_the_module_is_an_error() {
    let kernel = kernel();
    let mut monitor = Monitor::start(Client::new(kernel.clone())).unwrap();
    words(&mut monitor);
    kernel.set_loaded(false);
    for _ in 0..2 {
        assert!(matches!(monitor.next_update(), Err(Error::Unloaded)));
    }
}

/// The module goes after its devices; here the messages about that are dropped.
#[test]
fn with_the_module_its_devices_are_told_to_go() {
    let kernel = kernel();
    map(&kernel, 0);
    let mut monitor = Monitor::start(Client::new(kernel.clone())).unwrap();
    words(&mut monitor);
    kernel.set_room(1);
    map(&kernel, 1);
    map(&kernel, 2);
    kernel.set_loaded(false);
    assert_eq!(monitor.next_update().unwrap(), Some(Update::Overrun));
    match monitor.next_update().unwrap() {
        Some(Update::Changed(change)) => {
            assert_eq!(change.reason, Reason::Destroyed);
            assert_eq!(change.device.name, "vol0");
        }
        other => panic!("{other:?}"),
    }
    assert!(matches!(monitor.next_update(), Err(Error::Unloaded)));
}

#[test]
fn the_descriptor_is_readable_while_there_is_something_to_tell() {
    let kernel = kernel();
    let mut monitor = Monitor::start(Client::new(kernel.clone())).unwrap();
    words(&mut monitor);
    let ready = |monitor: &Monitor<Fake>| {
        let short = Some(std::time::Duration::from_nanos(1));
        wait([readable(monitor)], short).unwrap()[0]
    };
    assert!(!ready(&monitor));
    map(&kernel, 0);
    assert!(ready(&monitor));
    words(&mut monitor);
    assert!(!ready(&monitor));
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Map(u32),
    Unmap(u32),
    Lose,
    Listen,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..DRIVES).prop_map(Step::Map),
        4 => (0..DRIVES).prop_map(Step::Unmap),
        1 => Just(Step::Lose),
        2 => Just(Step::Listen),
    ]
}

/// What a listener knows that believes every update.
#[derive(Default)]
struct Listener {
    devices: Vec<Device>,
}

impl Listener {
    fn listen(&mut self, monitor: &mut Monitor<Fake>) -> Vec<Device> {
        for update in updates(monitor) {
            match update {
                Update::Overrun => self.devices.clear(),
                Update::Exists(device) => self.devices.push(device),
                Update::Ready(_) => {}
                Update::Changed(Change { reason, device, .. }) => {
                    let known = self.devices.iter().position(|known| *known == device);
                    match (reason, known) {
                        (Reason::Created, None) => self.devices.push(device),
                        (Reason::Destroyed, Some(place)) => drop(self.devices.remove(place)),
                        _ => panic!("{reason:?} {device}"),
                    }
                }
            }
        }
        self.devices.sort_by_key(|device| device.id);
        self.devices.clone()
    }
}

proptest! {
    /// Whatever is dropped: as soon as one more notification gets through, a listener has the
    /// devices as they are.
    #[test]
    fn the_updates_always_lead_to_the_kernels_state(
        room in 1..5_usize,
        steps in prop::collection::vec(step(), 0..60),
    ) {
        let kernel = kernel();
        kernel.set_room(room);
        let mut monitor = Monitor::start(Client::new(kernel.clone())).unwrap();
        let mut listener = Listener::default();
        let toggle = || map(&kernel, 0) || unmap(&kernel, 0);
        for step in steps {
            match step {
                Step::Map(n) => drop(map(&kernel, n)),
                Step::Unmap(n) => drop(unmap(&kernel, n)),
                Step::Lose => {
                    // One that gets through, so that the number of the lost one is missed.
                    listener.listen(&mut monitor);
                    toggle();
                    listener.listen(&mut monitor);
                    kernel.lose_next();
                    toggle();
                    toggle();
                }
                Step::Listen => {
                    prop_assert_eq!(listener.listen(&mut monitor), kernel.devices());
                }
            }
        }
        prop_assert_eq!(listener.listen(&mut monitor), kernel.devices());
    }
}
