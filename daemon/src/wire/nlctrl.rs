// SPDX-License-Identifier: MIT OR Apache-2.0
//! The kernel's family `nlctrl`, which tells the numbers of the others and when one goes. The
//! netlink transport uses it.

use std::ffi::CStr;

use super::{
    Message,
    attr::{Attr, Writer, attributes, required},
    malformed,
};
use crate::error::Result;

// linux/genetlink.h.
/// Number of the family `nlctrl` itself.
pub const FAMILY_ID: u16 = 0x10;
/// Version of the family `nlctrl`.
pub const FAMILY_VERSION: u8 = 2;
/// Its name.
pub const FAMILY_NAME: &CStr = c"nlctrl";
/// Its multicast group.
pub const GROUP_NOTIFY: &CStr = c"notify";
const CMD_NEWFAMILY: u8 = 1;
const CMD_DELFAMILY: u8 = 2;
const CMD_GETFAMILY: u8 = 3;
const ATTR_FAMILY_ID: u16 = 1;
const ATTR_FAMILY_NAME: u16 = 2;
const ATTR_MCAST_GROUPS: u16 = 7;
const ATTR_MCAST_GRP_NAME: u16 = 1;
const ATTR_MCAST_GRP_ID: u16 = 2;

/// A generic netlink family of the running kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Family {
    /// Its number: the type of its messages.
    pub id: u16,
    /// Its multicast groups, each with its name and number.
    pub groups: Vec<(String, u32)>,
}

impl Family {
    /// Number of the group with this name.
    pub fn group(&self, name: &CStr) -> Option<u32> {
        self.groups
            .iter()
            .find(|(group, _)| group.as_bytes() == name.to_bytes())
            .map(|(_, id)| *id)
    }
}

/// Asks for a family by its name.
///
/// # Errors
/// [`Error::Unsendable`](crate::Error::Unsendable) if the name fits in no message.
pub fn get_family(name: &CStr) -> Result<Message> {
    let mut writer = Writer::default();
    writer.string(ATTR_FAMILY_NAME, &name.to_string_lossy())?;
    Ok(Message {
        command: CMD_GETFAMILY,
        attributes: writer.into_bytes(),
    })
}

/// Reads the answer to [`get_family`].
///
/// # Errors
/// [`Error::Malformed`](crate::Error::Malformed) if a part is missing or not understood.
pub fn decode_family(bytes: &[u8]) -> Result<Family> {
    let (mut id, mut groups) = (None, Vec::new());
    for attr in attributes(bytes) {
        let attr = attr?;
        match attr.kind {
            ATTR_FAMILY_ID => match attr.value.try_into() {
                Ok(number) => id = Some(u16::from_ne_bytes(number)),
                Err(_) => return Err(malformed("a family whose number is not 2 bytes")),
            },
            ATTR_MCAST_GROUPS => {
                for group in attr.nested() {
                    groups.push(decode_group(&group?)?);
                }
            }
            _ => {}
        }
    }
    Ok(Family {
        id: required(id, "id of a family")?,
        groups,
    })
}

fn decode_group(nest: &Attr<'_>) -> Result<(String, u32)> {
    let (mut name, mut id) = (None, None);
    for attr in nest.nested() {
        let attr = attr?;
        match attr.kind {
            ATTR_MCAST_GRP_NAME => name = Some(attr.string()),
            ATTR_MCAST_GRP_ID => id = Some(attr.u32()?),
            _ => {}
        }
    }
    Ok((
        required(name, "name of a group")?,
        required(id, "id of a group")?,
    ))
}

/// Asks for all families. Unlike [`get_family`] it never makes the kernel load a module.
pub fn get_families() -> Message {
    Message::bare(CMD_GETFAMILY)
}

/// Whether a family of an answer has this name.
pub fn is_called(message: &Message, name: &CStr) -> bool {
    attributes(&message.attributes)
        .flatten()
        .any(|attr| attr.kind == ATTR_FAMILY_NAME && attr.string().as_bytes() == name.to_bytes())
}

/// Whether a message of the group [`GROUP_NOTIFY`] says that the family with this name came.
pub fn says_come(message: &Message, name: &CStr) -> bool {
    message.command == CMD_NEWFAMILY && is_called(message, name)
}

/// Whether a message of the group [`GROUP_NOTIFY`] says that this family went away.
pub fn says_gone(message: &Message, family: u16) -> bool {
    message.command == CMD_DELFAMILY
        && decode_family(&message.attributes).is_ok_and(|gone| gone.id == family)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As a kernel answered for `nlctrl`, without the list of its operations.
    #[rustfmt::skip]
    const NLCTRL: [u8; 72] = [
        11, 0, 2, 0,  b'n', b'l', b'c', b't', b'r', b'l', 0, 0,
        6, 0, 1, 0,  16, 0, 0, 0,
        8, 0, 3, 0,  2, 0, 0, 0,
        8, 0, 4, 0,  0, 0, 0, 0,
        8, 0, 5, 0,  0, 0, 0, 0,
        28, 0, 7, 0,
            24, 0, 1, 0,
                8, 0, 2, 0,  16, 0, 0, 0,
                11, 0, 1, 0,  b'n', b'o', b't', b'i', b'f', b'y', 0, 0,
    ];

    #[test]
    fn a_family_is_asked_for_by_name() {
        let message = get_family(c"shunt").unwrap();
        assert_eq!(message.command, 3);
        assert_eq!(message.attributes, *b"\x0a\0\x02\0shunt\0\0\0");
    }

    #[test]
    fn the_answer_has_the_numbers_of_the_family_and_its_groups() {
        let family = decode_family(&NLCTRL).unwrap();
        assert_eq!(family.id, FAMILY_ID);
        assert_eq!(family.group(c"notify"), Some(16));
        assert_eq!(family.group(c"config"), None);
    }

    #[test]
    fn an_answer_without_a_number_is_malformed() {
        assert!(decode_family(&NLCTRL[..12]).is_err());
    }

    #[test]
    fn only_the_family_that_is_waited_for_counts_as_come() {
        let mut message = Message {
            command: CMD_NEWFAMILY,
            attributes: NLCTRL.to_vec(),
        };
        assert!(says_come(&message, c"nlctrl"));
        assert!(!says_come(&message, c"shunt"));
        message.command = CMD_DELFAMILY;
        assert!(!says_come(&message, c"nlctrl"));
    }

    #[test]
    fn only_the_family_that_is_followed_counts_as_gone() {
        let mut message = Message {
            command: CMD_DELFAMILY,
            attributes: NLCTRL.to_vec(),
        };
        assert!(says_gone(&message, 16));
        assert!(!says_gone(&message, 33));
        message.command = CMD_GETFAMILY;
        assert!(!says_gone(&message, 16));
    }
}
