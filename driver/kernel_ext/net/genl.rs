// SPDX-License-Identifier: GPL-2.0-only

//! Generic netlink families with operations.
//!
//! A driver declares a static [`Family`] with its operations ([`Do`], [`super::dump::Dump`]) and
//! groups, and registers it with the context that its operations work on.
//!
//! C header: [`include/net/genetlink.h`](srctree/include/net/genetlink.h),
//! guide: [`Documentation/userspace-api/netlink`](srctree/Documentation/userspace-api/netlink)

use super::{
    super::{bindings, clock::sleep_us, noio::NoIo, task},
    attr::{Attrs, Place, Policy, Writer},
    multicast::Group,
    sender::Sender,
};
use core::{
    marker::PhantomData,
    mem::ManuallyDrop,
    ptr::NonNull,
    sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering},
};
use kernel::{
    alloc::AllocError,
    error::to_result,
    prelude::*,
    sync::Arc,
    types::{ForeignOwnable, Opaque},
};

/// Why a request was refused; it reaches the sender as an extended acknowledgement.
pub(crate) trait Refusal: From<Error> {
    /// The error number.
    fn error(&self) -> Error;

    /// The attribute that was wrong, if it was one.
    fn place(&self) -> Option<Place>;

    /// Writes what was wrong, for a person; nothing if the number says it all.
    fn write(&self, text: &mut dyn core::fmt::Write) -> core::fmt::Result;
}

/// Who may use an operation.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Permission {
    /// Everybody.
    Anybody,
    /// Who has both `CAP_NET_ADMIN` and `CAP_SYS_ADMIN` in the initial user namespace.
    Admin,
}

impl Permission {
    pub(super) const fn flags(self) -> u32 {
        match self {
            Self::Anybody => 0,
            Self::Admin => bindings::GENL_ADMIN_PERM,
        }
    }

    /// Whether the sender of `skb` has it. What the flag of [`Self::flags`] demands has already
    /// been checked.
    ///
    /// # Safety
    ///
    /// `skb` must be a live message that was received.
    pub(super) unsafe fn is_held(self, skb: *mut bindings::sk_buff) -> bool {
        self == Self::Anybody
            // SAFETY: By the contract of this function.
            || unsafe { bindings::netlink_capable(skb, bindings::CAP_SYS_ADMIN as c_int) }
    }
}

/// An operation that answers one request.
pub(crate) trait Do {
    /// What the operations of the family work on.
    type Context: Context;
    /// How it refuses.
    type Refusal: Refusal;
    /// Number of the command.
    const COMMAND: u8;
    /// Who may use it.
    const PERMISSION: Permission;
    /// Its attributes.
    const POLICY: &'static [Policy];

    /// Carries the request out. May sleep, but not wait for I/O or for who does: it runs under the read side of generic
    /// netlink's lock. Other operations of the family run beside it.
    ///
    /// # Errors
    ///
    /// What is returned is sent to the sender; nothing else must have changed.
    fn run(context: &Self::Context, request: &Request<'_>) -> Result<Answer, Self::Refusal>;
}

/// An operation that may wait, and is answered later.
pub(crate) trait DoLater: Sized + 'static {
    /// What the operations of the family work on.
    type Context: Context;
    /// How it refuses.
    type Refusal: Refusal;
    /// What is to be done.
    type Task: Send + 'static;
    /// Number of the command.
    const COMMAND: u8;
    /// Who may use it.
    const PERMISSION: Permission;
    /// Its attributes.
    const POLICY: &'static [Policy];

    /// Reads the request, in the process that sent it. As [`Do::run`], it must not wait.
    ///
    /// # Errors
    ///
    /// What is returned is sent to the sender.
    fn begin(request: &Request<'_>) -> Result<Self::Task, Self::Refusal>;

    /// Carries the request out, in a task of its own. May sleep.
    ///
    /// # Errors
    ///
    /// What is returned is sent to the sender; nothing else must have changed.
    fn finish(
        context: &Self::Context,
        task: Self::Task,
        sender: &Arc<Sender>,
    ) -> Result<Answer, Self::Refusal>;
}

/// What a request is answered with.
pub(crate) enum Answer {
    /// The acknowledgement alone.
    Done,
    /// A message before the acknowledgement.
    Reply(Message),
}

/// A request that is being carried out.
///
/// # Invariants
///
/// `info` is live, and describes a request of a registered family.
pub(crate) struct Request<'a> {
    info: *mut bindings::genl_info,
    _message: PhantomData<&'a ()>,
}

