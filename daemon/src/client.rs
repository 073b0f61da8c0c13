// SPDX-License-Identifier: MIT OR Apache-2.0
//! One method for each request of the family. The programs and the monitor call it.

use std::{collections::HashMap, time::Duration};

use nix::libc::{EOPNOTSUPP, EPERM};
use shunt_uapi::{cmd, group};

use crate::{
    drive::OpenDrive,
    error::{Error, Refusal, Result},
    model::{Device, DeviceCaps, DeviceChange, DeviceSpec, Selector, Stats, TargetSpec},
    transport::{Transport, netlink::Netlink},
    wire::{Message, caps, module, reply, request, stats},
};

/// How often a list is asked for again because devices changed meanwhile.
const DUMP_ATTEMPTS: u32 = 16;

/// Asks the kernel, or what stands for it.
#[derive(Debug)]
pub struct Client<T> {
    transport: T,
    timeout: Option<Duration>,
}

/// How much longer than the kernel is to wait an answer is waited for.
const GRACE: Duration = Duration::from_secs(10);

impl Client<Netlink> {
    /// A client of the running kernel.
    ///
    /// # Errors
    /// [`Error::NotLoaded`] without the module, [`Error::System`] without a netlink socket.
    pub fn connect() -> Result<Self> {
        Netlink::connect().map(Self::new)
    }

    /// As [`connect`](Self::connect), with room for `bytes` of events that were not taken yet.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub fn connect_with_room(bytes: usize) -> Result<Self> {
        let mut netlink = Netlink::connect()?;
        netlink.set_event_room(bytes);
        Ok(Self::new(netlink))
    }
}

impl<T: Transport> Client<T> {
    /// A client that sends its requests through `transport`.
    pub fn new(transport: T) -> Self {
        Self {
            transport,
            timeout: None,
        }
    }

    /// Lets each change from now on wait for I/O, and for other changes of its device, for so long at most; the kernel takes up to
    /// 60 s, and 5 s unless this is called.
    ///
    /// # Errors
    /// [`Error::System`] if the socket does not take it.
    pub fn set_timeout(&mut self, timeout: Duration) -> Result<()> {
        self.timeout = Some(timeout);
        self.transport.set_patience(timeout.saturating_add(GRACE))
    }

    /// Opens the drive of each target of a table, those of the same path once.
    ///
    /// # Errors
    /// [`Error::Refused`] if one cannot be opened, [`Error::LedElsewhere`] if one is not what was planned.
    pub fn open(&mut self, targets: &[TargetSpec]) -> Result<Vec<OpenDrive>> {
        let mut opened: HashMap<&str, OpenDrive> = HashMap::new();
        let mut drives = Vec::with_capacity(targets.len());
        for (number, target) in targets.iter().enumerate() {
            let drive = match opened.get(&*target.path) {
                Some(drive) => drive.clone(),
                None => match self.transport.open_drive(&target.path) {
                    Ok(drive) => drive,
                    Err(refusal) => {
                        return Err(with_path(self.unopened(refusal, number), targets));
                    }
                },
            };
            if let (Some(planned), Some(found)) = (target.planned, drive.id()) {
                if !planned.is(&found) {
                    let path = target.path.clone();
                    return Err(Error::LedElsewhere {
                        path,
                        planned,
                        found,
                    });
                }
            }
            opened.insert(&target.path, drive.clone());
            drives.push(drive);
        }
        Ok(drives)
    }

    /// Why target `number` cannot be opened: who may not change devices may open no drive either, and is told so.
    fn unopened(&mut self, refusal: Refusal, number: usize) -> Error {
        match self.interval() {
            Err(error) if error.errno() == Some(EPERM) => return error,
            _ => {}
        }
        Error::Refused(refusal.at(number))
    }

    /// The device in the answer to a change; if there was no room for it, as the kernel has it now.
    fn answered(&mut self, answers: &[Message], which: impl Fn() -> Selector) -> Result<Device> {
        match answers {
            [answer, ..] => reply::decode_device(&answer.attributes),
            [] => self.device(&which()),
        }
    }

