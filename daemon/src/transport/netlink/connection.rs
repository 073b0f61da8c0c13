// SPDX-License-Identifier: MIT OR Apache-2.0
//! Requests and their answers, matched by sequence number.

use std::time::Duration;

use nix::libc::ENOBUFS;

use netlink_packet_core::{
    Emitable, NLM_F_DUMP_INTR, NLMSG_DONE, NLMSG_ERROR, NLMSG_NOOP, NLMSG_OVERRUN, NetlinkHeader,
};

use super::{
    super::Dump,
    socket::{Socket, messages, system},
};
use crate::{
    error::{Error, Result},
    wire::{GENL_HEADER_LENGTH, Message, NETLINK_HEADER_LENGTH, ack::Ack},
};

/// How long an answer is waited for unless it is set: nothing that the kernel answers at once takes as long.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub(super) struct Connection {
    socket: Socket,
    sequence: u32,
}

impl Connection {
    pub(super) fn open() -> Result<Self> {
        let mut socket = Socket::open()?;
        socket.set_patience(PATIENCE)?;
        Ok(Self {
            socket,
            sequence: 0,
        })
    }

    /// Sets how long an answer is waited for.
    pub(super) fn set_patience(&mut self, patience: Duration) -> Result<()> {
        self.socket.set_patience(patience)
    }

    /// Sends a message of a family and reads the answer up to its acknowledgement or to the end of
    /// the dump.
    pub(super) fn exchange(&mut self, family: u16, flags: u16, payload: &[u8]) -> Result<Dump> {
        self.sequence = self.sequence.wrapping_add(1);
        self.socket
            .send(&frame(family, flags, self.sequence, payload)?)?;
        let mut answer = Answer {
            sequence: self.sequence,
            attributes: payload.get(GENL_HEADER_LENGTH..).unwrap_or(&[]),
            dump: Dump {
                messages: Vec::new(),
                interrupted: false,
            },
        };
        loop {
            let datagram = match self.socket.receive() {
                Ok(datagram) => datagram,
                // There was no room for a reply; whether the request was carried out, the acknowledgement tells.
                Err(why) if why.raw_os_error() == Some(ENOBUFS) => continue,
                Err(why) => return Err(system("read the kernel's answer")(why)),
            };
            if answer.take(datagram)? {
                return Ok(answer.dump);
            }
        }
    }
}

/// Puts the netlink header before a payload.
pub(super) fn frame(family: u16, flags: u16, sequence: u32, payload: &[u8]) -> Result<Vec<u8>> {
    let mut header = NetlinkHeader::default();
    header.length = u32::try_from(NETLINK_HEADER_LENGTH + payload.len())
        .map_err(|_| Error::Unsendable("the request is longer than 4 GiB".into()))?;
    header.message_type = family;
    header.flags = flags;
    header.sequence_number = sequence;
    let mut bytes = vec![0; NETLINK_HEADER_LENGTH];
    header.emit(&mut bytes);
    bytes.extend_from_slice(payload);
    Ok(bytes)
}

/// An answer that is being read.
#[derive(Debug)]
pub(super) struct Answer<'a> {
    /// Number of the request.
    pub(super) sequence: u32,
    /// Attributes of the request, to name the part that the kernel points at.
    pub(super) attributes: &'a [u8],
    /// What has come so far.
    pub(super) dump: Dump,
}

impl Answer<'_> {
    /// Takes a datagram; true if the answer is complete.
    pub(super) fn take(&mut self, datagram: &[u8]) -> Result<bool> {
        for message in messages(datagram) {
            let message = message?;
            // What is left of an answer that was given up.
            if message.sequence_number() != self.sequence {
                continue;
            }
            let flags = message.flags();
            self.dump.interrupted |= flags & NLM_F_DUMP_INTR != 0;
            let ack = match message.message_type() {
                NLMSG_ERROR => Ack::decode_error(message.payload(), flags)?,
                NLMSG_DONE => Ack::decode_done(message.payload(), flags)?,
                NLMSG_NOOP | NLMSG_OVERRUN => continue,
                _ => {
                    let message = Message::decode(message.payload())?;
                    self.dump.messages.push(message);
                    continue;
                }
            };
            if let (0, Some(warning)) = (ack.errno, &ack.text) {
                log::warn!("{warning}");
            }
            return match ack.refusal(self.attributes) {
                Some(refusal) => Err(Error::Refused(refusal)),
                None => Ok(true),
            };
        }
        Ok(false)
    }
}