impl<'a> Request<'a> {
    /// Its attributes, checked against the policy.
    pub(crate) fn attrs(&self) -> Attrs<'a> {
        // SAFETY: By the type invariant the argument is live.
        let header = unsafe { (*self.info).nlhdr };
        // SAFETY: By the type invariant the request of the family begins there, and it outlives this value.
        unsafe { attrs(header) }
    }

    /// Begins the reply, with room for `payload` bytes of attributes.
    pub(crate) fn reply(&self, payload: usize) -> Result<Message, AllocError> {
        // SAFETY: By the type invariant `info` is live.
        let info = unsafe { &*self.info };
        // SAFETY: By the type invariant `info` describes a request, and `genlhdr` is the header in it.
        let command = unsafe { (*info.genlhdr).cmd };
        let (portid, seq) = (info.snd_portid, info.snd_seq);
        // SAFETY: By the type invariant the request is one of a registered family, which is live.
        unsafe { Message::new(payload, info.family, command, portid, seq) }
    }
}

/// A message that is being written.
///
/// # Invariants
///
/// `skb` is a message that this value owns, and `header` the header in it.
pub(crate) struct Message {
    skb: NonNull<bindings::sk_buff>,
    header: *mut c_void,
}

// SAFETY: A message belongs to no task.
unsafe impl Send for Message {}

impl Message {
    /// Begins a message with room for `payload` bytes of attributes. May sleep.
    ///
    /// # Safety
    ///
    /// `family` must be live.
    pub(super) unsafe fn new(
        payload: usize,
        family: *const bindings::genl_family,
        command: u8,
        portid: u32,
        seq: u32,
    ) -> Result<Self, AllocError> {
        // SAFETY: The helper takes any size.
        let skb = unsafe { bindings::shunt_genlmsg_new(payload) };
        let skb = NonNull::new(skb).ok_or(AllocError)?;
        // SAFETY: The message is fresh, and by the contract of this function the family is live.
        let header =
            unsafe { bindings::genlmsg_put(skb.as_ptr(), portid, seq, family, 0, command) };
        // INVARIANT: The message is fresh and ours. A missing header leaves it without room, so
        // that every write fails.
        Ok(Self { skb, header })
    }

    /// Writes to the end of the message.
    pub(crate) fn writer(&mut self) -> Writer<'_> {
        // SAFETY: By the type invariant the message is ours, and it is exclusively borrowed.
        unsafe { Writer::new(self.skb.as_ptr()) }
    }

    /// Finishes the message and gives it up.
    pub(super) fn into_raw(self) -> *mut bindings::sk_buff {
        let message = ManuallyDrop::new(self);
        // SAFETY: By the type invariant the header is that of the message.
        unsafe { bindings::shunt_genlmsg_end(message.skb.as_ptr(), message.header) };
        message.skb.as_ptr()
    }
}

impl Drop for Message {
    fn drop(&mut self) {
        // SAFETY: By the type invariant the message is ours.
        unsafe { bindings::shunt_nlmsg_free(self.skb.as_ptr()) };
    }
}

/// An operation in the table of a [`Family`] with context `C`.
#[repr(transparent)]
pub(crate) struct Operation<C>(
    pub(super) bindings::genl_split_ops,
    pub(super) PhantomData<C>,
);

// SAFETY: An operation is constant data.
unsafe impl<C> Sync for Operation<C> {}

impl<C: Context> Operation<C> {
    /// The entry of a [`Do`].
    pub(crate) const fn doit<T: Do<Context = C>>() -> Self {
        let mut ops: bindings::genl_split_ops = pin_init::zeroed();
        ops.__bindgen_anon_1.__bindgen_anon_1.doit = Some(doit_callback::<T>);
        (ops.policy, ops.maxattr) = Policy::table(T::POLICY);
        ops.cmd = T::COMMAND;
        ops.flags = (bindings::GENL_CMD_CAP_DO | T::PERMISSION.flags()) as u8;
        Self(ops, PhantomData)
    }