    /// Sends a request that may wait.
    fn change(&mut self, mut message: Message) -> Result<Vec<Message>> {
        if let Some(timeout) = self.timeout {
            request::put_timeout(&mut message, timeout);
        }
        self.transport.request(&message)
    }

    /// Maps a new device and returns it as the kernel made it.
    ///
    /// # Errors
    /// [`Error::Refused`] with the kernel's words; then nothing was made.
    pub fn create_device(&mut self, spec: &DeviceSpec) -> Result<Device> {
        let drives = self.open(&spec.targets)?;
        self.create_device_on(spec, &drives)
    }

    /// As [`create_device`](Self::create_device), on drives that were [opened](Self::open) before.
    ///
    /// # Errors
    /// As [`create_device`](Self::create_device).
    pub fn create_device_on(&mut self, spec: &DeviceSpec, drives: &[OpenDrive]) -> Result<Device> {
        let answers = self.change(request::create_device(spec, drives)?);
        let answers = answers.map_err(|error| with_path(error, &spec.targets))?;
        self.answered(&answers, || Selector::name(&spec.name))
    }

    /// Changes a device and returns it as it is then.
    ///
    /// # Errors
    /// [`Error::Refused`] with the kernel's words, with `ESTALE` if another device has the number of
    /// [`Selector::Exactly`]; then nothing changed.
    pub fn change_device(&mut self, selector: &Selector, change: &DeviceChange) -> Result<Device> {
        let drives = match change {
            DeviceChange::Retarget { targets, .. } => self.open(targets)?,
            _ => Vec::new(),
        };
        self.change_device_to(selector, change, &drives)
    }

    /// As [`change_device`](Self::change_device), to drives that were [opened](Self::open) before.
    ///
    /// # Errors
    /// As [`change_device`](Self::change_device).
    pub fn change_device_to(
        &mut self,
        selector: &Selector,
        change: &DeviceChange,
        drives: &[OpenDrive],
    ) -> Result<Device> {
        let targets = match change {
            DeviceChange::Retarget { targets, .. } => &targets[..],
            _ => &[],
        };
        let answers = self.change(request::change_device(selector, change, drives)?);
        let answers = answers.map_err(|error| with_path(error, targets))?;
        self.answered(&answers, || selector.clone())
    }

    /// Unmaps a device that nobody has open.
    ///
    /// # Errors
    /// [`Error::Refused`] with `ENODEV` if there is none, with `EBUSY` if it is open.
    pub fn delete_device(&mut self, selector: &Selector) -> Result<()> {
        self.change(request::one_device(cmd::DEVICE_DEL, selector)?)
            .map(|_| ())
    }

    /// Unmaps a device also while it is open; its I/O then fails.
    ///
    /// # Errors
    /// [`Error::Refused`] with `ENODEV` if there is none.
    pub fn force_delete_device(&mut self, selector: &Selector) -> Result<()> {
        self.change(request::force_delete_device(selector)?)
            .map(|_| ())
    }

    /// One device.
    ///
    /// # Errors
    /// [`Error::Refused`] with `ENODEV` if there is none.
    pub fn device(&mut self, selector: &Selector) -> Result<Device> {
        let answer = self.one(&request::one_device(cmd::DEVICE_GET, selector)?)?;
        reply::decode_device(&answer.attributes)
    }

    /// One device with what it and the drives below it can do.
    ///
    /// # Errors
    /// [`Error::Refused`] with `ENODEV` if there is none.
    pub fn caps(&mut self, selector: &Selector) -> Result<DeviceCaps> {
        let answer = self.one(&request::one_device(cmd::CAPS_GET, selector)?)?;
        caps::decode(&answer.attributes)
    }

    /// All devices, in the order of their numbers.
    ///
    /// # Errors
    /// [`Error::Unsettled`] if they kept changing.
    pub fn devices(&mut self) -> Result<Vec<Device>> {
        let messages = self.all(cmd::DEVICE_GET)?;
        messages
            .iter()
            .map(|message| reply::decode_device(&message.attributes))
            .collect()
    }

