// SPDX-License-Identifier: GPL-2.0-only

//! The commands device-new, device-del, device-get, device-set and caps-get.

use super::{Control, decode, encode, policy};
use crate::{
    device::Device,
    error::Refused,
    kernel_ext::net::{
        attr::{Policy, Writer},
        dump::Dump,
        genl::{Answer, Do, Message, Permission, Request},
    },
    registry::{Change, Key},
    table::TableSpec,
    uapi::{Reason, State, cmd},
};
use kernel::prelude::*;

/// device-new: maps a device, tells the listeners, and answers with it.
pub(super) struct New;

impl Do for New {
    type Context = Control;
    type Refusal = Refused;
    const COMMAND: u8 = cmd::DEVICE_NEW;
    const PERMISSION: Permission = Permission::Admin;
    const POLICY: &'static [Policy] = &policy::DEVICE_NEW_DO;

    fn run(control: &Control, request: &Request<'_>) -> Result<Answer, Refused> {
        let mut said = decode::said(request.attrs())?;
        let spec = said.device_spec()?;
        let table = said
            .table_spec()?
            .ok_or(Refused::Missing("device's target"))?;
        let reply = request.reply(encode::wanted_room(&table))?;
        let mut change = control.registry.change();
        let device = change.create(spec, &table)?;
        control.notifier.send(&device, Reason::Created, None);
        fill(reply, &device)
    }
}

/// device-del: unmaps a device and tells the listeners.
pub(super) struct Del;

impl Do for Del {
    type Context = Control;
    type Refusal = Refused;
    const COMMAND: u8 = cmd::DEVICE_DEL;
    const PERMISSION: Permission = Permission::Admin;
    const POLICY: &'static [Policy] = &policy::DEVICE_DEL_DO;

    fn run(control: &Control, request: &Request<'_>) -> Result<Answer, Refused> {
        let said = decode::said(request.attrs())?;
        let mut change = control.registry.change();
        let device = change.remove(&said.key()?, said.force)?;
        control.notifier.send(&device, Reason::Destroyed, None);
        drop(device);
        Ok(Answer::Done)
    }
}

/// device-set: changes a device, tells the listeners, and answers with it.
pub(super) struct Set;

impl Do for Set {
    type Context = Control;
    type Refusal = Refused;
    const COMMAND: u8 = cmd::DEVICE_SET;
    const PERMISSION: Permission = Permission::Admin;
    const POLICY: &'static [Policy] = &policy::DEVICE_SET_DO;

    fn run(control: &Control, request: &Request<'_>) -> Result<Answer, Refused> {
        let mut said = decode::said(request.attrs())?;
        let mut change = control.registry.change();
        let device = change.find(&said.key()?)?;
        let table = said.table_spec()?;
        let room = table.as_ref().map_or(0, encode::wanted_room);
        let reply = request.reply(room.max(encode::device_room(&device)))?;
        set(&mut change, &device, &said, table.as_ref())?;
        control.notifier.send(&device, Reason::Changed, None);
        fill(reply, &device)
    }
}

/// Makes the change that can be refused first, then those that cannot.
fn set(
    change: &mut Change<'_>,
    device: &Device,
    said: &decode::Said<'_>,
    table: Option<&TableSpec>,
) -> Result<(), Refused> {
    match (table, said.resize, said.state, said.read_only) {
        (None, false, None, None) => {}
        (Some(table), false, None, None) => change.retarget(device, table)?,
        (None, true, None, None) => change.resize(device)?,
        (None, false, Some(State::Live), None) => change.resume(device)?,
        (None, false, Some(State::Suspended), None) => change.suspend(device, said.freeze)?,
        (None, false, None, Some(read_only)) => change.set_read_only(device, read_only)?,
        _ => return Err(Refused::Together),
    }
    if let Some(mode) = said.stats_mode {
        change.set_stats_mode(device, mode)?;
    }
    Ok(())
}

/// device-get: shows one device, or all.
pub(super) struct Get;

impl Do for Get {
    type Context = Control;
    type Refusal = Refused;
    const COMMAND: u8 = cmd::DEVICE_GET;
    const PERMISSION: Permission = Permission::Admin;
    const POLICY: &'static [Policy] = &policy::DEVICE_GET_DO;

    fn run(control: &Control, request: &Request<'_>) -> Result<Answer, Refused> {
        answer(control, request, false)
    }
}

/// Shows the device that a request names, with what it can do or without.
#[inline(never)]
fn answer(control: &Control, request: &Request<'_>, caps: bool) -> Result<Answer, Refused> {
    let key = decode::said(request.attrs())?.key()?;
    control.registry.with(&key, |device| {
        if !caps {
            return reply(request, device);
        }
        let mut reply = request.reply(encode::caps_room(device))?;
        encode::caps(&mut reply.writer(), device)?;
        Ok(Answer::Reply(reply))
    })
}

impl Dump for Get {
    type Context = Control;
    const COMMAND: u8 = cmd::DEVICE_GET;
    const PERMISSION: Permission = Permission::Admin;
    const POLICY: &'static [Policy] = &policy::DEVICE_GET_DUMP;

    fn generation(control: &Control) -> u32 {
        control.registry.version()
    }

    fn room(control: &Control) -> usize {
        control.registry.most(encode::device_room)
    }

    fn next(control: &Control, from: u32) -> Option<u32> {
        control.registry.next_id(from)
    }

    fn write(control: &Control, id: u32, message: &mut Writer<'_>) -> Result {
        let written = control.registry.with(&Key::Id(id), |device| {
            encode::device(message, device).map_err(Refused::from)
        });
        written.map_err(|refused| refused.error())
    }
}

/// caps-get: shows one device with what it and its targets can do.
pub(super) struct Caps;

impl Do for Caps {
    type Context = Control;
    type Refusal = Refused;
    const COMMAND: u8 = cmd::CAPS_GET;
    const PERMISSION: Permission = Permission::Admin;
    const POLICY: &'static [Policy] = &policy::CAPS_GET_DO;

    fn run(control: &Control, request: &Request<'_>) -> Result<Answer, Refused> {
        answer(control, request, true)
    }
}

fn reply(request: &Request<'_>, device: &Device) -> Result<Answer, Refused> {
    fill(request.reply(encode::device_room(device))?, device)
}

/// Completes a reply, which a command that changes something begins before: once the change has been made, there is nothing
/// left that could fail.
fn fill(mut reply: Message, device: &Device) -> Result<Answer, Refused> {
    encode::device(&mut reply.writer(), device)?;
    Ok(Answer::Reply(reply))
}
