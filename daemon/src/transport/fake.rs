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
    collections::{BTreeMap, BTreeSet},
    ffi::CStr,
    os::fd::{AsFd, BorrowedFd},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use nix::libc::{EINVAL, EOPNOTSUPP, EPERM, ERANGE};
use shunt_logic::refusal::Refused;
use shunt_uapi::{INTERVAL_DEFAULT, INTERVAL_MAX, INTERVAL_MIN, NAME_MAX, cmd, group};

use super::{Arrivals, Dump, Events, Received, Transport};
use crate::{
    client::Client,
    drive::{self, OpenDrive},
    error::{Error, Refusal, Result},
    model::{
        Device, DeviceCaps, DeviceChange, DriveId, Notification, Op, Reason, Sample, Selector,
    },
    wire::{Message, attr::Writer, caps, event, module, reply, request, stats},
};

mod layout;
#[cfg(feature = "config")]
mod machine;
mod mailbox;
mod table;

pub use layout::Drive;
pub use mailbox::FakeEvents;
use mailbox::Mailbox;
use table::Table;

/// Notifications that a listener may leave untaken unless [`Fake::set_room`] says otherwise.
const ROOM: usize = 1000;

/// The kernel. Every clone is the same one.
#[derive(Clone, Debug, Default)]
pub struct Fake {
    kernel: Arc<Mutex<Kernel>>,
    hung: Arc<(Mutex<BTreeSet<String>>, Condvar)>,
}

#[derive(Debug)]
struct Kernel {
    loaded: bool,
    version: Option<String>,
    privileged: bool,
    table: Table,
    sequence: u64,
    listeners: Vec<Mailbox>,
    samples: Samples,
    /// Who waits for the module.
    waiters: Vec<Mailbox>,
    room: usize,
    interruptions: u32,
    lose_next: bool,
    /// What paths lead to once they were opened.
    turning: BTreeMap<String, Drive>,
    /// Whether all drives have their names.
    settled: bool,
}

/// What is sent to group `stats`.
#[derive(Debug)]
struct Samples {
    sequence: u64,
    dropped: u64,
    interval: Duration,
    listeners: Vec<Mailbox>,
}

impl Default for Samples {
    fn default() -> Self {
        Self {
            sequence: 0,
            dropped: 0,
            interval: Duration::from_millis(INTERVAL_DEFAULT.into()),
            listeners: Vec::new(),
        }
    }
}

impl Default for Kernel {
    fn default() -> Self {
        Self {
            loaded: true,
            version: Some(env!("CARGO_PKG_VERSION").to_owned()),
            privileged: true,
            table: Table::default(),
            sequence: 0,
            listeners: Vec::new(),
            samples: Samples::default(),
            waiters: Vec::new(),
            room: ROOM,
            interruptions: 0,
            lose_next: false,
            turning: BTreeMap::new(),
            settled: true,
        }
    }
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

impl Kernel {
    fn notify(&mut self, reason: Reason, device: Device) {
        self.notify_with(reason, device, None);
    }

    fn notify_with(&mut self, reason: Reason, device: Device, failed: Option<u64>) {
        self.sequence += 1;
        if std::mem::take(&mut self.lose_next) {
            return;
        }
        let notification = Notification {
            sequence: self.sequence,
            reason,
            failed,
            device,
        };
        // What is in the table came in over the wire, so it fits in a message.
        if let Ok(message) = event::encode(&notification) {
            self.listeners
                .retain(|listener| listener.deliver(&message, self.room));
        }
    }

    fn send_samples(&mut self) {
        let samples = &mut self.samples;
        samples.listeners.retain(Mailbox::is_open);
        if samples.listeners.is_empty() {
            return;
        }
        samples.sequence += 1;
        if std::mem::take(&mut self.lose_next) {
            samples.dropped += 1;
            return;
        }
        let ids: Vec<u32> = self.table.devices().map(|device| device.id).collect();
        let sample = Sample {
            sequence: samples.sequence,
            time: self.table.time(),
            dropped: samples.dropped,
            interval: samples.interval,
            devices: ids.iter().filter_map(|id| self.table.stats(*id)).collect(),
        };
        if let Ok(message) = stats::encode_sample(&sample) {
            for listener in &samples.listeners {
                listener.deliver(&message, self.room);
            }
        }
    }

    /// Answers stats-set: the interval that holds now.
    fn set_interval(&mut self, wanted: Option<Duration>) -> Result<Message> {
        if let Some(wanted) = wanted {
            let range = u128::from(INTERVAL_MIN)..=u128::from(INTERVAL_MAX);
            if !range.contains(&wanted.as_millis()) {
                return Err(refused(ERANGE));
            }
            self.samples.interval = wanted;
        }
        Ok(stats::set_interval(Some(self.samples.interval)))
    }

    fn check(&self, command: u8) -> Result<()> {
        if !self.loaded {
            return Err(Error::NotLoaded);
        }
        if !self.privileged && !matches!(command, cmd::STATS_GET | cmd::STATS_NTF | cmd::MODULE_GET)
        {
            return Err(refused(EPERM));
        }
        Ok(())
    }

    fn stats_message(&self, id: u32) -> Result<Option<Message>> {
        match self.table.stats(id) {
            Some(figures) => message(cmd::STATS_GET, |writer| stats::encode(writer, &figures)),
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
                kernel.stats_message(device.id)
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