    /// Version of the module that is loaded; none if it is from before a module told that. Needs no privilege.
    ///
    /// # Errors
    /// [`Error::Malformed`] if the answer is not understood.
    pub fn module_version(&mut self) -> Result<Option<String>> {
        match self.one(&Message::bare(cmd::MODULE_GET)) {
            Ok(answer) => module::decode(&answer.attributes).map(Some),
            Err(error) if error.errno() == Some(EOPNOTSUPP) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Statistics of one device.
    ///
    /// # Errors
    /// [`Error::Refused`] with `ENODEV` if there is none.
    pub fn stats(&mut self, selector: &Selector) -> Result<Stats> {
        let answer = self.one(&request::one_device(cmd::STATS_GET, selector)?)?;
        stats::decode(&answer.attributes)
    }

    /// Statistics of all devices, in the order of their numbers.
    ///
    /// # Errors
    /// [`Error::Unsettled`] if the devices kept changing.
    pub fn all_stats(&mut self) -> Result<Vec<Stats>> {
        let mut all = Vec::new();
        self.each_stats(|stats| all.push(stats))?;
        Ok(all)
    }

    /// As [`all_stats`](Self::all_stats), one after the other, for who keeps only a part of them.
    ///
    /// # Errors
    /// As [`all_stats`](Self::all_stats); some may have been passed on before
    /// [`Error::Malformed`].
    pub fn each_stats(&mut self, mut each: impl FnMut(Stats)) -> Result<()> {
        for message in self.all(cmd::STATS_GET)? {
            each(stats::decode(&message.attributes)?);
        }
        Ok(())
    }

    /// Listens for devices that come, change and go.
    ///
    /// # Errors
    /// [`Error::System`] with `EPERM` without the privilege.
    pub fn device_events(&mut self) -> Result<T::Events> {
        self.transport.subscribe(group::CONFIG)
    }

    /// Listens for samples of the statistics, which come while somebody listens. Needs no
    /// privilege.
    ///
    /// # Errors
    /// [`Error::System`] without a netlink socket.
    pub fn sample_events(&mut self) -> Result<T::Events> {
        self.transport.subscribe(group::STATS)
    }

    /// Time from one round of samples to the next.
    ///
    /// # Errors
    /// [`Error::Refused`] with `EPERM` without the privilege; a sample tells it to anybody.
    pub fn interval(&mut self) -> Result<Duration> {
        self.exchange_interval(None)
    }

    /// Changes the time from one round of samples to the next, for all who listen. It is kept in
    /// whole milliseconds. Returns what holds now.
    ///
    /// # Errors
    /// [`Error::Refused`] with `EPERM` without the privilege, with `ERANGE` if it is not from
    /// 10 ms to 30 s.
    pub fn set_interval(&mut self, interval: Duration) -> Result<Duration> {
        self.exchange_interval(Some(interval))
    }

    fn exchange_interval(&mut self, interval: Option<Duration>) -> Result<Duration> {
        let answer = self.one(&stats::set_interval(interval))?;
        stats::decode_interval(&answer.attributes)?
            .ok_or_else(|| Error::Malformed("attribute interval of an answer is missing".into()))
    }

    /// The answer to a request that has one.
    fn one(&mut self, message: &Message) -> Result<Message> {
        let answers = self.transport.request(message)?;
        first(answers, message.command)
    }

    /// A list in which nothing changed while it was made.
    fn all(&mut self, command: u8) -> Result<Vec<Message>> {
        for _ in 0..DUMP_ATTEMPTS {
            let dump = self.transport.dump(&Message::bare(command))?;
            if !dump.interrupted {
                return Ok(dump.messages);
            }
        }
        Err(Error::Unsettled(DUMP_ATTEMPTS))
    }
}

/// The error with the path of the target that it is about, if there are several.
fn with_path(mut error: Error, targets: &[TargetSpec]) -> Error {
    if let Error::Refused(Refusal {
        part: Some(part), ..
    }) = &mut error
    {
        let target = part.target.filter(|_| targets.len() > 1);
        let target = target.and_then(|number| targets.get(number));
        part.path = target.map(|target| target.path.clone());
    }
    error
}

fn first(answers: Vec<Message>, command: u8) -> Result<Message> {
    let mut answers = answers.into_iter();
    answers
        .next()
        .ok_or_else(|| Error::Malformed(format!("command {command} was not answered")))
}
