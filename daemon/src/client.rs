// SPDX-License-Identifier: MIT OR Apache-2.0
//! One method for each request of the family. The programs and the monitor call it.

use shunt_uapi::{cmd, group};

use crate::{
    error::{Error, Result},
    model::{Device, DeviceSpec, Selector, Stats},
    transport::{Transport, netlink::Netlink},
    wire::{Message, reply, request},
};

/// How often a list is asked for again because devices changed meanwhile.
const DUMP_ATTEMPTS: u32 = 16;

/// Asks the kernel, or what stands for it.
#[derive(Debug)]
pub struct Client<T> {
    transport: T,
}

impl Client<Netlink> {
    /// A client of the running kernel.
    ///
    /// # Errors
    /// [`Error::NotLoaded`] without the module, [`Error::System`] without a netlink socket.
    pub fn connect() -> Result<Self> {
        Netlink::connect().map(Self::new)
    }
}

impl<T: Transport> Client<T> {
    /// A client that sends its requests through `transport`.
    pub fn new(transport: T) -> Self {
        Self { transport }
    }

    /// Maps a new device and returns it as the kernel made it.
    ///
    /// # Errors
    /// [`Error::Refused`] with the kernel's words; then nothing was made.
    pub fn create_device(&mut self, spec: &DeviceSpec) -> Result<Device> {
        let answer = self.one(&request::create_device(spec)?)?;
        reply::decode_device(&answer.attributes)
    }

    /// Unmaps a device.
    ///
    /// # Errors
    /// [`Error::Refused`] with `ENODEV` if there is none, with `EBUSY` if it is open.
    pub fn delete_device(&mut self, selector: &Selector) -> Result<()> {
        let message = request::one_device(cmd::DEVICE_DEL, selector)?;
        self.transport.request(&message).map(|_| ())
    }

    /// One device.
    ///
    /// # Errors
    /// [`Error::Refused`] with `ENODEV` if there is none.
    pub fn device(&mut self, selector: &Selector) -> Result<Device> {
        let answer = self.one(&request::one_device(cmd::DEVICE_GET, selector)?)?;
        reply::decode_device(&answer.attributes)
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

    /// Statistics of one device.
    ///
    /// # Errors
    /// [`Error::Refused`] with `ENODEV` if there is none.
    pub fn stats(&mut self, selector: &Selector) -> Result<Stats> {
        let answer = self.one(&request::one_device(cmd::STATS_GET, selector)?)?;
        reply::decode_stats(&answer.attributes)
    }

    /// Statistics of all devices, in the order of their numbers.
    ///
    /// # Errors
    /// [`Error::Unsettled`] if the devices kept changing.
    pub fn all_stats(&mut self) -> Result<Vec<Stats>> {
        let messages = self.all(cmd::STATS_GET)?;
        messages
            .iter()
            .map(|message| reply::decode_stats(&message.attributes))
            .collect()
    }

    /// Listens for devices that come, change and go.
    ///
    /// # Errors
    /// [`Error::System`] with `EPERM` without the privilege.
    pub fn device_events(&mut self) -> Result<T::Events> {
        self.transport.subscribe(group::CONFIG)
    }

    /// The answer to a request that has one.
    fn one(&mut self, message: &Message) -> Result<Message> {
        let mut answers = self.transport.request(message)?.into_iter();
        answers.next().ok_or_else(|| {
            Error::Malformed(format!("command {} was not answered", message.command))
        })
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
