// SPDX-License-Identifier: MIT OR Apache-2.0
//! The words of the Container Storage Interface, for the driver `shunt-csi` and for those that test it.

pub mod proto;

#[cfg(feature = "client")]
pub mod client;
