// SPDX-License-Identifier: ((GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause)
//! The words that the module and userspace share, made from `uapi/shunt.yaml`.
//!
//! The driver mounts `consts.rs` by path; userspace depends on this crate.

#![no_std]

mod consts;

pub use consts::*;
