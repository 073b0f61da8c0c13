// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the fake answers to each request, as the kernel's family does.

use std::ffi::CStr;

use nix::libc::{EINVAL, EOPNOTSUPP, ERANGE};
use shunt_logic::refusal::Refused;
use shunt_uapi::{NAME_MAX, cmd, group};

use super::{
    super::{Dump, Transport},
    Fake, FakeEvents,
    kernel::{Kernel, refused},
    mailbox,
};
use crate::{
    drive::{self, OpenDrive},
    error::{Error, Refusal, Result},
    model::{Device, DeviceCaps, DriveId, Reason, Selector},
    wire::{Message, attr::Writer, caps, module, reply, request, stats},
};

impl Transport for Fake {
    type Events = FakeEvents;

    fn open_drive(&mut self, path: &str) -> std::result::Result<OpenDrive, Refusal> {
        let mut kernel = self.kernel();
        if let Some(drive) = kernel.turning.remove(path) {
            kernel.table.add_drive(path, drive);
        }
        let drive = kernel.table.drive(path).map_err(drive::refusal)?;
        Ok(OpenDrive::in_memory(DriveId {
            major: drive.major,
            minor: drive.minor,
            diskseq: Some(drive.diskseq),
        }))
    }

    fn request(&mut self, message: &Message) -> Result<Vec<Message>> {
        self.open(message);
        let mut kernel = self.kernel();
        kernel.check(message.command)?;
        let selector = || -> Result<Selector> {
            let named = request::decode_selector(&message.attributes);
            named
                .map(|(selector, _)| selector)
                .map_err(|_| refused(EINVAL))
        };
        let answer = match message.command {
            cmd::DEVICE_NEW => {
                let spec = request::decode_device_spec(&message.attributes)
                    .map_err(|_| refused(EINVAL))?;
                if spec.name.len() > NAME_MAX as usize {
                    return Err(too_long("name"));
                }
                let device = kernel.table.create(&spec).map_err(by_rule)?;
                kernel.notify(Reason::Created, device.clone());
                device_message(cmd::DEVICE_NEW, &device)
            }
            cmd::DEVICE_DEL => {
                let (selector, force) =
                    request::decode_selector(&message.attributes).map_err(|_| refused(EINVAL))?;
                let gone = kernel.table.delete(&selector, force);
                let device = gone.map_err(by_rule)?;
                kernel.notify(Reason::Destroyed, device);
                Ok(None)
            }
            cmd::DEVICE_SET => {
                let (selector, change) =
                    request::decode_change(&message.attributes).map_err(|_| refused(EINVAL))?;
                let changed = kernel.table.change(&selector, &change);
                let device = changed.map_err(by_rule)?;
                kernel.notify(Reason::Changed, device.clone());
                device_message(cmd::DEVICE_SET, &device)
            }
            cmd::DEVICE_GET => {
                let device = kernel.table.find(&selector()?).map_err(by_rule)?;
                device_message(cmd::DEVICE_GET, device)
            }
            cmd::CAPS_GET => {
                let caps = kernel.table.caps(&selector()?).map_err(by_rule)?;
                caps_message(&caps)
            }
            cmd::MODULE_GET => match &kernel.version {
                Some(version) => module::encode(version).map(Some),
                None => Err(refused(EOPNOTSUPP)),
            },
            cmd::STATS_GET => {
                let device = kernel.table.find(&selector()?).map_err(by_rule)?;
                stats_message(&kernel, device.id)
            }
            cmd::STATS_SET => {
                let wanted = stats::decode_interval(&message.attributes);
                let wanted = wanted.map_err(|_| refused(EINVAL))?;
                kernel.set_interval(wanted).map(Some)
            }
            _ => Err(refused(EOPNOTSUPP)),
        };
        Ok(answer?.into_iter().collect())
    }

    fn dump(&mut self, message: &Message) -> Result<Dump> {
        let mut kernel = self.kernel();
        kernel.check(message.command)?;
        let interrupted = kernel.interruptions > 0;
        kernel.interruptions = kernel.interruptions.saturating_sub(1);
        let mut messages = Vec::new();
        for device in kernel.table.devices() {
            messages.extend(match message.command {
                cmd::DEVICE_GET => device_message(cmd::DEVICE_GET, device)?,
                cmd::STATS_GET => stats_message(&kernel, device.id)?,
                _ => return Err(refused(EOPNOTSUPP)),
            });
        }
        if interrupted {
            // As a list is that lost its place: not all of it.
            messages.pop();
        }
        Ok(Dump {
            messages,
            interrupted,
        })
    }

    fn subscribe(&mut self, group: &CStr) -> Result<FakeEvents> {
        let mut kernel = self.kernel();
        let (mailbox, events) = mailbox::open()?;
        let (command, listeners) = if group == group::CONFIG {
            (cmd::DEVICE_NTF, &mut kernel.listeners)
        } else if group == group::STATS {
            (cmd::STATS_NTF, &mut kernel.samples.listeners)
        } else {
            let what = format!("the family has no group {group:?}");
            return Err(Error::Malformed(what));
        };
        listeners.push(mailbox);
        kernel.check(command)?;
        Ok(events)
    }
}

/// A refusal of netlink itself, which looks at the length of text before the module does.
fn too_long(word: &str) -> Error {
    let text = format!("Attribute failed policy validation ({word})");
    Error::Refused(Refusal::new(ERANGE, text).of(word))
}

fn by_rule(refused: Refused) -> Error {
    Error::Refused(refused.into())
}

fn message(command: u8, encode: impl FnOnce(&mut Writer) -> Result<()>) -> Result<Option<Message>> {
    let mut writer = Writer::default();
    encode(&mut writer)?;
    Ok(Some(Message {
        command,
        attributes: writer.into_bytes(),
    }))
}

fn device_message(command: u8, device: &Device) -> Result<Option<Message>> {
    message(command, |writer| reply::encode_device(writer, device))
}

fn caps_message(caps: &DeviceCaps) -> Result<Option<Message>> {
    message(cmd::CAPS_GET, |writer| caps::encode(writer, caps))
}

fn stats_message(kernel: &Kernel, id: u32) -> Result<Option<Message>> {
    match kernel.table.stats(id) {
        Some(figures) => message(cmd::STATS_GET, |writer| stats::encode(writer, &figures)),
        None => Ok(None),
    }
}
