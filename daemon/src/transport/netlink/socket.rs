// SPDX-License-Identifier: MIT OR Apache-2.0
//! A netlink socket to the kernel: whole datagrams in and out, whatever interrupts. The request
//! connection and the event source sit on it.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd},
    time::Duration,
};

use netlink_packet_core::NetlinkBuffer;
use netlink_sys::{Socket as RawSocket, SocketAddr, protocols::NETLINK_GENERIC};
use nix::{
    libc::{ETIMEDOUT, MSG_DONTWAIT, MSG_PEEK, MSG_TRUNC},
    sys::{
        socket::{
            setsockopt,
            sockopt::{RcvBufForce, ReceiveTimeout},
        },
        time::TimeVal,
    },
};

use crate::error::{Error, Result};

/// As much as the kernel puts in one datagram of a dump.
const USUAL_DATAGRAM: usize = 32 * 1024;

/// Makes a function that turns what the system said about `action` into an error.
pub(super) fn system(action: &'static str) -> impl Fn(io::Error) -> Error {
    move |source| Error::System { action, source }
}

#[derive(Debug)]
pub(super) struct Socket {
    raw: RawSocket,
    buffer: Vec<u8>,
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.raw.as_fd()
    }
}

impl Socket {
    pub(super) fn open() -> Result<Self> {
        let open = || -> io::Result<RawSocket> {
            let mut raw = RawSocket::new(NETLINK_GENERIC)?;
            raw.bind_auto()?;
            raw.connect(&SocketAddr::new(0, 0))?;
            raw.set_ext_ack(true)?;
            raw.set_cap_ack(true)?;
            raw.set_netlink_get_strict_chk(true)?;
            Ok(raw)
        };
        Ok(Self {
            raw: open().map_err(system("open a netlink socket"))?,
            buffer: Vec::with_capacity(USUAL_DATAGRAM),
        })
    }

    pub(super) fn send(&self, bytes: &[u8]) -> Result<()> {
        retry(|| self.raw.send(bytes, 0))
            .map(|_| ())
            .map_err(system("send a request to the kernel"))
    }

    /// Sets how long [`receive`](Self::receive) waits.
    pub(super) fn set_patience(&mut self, patience: Duration) -> Result<()> {
        let limit = TimeVal::new(
            patience.as_secs().try_into().unwrap_or(i64::MAX),
            patience.subsec_micros().into(),
        );
        setsockopt(&self.raw, ReceiveTimeout, &limit)
            .map_err(|why| system("limit the wait for an answer")(why.into()))
    }

    /// The next datagram of the kernel, waiting for it; `TimedOut` if none comes.
    pub(super) fn receive(&mut self) -> io::Result<&[u8]> {
        self.receive_with(0).map_err(|why| match why.kind() {
            io::ErrorKind::WouldBlock => io::Error::from_raw_os_error(ETIMEDOUT),
            _ => why,
        })
    }

    /// The next datagram of the kernel if it has come; `WouldBlock` if none has.
    pub(super) fn receive_now(&mut self) -> io::Result<&[u8]> {
        self.receive_with(MSG_DONTWAIT)
    }

    fn receive_with(&mut self, flags: i32) -> io::Result<&[u8]> {
        loop {
            self.buffer.clear();
            let length = retry(|| {
                self.raw
                    .recv(&mut self.buffer, flags | MSG_PEEK | MSG_TRUNC)
            })?;
            self.buffer.clear();
            self.buffer.reserve(length);
            let (_, sender) = retry(|| self.raw.recv_from(&mut self.buffer, flags))?;
            // Another process may send to this port; only the kernel is listened to.
            if sender.port_number() == 0 {
                return Ok(&self.buffer);
            }
        }
    }

    pub(super) fn join(&mut self, group: u32) -> Result<()> {
        retry(|| self.raw.add_membership(group)).map_err(system("listen for changes"))
    }

    /// Makes room for `bytes` of datagrams that nobody has taken yet. Beyond the system's limit
    /// that takes a privilege; without it the room is smaller, and a warning says so.
    pub(super) fn enlarge(&mut self, bytes: usize) -> Result<()> {
        if setsockopt(&self.raw, RcvBufForce, &bytes).is_ok() {
            return Ok(());
        }
        let granted = self
            .enlarge_within_limit(bytes)
            .map_err(system("make room for events"))?;
        if granted < bytes {
            log::warn!(
                "the kernel keeps {granted} bytes of events instead of {bytes}, so bursts of changes \
                 may be read as a whole new state; raise net.core.rmem_max to {bytes} or run as root"
            );
        }
        Ok(())
    }

    /// Makes as much of that room as anyone may have; tells how much.
    pub(super) fn enlarge_within_limit(&mut self, bytes: usize) -> io::Result<usize> {
        let request = i32::try_from(bytes).unwrap_or(i32::MAX);
        self.raw.set_rx_buf_sz(request)?;
        // The kernel doubles the number for its own use and tells the double.
        Ok(self.raw.get_rx_buf_sz()? / 2)
    }
}

/// Calls again for as long as a signal interrupts.
fn retry<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// The netlink messages in a datagram; one that is cut off ends them with an error.
pub(super) fn messages(datagram: &[u8]) -> impl Iterator<Item = Result<NetlinkBuffer<&[u8]>>> {
    let mut rest = datagram;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let message = match NetlinkBuffer::new_checked(rest) {
            Ok(message) => message,
            Err(error) => {
                rest = &[];
                return Some(Err(Error::Malformed(error.to_string())));
            }
        };
        let length = (message.length() as usize).next_multiple_of(4);
        rest = rest.get(length..).unwrap_or(&[]);
        Some(Ok(message))
    })
}
