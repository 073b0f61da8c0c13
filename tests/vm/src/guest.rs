// SPDX-License-Identifier: MIT OR Apache-2.0
//! The guest's side: the first program of the guest, which runs each case as a child, and the fixtures that the cases use.

pub(crate) mod case;
pub(crate) mod command;
pub(crate) mod debug_kernel;
pub(crate) mod demo;
pub(crate) mod direct;
pub(crate) mod dm;
pub(crate) mod events;
pub(crate) mod fio;
pub(crate) mod flash;
mod follower;
pub(crate) mod hot;
pub(crate) mod init;
pub(crate) mod leftovers;
pub(crate) mod link;
pub(crate) mod load;
pub(crate) mod loop_device;
pub(crate) mod module;
pub(crate) mod monitor;
pub(crate) mod mount;
pub(crate) mod null_blk;
pub(crate) mod nvmet;
pub(crate) mod partition;
pub(crate) mod removal;
pub(crate) mod scsi_debug;
pub(crate) mod shunt;
pub(crate) mod shuntd;
pub(crate) mod state;
pub(crate) mod stream;
pub(crate) mod sysfs;
pub(crate) mod task;
pub(crate) mod trace;
pub(crate) mod uevent;
pub(crate) mod wait;
mod work;
pub(crate) mod ynl;
pub(crate) mod zones;
