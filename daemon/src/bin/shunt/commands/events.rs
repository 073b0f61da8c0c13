// SPDX-License-Identifier: MIT OR Apache-2.0
//! `events`: the present state, then every change.

use shunt::{Client, Monitor, Transport, poll::readable};

use crate::{
    explain::{Failure, explain},
    output::{Output, json, table},
};

pub(super) fn events<T: Transport>(
    client: Client<T>,
    output: &mut Output<'_>,
) -> Result<(), Failure> {
    let refused = |error| explain("follow the devices", &error);
    let mut monitor = Monitor::start(client).map_err(refused)?;
    loop {
        while let Some(update) = monitor.next_update().map_err(refused)? {
            let sequence = monitor.sequence();
            output.show(|| json::event(sequence, &update), || table::event(&update))?;
        }
        output.wait(Some(readable(&monitor)), None)?;
    }
}
