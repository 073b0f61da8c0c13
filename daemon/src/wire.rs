// SPDX-License-Identifier: MIT OR Apache-2.0
//! Messages of the generic netlink family as bytes. Encoding and decoding only, no I/O; the client
//! and the transports call it, and no other module sees the number of an attribute, but for capabilities,
//! whose numbers are their names everywhere.

pub mod ack;
pub mod attr;
pub mod caps;
pub mod event;
pub mod module;
pub mod nlctrl;
pub mod reply;
pub mod request;
pub mod stats;

use crate::error::{Error, Result};

/// Length of the header of a netlink message.
pub const NETLINK_HEADER_LENGTH: usize = 16;
/// Length of the header that generic netlink puts after that of netlink.
pub const GENL_HEADER_LENGTH: usize = 4;

/// One generic netlink message, without the netlink header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Command or notification of the family.
    pub command: u8,
    /// Its attributes as they are on the wire.
    pub attributes: Vec<u8>,
}

impl Message {
    /// A message without attributes.
    pub fn bare(command: u8) -> Self {
        Self {
            command,
            attributes: Vec::new(),
        }
    }

    /// The bytes that follow the netlink header, for a family of that version.
    pub fn encode(&self, version: u8) -> Vec<u8> {
        let mut bytes = vec![self.command, version, 0, 0];
        bytes.extend_from_slice(&self.attributes);
        bytes
    }

    /// Reads the bytes that follow a netlink header.
    ///
    /// # Errors
    /// [`Error::Malformed`] if they are too few.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        match bytes.split_at_checked(GENL_HEADER_LENGTH) {
            Some((header, attributes)) => Ok(Self {
                command: header[0],
                attributes: attributes.to_vec(),
            }),
            None => Err(malformed(format!(
                "a generic netlink message of {} bytes",
                bytes.len()
            ))),
        }
    }
}

fn malformed(what: impl Into<String>) -> Error {
    Error::Malformed(what.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_is_command_version_and_two_zeroes() {
        let message = Message {
            command: 3,
            attributes: vec![8, 0, 1, 0, 7, 0, 0, 0],
        };
        let bytes = message.encode(1);
        assert_eq!(bytes, [3, 1, 0, 0, 8, 0, 1, 0, 7, 0, 0, 0]);
        assert_eq!(Message::decode(&bytes).unwrap(), message);
    }

    #[test]
    fn a_message_shorter_than_its_header_is_malformed() {
        assert!(matches!(
            Message::decode(&[3, 1, 0]),
            Err(Error::Malformed(_))
        ));
    }
}