    /// The entry of a [`DoLater`].
    pub(crate) const fn later<T: DoLater<Context = C>>() -> Self {
        let mut ops: bindings::genl_split_ops = pin_init::zeroed();
        ops.__bindgen_anon_1.__bindgen_anon_1.doit = Some(later_callback::<T>);
        (ops.policy, ops.maxattr) = Policy::table(T::POLICY);
        ops.cmd = T::COMMAND;
        ops.flags = (bindings::GENL_CMD_CAP_DO | T::PERMISSION.flags()) as u8;
        Self(ops, PhantomData)
    }
}

/// What the operations of a family work on.
pub(crate) trait Context: Send + Sync + 'static {
    /// The family.
    fn family() -> &'static Family<Self>
    where
        Self: Sized;

    /// Called when somebody joins group `index` of the table. May sleep.
    fn joined(&self, index: usize);
}

/// A generic netlink family whose operations work on a `C`.
///
/// # Invariants
///
/// While it is registered, `context` is an `Arc<C>` that was turned into a foreign pointer.
#[repr(C)]
pub(crate) struct Family<C: Context> {
    inner: Opaque<bindings::genl_family>,
    context: AtomicPtr<c_void>,
    users: AtomicUsize,
    groups: &'static [Group],
    /// Registered, or about to be.
    registered: AtomicBool,
    _context: PhantomData<C>,
}

// SAFETY: The C side synchronises what it changes in `inner`.
unsafe impl<C: Context> Sync for Family<C> {}

impl<C: Context> Family<C> {
    /// Declares a family. `operations` must be sorted by command, do before dump.
    pub(crate) const fn new(
        name: &CStr,
        version: u8,
        operations: &'static [Operation<C>],
        groups: &'static [Group],
    ) -> Self {
        let mut family: bindings::genl_family = pin_init::zeroed();
        copy_name(&mut family.name, name);
        family.version = version as c_uint;
        family.split_ops = operations.as_ptr().cast();
        family.n_split_ops = operations.len() as u8;
        family.mcgrps = groups.as_ptr().cast();
        family.n_mcgrps = groups.len() as u8;
        family.bind = Some(bind_callback::<C>);
        family.module = (&raw const bindings::__this_module).cast_mut();
        Self {
            inner: Opaque::new(family),
            context: AtomicPtr::new(core::ptr::null_mut()),
            users: AtomicUsize::new(0),
            groups,
            registered: AtomicBool::new(false),
            _context: PhantomData,
        }
    }

    pub(super) fn as_raw(&self) -> *mut bindings::genl_family {
        self.inner.get()
    }

    /// Registers the family, whose operations then work on `context`. Sleeps.
    ///
    /// # Errors
    ///
    /// `EEXIST` if it, or another of its name, is registered.
    pub(crate) fn register(&'static self, context: Arc<C>) -> Result<Registration<C>> {
        if self.registered.swap(true, Ordering::SeqCst) {
            return Err(EEXIST);
        }
        // The setters of bindgen are no const functions, hence here.
        // SAFETY: The family is not registered, and it is this task that registers it, so nobody else looks at it.
        unsafe { (*self.as_raw()).set_netnsok(1) };
        // SAFETY: The family is not registered, and it is this task that registers it, so nobody else looks at it.
        unsafe { (*self.as_raw()).set_parallel_ops(1) };
        let context = context.into_foreign();
        // INVARIANT: A foreign `Arc<C>`.
        self.context.store(context.cast(), Ordering::SeqCst);
        // SAFETY: The family is static and complete.
        let registered = to_result(unsafe { bindings::genl_register_family(self.as_raw()) });
        if let Err(error) = registered {
            // SAFETY: Generic netlink has not taken it, and this task alone may try to.
            unsafe { self.give_back() };
            return Err(error);
        }
        Ok(Registration(self))
    }

