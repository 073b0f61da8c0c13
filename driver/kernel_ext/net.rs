// SPDX-License-Identifier: GPL-2.0-only

//! Generic netlink: families, requests, dumps, notifications, attributes.

pub(crate) mod attr;
pub(crate) mod dump;
pub(crate) mod genl;
pub(crate) mod multicast;
pub(crate) mod sender;
