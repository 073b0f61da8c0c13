// SPDX-License-Identifier: GPL-2.0-only

//! Inline encryption by the drives below a disk.
//!
//! A bio brings its key along, and the engine of the drive that it comes to encrypts or decrypts. The disk has no
//! keyslots: the block layer programs a key into a drive where a request needs it there. But before a key is freed, it
//! must be evicted from every drive that it was programmed into, also from one that the disk has left meanwhile. So a
//! disk notes the keys that pass, and evicts them from drives that it leaves.
//!
//! C headers: [`include/linux/blk-crypto.h`](srctree/include/linux/blk-crypto.h),
//! [`include/linux/blk-crypto-profile.h`](srctree/include/linux/blk-crypto-profile.h); see
//! [Inline Encryption](srctree/Documentation/block/inline-encryption.rst)

use super::{
    super::bindings,
    bdev::BlockDevice,
    stacked_on::{Drives, Present},
};
use core::{
    ffi::c_void,
    ptr::NonNull,
    sync::atomic::{AtomicBool, Ordering},
};
use kernel::{
    container_of,
    error::to_result,
    prelude::*,
    sync::{Arc, LockClassKey, Mutex},
    types::Opaque,
};

/// Whether the kernel has inline encryption at all. Without it, the compiler sees that nothing here is reached.
pub(super) const ENABLED: bool = cfg!(CONFIG_BLK_INLINE_ENCRYPTION);

type Key = *const bindings::blk_crypto_key;

/// What the engines of all drives can do.
pub(crate) struct Engines(bindings::blk_crypto_profile);

impl Engines {
    /// What the engines of `drives` have in common; none if that is nothing. No data unit may cross a multiple of `border`
    /// bytes, a power of two, unless it is 0.
    pub(crate) fn of<'a>(
        drives: impl Iterator<Item = &'a BlockDevice>,
        border: u64,
    ) -> Option<Self> {
        if !ENABLED {
            return None;
        }
        // Sizes of data units are powers of two, and bits of a mask: those up to the border.
        let sizes = (border ^ border.wrapping_sub(1)) as u32;
        let mut common: bindings::blk_crypto_profile = pin_init::zeroed();
        common.max_dun_bytes_supported = u32::MAX;
        common.key_types_supported = u32::MAX;
        common.modes_supported.fill(sizes);
        for drive in drives {
            // SAFETY: The drive is live, and its engine as long.
            let engine = unsafe { bindings::shunt_crypto_profile(drive.as_raw()) };
            // SAFETY: `common` is ours; no engine is null.
            unsafe { bindings::blk_crypto_intersect_capabilities(&mut common, engine) };
        }
        let any = common.modes_supported.iter().any(|sizes| *sizes != 0);
        any.then_some(Self(common))
    }
}

/// Inline encryption of a disk, by the drives that it stands on.
///
/// # Invariants
///
/// - `profile` is an initialised profile without keyslots.
/// - `noted` has each key of a bio that was passed and that has not been evicted since, unless `missed`; all of them are
///   live.
#[pin_data(PinnedDrop)]
pub(super) struct InlineEncryption<D: Drives> {
    #[pin]
    profile: Opaque<bindings::blk_crypto_profile>,
    #[pin]
    noted: Opaque<bindings::xarray>,
    /// A key has passed that there was no memory to note.
    missed: AtomicBool,
    present: Arc<Present<D>>,
    /// A key stays live, and noted, while this is held.
    #[pin]
    evicting: Mutex<()>,
    /// Of `evicting`: a disk may evict while another one does that stands on it.
    #[pin]
    class: LockClassKey,
}

// SAFETY: The C side locks the profile and the array; the drives are `Send` and locked.
unsafe impl<D: Drives> Send for InlineEncryption<D> {}
// SAFETY: The C side locks the profile and the array, and a lock lends the drives to one task at a time.
unsafe impl<D: Drives> Sync for InlineEncryption<D> {}

