// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0

//! The rulebook: what names, pieces of drives and tables may be, and in which words all else is refused.
//!
//! It has `core` and nothing of a kernel. The driver mounts this folder as a module; userspace depends on it as a crate, so
//! that a configuration is judged, and the kernel of the tests refuses, by the rules of the kernel itself.
#![cfg_attr(not(MODULE), no_std)]

#[cfg(MODULE)]
use crate::uapi;
#[cfg(not(MODULE))]
pub use shunt_uapi as uapi;

pub mod errno;
pub mod extent;
pub mod histogram;
pub mod name;
pub mod promises;
pub mod refusal;
// The driver has no moves yet.
#[cfg(not(MODULE))]
pub mod relocation;
pub mod table;
pub mod usage;
