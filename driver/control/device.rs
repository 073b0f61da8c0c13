// SPDX-License-Identifier: GPL-2.0-only

//! The commands device-new, device-del and device-get.

use super::{Control, decode, encode, policy};
use crate::{
    error::Refused,
    kernel_ext::net::{
        attr::{Policy, Writer},
        dump::Dump,
        genl::{Answer, Do, Permission, Request},
    },
    registry::Key,
    uapi::{Reason, cmd},
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
        let (spec, target) = decode::device_spec(request.attrs())?;
        let mut change = control.registry.change();
        let key = Key::Id(change.create(spec, target)?);
        let reply = reply_device(control, request, &key);
        if reply.is_err() {
            // Whole or not at all: nobody has been told of it. If somebody has it open already,
            // it stays, and the sender finds it in the list.
            drop(change.remove(&key));
            return reply;
        }
        control.registry.with(&key, |device| {
            control.notifier.send(device, Reason::Created);
            Ok(())
        })?;
        reply
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
        let key = decode::key(request.attrs())?;
        let mut change = control.registry.change();
        let device = change.remove(&key)?;
        control.notifier.send(&device, Reason::Destroyed);
        drop(device);
        Ok(Answer::Done)
    }
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
        reply_device(control, request, &decode::key(request.attrs())?)
    }
}

impl Dump for Get {
    type Context = Control;
    const COMMAND: u8 = cmd::DEVICE_GET;
    const PERMISSION: Permission = Permission::Admin;
    const POLICY: &'static [Policy] = &policy::DEVICE_GET_DUMP;

    fn generation(control: &Control) -> u32 {
        control.registry.version()
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

fn reply_device(control: &Control, request: &Request<'_>, key: &Key) -> Result<Answer, Refused> {
    control.registry.with(key, |device| {
        let mut reply = request.reply(encode::device_room(device))?;
        encode::device(&mut reply.writer(), device)?;
        Ok(Answer::Reply(reply))
    })
}
