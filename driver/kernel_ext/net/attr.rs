// SPDX-License-Identifier: GPL-2.0-only

//! Netlink attributes: policies, reading, writing.
//!
//! C header: [`include/net/netlink.h`](srctree/include/net/netlink.h)

use super::super::bindings;
use core::marker::PhantomData;
use kernel::{error::to_result, prelude::*};

/// What one attribute of a request must look like; checked before the request is handled.
#[repr(transparent)]
pub(crate) struct Policy(bindings::nla_policy);

// SAFETY: A policy is constant data; the tables that it points to are static.
unsafe impl Sync for Policy {}

impl Policy {
    /// The attribute is refused.
    pub(crate) const NONE: Self = Self::of(bindings::NLA_REJECT);

    const fn of(kind: c_uint) -> Self {
        let mut policy: bindings::nla_policy = pin_init::zeroed();
        policy.type_ = kind as u8;
        Self(policy)
    }

    /// A string of at most `max_len` bytes and a NUL.
    pub(crate) const fn string(max_len: u16) -> Self {
        let mut policy = Self::of(bindings::NLA_NUL_STRING);
        policy.0.len = max_len;
        policy
    }

    /// An unsigned number in 4 or 8 bytes.
    pub(crate) const fn uint() -> Self {
        Self::of(bindings::NLA_UINT)
    }

    /// An unsigned number in 4 bytes.
    pub(crate) const fn u32() -> Self {
        Self::of(bindings::NLA_U32)
    }

    /// An unsigned number in 4 bytes that is not above `max`.
    pub(crate) const fn u32_max(max: u32) -> Self {
        assert!(max <= i16::MAX as u32);
        let mut policy = Self::of(bindings::NLA_U32);
        policy.0.validation_type = bindings::nla_policy_validation_NLA_VALIDATE_MAX as u8;
        policy.0.__bindgen_anon_1.__bindgen_anon_1.max = max as i16;
        policy
    }

    /// An unsigned number in 4 bytes that is neither below `min` nor above `max`.
    pub(crate) const fn u32_range(min: u32, max: u32) -> Self {
        assert!(min <= max && max <= i16::MAX as u32);
        let mut policy = Self::of(bindings::NLA_U32);
        policy.0.validation_type = bindings::nla_policy_validation_NLA_VALIDATE_RANGE as u8;
        policy.0.__bindgen_anon_1.__bindgen_anon_1 =
            bindings::nla_policy__bindgen_ty_1__bindgen_ty_1 {
                min: min as i16,
                max: max as i16,
            };
        policy
    }

    /// Attributes within the attribute.
    pub(crate) const fn nested(table: &'static [Policy]) -> Self {
        let mut policy = Self::of(bindings::NLA_NESTED);
        policy.0.len = table.len() as u16 - 1;
        policy.0.__bindgen_anon_1.nested_policy = table.as_ptr().cast();
        policy
    }

    /// The table as the C side takes it, and its greatest attribute number.
    pub(super) const fn table(table: &'static [Policy]) -> (*const bindings::nla_policy, c_uint) {
        (table.as_ptr().cast(), table.len() as c_uint - 1)
    }
}

/// One attribute of a request, already checked against its [`Policy`].
#[derive(Clone, Copy)]
pub(crate) struct Attr<'a> {
    kind: u16,
    payload: &'a [u8],
}

impl<'a> Attr<'a> {
    /// Its number.
    pub(crate) fn kind(&self) -> u16 {
        self.kind
    }

    /// A number of 4 or 8 bytes; 0 if it is neither, which no policy for numbers lets through.
    pub(crate) fn uint(&self) -> u64 {
        if let Ok(bytes) = <[u8; 8]>::try_from(self.payload) {
            u64::from_ne_bytes(bytes)
        } else {
            self.u32().into()
        }
    }

    /// A number of 4 bytes; 0 if it is not, which no policy for numbers lets through.
    pub(crate) fn u32(&self) -> u32 {
        <[u8; 4]>::try_from(self.payload).map_or(0, u32::from_ne_bytes)
    }

    /// A string; empty if it does not end with NUL, which no policy for strings lets through.
    pub(crate) fn string(&self) -> &'a CStr {
        CStr::from_bytes_until_nul(self.payload).unwrap_or(c"")
    }

    /// The attributes within this one.
    pub(crate) fn nested(&self) -> Attrs<'a> {
        Attrs(self.payload)
    }

    /// Its header, which lies before the payload.
    pub(super) fn header(&self) -> *const bindings::nlattr {
        self.payload.as_ptr().wrapping_sub(HEADER_LENGTH).cast()
    }
}

/// Bytes of `struct nlattr`.
const HEADER_LENGTH: usize = size_of::<bindings::nlattr>();

