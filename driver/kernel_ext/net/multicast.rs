// SPDX-License-Identifier: GPL-2.0-only

//! Notifications to the groups of a family, in every network namespace.
//!
//! Who may join a group is checked as somebody joins it. But memberships outlive a family: a process may join
//! numbers that no family has yet. So what is sent to a group of administrators is kept from all others.
//!
//! C headers: [`include/linux/netlink.h`](srctree/include/linux/netlink.h),
//! [`include/net/net_namespace.h`](srctree/include/net/net_namespace.h)

use super::{
    super::bindings,
    genl::{Context, Family, Message, Permission},
};
use core::ptr::null_mut;
use kernel::{alloc::AllocError, error::to_result, prelude::*};

/// A multicast group of a [`Family`].
#[repr(transparent)]
pub(crate) struct Group(pub(super) bindings::genl_multicast_group);

// SAFETY: A group is constant data.
unsafe impl Sync for Group {}

impl Group {
    /// A group called `name`, at most 15 bytes; hearing it needs `permission`.
    pub(crate) const fn new(name: &CStr, permission: Permission) -> Self {
        let mut group: bindings::genl_multicast_group = pin_init::zeroed();
        super::genl::copy_name(&mut group.name, name);
        if let Permission::Admin = permission {
            group.flags = bindings::SHUNT_MCAST_ADMIN;
        }
        Self(group)
    }

    fn is_of_admins(&self) -> bool {
        self.0.flags & bindings::SHUNT_MCAST_ADMIN != 0
    }
}

impl<C: Context> Family<C> {
    /// The number that sockets join group `index` of the table by.
    fn number(&self, index: usize) -> c_uint {
        // SAFETY: The family is registered while its operations and its owner use it; the field is constant then.
        let first = unsafe { (*self.as_raw()).mcgrp_offset };
        first.wrapping_add(index as c_uint)
    }

    /// Whether somebody listens to group `index` of the table. Sleeps.
    pub(crate) fn has_listeners(&self, index: usize) -> bool {
        let number = self.number(index);
        Namespaces::lock().any(|net| {
            // SAFETY: The namespace is live while the list is locked.
            unsafe { bindings::shunt_net_has_listeners(net, number) }
        })
    }

    /// Begins a notification, with room for `payload` bytes of attributes. May sleep.
    pub(crate) fn notification(
        &self,
        command: u8,
        seq: u32,
        payload: usize,
    ) -> Result<Message, AllocError> {
        // SAFETY: The family is borrowed, so it is live.
        unsafe { Message::new(payload, self.as_raw(), command, 0, seq) }
    }

    /// Sends a notification to group `index` of the table. Sleeps.
    ///
    /// # Errors
    ///
    /// `ESRCH` if nobody listens, `ENOMEM`. A listener whose buffer is full is told so by its socket.
    pub(crate) fn multicast(&self, message: Message, index: usize) -> Result {
        let number = self.number(index);
        let filter: bindings::netlink_filter_fn = match self.groups().get(index) {
            Some(group) if !group.is_of_admins() => None,
            _ => Some(is_to_be_skipped_callback),
        };
        let message = Finished(message.into_raw());
        let mut sent = Err(ESRCH);
        for net in Namespaces::lock() {
            // SAFETY: The namespace is live while the list is locked.
            if !unsafe { bindings::shunt_net_has_listeners(net, number) } {
                continue;
            }
            // SAFETY: The message is complete and ours; the helper sends a copy of its own.
            let error = unsafe { bindings::shunt_net_multicast(net, message.0, number, filter) };
            let result = to_result(error);
            match result {
                Err(error) if error == ESRCH => {}
                Err(error) => return Err(error),
                Ok(()) => sent = Ok(()),
            }
        }
        sent
    }

    /// Tells the listeners of group `index` of the table that they missed something: each gets
    /// `ENOBUFS` from its socket, as if its own buffer had been full. Sleeps.
    pub(crate) fn tell_loss(&self, index: usize) {
        let number = self.number(index);
        let code = -(bindings::ENOBUFS as c_int);
        for net in Namespaces::lock() {
            // SAFETY: The namespace is live while the list is locked.
            unsafe { bindings::shunt_net_set_err(net, number, code) };
        }
    }
}

/// A message that is complete.
///
/// # Invariants
///
/// The message is owned by this value.
struct Finished(*mut bindings::sk_buff);

impl Drop for Finished {
    fn drop(&mut self) {
        // SAFETY: By the type invariant the message is ours.
        unsafe { bindings::shunt_consume_skb(self.0) };
    }
}

/// Whether a listener does not get a message: it is no administrator's. A filter of `netlink_broadcast_filtered()`.
///
/// # Safety
///
/// Called with a live socket that has joined a group.
unsafe extern "C" fn is_to_be_skipped_callback(
    socket: *mut bindings::sock,
    _message: *mut bindings::sk_buff,
    _data: *mut c_void,
) -> c_int {
    // SAFETY: By the contract of this function.
    let is_admins = unsafe { bindings::shunt_sock_is_admins(socket) };
    (!is_admins).into()
}

/// The network namespaces, one after the other.
///
/// # Invariants
///
/// The list of namespaces is locked for reading; `last` is in it, or null at the beginning.
struct Namespaces {
    last: *mut bindings::net,
}

impl Namespaces {
    /// Locks the list. Sleeps.
    fn lock() -> Self {
        // SAFETY: The semaphore is static; it is released by the drop.
        unsafe { bindings::down_read(&raw mut bindings::net_rwsem) };
        // INVARIANT: It is locked.
        Self { last: null_mut() }
    }
}

impl Iterator for Namespaces {
    type Item = *mut bindings::net;

    fn next(&mut self) -> Option<*mut bindings::net> {
        // SAFETY: By the type invariant the list is locked, and `last` in it.
        let next = unsafe { bindings::shunt_next_net(self.last) };
        if next.is_null() {
            return None;
        }
        // INVARIANT: It comes from the list.
        self.last = next;
        Some(next)
    }
}

impl Drop for Namespaces {
    fn drop(&mut self) {
        // SAFETY: By the type invariant it is locked.
        unsafe { bindings::up_read(&raw mut bindings::net_rwsem) };
    }
}
