// SPDX-License-Identifier: MIT OR Apache-2.0
//! Control of shunt block devices: what the programs `shunt` and `shuntd` are made of, for other
//! programs too.
//!
//! A [`Client`] asks the kernel, one method for each request. A [`Monitor`] follows it: first the
//! devices that are there, then every change, and after a loss all of them again. A [`Stream`]
//! follows the statistics in the same way, and [`metrics`] says what they mean. All work over a [`transport`]: the kernel's generic netlink family, or a table in memory with the same rules.
//!
//! ```no_run
//! use shunt::{Client, DeviceSpec, Selector, TargetSpec};
//!
//! # fn main() -> shunt::Result<()> {
//! let mut client = Client::connect()?;
//! let device = client.create_device(&DeviceSpec::new("vol0", vec![TargetSpec::whole("/dev/sdb")]))?;
//! println!("{}", device.path());
//! let stats = client.stats(&Selector::Id(device.id))?;
//! println!("{} in flight", stats.in_flight);
//! # Ok(())
//! # }
//! ```
//!
//! Nothing here prints or ends the process; messages go to the `log` facade.

pub mod absent;
#[cfg(feature = "config")]
pub mod apply;
pub mod client;
#[cfg(feature = "config")]
pub mod config;
pub mod drive;
pub mod error;
#[cfg(feature = "exporter")]
pub mod exporter;
#[cfg(feature = "config")]
pub mod machine;
pub mod metrics;
pub mod model;
pub mod monitor;
#[cfg(feature = "config")]
pub mod plan;
pub mod poll;
pub mod prometheus;
mod refusal;
#[cfg(feature = "config")]
pub mod service;
pub mod stream;
pub mod transport;
pub mod units;
#[cfg(feature = "config")]
pub mod unmap;
pub mod wire;
pub mod words;
pub mod world;

pub use client::Client;
pub use shunt_logic::name;

pub use error::{Error, Part, Refusal, Result};
pub use model::{
    Bucket, Capabilities, Device, DeviceCaps, DeviceChange, DeviceSpec, DriveId, Histogram,
    Notification, Op, OpStats, QueueMode, Reason, Sample, Selector, State, Stats, StatsMode,
    Target, TargetSpec,
};
pub use monitor::{Monitor, Update};
pub use stream::{Figures, Stream};
pub use transport::Transport;
pub use world::{Change, World};
