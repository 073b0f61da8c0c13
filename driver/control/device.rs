// SPDX-License-Identifier: GPL-2.0-only

//! The commands device-new, device-del, device-get, device-set and caps-get.

use super::{Control, FAMILY, decode, encode, policy};
use crate::{
    device::{Device, DeviceSpec},
    error::Refused,
    kernel_ext::{
        net::{
            attr::{Policy, Writer},
            dump::Dump,
            genl::{Answer, Do, DoLater, Message, Permission, Request},
            sender::Sender,
        },
        patience::Patience,
    },
    registry::{Key, give_back},
    table::TableSpec,
    uapi::{Reason, State, StatsMode, cmd},
};
use kernel::{alloc::AllocError, prelude::*, sync::Arc};

/// device-new: maps a device, tells the listeners, and answers with it.
pub(super) struct New {
    spec: DeviceSpec,
    table: TableSpec,
    timeout_ms: u32,
}

impl DoLater for New {
    type Context = Control;
    type Refusal = Refused;
    type Task = Self;
    const COMMAND: u8 = cmd::DEVICE_NEW;
    const PERMISSION: Permission = Permission::Admin;
    const POLICY: &'static [Policy] = &policy::DEVICE_NEW_DO;

    fn begin(request: &Request<'_>) -> Result<Self, Refused> {
        let mut asked = decode::request(request.attrs())?;
        let spec = asked.device_spec()?;
        let table = asked
            .table_spec()?
            .ok_or(Refused::Missing("device's target"))?;
        Ok(Self {
            timeout_ms: asked.timeout_ms()?,
            spec,
            table,
        })
    }

    fn finish(control: &Control, new: Self, sender: &Arc<Sender>) -> Result<Answer, Refused> {
        let patience = Patience::of(sender.clone(), new.timeout_ms);
        let reply = sender.reply::<Control>(encode::wanted_room(&new.table))?;
        let tell = |device: &Device| {
            FAMILY.with(|control| control.notifier.send(device, Reason::Created, None));
        };
        let registry = &control.registry;
        let device = registry.create(new.spec, new.table, tell, &patience)?;
        // Somebody may have given it a longer table meanwhile; otherwise there is nothing left that could fail.
        let mut first = Some(reply);
        let shown = show(&device, false, |room| match first.take() {
            Some(reply) => Ok(reply),
            None => sender.reply::<Control>(room),
        });
        give_back(device);
        shown
    }
}

/// device-del: unmaps a device and tells the listeners.
pub(super) struct Del {
    key: Key,
    table_number: Option<u64>,
    force: bool,
    timeout_ms: u32,
}

impl DoLater for Del {
    type Context = Control;
    type Refusal = Refused;
    type Task = Self;
    const COMMAND: u8 = cmd::DEVICE_DEL;
    const PERMISSION: Permission = Permission::Admin;
    const POLICY: &'static [Policy] = &policy::DEVICE_DEL_DO;

    fn begin(request: &Request<'_>) -> Result<Self, Refused> {
        let asked = decode::request(request.attrs())?;
        Ok(Self {
            key: asked.key()?,
            table_number: asked.table_number,
            force: asked.force,
            timeout_ms: asked.timeout_ms()?,
        })
    }

    fn finish(control: &Control, del: Self, sender: &Arc<Sender>) -> Result<Answer, Refused> {
        let patience = Patience::of(sender.clone(), del.timeout_ms);
        let device = control.registry.find(&del.key)?;
        if let Err(refused) = del.take_away(control, &device, &patience) {
            give_back(device);
            return Err(refused);
        }
        // Nobody finds it any more. If its drive does not answer, the rest goes by itself when that does.
        let _ = patience.run(move || {
            if del.force {
                device.mark_dead();
            }
            drop(device);
        });
        Ok(Answer::Done)
    }
}

impl Del {
    /// Keeps everybody from using a device, and from finding it.
    fn take_away(
        &self,
        control: &Control,
        device: &Arc<Device>,
        patience: &Patience,
    ) -> Result<(), Refused> {
        if self.force && device.has_swap() {
            return Err(Refused::Swap(device.id()));
        }
        // Nobody gives up a change for a command that is refused.
        device.check_table_number(self.table_number)?;
        let _doom = self.force.then(|| device.doom());
        let turn = device.turn(self.table_number, patience)?;
        match self.force {
            true => turn.fail_io(patience),
            false => turn.forbid_open(patience)?,
        }
        control.registry.remove(&turn);
        control.notifier.send(device, Reason::Destroyed, None);
        turn.end();
        Ok(())
    }
}

/// device-set: changes a device, tells the listeners, and answers with it.
pub(super) struct Set {
    key: Key,
    table_number: Option<u64>,
    change: Change,
    stats_mode: Option<StatsMode>,
    timeout_ms: u32,
}

/// What can be refused of a change, one at a time.
enum Change {
    Nothing,
    Retarget(TableSpec),
    Resize,
    Resume,
    Suspend { freeze: bool },
    ReadOnly(bool),
}

