// SPDX-License-Identifier: MIT OR Apache-2.0
//! `unmap`.

use std::{
    thread::sleep,
    time::{Duration, Instant},
};

use nix::libc::EBUSY;
use shunt::{
    Client, Error, Selector, Transport,
    machine::{Use, Users},
    words::pasted,
};

use crate::{
    cli::UnmapArgs,
    explain::{Failure, explain_with, no_such_device, shown},
};

/// How long a use that ends by itself is waited for, and how often it is looked at.
const PATIENCE: Duration = Duration::from_secs(1);
const STEP: Duration = Duration::from_millis(50);

pub(super) fn unmap<T: Transport>(mut client: Client<T>, args: &UnmapArgs) -> Result<(), Failure> {
    let selector = Selector::name(&args.name);
    let what = format!("unmap {}", shown(&args.name));
    if args.force {
        let gone = client.force_delete_device(&selector);
        return gone.map_err(|error| no_such_device(&what, &error));
    }
    let deadline = Instant::now() + PATIENCE;
    loop {
        let error = match client.delete_device(&selector) {
            Ok(()) => return Ok(()),
            Err(error) if error.errno() == Some(EBUSY) => error,
            Err(error) => return Err(no_such_device(&what, &error)),
        };
        let users = users(&mut client, &selector);
        let lasting = users.iter().any(|user| !user.passing);
        if lasting || Instant::now() >= deadline {
            return Err(refused(&what, &error, &users, &args.name));
        }
        sleep(STEP);
    }
}

fn users<T: Transport>(client: &mut Client<T>, selector: &Selector) -> Vec<Use> {
    client
        .device(selector)
        .map(|device| Users::of_this_machine().of_disk(&device.disk_name()))
        .unwrap_or_default()
}

fn refused(what: &str, error: &Error, users: &[Use], name: &str) -> Failure {
    let causes: Vec<_> = users.iter().map(Use::to_string).collect();
    let advice = format!(
        "unmount it or end what has it open; or let its I/O fail: shunt unmap --force {}",
        pasted(name)
    );
    explain_with(what, error, &causes, &advice)
}
