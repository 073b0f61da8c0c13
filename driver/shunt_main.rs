// SPDX-License-Identifier: GPL-2.0-only

//! Shunt: a block device that forwards every I/O to flash, measures it, and can be steered.
//!
//! This file only joins the rooms: [`control`] takes commands over netlink, [`registry`] has the
//! devices, [`device`], [`table`] and [`target`] are one of them, [`io`] is the way of an I/O, [`stats`] what
//! is measured, [`logic`] the rules. [`kernel_ext`] alone has `unsafe` code.

#![crate_name = "shunt"]
#![deny(unsafe_code)]

mod control;
mod device;
mod error;
mod event;
mod io;
#[expect(
    unsafe_code,
    reason = "wraps C; everything else builds on its safe interfaces"
)]
mod kernel_ext;
#[allow(
    dead_code,
    unreachable_pub,
    reason = "shared with userspace, which uses the rest"
)]
#[path = "logic/lib.rs"]
mod logic;
mod registry;
mod stats;
mod table;
mod target;
#[allow(
    dead_code,
    unreachable_pub,
    reason = "shared with userspace, which uses the rest"
)]
#[path = "../uapi/src/consts.rs"]
mod uapi;

use kernel::prelude::*;

module! {
    type: Shunt,
    name: "shunt",
    authors: ["The Shunt engineers"],
    description: "Forwards block I/O to flash, measures it, and can be steered",
    license: "GPL",
    alias: ["net-pf-16-proto-16-family-shunt"],
}

/// The module: it takes commands while it is loaded. Devices keep it loaded.
struct Shunt {
    // Whoever takes commands spawns tasks, so it goes first.
    _control: kernel_ext::net::genl::Registration<control::Control>,
    _tasks: kernel_ext::task::Running,
    /// Dropped last.
    _text: kernel_ext::module_pin::TextInUse,
}

impl kernel::Module for Shunt {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let tasks = kernel_ext::task::start()?;
        Ok(Self {
            _control: control::register()?,
            _tasks: tasks,
            _text: kernel_ext::module_pin::TextInUse,
        })
    }
}
