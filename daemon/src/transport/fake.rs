// SPDX-License-Identifier: MIT OR Apache-2.0
//! A stand-in for the kernel, in memory, with the same messages and the same rules. Tests of this
//! library and of the programs run on it.
//!
//! ```
//! use shunt::{Client, DeviceSpec, TargetSpec, transport::fake::{Drive, Fake}};
//!
//! let kernel = Fake::new();
//! kernel.add_drive("/dev/sdb", Drive::new(8, 16, 1 << 30));
//! let mut client = Client::new(kernel.clone());
//! let spec = DeviceSpec::new("vol0", vec![TargetSpec::whole("/dev/sdb")]);
//! assert_eq!(client.create_device(&spec).unwrap().size, 1 << 30);
//! ```

use std::{
    ffi::CStr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use nix::libc::{EINVAL, EOPNOTSUPP, EPERM};
use shunt_uapi::{cmd, group};

use super::{Dump, Transport};
use crate::{
    error::{Error, Refusal, Result},
    model::{Device, Notification, Op, Reason, Selector},
    wire::{Message, attr::Writer, event, reply, request},
};

mod mailbox;
mod table;

pub use mailbox::FakeEvents;
use mailbox::Mailbox;
pub use table::Drive;
use table::Table;

/// Notifications that a listener may leave untaken unless [`Fake::set_room`] says otherwise.
const ROOM: usize = 1000;

/// The kernel. Every clone is the same one.
#[derive(Clone, Debug, Default)]
pub struct Fake {
    kernel: Arc<Mutex<Kernel>>,
}

#[derive(Debug)]
struct Kernel {
    loaded: bool,
    privileged: bool,
    table: Table,
    sequence: u64,
    listeners: Vec<Mailbox>,
    room: usize,
    interruptions: u32,
    lose_next: bool,
}

impl Default for Kernel {
    fn default() -> Self {
        Self {
            loaded: true,
            privileged: true,
            table: Table::default(),
            sequence: 0,
            listeners: Vec::new(),
            room: ROOM,
            interruptions: 0,
            lose_next: false,
        }
    }
}

impl Fake {
    /// A kernel with the module loaded, without drives.
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts a drive at a path.
    pub fn add_drive(&self, path: &str, drive: Drive) {
        self.kernel().table.add_drive(path, drive);
    }

    /// Puts something that is not a block device at a path.
    pub fn add_file(&self, path: &str) {
        self.kernel().table.add_file(path);
    }

    /// Pulls a drive out: the devices on it are lost, and listeners are told.
    pub fn remove_drive(&self, path: &str) {
        let mut kernel = self.kernel();
        for device in kernel.table.remove_drive(path) {
            kernel.notify(Reason::Lost, device);
        }
    }

    /// Opens a device, as a mount does, or closes it.
    pub fn set_open(&self, id: u32, open: bool) {
        self.kernel().table.set_open(id, open);
    }

    /// Lets an operation of a device end.
    pub fn complete(&self, id: u32, op: Op, bytes: u64, latency: Duration, failed: bool) {
        self.kernel().table.complete(id, op, bytes, latency, failed);
    }

    /// Lets time pass on the clock that statistics are read by.
    pub fn advance(&self, time: Duration) {
        self.kernel().table.advance(time);
    }

    /// Loads or unloads the module. Unloading it ends the devices and every listener.
    pub fn set_loaded(&self, loaded: bool) {
        let mut kernel = self.kernel();
        kernel.loaded = loaded;
        if !loaded {
            kernel.table.clear();
            kernel.sequence = 0;
            for listener in kernel.listeners.drain(..) {
                listener.end();
            }
        }
    }

    /// Grants or takes the privilege that all but statistics need.
    pub fn set_privileged(&self, privileged: bool) {
        self.kernel().privileged = privileged;
    }

    /// Sets how many notifications a listener may leave untaken before the rest is dropped.
    pub fn set_room(&self, notifications: usize) {
        self.kernel().room = notifications;
    }

    /// Lets the next notification reach nobody, as when the kernel has no memory for it.
    pub fn lose_next(&self) {
        self.kernel().lose_next = true;
    }

    /// Lets devices change during each of the next `count` dumps.
    pub fn interrupt_dumps(&self, count: u32) {
        self.kernel().interruptions = count;
    }

    /// The devices as they are, in the order of their numbers.
    pub fn devices(&self) -> Vec<Device> {
        self.kernel().table.devices().cloned().collect()
    }

    fn kernel(&self) -> MutexGuard<'_, Kernel> {
        self.kernel.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kernel {
    fn notify(&mut self, reason: Reason, device: Device) {
        self.sequence += 1;
        if std::mem::take(&mut self.lose_next) {
            return;
        }
        let notification = Notification {
            sequence: self.sequence,
            reason,
            device,
        };
        // What is in the table came in over the wire, so it fits in a message.
        if let Ok(message) = event::encode(&notification) {
            self.listeners
                .retain(|listener| listener.deliver(&message, self.room));
        }
    }

    fn check(&self, command: u8) -> Result<()> {
        if !self.loaded {
            return Err(Error::NotLoaded);
        }
        if !self.privileged && command != cmd::STATS_GET {
            return Err(refused(EPERM));
        }
        Ok(())
    }

    fn stats_message(&self, id: u32) -> Result<Option<Message>> {
        match self.table.stats(id) {
            Some(stats) => message(cmd::STATS_GET, |writer| reply::encode_stats(writer, &stats)),
            None => Ok(None),
        }
    }
}

fn refused(errno: i32) -> Error {
    Error::Refused(Refusal {
        errno,
        ..Refusal::default()
    })
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

impl Transport for Fake {
    type Events = FakeEvents;

    fn request(&mut self, message: &Message) -> Result<Vec<Message>> {
        let mut kernel = self.kernel();
        kernel.check(message.command)?;
        let selector = || -> Result<Selector> {
            request::decode_selector(&message.attributes).map_err(|_| refused(EINVAL))
        };
        let answer = match message.command {
            cmd::DEVICE_NEW => {
                let spec = request::decode_device_spec(&message.attributes)
                    .map_err(|_| refused(EINVAL))?;
                let device = kernel.table.create(&spec).map_err(Error::Refused)?;
                kernel.notify(Reason::Created, device.clone());
                device_message(cmd::DEVICE_NEW, &device)
            }
            cmd::DEVICE_DEL => {
                let device = kernel.table.delete(&selector()?).map_err(Error::Refused)?;
                kernel.notify(Reason::Destroyed, device);
                Ok(None)
            }
            cmd::DEVICE_GET => {
                let device = kernel.table.find(&selector()?).map_err(Error::Refused)?;
                device_message(cmd::DEVICE_GET, device)
            }
            cmd::STATS_GET => {
                let device = kernel.table.find(&selector()?).map_err(Error::Refused)?;
                kernel.stats_message(device.id)
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
                cmd::STATS_GET => kernel.stats_message(device.id)?,
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
        kernel.check(cmd::DEVICE_NTF)?;
        if group != group::CONFIG {
            return Err(Error::Malformed(format!(
                "the family has no group {group:?}"
            )));
        }
        let (mailbox, events) = mailbox::open()?;
        kernel.listeners.push(mailbox);
        Ok(events)
    }
}

#[cfg(test)]
mod tests;
