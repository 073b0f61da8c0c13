// SPDX-License-Identifier: MIT OR Apache-2.0
//! Notifications of the family, on a socket of their own.

use std::{
    collections::VecDeque,
    ffi::CStr,
    io::ErrorKind,
    os::fd::{AsFd, BorrowedFd},
};

use nix::libc::ENOBUFS;

use super::{
    super::{Events, Received},
    socket::{Socket, messages, system},
};
use crate::{
    error::{Error, Result},
    wire::{
        Message,
        nlctrl::{self, Family},
    },
};

/// The notifications of one multicast group, and the end of the family.
#[derive(Debug)]
pub struct NetlinkEvents {
    socket: Socket,
    /// Number of the family; 0, which is no family's, until it is known.
    family: u16,
    received: VecDeque<Message>,
    unloaded: bool,
}

impl NetlinkEvents {
    pub(super) fn open() -> Result<Self> {
        Ok(Self {
            socket: Socket::open()?,
            family: 0,
            received: VecDeque::new(),
            unloaded: false,
        })
    }

    /// Receives the messages of a group too.
    pub(super) fn join(&mut self, family: &Family, group: &CStr) -> Result<()> {
        let id = family
            .group(group)
            .ok_or_else(|| Error::Malformed(format!("the family has no group {group:?}")))?;
        self.socket.join(id)
    }

    /// Receives the messages of a group of the family whose notifications these are.
    /// The kernel is to keep `room` bytes of them until they are taken.
    pub(super) fn follow(&mut self, family: &Family, group: &CStr, room: usize) -> Result<()> {
        self.family = family.id;
        self.join(family, group)?;
        // Last, as it may warn: whoever may not listen at all is told only that.
        self.socket.enlarge(room)
    }
}

impl AsFd for NetlinkEvents {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Events for NetlinkEvents {
    fn receive(&mut self) -> Result<Received> {
        loop {
            if let Some(message) = self.received.pop_front() {
                return Ok(Received::Message(message));
            }
            if self.unloaded {
                return Ok(Received::Unloaded);
            }
            match self.socket.receive_now() {
                Ok(datagram) => {
                    for message in messages(datagram) {
                        let message = message?;
                        let kind = message.message_type();
                        if kind == self.family {
                            self.received.push_back(Message::decode(message.payload())?);
                        } else if kind == nlctrl::FAMILY_ID {
                            let message = Message::decode(message.payload())?;
                            self.unloaded |= nlctrl::says_gone(&message, self.family);
                        }
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    return Ok(Received::Nothing);
                }
                Err(error) if error.raw_os_error() == Some(ENOBUFS) => {
                    return Ok(Received::Overrun);
                }
                Err(error) => return Err(system("read events of the kernel")(error)),
            }
        }
    }
}