impl<D: Drives> InlineEncryption<D> {
    const OPERATIONS: bindings::blk_crypto_ll_ops = bindings::blk_crypto_ll_ops {
        keyslot_evict: Some(evict_callback::<D>),
        derive_sw_secret: Some(derive_secret_callback::<D>),
        import_key: Some(import_key_callback::<D>),
        generate_key: Some(generate_key_callback::<D>),
        prepare_key: Some(prepare_key_callback::<D>),
        ..pin_init::zeroed()
    };

    /// By `engines`, those of the drives that are `present`. Sleeps.
    pub(super) fn new(engines: &Engines, present: Arc<Present<D>>) -> Result<Pin<KBox<Self>>> {
        if !ENABLED {
            return Err(ENXIO);
        }
        let this = KBox::pin_init(
            try_pin_init!(&this in Self {
                profile <- Opaque::try_ffi_init(|profile| Self::init(profile, engines)),
                // SAFETY: The place is fresh, and stays where it is.
                noted <- Opaque::ffi_init(|noted| unsafe { bindings::shunt_xa_init(noted) }),
                missed: AtomicBool::new(false),
                present,
                class <- LockClassKey::new_dynamic(),
                // SAFETY: The class was made above, is pinned, and goes with the lock.
                evicting <- Mutex::new((), c"shunt_evicting", unsafe {
                    Pin::new_unchecked(&(*this.as_ptr()).class)
                }),
            }? Error),
            GFP_KERNEL,
        )?;
        Ok(this)
    }

    fn init(profile: *mut bindings::blk_crypto_profile, engines: &Engines) -> Result {
        // SAFETY: The place is fresh, and stays where it is.
        to_result(unsafe { bindings::blk_crypto_profile_init(profile, 0) })?;
        // SAFETY: It was initialised above, and is ours.
        unsafe { (*profile).ll_ops = Self::OPERATIONS };
        // SAFETY: `blk_crypto_profile_init()` has initialised the profile, which is ours, and `engines` is borrowed.
        unsafe { bindings::blk_crypto_update_capabilities(profile, &engines.0) };
        Ok(())
    }

    /// Lets users of the disk see that it encrypts.
    ///
    /// # Safety
    ///
    /// `queue` must be that of the disk, which nobody uses yet, and nobody may use the disk once `self` is dropped. The
    /// queue itself may be there for longer: cgroups that had I/O there keep references to it.
    pub(super) unsafe fn register(&self, queue: *mut bindings::request_queue) {
        // A disk has this or protection information; the drives saw to that.
        // SAFETY: By the contract of this function.
        unsafe { bindings::shunt_blk_crypto_register(self.profile.get(), queue) };
    }

    /// Whether `engines` can do all that the disk has promised. It never promises more than at first: a key that software
    /// has encrypted with so far would be left there.
    pub(super) fn is_kept_by(&self, engines: Option<&Engines>) -> bool {
        engines.is_some_and(|engines| {
            // SAFETY: Both are live, and neither changes.
            unsafe { bindings::blk_crypto_has_capabilities(&engines.0, self.profile.get()) }
        })
    }

    /// Notes the key of a bio, if it has one.
    ///
    /// # Safety
    ///
    /// `bio` must be live.
    pub(super) unsafe fn note(&self, bio: NonNull<bindings::bio>) {
        // SAFETY: By the contract of this function.
        let key = unsafe { bindings::shunt_bio_crypt_key(bio.as_ptr()) };
        if key.is_null() {
            return;
        }
        let (noted, entry) = (self.noted.get(), key.cast_mut().cast::<c_void>());
        // SAFETY: By the type invariant it is initialised. No lock is taken.
        if unsafe { bindings::xa_load(noted, index(key)) } == entry {
            return;
        }
        // INVARIANT: A key with bios on their way is live. A retarget is possible as long as all are noted.
        // SAFETY: By the type invariant the array is initialised, and `xa_store()` locks it. It does not sleep: memory
        // may depend on this very bio.
        if unsafe { bindings::shunt_xa_store(noted, index(key), entry) } != 0 {
            self.missed.store(true, Ordering::Relaxed);
        }
    }

