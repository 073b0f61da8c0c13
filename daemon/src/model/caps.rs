// SPDX-License-Identifier: MIT OR Apache-2.0
//! What block devices can do, as the kernel tells it.

use std::collections::BTreeMap;

use super::Device;

/// The names of the capabilities.
pub use shunt_uapi::capability;

/// What one block device can do: a number for each of [`capability`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Capabilities(
    /// The numbers that are not 0, by attribute.
    pub BTreeMap<u16, u64>,
);

impl Capabilities {
    /// The number of an attribute; 0 stands for no, or for none.
    pub fn get(&self, attribute: u16) -> u64 {
        self.0.get(&attribute).copied().unwrap_or(0)
    }
}

/// A device, with what it can do and what the drives below it can.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceCaps {
    /// The device.
    pub device: Device,
    /// What it can do.
    pub capabilities: Capabilities,
    /// What the backing device of each target can do.
    pub targets: Vec<Capabilities>,
}
