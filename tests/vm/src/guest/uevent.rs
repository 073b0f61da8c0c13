// SPDX-License-Identifier: MIT OR Apache-2.0
//! The events that the kernel sends to udev.

use std::os::fd::{AsRawFd, OwnedFd};

use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, socket,
};

use super::wait::wait_until;

/// Group of the messages that come from the kernel.
const KERNEL: u32 = 1;

/// A listener.
pub(crate) struct Uevents {
    socket: OwnedFd,
}

impl Uevents {
    /// Starts listening.
    #[track_caller]
    pub(crate) fn listen() -> Self {
        let socket = socket(
            AddressFamily::Netlink,
            SockType::Datagram,
            SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC,
            SockProtocol::NetlinkKObjectUEvent,
        )
        .expect("the kernel has uevents");
        bind(socket.as_raw_fd(), &NetlinkAddr::new(0, KERNEL)).expect("root may listen");
        Self { socket }
    }

    /// Waits for a message with all these lines, such as "DEVNAME=shunt0".
    #[track_caller]
    pub(crate) fn expect(&self, lines: &[&str]) {
        wait_until(&format!("the kernel sends {lines:?}"), || {
            let mut message = [0; 4096];
            while let Ok(length) = recv(
                self.socket.as_raw_fd(),
                &mut message,
                MsgFlags::MSG_DONTWAIT,
            ) {
                let text = String::from_utf8_lossy(&message[..length]);
                let said: Vec<&str> = text.split('\0').collect();
                if lines.iter().all(|line| said.contains(line)) {
                    return true;
                }
            }
            false
        });
    }
}
