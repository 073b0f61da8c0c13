// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the kernel, and udev after it, tell of devices that come, change and go. The service waits
//! here for drives.

use std::{
    io::{self, ErrorKind},
    os::fd::{AsFd, BorrowedFd},
};

use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_KOBJECT_UEVENT};
use nix::libc::{ENOBUFS, MSG_DONTWAIT};

use crate::error::{Error, Result};

/// Groups of the kernel's own messages and of udev's, which come when udev has made its links.
const GROUPS: u32 = 1 | 2;
/// No message is longer: the kernel writes it into a buffer of 2 KiB, udev into one of 16 KiB.
const LONGEST: usize = 16 << 10;
/// Room for what was not taken yet, in bytes; each message takes some 2 KiB of it.
const ROOM: usize = 4 << 20;

/// What is told of a device.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Uevent {
    /// Such as `add`, `change` or `remove`.
    pub action: String,
    /// Such as `block`.
    pub subsystem: String,
    /// Name of the node in `/dev`, if it has one.
    pub node: String,
    /// Whether its size has changed.
    pub resized: bool,
}

impl Uevent {
    /// Reads a message: properties that end with a zero, after a header that has none.
    pub fn parse(bytes: &[u8]) -> Self {
        let mut event = Self::default();
        for property in bytes.split(|byte| *byte == 0) {
            let property = String::from_utf8_lossy(property);
            match property.split_once('=') {
                Some(("ACTION", action)) => action.clone_into(&mut event.action),
                Some(("SUBSYSTEM", subsystem)) => subsystem.clone_into(&mut event.subsystem),
                Some(("DEVNAME", node)) => {
                    // udev writes the whole path.
                    node.trim_start_matches("/dev/").clone_into(&mut event.node);
                }
                Some(("RESIZE", value)) => event.resized = value == "1",
                _ => {}
            }
        }
        event
    }
}

/// What [`Uevents::receive`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// Nothing more for now.
    Nothing,
    /// Something about a device.
    Event(Uevent),
    /// Some were lost; anything may have happened.
    Overrun,
}

/// A socket for them. It needs no privilege; what it hears is a hint only, to look again.
#[derive(Debug)]
pub struct Uevents {
    socket: Socket,
    buffer: Vec<u8>,
}

impl Uevents {
    /// Listens from now on.
    ///
    /// # Errors
    /// [`Error::System`] without a socket.
    pub fn listen() -> Result<Self> {
        let open = || -> io::Result<Socket> {
            let mut socket = Socket::new(NETLINK_KOBJECT_UEVENT)?;
            socket.bind(&SocketAddr::new(0, GROUPS))?;
            // As much of it as may be had; less only means that a burst is heard of as a loss.
            socket.set_rx_buf_sz(ROOM as i32)?;
            Ok(socket)
        };
        let socket = open().map_err(|source| Error::System {
            action: "listen for drives",
            source,
        })?;
        Ok(Self {
            socket,
            buffer: Vec::with_capacity(LONGEST),
        })
    }

    /// Takes what has come; never waits.
    ///
    /// # Errors
    /// [`Error::System`] if it cannot be read.
    pub fn receive(&mut self) -> Result<Told> {
        loop {
            self.buffer.clear();
            match self.socket.recv(&mut self.buffer, MSG_DONTWAIT) {
                Ok(_) => return Ok(Told::Event(Uevent::parse(&self.buffer))),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Told::Nothing),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.raw_os_error() == Some(ENOBUFS) => return Ok(Told::Overrun),
                Err(source) => {
                    return Err(Error::System {
                        action: "hear of drives",
                        source,
                    });
                }
            }
        }
    }
}

impl AsFd for Uevents {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_of_the_kernel_is_read() {
        let bytes = b"change@/devices/virtual/block/loop0\0ACTION=change\0DEVPATH=/devices/x\0\
            SUBSYSTEM=block\0RESIZE=1\0DEVNAME=loop0\0SEQNUM=7\0";
        let event = Uevent {
            action: "change".into(),
            subsystem: "block".into(),
            node: "loop0".into(),
            resized: true,
        };
        assert_eq!(Uevent::parse(bytes), event);
    }

    #[test]
    fn a_message_of_udev_is_read() {
        let bytes = b"libudev\0\xfe\xed\xca\xfe\0\0\0\x28\0\0\0\x28\0\0\0\x10ACTION=add\0\
            SUBSYSTEM=block\0DEVNAME=/dev/nvme0n1\0";
        let event = Uevent::parse(bytes);
        assert_eq!(
            (event.subsystem.as_str(), event.node.as_str()),
            ("block", "nvme0n1")
        );
    }

    #[test]
    fn what_is_no_message_is_an_event_about_nothing() {
        assert_eq!(Uevent::parse(b"\xff\xfe=\0=\0"), Uevent::default());
    }

    #[test]
    fn listening_takes_no_privilege_and_hears_nothing_at_first() {
        let mut events = Uevents::listen().unwrap();
        // Something may happen on the machine meanwhile.
        assert_ne!(events.receive().unwrap(), Told::Overrun);
    }
}
