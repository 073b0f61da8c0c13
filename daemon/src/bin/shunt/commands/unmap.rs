// SPDX-License-Identifier: MIT OR Apache-2.0
//! `unmap`.

use nix::libc::EBUSY;
use shunt::{Client, Error, Transport, machine::Use, unmap, words::pasted};

use super::named::{each, selector};
use crate::{
    cli::UnmapArgs,
    explain::{Failure, explain_with, no_such_device, shown},
};

pub(super) fn unmap<T: Transport>(mut client: Client<T>, args: &UnmapArgs) -> Result<(), Failure> {
    each(&mut client, &args.devices, |client, name| {
        one(client, name, args.force)
    })
}

fn one<T: Transport>(client: &mut Client<T>, name: &str, force: bool) -> Result<(), Failure> {
    let what = format!("unmap {}", shown(name));
    let selector = selector(client, name);
    let selector = selector.map_err(|error| no_such_device(&what, &error))?;
    if force {
        return unmap::force(client, &selector).map_err(|error| match error.errno() {
            Some(EBUSY) => explain_with(&what, &error, &[], "turn it off before: swapoff PATH"),
            _ => no_such_device(&what, &error),
        });
    }
    unmap::unmap(client, &selector).map_err(|why| match why.error.errno() {
        Some(EBUSY) => refused(&what, &why.error, &why.users, name),
        _ => no_such_device(&what, &why.error),
    })
}

fn refused(what: &str, error: &Error, users: &[Use], name: &str) -> Failure {
    let causes: Vec<_> = users.iter().map(Use::to_string).collect();
    let advice = format!(
        "unmount it or end what has it open; or let its I/O fail: shunt unmap --force {}",
        pasted(name)
    );
    explain_with(what, error, &causes, &advice)
}
