// SPDX-License-Identifier: GPL-2.0-only

//! Who sent a request that is answered later.
//!
//! A handler of generic netlink runs under the read side of a lock that every registration of a family,
//! anywhere in the kernel, takes for writing: as long as one handler waits, no other user of generic netlink is served. So what may
//! wait is answered later, by another task. To the sender nothing is different: the reply and the
//! acknowledgement come when it is done.
//!
//! C header: [`include/linux/netlink.h`](srctree/include/linux/netlink.h)

use super::{
    super::bindings,
    genl::{Answer, Context, Message, Refusal, refuse},
};
use core::ptr::NonNull;
use kernel::{alloc::AllocError, prelude::*};

/// The sender of a request, and the request that it is answered with.
///
/// # Invariants
///
/// - `request` is a message that a user's socket sent to generic netlink, with a reference of ours; `header` is the header
///   of the request in it, which a handler was called with.
/// - `socket` is the socket that sent it, with a reference of ours.
pub(crate) struct Sender {
    request: NonNull<bindings::sk_buff>,
    header: NonNull<bindings::nlmsghdr>,
    socket: NonNull<bindings::sock>,
}

// SAFETY: References to messages and sockets belong to no task.
unsafe impl Send for Sender {}
// SAFETY: Flags of the socket are read whole, and the C side synchronises what is sent to it.
unsafe impl Sync for Sender {}

impl Sender {
    /// The sender of the request at `header` in `request`.
    ///
    /// # Safety
    ///
    /// A handler of generic netlink must have been called with both.
    pub(super) unsafe fn of(
        request: NonNull<bindings::sk_buff>,
        header: NonNull<bindings::nlmsghdr>,
    ) -> Self {
        // SAFETY: By the contract of this function the message is live, and so is the socket that sends it.
        let socket = unsafe { bindings::shunt_netlink_hold(request.as_ptr()) };
        // SAFETY: Who sends to the kernel has a socket.
        let socket = unsafe { NonNull::new_unchecked(socket) };
        // INVARIANT: The helper took both references.
        Self {
            request,
            header,
            socket,
        }
    }

    /// Whether the socket has been closed. Any context.
    pub(crate) fn is_gone(&self) -> bool {
        // SAFETY: By the type invariant the socket is live.
        unsafe { bindings::shunt_sock_is_dead(self.socket.as_ptr()) }
    }

    /// Begins the reply, with room for `payload` bytes of attributes. May sleep.
    pub(crate) fn reply<C: Context>(&self, payload: usize) -> Result<Message, AllocError> {
        // SAFETY: By the type invariant the header is live.
        let header = unsafe { self.header.as_ref() };
        // SAFETY: A request of a family has its own header behind that of netlink.
        let family_header = unsafe { self.header.add(1).cast::<bindings::genlmsghdr>().as_ref() };
        // SAFETY: By the type invariant the request is live.
        let port = unsafe { bindings::shunt_netlink_portid(self.request.as_ptr()) };
        let family = C::family().as_raw();
        // SAFETY: The family of a context is static.
        unsafe { Message::new(payload, family, family_header.cmd, port, header.nlmsg_seq) }
    }

    /// Sends the reply, if there is one, and the acknowledgement. Sleeps.
    pub(super) fn answer<R: Refusal>(&self, answer: Result<Answer, R>) {
        if self.is_gone() {
            return;
        }
        // SAFETY: All zero is how the C side begins, too.
        let mut extack: bindings::netlink_ext_ack = unsafe { core::mem::zeroed() };
        let errno = match answer {
            Ok(Answer::Done) => 0,
            Ok(Answer::Reply(reply)) => {
                self.send(reply);
                0
            }
            // SAFETY: By the type invariant the request is live, and it was passed to a handler of a family.
            Err(refusal) => unsafe { refuse(&mut extack, self.header.as_ptr(), &refusal) },
        };
        // SAFETY: By the type invariant the header is live.
        let flags = unsafe { self.header.as_ref() }.nlmsg_flags;
        if errno != 0 || u32::from(flags) & bindings::NLM_F_ACK != 0 {
            let (request, header) = (self.request.as_ptr(), self.header.as_ptr());
            // SAFETY: By the type invariants the request is live, with the socket that it names.
            unsafe { bindings::netlink_ack(request, header, errno, &extack) };
        }
    }

    /// Sends a message to the sender. If there is no room for it, the sender's next receive says `ENOBUFS`: the change was
    /// made, so an error of the request it is not.
    fn send(&self, reply: Message) {
        let reply = reply.into_raw();
        // SAFETY: By the type invariant both are live; the reply is complete and given up.
        let sent = unsafe { bindings::shunt_netlink_reply(self.request.as_ptr(), reply) };
        if sent < 0 {
            // SAFETY: By the type invariant the socket is live.
            unsafe { bindings::shunt_sock_overrun(self.socket.as_ptr()) };
        }
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        // The message goes first: the socket keeps the network namespace that it was sent in.
        // SAFETY: By the type invariant there is a reference to put.
        unsafe { bindings::shunt_consume_skb(self.request.as_ptr()) };
        // SAFETY: By the type invariant there is a reference to put.
        unsafe { bindings::shunt_sock_put(self.socket.as_ptr()) };
    }
}
