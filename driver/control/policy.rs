// SPDX-License-Identifier: GPL-2.0-only
// Generated from uapi/shunt.yaml. Do not edit; regenerate with scripts/gen-uapi.

//! Which attributes a request of each command may have, by number; all others are refused.
//! `control` gives these tables to generic netlink, which checks a request before the command runs.

use crate::kernel_ext::net::attr::Policy;
use crate::uapi::{self, device, sample, stats, target};

/// Greatest attribute number in [`TARGET`].
pub(crate) const TARGET_MAX: u16 = target::FD;

/// Attributes of a `target` in a request.
pub(crate) static TARGET: [Policy; TARGET_MAX as usize + 1] = {
    let mut table = [const { Policy::NONE }; TARGET_MAX as usize + 1];
    table[target::PATH as usize] = Policy::string(uapi::PATH_MAX as u16);
    table[target::OFFSET as usize] = Policy::uint();
    table[target::LENGTH as usize] = Policy::uint();
    table[target::FD as usize] = Policy::u32();
    table
};

/// Greatest attribute number in [`DEVICE_NEW_DO`].
pub(crate) const DEVICE_NEW_DO_MAX: u16 = device::TIMEOUT;

/// Attributes of a `device-new` request (do).
pub(crate) static DEVICE_NEW_DO: [Policy; DEVICE_NEW_DO_MAX as usize + 1] = {
    let mut table = [const { Policy::NONE }; DEVICE_NEW_DO_MAX as usize + 1];
    table[device::NAME as usize] = Policy::string(uapi::NAME_MAX as u16);
    table[device::QUEUE_MODE as usize] = Policy::u32_max(uapi::QueueMode::Mq as u32);
    table[device::STATS_MODE as usize] = Policy::u32_max(uapi::StatsMode::Full as u32);
    table[device::READ_ONLY as usize] = Policy::u32_max(1);
    table[device::TARGET as usize] = Policy::nested(&TARGET);
    table[device::STRIPE as usize] = Policy::uint();
    table[device::TIMEOUT as usize] = Policy::u32();
    table
};

/// Greatest attribute number in [`DEVICE_DEL_DO`].
pub(crate) const DEVICE_DEL_DO_MAX: u16 = device::TABLE_NUMBER;

/// Attributes of a `device-del` request (do).
pub(crate) static DEVICE_DEL_DO: [Policy; DEVICE_DEL_DO_MAX as usize + 1] = {
    let mut table = [const { Policy::NONE }; DEVICE_DEL_DO_MAX as usize + 1];
    table[device::ID as usize] = Policy::u32();
    table[device::NAME as usize] = Policy::string(uapi::NAME_MAX as u16);
    table[device::GENERATION as usize] = Policy::uint();
    table[device::FORCE as usize] = Policy::u32_max(1);
    table[device::TIMEOUT as usize] = Policy::u32();
    table[device::TABLE_NUMBER as usize] = Policy::uint();
    table
};

/// Greatest attribute number in [`DEVICE_GET_DO`].
pub(crate) const DEVICE_GET_DO_MAX: u16 = device::GENERATION;

/// Attributes of a `device-get` request (do).
pub(crate) static DEVICE_GET_DO: [Policy; DEVICE_GET_DO_MAX as usize + 1] = {
    let mut table = [const { Policy::NONE }; DEVICE_GET_DO_MAX as usize + 1];
    table[device::ID as usize] = Policy::u32();
    table[device::NAME as usize] = Policy::string(uapi::NAME_MAX as u16);
    table[device::GENERATION as usize] = Policy::uint();
    table
};

/// Greatest attribute number in [`DEVICE_GET_DUMP`].
pub(crate) const DEVICE_GET_DUMP_MAX: u16 = 1;

/// Attributes of a `device-get` request (dump). It has none: a table without entries would not
/// be looked at.
pub(crate) static DEVICE_GET_DUMP: [Policy; DEVICE_GET_DUMP_MAX as usize + 1] =
    [const { Policy::NONE }; DEVICE_GET_DUMP_MAX as usize + 1];