/// Where an attribute of a request is.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    /// Its number.
    pub(crate) kind: u16,
    /// Which one it is of those with that number, from 0.
    pub(crate) index: usize,
    /// The attribute within it that is meant, if it is not the whole.
    pub(crate) within: Option<u16>,
}

/// Attributes one after the other.
#[derive(Clone, Copy)]
pub(crate) struct Attrs<'a>(pub(super) &'a [u8]);

impl<'a> Attrs<'a> {
    /// The attribute at a place. The whole of it, if it lacks the one within.
    pub(super) fn at(mut self, place: Place) -> Option<Attr<'a>> {
        let whole = self.nth_of(place.kind, place.index)?;
        let within = place.within.and_then(|kind| whole.nested().nth_of(kind, 0));
        Some(within.unwrap_or(whole))
    }

    fn nth_of(&mut self, kind: u16, index: usize) -> Option<Attr<'a>> {
        self.filter(|attr| attr.kind() == kind).nth(index)
    }
}

impl<'a> Iterator for Attrs<'a> {
    type Item = Attr<'a>;

    #[inline(never)]
    fn next(&mut self) -> Option<Attr<'a>> {
        let (&[len_low, len_high, kind_low, kind_high], _) =
            self.0.split_first_chunk::<HEADER_LENGTH>()?;
        let len = usize::from(u16::from_ne_bytes([len_low, len_high]));
        let kind = u16::from_ne_bytes([kind_low, kind_high]) & bindings::NLA_TYPE_MASK as u16;
        let payload = self.0.get(HEADER_LENGTH..len)?;
        self.0 = self.0.get(len.next_multiple_of(4)..).unwrap_or(&[]);
        Some(Attr { kind, payload })
    }
}

/// Writes attributes to the end of a message.
///
/// # Invariants
///
/// `skb` is a live message that nobody else writes to.
pub(crate) struct Writer<'a> {
    skb: *mut bindings::sk_buff,
    _message: PhantomData<&'a mut ()>,
}

impl Writer<'_> {
    /// Writes to `skb`.
    ///
    /// # Safety
    ///
    /// `skb` must be a live message that nobody else writes to while the value is used.
    pub(super) unsafe fn new(skb: *mut bindings::sk_buff) -> Self {
        // INVARIANT: By the contract of this function.
        Self {
            skb,
            _message: PhantomData,
        }
    }

    // Called from so many places that a copy in each would double the module.
    #[inline(never)]
    fn put(&mut self, kind: u16, payload: &[u8]) -> Result {
        let len = c_int::try_from(payload.len()).map_err(|_| EMSGSIZE)?;
        // SAFETY: By the type invariant the message is ours; `payload` has `len` bytes.
        to_result(unsafe { bindings::nla_put(self.skb, kind.into(), len, payload.as_ptr().cast()) })
    }

    /// Writes a number of 4 bytes. Like every function here, it gives `EMSGSIZE` if the message is full.
    #[inline(never)]
    pub(crate) fn u32(&mut self, kind: u16, value: u32) -> Result {
        self.put(kind, &value.to_ne_bytes())
    }

    /// Writes a number in 4 bytes, or in 8 if it needs them.
    #[inline(never)]
    pub(crate) fn uint(&mut self, kind: u16, value: u64) -> Result {
        match u32::try_from(value) {
            Ok(value) => self.put(kind, &value.to_ne_bytes()),
            Err(_) => self.put(kind, &value.to_ne_bytes()),
        }
    }

    /// Writes a string with its NUL.
    pub(crate) fn string(&mut self, kind: u16, value: &CStr) -> Result {
        self.put(kind, value.to_bytes_with_nul())
    }

    /// Writes an attribute that holds what `content` writes, or nothing if that fails.
    pub(crate) fn nest(&mut self, kind: u16, content: impl FnOnce(&mut Self) -> Result) -> Result {
        // SAFETY: By the type invariant `skb` is live, and nobody else writes to it.
        let nest = unsafe { bindings::shunt_nla_nest_start(self.skb, kind.into()) };
        if nest.is_null() {
            return Err(EMSGSIZE);
        }
        // INVARIANT: `self` is not used meanwhile. Whatever `content` puts in the place of this writer, the nest ends in `skb`.
        let written = content(&mut Self {
            skb: self.skb,
            _message: PhantomData,
        });
        match written {
            // SAFETY: `nest` began in `skb`, which by the type invariant is live, and only attributes were put behind
            // it.
            Ok(()) => unsafe { bindings::shunt_nla_nest_end(self.skb, nest) },
            // SAFETY: `nest` began in `skb`, which by the type invariant is live; what is behind it is cut off.
            Err(_) => unsafe { bindings::shunt_nla_nest_cancel(self.skb, nest) },
        }
        written
    }
}
