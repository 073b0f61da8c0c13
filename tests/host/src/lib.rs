// SPDX-License-Identifier: GPL-2.0-only
//! The driver's pure logic, compiled for the host so that `tests/` can try it without a kernel.

/// The constants of the netlink family, under the path that the driver has them.
pub use shunt_uapi as uapi;

#[path = "../../../driver/logic/extent.rs"]
pub mod extent;
#[path = "../../../driver/logic/histogram.rs"]
pub mod histogram;
#[path = "../../../driver/logic/name.rs"]
pub mod name;
#[path = "../../../driver/logic/table.rs"]
pub mod table;
#[path = "../../../driver/logic/usage.rs"]
pub mod usage;