/// Greatest attribute number in [`STATS_GET_DO`].
pub(crate) const STATS_GET_DO_MAX: u16 = stats::NAME;

/// Attributes of a `stats-get` request (do).
pub(crate) static STATS_GET_DO: [Policy; STATS_GET_DO_MAX as usize + 1] = {
    let mut table = [const { Policy::NONE }; STATS_GET_DO_MAX as usize + 1];
    table[stats::ID as usize] = Policy::u32();
    table[stats::NAME as usize] = Policy::string(uapi::NAME_MAX as u16);
    table
};

/// Greatest attribute number in [`STATS_GET_DUMP`].
pub(crate) const STATS_GET_DUMP_MAX: u16 = 1;

/// Attributes of a `stats-get` request (dump). It has none: a table without entries would not
/// be looked at.
pub(crate) static STATS_GET_DUMP: [Policy; STATS_GET_DUMP_MAX as usize + 1] =
    [const { Policy::NONE }; STATS_GET_DUMP_MAX as usize + 1];

/// Greatest attribute number in [`DEVICE_SET_DO`].
pub(crate) const DEVICE_SET_DO_MAX: u16 = device::TABLE_NUMBER;

/// Attributes of a `device-set` request (do).
pub(crate) static DEVICE_SET_DO: [Policy; DEVICE_SET_DO_MAX as usize + 1] = {
    let mut table = [const { Policy::NONE }; DEVICE_SET_DO_MAX as usize + 1];
    table[device::ID as usize] = Policy::u32();
    table[device::NAME as usize] = Policy::string(uapi::NAME_MAX as u16);
    table[device::STATE as usize] = Policy::u32_max(uapi::State::Lost as u32);
    table[device::STATS_MODE as usize] = Policy::u32_max(uapi::StatsMode::Full as u32);
    table[device::READ_ONLY as usize] = Policy::u32_max(1);
    table[device::TARGET as usize] = Policy::nested(&TARGET);
    table[device::GENERATION as usize] = Policy::uint();
    table[device::STRIPE as usize] = Policy::uint();
    table[device::FREEZE as usize] = Policy::u32_max(1);
    table[device::RESIZE as usize] = Policy::u32_max(1);
    table[device::TIMEOUT as usize] = Policy::u32();
    table[device::TABLE_NUMBER as usize] = Policy::uint();
    table
};

/// Greatest attribute number in [`STATS_SET_DO`].
pub(crate) const STATS_SET_DO_MAX: u16 = sample::INTERVAL;

/// Attributes of a `stats-set` request (do).
pub(crate) static STATS_SET_DO: [Policy; STATS_SET_DO_MAX as usize + 1] = {
    let mut table = [const { Policy::NONE }; STATS_SET_DO_MAX as usize + 1];
    table[sample::INTERVAL as usize] = Policy::u32_range(uapi::INTERVAL_MIN, uapi::INTERVAL_MAX);
    table
};

/// Greatest attribute number in [`CAPS_GET_DO`].
pub(crate) const CAPS_GET_DO_MAX: u16 = device::GENERATION;

/// Attributes of a `caps-get` request (do).
pub(crate) static CAPS_GET_DO: [Policy; CAPS_GET_DO_MAX as usize + 1] = {
    let mut table = [const { Policy::NONE }; CAPS_GET_DO_MAX as usize + 1];
    table[device::ID as usize] = Policy::u32();
    table[device::NAME as usize] = Policy::string(uapi::NAME_MAX as u16);
    table[device::GENERATION as usize] = Policy::uint();
    table
};

/// Greatest attribute number in [`MODULE_GET_DO`].
pub(crate) const MODULE_GET_DO_MAX: u16 = 1;

/// Attributes of a `module-get` request (do). It has none: a table without entries would not be
/// looked at.
pub(crate) static MODULE_GET_DO: [Policy; MODULE_GET_DO_MAX as usize + 1] =
    [const { Policy::NONE }; MODULE_GET_DO_MAX as usize + 1];
