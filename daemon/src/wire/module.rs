// SPDX-License-Identifier: MIT OR Apache-2.0
//! Answers to module-get. The client reads them; the fake transport writes them.

use shunt_uapi::{cmd, module};

use super::{
    Message,
    attr::{Writer, attributes, required},
};
use crate::error::Result;

/// Reads the version of the module.
///
/// # Errors
/// [`Error::Malformed`](crate::Error::Malformed) if it is missing or not understood.
pub fn decode(bytes: &[u8]) -> Result<String> {
    let mut version = None;
    for attr in attributes(bytes) {
        let attr = attr?;
        if attr.kind == module::VERSION {
            version = Some(attr.string());
        }
    }
    required(version, "version of the module")
}

/// Writes the version of the module, as the kernel does.
///
/// # Errors
/// [`Error::Unsendable`](crate::Error::Unsendable) if it fits in no message.
pub fn encode(version: &str) -> Result<Message> {
    let mut writer = Writer::default();
    writer.string(module::VERSION, version)?;
    Ok(Message {
        command: cmd::MODULE_GET,
        attributes: writer.into_bytes(),
    })
}
