// SPDX-License-Identifier: GPL-2.0-only

//! The commands stats-get and stats-set.

use super::{Control, decode, encode, policy};
use crate::{
    error::Refused,
    kernel_ext::net::{
        attr::{Policy, Writer},
        dump::Dump,
        genl::{Answer, Do, Permission, Request},
    },
    registry::Key,
    uapi::{cmd, sample},
};
use kernel::prelude::*;

/// stats-get: the statistics of one device, or of all. They tell no paths, so everybody may.
pub(super) struct Get;

impl Do for Get {
    type Context = Control;
    type Refusal = Refused;
    const COMMAND: u8 = cmd::STATS_GET;
    const PERMISSION: Permission = Permission::Anybody;
    const POLICY: &'static [Policy] = &policy::STATS_GET_DO;

    fn run(control: &Control, request: &Request<'_>) -> Result<Answer, Refused> {
        let key = decode::request(request.attrs())?.key()?;
        control.registry.with(&key, |device| {
            let mut reply = request.reply(encode::STATS_ROOM)?;
            encode::stats(&mut reply.writer(), device)?;
            Ok(Answer::Reply(reply))
        })
    }
}

impl Dump for Get {
    type Context = Control;
    const COMMAND: u8 = cmd::STATS_GET;
    const PERMISSION: Permission = Permission::Anybody;
    const POLICY: &'static [Policy] = &policy::STATS_GET_DUMP;

    fn generation(control: &Control) -> u32 {
        control.registry.version()
    }

    fn room(_control: &Control) -> usize {
        encode::STATS_ROOM
    }

    fn next(control: &Control, from: u32) -> Option<u32> {
        control.registry.next_id(from)
    }

    fn write(control: &Control, id: u32, message: &mut Writer<'_>) -> Result {
        let written = control.registry.with(&Key::id(id), |device| {
            encode::stats(message, device).map_err(Refused::from)
        });
        written.map_err(|refused| refused.error())
    }
}

/// stats-set: changes how often statistics are sent to group `stats`.
pub(super) struct Set;

impl Do for Set {
    type Context = Control;
    type Refusal = Refused;
    const COMMAND: u8 = cmd::STATS_SET;
    const PERMISSION: Permission = Permission::Admin;
    const POLICY: &'static [Policy] = &policy::STATS_SET_DO;

    fn run(control: &Control, request: &Request<'_>) -> Result<Answer, Refused> {
        let mut reply = request.reply(16)?;
        for attr in request
            .attrs()
            .filter(|attr| attr.kind() == sample::INTERVAL)
        {
            control.sampler.set_interval_ms(attr.u32());
        }
        reply
            .writer()
            .u32(sample::INTERVAL, control.sampler.interval_ms())?;
        Ok(Answer::Reply(reply))
    }
}
