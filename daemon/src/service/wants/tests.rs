// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is made of a step that was refused.

use shunt_logic::refusal::Refused;

use super::*;
use crate::{
    Client, apply, drive,
    error::Refusal,
    transport::fake::{Drive, Fake},
};

const MAPPED: &str = "[device.v]\nto = '/dev/a'\n";

/// Why device v is left out after a remap of it that was refused.
fn left_out_after(refusal: Refusal) -> Option<String> {
    let kernel = Fake::new();
    kernel.add_drive("/dev/a", Drive::new(8, 0, 8 << 20));
    let machine = kernel.clone();
    let parsed = |text: &str| config::parse("f", text).unwrap();
    let mut client = Client::new(kernel.clone());
    apply::apply(&mut client, &parsed(MAPPED), || kernel.clone()).unwrap();
    let mut wants = Wants::of_file("/no/such", true, move || Box::new(machine.clone()));
    wants.devices = parsed(&format!("{MAPPED}queue = 'mq'\n"));
    let memory = Memory::default();
    let by = Authority::Reload;
    let step = plan(&wants.devices, &kernel.devices(), &kernel, &memory, by)
        .steps
        .remove(0);
    assert!(matches!(step.action, Action::Remap { .. }), "{step}");
    let result = Err(Error::Refused(refusal).into());
    wants.ended(&Ended { step, result });
    wants.kept.remove("v").and_then(|kept| kept.left_out)
}

#[test]
fn a_remap_that_came_after_an_unmap_leaves_the_device_so() {
    let generation = Refused::Generation {
        wanted: 1,
        generation: 2,
    };
    for refused in [Refused::UnknownId(0), Refused::UnknownName, generation] {
        assert_eq!(left_out_after(refused.into()).as_deref(), Some(UNMAPPED));
    }
}

#[test]
fn a_drive_that_cannot_be_opened_is_no_device_that_was_unmapped() {
    for errno in [ENODEV, ESTALE] {
        let refusal = drive::refusal(errno).at(0);
        assert_eq!((refusal.errno, left_out_after(refusal)), (errno, None));
    }
}
