// SPDX-License-Identifier: GPL-2.0-only

//! Which names a device may have: those that can be a file's name and one word of a shell.

use crate::uapi::NAME_MAX;

/// Why a name was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameError {
    /// It has no bytes.
    Empty,
    /// It has more than `NAME_MAX` bytes.
    TooLong,
    /// It is `.` or `..`.
    Dots,
    /// It is not UTF-8.
    NotUtf8,
    /// It has this byte: a slash, white space or a control character.
    Byte(u8),
}

/// Checks a name, given without its NUL.
pub fn check(name: &[u8]) -> Result<(), NameError> {
    if name.is_empty() {
        return Err(NameError::Empty);
    }
    if name.len() > NAME_MAX as usize {
        return Err(NameError::TooLong);
    }
    if name == b"." || name == b".." {
        return Err(NameError::Dots);
    }
    let forbidden = |byte: &&u8| **byte == b'/' || **byte <= b' ' || **byte == 0x7f;
    match name.iter().find(forbidden) {
        Some(byte) => Err(NameError::Byte(*byte)),
        None if core::str::from_utf8(name).is_err() => Err(NameError::NotUtf8),
        None => Ok(()),
    }
}