impl Change {
    fn of(asked: &decode::Request<'_>, table: Option<TableSpec>) -> Result<Self, Refused> {
        Ok(match (table, asked.resize, asked.state, asked.read_only) {
            (None, false, None, None) => Self::Nothing,
            (Some(table), false, None, None) => Self::Retarget(table),
            (None, true, None, None) => Self::Resize,
            (None, false, Some(State::Live), None) => Self::Resume,
            (None, false, Some(State::Suspended), None) => Self::Suspend {
                freeze: asked.freeze,
            },
            (None, false, None, Some(read_only)) => Self::ReadOnly(read_only),
            _ => return Err(Refused::Together),
        })
    }

    /// Room that a table takes which is asked for.
    fn wanted_room(&self) -> usize {
        match self {
            Self::Retarget(table) => encode::wanted_room(table),
            _ => 0,
        }
    }
}

impl DoLater for Set {
    type Context = Control;
    type Refusal = Refused;
    type Task = Self;
    const COMMAND: u8 = cmd::DEVICE_SET;
    const PERMISSION: Permission = Permission::Admin;
    const POLICY: &'static [Policy] = &policy::DEVICE_SET_DO;

    fn begin(request: &Request<'_>) -> Result<Self, Refused> {
        let mut asked = decode::request(request.attrs())?;
        let table = asked.table_spec()?;
        Ok(Self {
            key: asked.key()?,
            table_number: asked.table_number,
            change: Change::of(&asked, table)?,
            stats_mode: asked.stats_mode,
            timeout_ms: asked.timeout_ms()?,
        })
    }

    fn finish(control: &Control, set: Self, sender: &Arc<Sender>) -> Result<Answer, Refused> {
        let device = control.registry.find(&set.key)?;
        let answer = set.change(control, &device, sender);
        give_back(device);
        answer
    }
}

impl Set {
    /// Makes the change that is refused most often first. Once one has been made, only a time-out can refuse the other.
    fn change(
        self,
        control: &Control,
        device: &Arc<Device>,
        sender: &Arc<Sender>,
    ) -> Result<Answer, Refused> {
        let patience = Patience::of(sender.clone(), self.timeout_ms);
        let turn = device.turn(self.table_number, &patience)?;
        let patience = device.patience(&patience);
        let registry = &control.registry;
        let room = self.change.wanted_room().max(encode::device_room(device));
        let mut reply = sender.reply::<Control>(room)?;
        let state = || (device.is_suspended(), device.table_number());
        let before = state();
        let first = match self.change {
            Change::Nothing => Ok(()),
            Change::Retarget(table) => registry.retarget(&turn, table, &patience),
            Change::Resize => registry.resize(&turn, &patience),
            Change::Resume => turn.resume(&patience),
            Change::Suspend { freeze } => registry.suspend(&turn, freeze, &patience),
            Change::ReadOnly(read_only) => registry.set_read_only(&turn, read_only, &patience),
        };
        let is_first_made = first.is_ok();
        let all = first.and_then(|()| match self.stats_mode {
            Some(mode) => turn.set_stats_mode(mode, &patience),
            None => Ok(()),
        });
        // What was made is told although the rest was refused: a resume may be refused for a file system alone, and writes after
        // the drives were opened for them, which makes another table.
        if is_first_made || state() != before {
            control.notifier.send(device, Reason::Changed, None);
        }
        all?;
        // There is nothing left that could fail: nobody else has the turn.
        encode::device(&mut reply.writer(), device)?;
        Ok(Answer::Reply(reply))
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
        answer(control, request, false)
    }
}

/// Shows the device that a request names, with what it can do or without.
#[inline(never)]
fn answer(control: &Control, request: &Request<'_>, caps: bool) -> Result<Answer, Refused> {
    let key = decode::request(request.attrs())?.key()?;
    control.registry.with(&key, |device| {
        show(device, caps, |room| request.reply(room))
    })
}

/// How often room for a device is measured: it may get a longer table before it is written.
const ATTEMPTS: u32 = 8;

/// Writes a device to a reply that `begin` begins with room for so many bytes, with what it can do or without.
fn show(
    device: &Device,
    caps: bool,
    mut begin: impl FnMut(usize) -> Result<Message, AllocError>,
) -> Result<Answer, Refused> {
    let room: fn(&Device) -> usize = match caps {
        true => encode::caps_room,
        false => encode::device_room,
    };
    let write: fn(&mut Writer<'_>, &Device) -> Result = match caps {
        true => encode::caps,
        false => encode::device,
    };
    for _ in 0..ATTEMPTS {
        let mut reply = begin(room(device))?;
        match write(&mut reply.writer(), device) {
            Err(error) if error == EMSGSIZE => {}
            written => return Ok(written.map(|()| Answer::Reply(reply))?),
        }
    }
    Err(EMSGSIZE.into())
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
        let written = control.registry.with(&Key::id(id), |device| {
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