    /// Has the drives forget all keys. Sleeps. No bio may be on its way. The keys stay noted, since a bio that waits may
    /// bring one to the next drive.
    ///
    /// # Errors
    ///
    /// `EBUSY` if there are keys that were not noted; those that were have been evicted.
    pub(super) fn evict_all(&self) -> Result {
        let _guard = self.evicting.lock();
        let mut next = 0;
        loop {
            // SAFETY: By the type invariant it is initialised.
            let key = unsafe {
                bindings::xa_find(
                    self.noted.get(),
                    &mut next,
                    usize::MAX,
                    bindings::SHUNT_XA_PRESENT,
                )
            };
            if key.is_null() {
                break;
            }
            // SAFETY: By the type invariant a key that is noted is live, and stays so while `evicting` is held.
            unsafe { self.evict(key.cast()) };
            next += 1;
        }
        if self.missed.load(Ordering::Relaxed) {
            return Err(EBUSY);
        }
        Ok(())
    }

    /// Has the drives forget a key. Those that do not have it have nothing to do. `evicting` must be held.
    ///
    /// # Safety
    ///
    /// `key` must be live during the call.
    unsafe fn evict(&self, key: Key) {
        if let Some(drives) = self.present.get() {
            for drive in drives.each() {
                // SAFETY: By the contract of this function the key is live; the drive is open while `drives` are there.
                unsafe { bindings::blk_crypto_evict_key(drive.as_raw(), key) };
            }
        }
    }
}

#[pinned_drop]
impl<D: Drives> PinnedDrop for InlineEncryption<D> {
    fn drop(self: Pin<&mut Self>) {
        if !ENABLED {
            return;
        }
        // SAFETY: By the type invariant it is initialised; nobody uses it any more.
        unsafe { bindings::xa_destroy(self.noted.get()) };
        // SAFETY: By the type invariant the profile is initialised; by the contract of `register` nobody uses it any more.
        unsafe { bindings::blk_crypto_profile_destroy(self.profile.get()) };
    }
}

/// Where a key is noted. Keys are larger than the distance of two places, and closer ones would use fewer nodes.
fn index(key: Key) -> usize {
    const { assert!(size_of::<bindings::blk_crypto_key>() >= 128) };
    key.addr() / 128
}

/// The disk of a profile.
///
/// # Safety
///
/// `profile` must be that of an [`InlineEncryption`] on drives `D`, live as long as the result is used.
unsafe fn of<'a, D: Drives>(profile: *mut bindings::blk_crypto_profile) -> &'a InlineEncryption<D> {
    let field = Opaque::cast_from(profile.cast_const());
    // SAFETY: By the contract of this function.
    unsafe { &*container_of!(field, InlineEncryption<D>, profile) }
}

/// A key will not be used any more: `keyslot_evict` of `struct blk_crypto_ll_ops`.
///
/// # Safety
///
/// Called by the block layer, with the profile of an [`InlineEncryption`] on drives `D` and a live key.
unsafe extern "C" fn evict_callback<D: Drives>(
    profile: *mut bindings::blk_crypto_profile,
    key: Key,
    _slot: c_uint,
) -> c_int {
    // SAFETY: By the contract of this function.
    let this = unsafe { of::<D>(profile) };
    let _guard = this.evicting.lock();
    // SAFETY: By the contract of this function the key is live.
    unsafe { this.evict(key) };
    // SAFETY: By the type invariant it is initialised.
    unsafe { bindings::xa_erase(this.noted.get(), index(key)) };
    0
}

