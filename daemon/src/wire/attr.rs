// SPDX-License-Identifier: MIT OR Apache-2.0
//! Netlink attributes: a writer and a reader. The other files of `wire` put messages together and
//! apart with them.

use netlink_packet_core::{DefaultNla, Emitable, NLA_F_NESTED, NLA_HEADER_SIZE, NlasIterator};

use super::malformed;
use crate::error::{Error, Result};

/// Longest value of an attribute: its length, header included, is 16 bits wide.
const VALUE_MAX: usize = u16::MAX as usize - NLA_HEADER_SIZE;

/// Collects attributes.
#[derive(Debug, Default)]
pub struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    /// The attributes written so far.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Adds a number of 32 bits.
    pub fn u32(&mut self, kind: u16, value: u32) {
        self.put(kind, value.to_ne_bytes().to_vec());
    }

    /// Adds a number of the YNL type `uint`: 4 bytes if it fits, else 8.
    pub fn uint(&mut self, kind: u16, value: u64) {
        match u32::try_from(value) {
            Ok(short) => self.u32(kind, short),
            Err(_) => self.put(kind, value.to_ne_bytes().to_vec()),
        }
    }

    /// Adds a string and the zero byte that ends it.
    ///
    /// # Errors
    /// [`Error::Unsendable`] if the string has a zero byte in it or is too long for an attribute.
    pub fn string(&mut self, kind: u16, value: &str) -> Result<()> {
        if value.contains('\0') {
            return Err(Error::Unsendable(format!(
                "{value:?} has a zero byte in it; leave it out"
            )));
        }
        if value.len() >= VALUE_MAX {
            return Err(Error::Unsendable(format!(
                "a text of {} bytes does not fit in a message; shorten it",
                value.len()
            )));
        }
        let mut bytes = value.as_bytes().to_vec();
        bytes.push(0);
        self.put(kind, bytes);
        Ok(())
    }

    /// Adds an attribute that is made of the attributes in `inner`.
    ///
    /// # Errors
    /// [`Error::Unsendable`] if they are too long together.
    pub fn nest(&mut self, kind: u16, inner: Writer) -> Result<()> {
        if inner.bytes.len() > VALUE_MAX {
            return Err(Error::Unsendable(format!(
                "{} bytes of nested attributes do not fit in a message; shorten them",
                inner.bytes.len()
            )));
        }
        self.put(kind | NLA_F_NESTED, inner.bytes);
        Ok(())
    }

    fn put(&mut self, kind: u16, value: Vec<u8>) {
        let attribute = DefaultNla::new(kind, value);
        let start = self.bytes.len();
        self.bytes.resize(start + attribute.buffer_len(), 0);
        attribute.emit(&mut self.bytes[start..]);
    }
}

/// One attribute of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attr<'a> {
    /// Its number in its set, without the flags.
    pub kind: u16,
    /// Its value.
    pub value: &'a [u8],
    /// Where it begins, counted from the first byte of the attributes that were read.
    pub start: usize,
}

/// The attributes in `bytes`, in their order; one that is cut off ends them with an error.
pub fn attributes(bytes: &[u8]) -> impl Iterator<Item = Result<Attr<'_>>> {
    let mut start = 0;
    NlasIterator::new(bytes).map(move |attribute| {
        let attribute = attribute.map_err(|error| malformed(error.to_string()))?;
        let (kind, length) = (attribute.kind(), usize::from(attribute.length()));
        let attr = Attr {
            kind,
            value: &attribute.into_inner()[NLA_HEADER_SIZE..length],
            start,
        };
        start += length.next_multiple_of(4);
        Ok(attr)
    })
}

impl<'a> Attr<'a> {
    /// Bytes between where an attribute begins and its value.
    pub const HEADER_LENGTH: usize = NLA_HEADER_SIZE;

    /// A number of 32 bits.
    ///
    /// # Errors
    /// [`Error::Malformed`] if the value has another length.
    pub fn u32(&self) -> Result<u32> {
        match self.value.try_into() {
            Ok(bytes) => Ok(u32::from_ne_bytes(bytes)),
            Err(_) => Err(self.wrong_length("4 bytes")),
        }
    }

    /// A number of the YNL type `uint`, 4 or 8 bytes long.
    ///
    /// # Errors
    /// [`Error::Malformed`] if the value has another length.
    pub fn uint(&self) -> Result<u64> {
        match self.value.try_into() {
            Ok(bytes) => Ok(u64::from_ne_bytes(bytes)),
            Err(_) => match self.u32() {
                Ok(short) => Ok(u64::from(short)),
                Err(_) => Err(self.wrong_length("4 or 8 bytes")),
            },
        }
    }

    /// A string, up to its zero byte if it has one. What is not UTF-8 becomes U+FFFD: it is shown,
    /// never sent back.
    pub fn string(&self) -> String {
        let end = self.value.iter().position(|byte| *byte == 0);
        String::from_utf8_lossy(&self.value[..end.unwrap_or(self.value.len())]).into_owned()
    }

    /// The attributes that this one is made of.
    pub fn nested(&self) -> impl Iterator<Item = Result<Attr<'a>>> + use<'a> {
        attributes(self.value)
    }

    fn wrong_length(&self, expected: &str) -> Error {
        malformed(format!(
            "attribute {} has {} bytes, not {expected}",
            self.kind,
            self.value.len()
        ))
    }
}

/// The value of an attribute that has to be there.
///
/// # Errors
/// [`Error::Malformed`] if it is not.
pub(super) fn required<T>(value: Option<T>, name: &str) -> Result<T> {
    value.ok_or_else(|| malformed(format!("attribute {name} is missing")))
}

#[cfg(test)]
mod tests;