    /// The groups.
    pub(super) fn groups(&self) -> &'static [Group] {
        self.groups
    }

    /// Gives back what the operations work on, once nobody uses it through [`Self::with`]. Sleeps.
    ///
    /// # Safety
    ///
    /// `registered` must be set by [`Self::register`], for a value that is given up here; generic netlink must not know the
    /// family, or not any more.
    unsafe fn give_back(&self) {
        // INVARIANT: By the contract of this function the family is not registered.
        let context = self.context.swap(core::ptr::null_mut(), Ordering::SeqCst);
        while self.users.load(Ordering::SeqCst) != 0 {
            sleep_us(100);
        }
        if !context.is_null() {
            // SAFETY: `register` has stored a foreign `Arc<C>`, and it was taken away above, so nobody else gives it back. By
            // the contract of this function no operation borrows it. Each `with` counts itself before it looks, and all of
            // this is in one order: whoever looked before it was taken away has been counted, and waited for.
            drop(unsafe { Arc::<C>::from_foreign(context.cast()) });
        }
        self.registered.store(false, Ordering::SeqCst);
    }

    /// Calls `use_context` with what the operations work on, unless the family is not registered.
    /// Whoever unregisters it waits for that.
    pub(crate) fn with<R>(&self, use_context: impl FnOnce(&C) -> R) -> Option<R> {
        self.users.fetch_add(1, Ordering::SeqCst);
        let context = self.context.load(Ordering::SeqCst);
        let used = (!context.is_null()).then(|| {
            // SAFETY: By the type invariant it is an `Arc<C>`, which is not given back while `users` counts us.
            let context = unsafe { Arc::<C>::borrow(context.cast()) };
            use_context(&context)
        });
        self.users.fetch_sub(1, Ordering::SeqCst);
        used
    }

    /// What the operations of the family at `family` work on.
    ///
    /// # Safety
    ///
    /// `family` must be the C part of a registered `Family<C>`, and the result must not outlive the
    /// operation that runs.
    pub(super) unsafe fn context<'a>(
        family: *const bindings::genl_family,
    ) -> <Arc<C> as ForeignOwnable>::Borrowed<'a> {
        // SAFETY: `inner` is the first field of a `repr(C)` struct, and transparent.
        let family = unsafe { &*family.cast::<Self>() };
        let context = family.context.load(Ordering::SeqCst);
        // SAFETY: By the type invariant it is an `Arc<C>`; unregistering waits for running operations.
        unsafe { Arc::<C>::borrow(context.cast()) }
    }
}

/// A family that is registered until this value is dropped.
pub(crate) struct Registration<C: Context>(&'static Family<C>);

impl<C: Context> Drop for Registration<C> {
    fn drop(&mut self) {
        // SAFETY: The family was registered. This waits for the operations that run.
        unsafe { bindings::genl_unregister_family(self.0.as_raw()) };
        // SAFETY: It was registered by `register`, for this value, and is not any more.
        unsafe { self.0.give_back() };
    }
}

pub(super) const fn copy_name<const N: usize>(to: &mut [c_char; N], name: &CStr) {
    let name = name.to_bytes_with_nul();
    assert!(name.len() <= N);
    let mut i = 0;
    while i < name.len() {
        to[i] = name[i] as c_char;
        i += 1;
    }
}

/// The text of an extended acknowledgement; what does not fit is cut.
struct Text<'a> {
    buffer: &'a mut [c_char],
    len: usize,
}

impl core::fmt::Write for Text<'_> {
    fn write_str(&mut self, piece: &str) -> core::fmt::Result {
        for byte in piece.bytes() {
            // The last place is for the NUL.
            if let Some([place, _, ..]) = self.buffer.get_mut(self.len..) {
                *place = byte as c_char;
                self.len += 1;
            }
        }
        Ok(())
    }
}

/// The attributes of the request at `header`.
///
/// # Safety
///
/// It must be a request that generic netlink passed to a family without a header of its own, and live for as long as the
/// result.
unsafe fn attrs<'a>(header: *const bindings::nlmsghdr) -> Attrs<'a> {
    const HEADERS: usize = size_of::<bindings::nlmsghdr>() + size_of::<bindings::genlmsghdr>();
    // SAFETY: By the contract of this function the header is live.
    let len = unsafe { (*header).nlmsg_len } as usize;
    let first = header.cast::<u8>().wrapping_add(HEADERS);
    // SAFETY: The attributes lie between both headers and the end of the message, which generic netlink has checked to be
    // there.
    Attrs(unsafe { core::slice::from_raw_parts(first, len.saturating_sub(HEADERS)) })
}