/// Asks the first drive about a key that only hardware can unwrap; the kernel has no notion of drives that differ in how.
///
/// # Safety
///
/// As of [`evict_callback`].
unsafe fn ask<D: Drives>(
    profile: *mut bindings::blk_crypto_profile,
    ask: impl FnOnce(*mut bindings::block_device) -> c_int,
) -> c_int {
    // SAFETY: By the contract of this function.
    let drives = unsafe { of::<D>(profile) }.present.get();
    let first = drives.as_ref().and_then(|drives| drives.first(false));
    first.map_or(ENXIO.to_errno(), |drive| ask(drive.as_raw()))
}

/// As [`ask`], but asks the drive's engine.
///
/// # Safety
///
/// As of [`evict_callback`].
unsafe fn ask_engine<D: Drives>(
    profile: *mut bindings::blk_crypto_profile,
    order: impl FnOnce(*mut bindings::blk_crypto_profile) -> c_int,
) -> c_int {
    // SAFETY: The drive is open, and its engine lives as long.
    let order = |drive| order(unsafe { bindings::shunt_crypto_profile(drive) });
    // SAFETY: By the contract of this function.
    unsafe { ask::<D>(profile, order) }
}

/// `derive_sw_secret` of `struct blk_crypto_ll_ops`.
///
/// # Safety
///
/// As of [`evict_callback`]; the arguments are what the drive's own would get.
unsafe extern "C" fn derive_secret_callback<D: Drives>(
    profile: *mut bindings::blk_crypto_profile,
    key: *const u8,
    size: usize,
    secret: *mut u8,
) -> c_int {
    // SAFETY: By the contract of this function the buffers are those that the drive's own would get; `ask` keeps it
    // open.
    let derive = |drive| unsafe { bindings::blk_crypto_derive_sw_secret(drive, key, size, secret) };
    // SAFETY: By the contract of this function `profile` is that of an `InlineEncryption` on drives `D`.
    unsafe { ask::<D>(profile, derive) }
}

/// `import_key` of `struct blk_crypto_ll_ops`.
///
/// # Safety
///
/// As of [`derive_secret_callback`].
unsafe extern "C" fn import_key_callback<D: Drives>(
    profile: *mut bindings::blk_crypto_profile,
    raw: *const u8,
    size: usize,
    key: *mut u8,
) -> c_int {
    // SAFETY: The engine is there while it is asked; the buffers are the caller's.
    let import = |engine| unsafe { bindings::blk_crypto_import_key(engine, raw, size, key) };
    // SAFETY: `profile` is the one that the block layer passed.
    unsafe { ask_engine::<D>(profile, import) }
}

/// `generate_key` of `struct blk_crypto_ll_ops`.
///
/// # Safety
///
/// As of [`derive_secret_callback`].
unsafe extern "C" fn generate_key_callback<D: Drives>(
    profile: *mut bindings::blk_crypto_profile,
    key: *mut u8,
) -> c_int {
    // SAFETY: The engine is there while it is asked; the buffer is the caller's.
    let generate = |engine| unsafe { bindings::blk_crypto_generate_key(engine, key) };
    // SAFETY: `profile` is the one that the block layer passed.
    unsafe { ask_engine::<D>(profile, generate) }
}

/// `prepare_key` of `struct blk_crypto_ll_ops`.
///
/// # Safety
///
/// As of [`derive_secret_callback`].
unsafe extern "C" fn prepare_key_callback<D: Drives>(
    profile: *mut bindings::blk_crypto_profile,
    stored: *const u8,
    size: usize,
    key: *mut u8,
) -> c_int {
    // SAFETY: The engine is there while it is asked; the buffers are the caller's.
    let prepare = |engine| unsafe { bindings::blk_crypto_prepare_key(engine, stored, size, key) };
    // SAFETY: `profile` is the one that the block layer passed.
    unsafe { ask_engine::<D>(profile, prepare) }
}
