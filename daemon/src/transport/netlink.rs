// SPDX-License-Identifier: MIT OR Apache-2.0
//! The kernel's generic netlink family, for programs.

use std::{ffi::CStr, time::Duration};

use netlink_packet_core::{NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST};
use nix::libc::ENOENT;

use super::{Dump, Kernel, Transport};
use crate::{
    client::Client,
    drive::OpenDrive,
    error::{Error, Refusal, Result},
    wire::{
        Message,
        nlctrl::{self, Family},
    },
};

mod arrivals;
mod connection;
mod events;
mod socket;

pub use arrivals::NetlinkArrivals;
use connection::Connection;
pub use events::NetlinkEvents;

/// A socket for requests to the family `shunt`.
#[derive(Debug)]
pub struct Netlink {
    connection: Connection,
    family: Family,
    event_room: usize,
}

/// Room for events that were not taken yet, in bytes, unless it is set: about a thousand changes.
pub const EVENT_ROOM: usize = 4 << 20;

impl Netlink {
    /// Opens a socket and finds the family. The kernel may load the module for it.
    ///
    /// # Errors
    /// [`Error::NotLoaded`] if there is no such family, [`Error::System`] if there is no socket.
    pub fn connect() -> Result<Self> {
        let mut connection = Connection::open()?;
        let family = resolve(&mut connection, shunt_uapi::FAMILY_NAME)?;
        Ok(Self {
            connection,
            family,
            event_room: EVENT_ROOM,
        })
    }

    /// As [`connect`](Self::connect), but never makes the kernel load the module.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub fn connect_if_loaded() -> Result<Self> {
        let mut connection = Connection::open()?;
        let payload = nlctrl::get_families().encode(nlctrl::FAMILY_VERSION);
        let flags = NLM_F_REQUEST | NLM_F_DUMP;
        let families = connection.exchange(nlctrl::FAMILY_ID, flags, &payload)?;
        let mut families = families.messages.iter();
        let found = families.find(|family| nlctrl::is_called(family, shunt_uapi::FAMILY_NAME));
        let family = found.ok_or(Error::NotLoaded)?;
        Ok(Self {
            family: nlctrl::decode_family(&family.attributes)?,
            connection,
            event_room: EVENT_ROOM,
        })
    }

    /// Sets how many bytes of events that were not taken yet the kernel keeps for each
    /// subscription that is made from now on. Without a privilege it keeps no more than the sysctl
    /// net.core.rmem_max.
    pub fn set_event_room(&mut self, bytes: usize) {
        // The kernel takes a signed number and doubles it.
        self.event_room = bytes.min(i32::MAX as usize / 2);
    }
}

impl Netlink {
    fn exchange(&mut self, flags: u16, message: &Message) -> Result<Dump> {
        let payload = message.encode(shunt_uapi::FAMILY_VERSION);
        match self.connection.exchange(self.family.id, flags, &payload) {
            // Without words it is not the module that misses something, but the kernel the family.
            Err(Error::Refused(refusal)) if refusal.errno == ENOENT && refusal.text.is_none() => {
                Err(Error::NotLoaded)
            }
            result => result,
        }
    }
}

impl Transport for Netlink {
    type Events = NetlinkEvents;

    fn open_drive(&mut self, path: &str) -> std::result::Result<OpenDrive, Refusal> {
        OpenDrive::open(path)
    }

    fn set_patience(&mut self, patience: Duration) -> Result<()> {
        self.connection.set_patience(patience)
    }

    fn request(&mut self, message: &Message) -> Result<Vec<Message>> {
        let answer = self.exchange(NLM_F_REQUEST | NLM_F_ACK, message)?;
        Ok(answer.messages)
    }

    fn dump(&mut self, message: &Message) -> Result<Dump> {
        self.exchange(NLM_F_REQUEST | NLM_F_DUMP, message)
    }

    fn subscribe(&mut self, group: &CStr) -> Result<NetlinkEvents> {
        let mut events = NetlinkEvents::open()?;
        // Listening for families that go comes first: the numbers looked up afterwards are then
        // either still true or will be reported gone.
        let control = resolve(&mut self.connection, nlctrl::FAMILY_NAME)?;
        events.join(&control, nlctrl::GROUP_NOTIFY)?;
        self.family = resolve(&mut self.connection, shunt_uapi::FAMILY_NAME)?;
        events.follow(&self.family, group, self.event_room)?;
        Ok(events)
    }
}

/// The kernel that runs.
#[derive(Clone, Copy, Debug)]
pub struct RunningKernel {
    /// Room for events of each listener that were not taken yet, in bytes.
    pub event_room: usize,
}

impl Default for RunningKernel {
    fn default() -> Self {
        Self {
            event_room: EVENT_ROOM,
        }
    }
}

impl RunningKernel {
    fn client(&self, mut netlink: Netlink) -> Client<Netlink> {
        netlink.set_event_room(self.event_room);
        Client::new(netlink)
    }
}

impl Kernel for RunningKernel {
    type Transport = Netlink;
    type Arrivals = NetlinkArrivals;

    fn connect(&self) -> Result<Client<Netlink>> {
        Netlink::connect().map(|netlink| self.client(netlink))
    }

    fn connect_if_loaded(&self) -> Result<Client<Netlink>> {
        Netlink::connect_if_loaded().map(|netlink| self.client(netlink))
    }

    fn arrivals(&self) -> Result<NetlinkArrivals> {
        let mut connection = Connection::open()?;
        let control = resolve(&mut connection, nlctrl::FAMILY_NAME)?;
        NetlinkArrivals::open(&control)
    }
}

/// Looks a family up by its name.
fn resolve(connection: &mut Connection, name: &CStr) -> Result<Family> {
    let payload = nlctrl::get_family(name)?.encode(nlctrl::FAMILY_VERSION);
    let flags = NLM_F_REQUEST | NLM_F_ACK;
    match connection.exchange(nlctrl::FAMILY_ID, flags, &payload) {
        Ok(answer) => match answer.messages.as_slice() {
            [message, ..] => nlctrl::decode_family(&message.attributes),
            [] => Err(Error::Malformed(format!("no answer about family {name:?}"))),
        },
        Err(Error::Refused(refusal)) if refusal.errno == ENOENT => Err(Error::NotLoaded),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests;
