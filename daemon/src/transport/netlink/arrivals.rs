// SPDX-License-Identifier: MIT OR Apache-2.0
//! Word that the family `shunt` came, on a socket of its own. The daemon waits on it for the
//! module.

use std::{
    io::ErrorKind,
    os::fd::{AsFd, BorrowedFd},
};

use nix::libc::ENOBUFS;

use super::{
    super::Arrivals,
    socket::{Socket, messages, system},
};
use crate::{
    error::{Error, Result},
    wire::{
        Message,
        nlctrl::{self, Family},
    },
};

/// What the family `nlctrl` tells of families that come and go.
#[derive(Debug)]
pub struct NetlinkArrivals {
    socket: Socket,
}

impl NetlinkArrivals {
    pub(super) fn open(control: &Family) -> Result<Self> {
        let group = nlctrl::GROUP_NOTIFY;
        let id = control
            .group(group)
            .ok_or_else(|| Error::Malformed(format!("nlctrl has no group {group:?}")))?;
        let mut socket = Socket::open()?;
        socket.join(id)?;
        Ok(Self { socket })
    }
}

impl AsFd for NetlinkArrivals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Arrivals for NetlinkArrivals {
    fn take(&mut self) -> Result<bool> {
        let mut came = false;
        loop {
            match self.socket.receive_now() {
                Ok(datagram) => {
                    for message in messages(datagram) {
                        let message = Message::decode(message?.payload())?;
                        came |= nlctrl::says_come(&message, shunt_uapi::FAMILY_NAME);
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(came),
                // What was missed may be that it came.
                Err(error) if error.raw_os_error() == Some(ENOBUFS) => came = true,
                Err(error) => return Err(system("read events of the kernel")(error)),
            }
        }
    }
}
