// SPDX-License-Identifier: GPL-2.0-only

//! Dumps: operations that answer with many messages.
//!
//! A dump goes on over several calls. What it remembers in between is the number of the last item
//! that was sent, so that items which come or go meanwhile do not shift the others.
//!
//! C header: [`include/linux/netlink.h`](srctree/include/linux/netlink.h)

use super::{
    super::{bindings, noio::NoIo},
    attr::{Policy, Writer},
    genl::{Context, Family, Operation, Permission},
};
use core::marker::PhantomData;
use kernel::prelude::*;

/// An operation that answers with one message for each item.
pub(crate) trait Dump {
    /// What the operations of the family work on.
    type Context: Context;
    /// Number of the command.
    const COMMAND: u8;
    /// Who may use it.
    const PERMISSION: Permission;
    /// Its attributes.
    const POLICY: &'static [Policy];

    /// A number that differs once an item came or went; the reader is told that the dump is not
    /// consistent if it differs between calls.
    fn generation(context: &Self::Context) -> u32;

    /// Room that the largest item takes, in bytes: what a buffer of the dump has at least. May
    /// sleep.
    fn room(context: &Self::Context) -> usize;

    /// The lowest number of an item from `from` on. May sleep.
    fn next(context: &Self::Context, from: u32) -> Option<u32>;

    /// Writes the item. May sleep.
    ///
    /// # Errors
    ///
    /// `EMSGSIZE` if it does not fit; any other error leaves it out, as for one that has gone.
    fn write(context: &Self::Context, number: u32, message: &mut Writer<'_>) -> Result;
}

impl<C: Context> Operation<C> {
    /// The entry of a [`Dump`].
    pub(crate) const fn dump<T: Dump<Context = C>>() -> Self {
        let mut ops: bindings::genl_split_ops = pin_init::zeroed();
        ops.__bindgen_anon_1.__bindgen_anon_2 =
            bindings::genl_split_ops__bindgen_ty_1__bindgen_ty_2 {
                start: Some(start_callback::<T>),
                dumpit: Some(dumpit_callback::<T>),
                done: None,
            };
        (ops.policy, ops.maxattr) = Policy::table(T::POLICY);
        ops.cmd = T::COMMAND;
        ops.flags = (bindings::GENL_CMD_CAP_DUMP | T::PERMISSION.flags()) as u8;
        Self(ops, PhantomData)
    }
}

/// Begins a dump: `start` of `struct genl_split_ops`.
///
/// # Safety
///
/// As [`dumpit_callback`].
unsafe extern "C" fn start_callback<T: Dump>(cb: *mut bindings::netlink_callback) -> c_int {
    // SAFETY: `genl_start()` passes a live `cb`, whose `data` is the `struct genl_dumpit_info` that it has made.
    let family = unsafe { (*bindings::shunt_dump_info(cb)).family };
    // SAFETY: The operation runs, so the family is registered.
    let context = unsafe { Family::<T::Context>::context(family) };
    // SAFETY: `genl_start()` passes a live `cb`, which nobody else writes to while `nl_cb_mutex` of its socket is held.
    unsafe { (*cb).min_dump_alloc = T::room(&context).try_into().unwrap_or(u32::MAX) };
    0
}

/// Fills one buffer of a dump: `dumpit` of `struct genl_split_ops`.
///
/// # Safety
///
/// Called by generic netlink for an operation of a registered `Family<T::Context>`.
unsafe extern "C" fn dumpit_callback<T: Dump>(
    skb: *mut bindings::sk_buff,
    cb: *mut bindings::netlink_callback,
) -> c_int {
    // SAFETY: `genl_dumpit()` passes a live `cb`, which keeps the request in `skb` until the dump is over.
    if !unsafe { T::PERMISSION.is_held((*cb).skb) } {
        return EPERM.to_errno();
    }
    let _no_io = NoIo::new();
    // SAFETY: `genl_dumpit()` passes a live `cb`, whose `data` is the `struct genl_dumpit_info` that `genl_start()` has
    // made.
    let family = unsafe { (*bindings::shunt_dump_info(cb)).family };
    // SAFETY: `genl_dumpit()` passes a live `cb`, whose `skb` is the request.
    let portid = unsafe { bindings::shunt_dump_portid(cb) };
    // SAFETY: `genl_dumpit()` passes a live `cb`, whose `nlh` is in the request that it keeps.
    let seq = unsafe { (*(*cb).nlh).nlmsg_seq };
    // SAFETY: `cb` is live, and `args` is for the dump alone; `__netlink_dump_start()` has set it to zero.
    let cursor = unsafe { &mut (*cb).__bindgen_anon_1.args[0] };
    // SAFETY: The operation runs, so the family is registered.
    let context = unsafe { Family::<T::Context>::context(family) };
    // SAFETY: `genl_dumpit()` passes a live `cb`, which nobody else writes to while `nl_cb_mutex` of its socket is
    // held.
    unsafe { (*cb).seq = T::generation(&context) };

    while let Some(number) = u32::try_from(*cursor)
        .ok()
        .and_then(|from| T::next(&context, from))
    {
        // SAFETY: `skb` is the buffer to be filled.
        let header = unsafe {
            bindings::genlmsg_put(
                skb,
                portid,
                seq,
                family,
                bindings::NLM_F_MULTI as c_int,
                T::COMMAND,
            )
        };
        if header.is_null() {
            break;
        }
        // SAFETY: The header was begun above.
        unsafe { bindings::shunt_dump_check_consistent(cb, header) };
        // SAFETY: The buffer is ours during the call.
        match T::write(&context, number, &mut unsafe { Writer::new(skb) }) {
            // SAFETY: The header was begun above.
            Ok(()) => unsafe { bindings::shunt_genlmsg_end(skb, header) },
            Err(error) => {
                // SAFETY: The header was begun above.
                unsafe { bindings::shunt_genlmsg_cancel(skb, header) };
                if error == EMSGSIZE {
                    // SAFETY: `skb` is live.
                    if unsafe { (*skb).len } == 0 {
                        return EMSGSIZE.to_errno();
                    }
                    break;
                }
            }
        }
        *cursor = number as c_long + 1;
    }
    // SAFETY: `skb` is live.
    unsafe { (*skb).len as c_int }
}
