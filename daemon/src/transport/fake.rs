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
    collections::BTreeSet,
    os::fd::{AsFd, BorrowedFd},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use shunt_uapi::cmd;

use super::{Arrivals, Events, Received};
use crate::{
    client::Client,
    error::{Error, Result},
    model::{Device, DeviceChange, Op, Reason},
    wire::{Message, request},
};

mod answers;
mod kernel;
mod layout;
#[cfg(feature = "config")]
mod machine;
mod mailbox;
mod table;

use kernel::{Kernel, ROOM};
pub use layout::Drive;
pub use mailbox::FakeEvents;

/// The kernel. Every clone is the same one.
#[derive(Clone, Debug, Default)]
pub struct Fake {
    kernel: Arc<Mutex<Kernel>>,
    hung: Arc<(Mutex<BTreeSet<String>>, Condvar)>,
}

impl Fake {
    /// A kernel with the module loaded, without drives.
    pub fn new() -> Self {
        Self::default()
    }

    /// Has the module be of another version, or from before a module told that.
    pub fn set_version(&self, version: Option<&str>) {
        self.kernel().version = version.map(str::to_owned);
    }

    /// Puts a drive at a path.
    pub fn add_drive(&self, path: &str, drive: Drive) {
        self.kernel().table.add_drive(path, drive);
    }

    /// Lets the drive at a path, which said nothing of itself, have a serial number, as when udev has
    /// asked it.
    pub fn describe_drive(&self, path: &str, serial: u64) {
        self.kernel().table.describe_drive(path, serial);
    }

    /// Lets a path lead to another drive from the moment on in which it is opened next, after who opens
    /// it has looked where it leads.
    pub fn turn_at_open(&self, path: &str, drive: Drive) {
        self.kernel().turning.insert(path.to_owned(), drive);
    }

    /// Whether a path that [`turn_at_open`](Self::turn_at_open) was told of was not opened yet.
    pub fn is_turning(&self, path: &str) -> bool {
        self.kernel().turning.contains_key(path)
    }

    /// Lets a drive answer no more, or again: whoever opens it waits meanwhile.
    pub fn set_hung(&self, path: &str, hung: bool) {
        let (drives, changed) = &*self.hung;
        let mut drives = drives.lock().unwrap_or_else(PoisonError::into_inner);
        if hung {
            drives.insert(path.to_owned());
        } else {
            drives.remove(path);
        }
        changed.notify_all();
    }

    /// How many drives do not answer.
    pub fn hung(&self) -> usize {
        let drives = self.hung.0.lock();
        drives.unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Waits while a drive that a request opens does not answer.
    fn open(&self, message: &Message) {
        let paths = match message.command {
            cmd::DEVICE_NEW => {
                request::decode_device_spec(&message.attributes).map(|spec| spec.targets)
            }
            cmd::DEVICE_SET => match request::decode_change(&message.attributes) {
                Ok((_, DeviceChange::Retarget { targets, .. })) => Ok(targets),
                _ => return,
            },
            _ => return,
        };
        let (drives, changed) = &*self.hung;
        let drives = drives.lock().unwrap_or_else(PoisonError::into_inner);
        let hangs = |drives: &mut BTreeSet<String>| {
            let mut targets = paths.iter().flatten();
            targets.any(|target| drives.contains(&target.path))
        };
        drop(changed.wait_while(drives, hangs));
    }

    /// Puts something that is not a block device at a path.
    pub fn add_file(&self, path: &str) {
        self.kernel().table.add_file(path);
    }

    /// Pulls a drive out: the devices on it are lost, and listeners are told.
    pub fn remove_drive(&self, path: &str) {
        let mut kernel = self.kernel();
        for device in kernel.table.remove_drive(path) {
            kernel.notify_with(Reason::Lost, device, Some(0));
        }
    }

    /// Opens a device, as a mount does, or closes it.
    pub fn set_open(&self, id: u32, open: bool) {
        self.set_open_for(id, if open { u32::MAX } else { 0 });
    }

    /// Opens a device for a moment, as udev does when it comes: so many attempts to unmap it will
    /// find it open.
    pub fn set_open_for(&self, id: u32, attempts: u32) {
        self.kernel().table.set_open(id, attempts);
    }

    /// Whether a device is suspended with its file system stopped.
    pub fn is_frozen(&self, id: u32) -> bool {
        self.kernel().table.is_frozen(id)
    }

    /// Lets an operation of a device end.
    pub fn complete(&self, id: u32, op: Op, bytes: u64, latency: Duration, failed: bool) {
        self.kernel().table.complete(id, op, bytes, latency, failed);
    }

    /// Lets time pass on the clock that statistics are read by.
    pub fn advance(&self, time: Duration) {
        self.kernel().table.advance(time);
    }

    /// Sends a round of samples, if somebody listens: the figures of all devices in one message.
    pub fn send_samples(&self) {
        self.kernel().send_samples();
    }

    /// How many samples were sent so far.
    pub fn samples_sent(&self) -> u64 {
        self.kernel().samples.sequence
    }

    /// Loads or unloads the module. Unloading it ends the devices and every listener.
    pub fn set_loaded(&self, loaded: bool) {
        let mut kernel = self.kernel();
        kernel.loaded = loaded;
        if loaded {
            let come = Message::bare(0);
            kernel.waiters.retain(|waiter| waiter.deliver(&come, ROOM));
        } else {
            kernel.table.clear();
            kernel.sequence = 0;
            let samples = std::mem::take(&mut kernel.samples);
            for listener in kernel.listeners.drain(..).chain(samples.listeners) {
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

    /// Begins or ends a boot, during which drives have no names yet.
    pub fn set_settled(&self, settled: bool) {
        self.kernel().settled = settled;
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

impl super::Kernel for Fake {
    type Transport = Self;
    type Arrivals = FakeArrivals;

    fn connect(&self) -> Result<Client<Self>> {
        if self.kernel().loaded {
            Ok(Client::new(self.clone()))
        } else {
            Err(Error::NotLoaded)
        }
    }

    fn connect_if_loaded(&self) -> Result<Client<Self>> {
        self.connect()
    }

    fn arrivals(&self) -> Result<FakeArrivals> {
        let (mailbox, events) = mailbox::open()?;
        self.kernel().waiters.push(mailbox);
        Ok(FakeArrivals(events))
    }
}

/// Word of the fake that its module came.
#[derive(Debug)]
pub struct FakeArrivals(FakeEvents);

impl AsFd for FakeArrivals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Arrivals for FakeArrivals {
    fn take(&mut self) -> Result<bool> {
        let mut came = false;
        while self.0.receive()? != Received::Nothing {
            came = true;
        }
        Ok(came)
    }
}

#[cfg(test)]
mod tests;