/// Tells the sender of the request at `header` why it was refused, in the acknowledgement `extack`.
///
/// # Safety
///
/// `extack` must be null or live. It must be a request that generic netlink passed to a family without a header of its
/// own, and live until the acknowledgement has been sent.
pub(super) unsafe fn refuse<R: Refusal>(
    extack: *mut bindings::netlink_ext_ack,
    header: *const bindings::nlmsghdr,
    refusal: &R,
) -> c_int {
    if !extack.is_null() {
        // SAFETY: By the contract of this function the request is live.
        let attrs = unsafe { attrs(header) };
        // SAFETY: By the contract of this function; nobody else writes to it.
        let extack = unsafe { &mut *extack };
        let mut text = Text {
            buffer: &mut extack._msg_buf,
            len: 0,
        };
        let written = refusal.write(&mut text);
        let len = text.len;
        if let (Ok(()), 1.., Some(end)) = (written, len, extack._msg_buf.get_mut(len)) {
            *end = 0;
            extack._msg = extack._msg_buf.as_ptr().cast();
        }
        if let Some(wrong) = refusal.place().and_then(|place| attrs.at(place)) {
            // Netlink makes a distance from the header of it, and reads nothing.
            extack.bad_attr = wrong.header();
        }
    }
    refusal.error().to_errno()
}

/// Somebody joins a group: `bind` of `struct genl_family`.
///
/// # Safety
///
/// Called by generic netlink for the family of `C`.
unsafe extern "C" fn bind_callback<C: Context>(group: c_int) -> c_int {
    C::family().with(|context| context.joined(group as usize));
    0
}

/// Carries a request out: `doit` of `struct genl_split_ops`.
///
/// # Safety
///
/// Called by generic netlink for an operation of a registered `Family<T::Context>`.
unsafe extern "C" fn doit_callback<T: Do>(
    skb: *mut bindings::sk_buff,
    info: *mut bindings::genl_info,
) -> c_int {
    // SAFETY: `genl_family_rcv_msg_doit()` passes the live message of the request.
    if !unsafe { T::PERMISSION.is_held(skb) } {
        return EPERM.to_errno();
    }
    let _no_io = NoIo::new();
    // SAFETY: `genl_family_rcv_msg_doit()` passes a live `info`, which it has filled in.
    let (family, header, extack) = unsafe { ((*info).family, (*info).nlhdr, (*info).extack) };
    // SAFETY: The operation runs, so the family is registered.
    let context = unsafe { Family::<T::Context>::context(family) };
    // INVARIANT: `info` is live while the operation runs.
    let request = Request {
        info,
        _message: PhantomData,
    };
    match T::run(&context, &request) {
        Ok(Answer::Done) => 0,
        // SAFETY: The reply is complete and given up; `info` is live.
        Ok(Answer::Reply(reply)) => unsafe {
            bindings::shunt_genlmsg_reply(reply.into_raw(), info)
        },
        // SAFETY: `extack` is that of the request, which netlink keeps until it has acknowledged it.
        Err(refusal) => unsafe { refuse(extack, header, &refusal) },
    }
}

/// Begins to carry a request out, which is answered later: `doit` of `struct genl_split_ops`.
///
/// # Safety
///
/// Called by generic netlink for an operation of a registered `Family<T::Context>`.
unsafe extern "C" fn later_callback<T: DoLater>(
    skb: *mut bindings::sk_buff,
    info: *mut bindings::genl_info,
) -> c_int {
    // SAFETY: Generic netlink passes the message that was received.
    if !unsafe { T::PERMISSION.is_held(skb) } {
        return EPERM.to_errno();
    }
    let _no_io = NoIo::new();
    // SAFETY: Generic netlink passes a live argument.
    let (header, extack) = unsafe { ((*info).nlhdr, (*info).extack) };
    // INVARIANT: `info` is live while the operation runs.
    let request = Request {
        info,
        _message: PhantomData,
    };
    let begun = T::begin(&request).and_then(|task| {
        // SAFETY: Generic netlink passes a message with its header.
        let sender = unsafe {
            Sender::of(
                NonNull::new_unchecked(skb),
                NonNull::new_unchecked(header.cast_mut()),
            )
        };
        let sender = Arc::new(sender, GFP_KERNEL).map_err(Error::from)?;
        task::spawn(move |pin| {
            let family = T::Context::family();
            let finished = family.with(|context| T::finish(context, task, &sender));
            drop(pin);
            sender.answer(finished.unwrap_or(Err(ENODEV.into())));
        })?;
        Ok(())
    });
    match begun {
        // Netlink sends no acknowledgement then.
        Ok(()) => EINTR.to_errno(),
        // SAFETY: `extack` is that of the request, which netlink keeps until it has acknowledged it.
        Err(refusal) => unsafe { refuse(extack, header, &refusal) },
    }
}
