// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0

//! Error numbers of Linux.
//!
//! C header: [`include/uapi/asm-generic/errno.h`](srctree/include/uapi/asm-generic/errno.h)

/// An error number, negative as the kernel returns it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Errno(pub i32);

impl Errno {
    /// That with this number, as programs know it.
    pub fn of(number: i32) -> Self {
        Self(number.wrapping_neg())
    }

    /// The number as programs know it, positive.
    pub fn number(self) -> i32 {
        self.0.wrapping_neg()
    }
}

/// No such device or address.
pub const ENXIO: Errno = Errno(-6);
/// The argument list is too long.
pub const E2BIG: Errno = Errno(-7);
/// The number of a file that is not open.
pub const EBADF: Errno = Errno(-9);
/// Out of memory.
pub const ENOMEM: Errno = Errno(-12);
/// Permission denied.
pub const EACCES: Errno = Errno(-13);
/// A block device is needed.
pub const ENOTBLK: Errno = Errno(-15);
/// In use.
pub const EBUSY: Errno = Errno(-16);
/// It exists already.
pub const EEXIST: Errno = Errno(-17);
/// No such device.
pub const ENODEV: Errno = Errno(-19);
/// Invalid argument.
pub const EINVAL: Errno = Errno(-22);
/// Out of range.
pub const ERANGE: Errno = Errno(-34);
/// Something stands on itself.
pub const ELOOP: Errno = Errno(-40);
/// A value is too large for what it is stored in.
pub const EOVERFLOW: Errno = Errno(-75);
/// Understood, but not something that can be done.
pub const EOPNOTSUPP: Errno = Errno(-95);
/// The time is up.
pub const ETIMEDOUT: Errno = Errno(-110);
/// What is named is another one by now.
pub const ESTALE: Errno = Errno(-116);
