// SPDX-License-Identifier: MIT OR Apache-2.0
//! Two drives in memory that can erase for good and encrypt inline, by the module of `tests/vm/drive`, which can also have
//! memory run short for clones of any device; gone on drop.

use std::ffi::CString;
use std::thread;
use std::time::Duration;

use nix::errno::Errno;
use nix::kmod::{DeleteModuleFlags, delete_module};

use super::module::insert;
use super::sysfs;
use super::wait::Poll;

const FILE: &str = "/payload/testdrive.ko";

/// Size of each in bytes.
pub(crate) const BYTES: u64 = 32 << 20;

/// How many keys a drive holds at a time.
pub(crate) const SLOTS: u64 = 4;

/// Sum of all sizes of data units that a drive can be told to encrypt, by `data_units=`.
pub(crate) const ALL_UNITS: u32 = 512 + 1024 + 2048 + 4096;

/// The loaded module, with two drives.
pub(crate) struct TestDrives;

impl TestDrives {
    /// Loads it with these parameters: `secure_erase=1,0` and the like. Without any, the drives erase for good, and do not
    /// encrypt.
    #[track_caller]
    pub(crate) fn load(parameters: &str) -> Self {
        let parameters = CString::new(parameters).expect("parameters have no zero byte");
        insert(FILE, &parameters);
        Self
    }

    /// Drive 0 or 1.
    pub(crate) fn drive(&self, number: u32) -> TestDrive {
        TestDrive::named(&format!("testdrive{number}"))
    }
}

impl Drop for TestDrives {
    fn drop(&mut self) {
        // Whoever looks at new disks may have one open for a moment.
        let mut refusal = Errno::UnknownErrno;
        let gone = Poll::for_at_most(Duration::from_secs(5)).until(|| {
            let unloaded = delete_module(c"testdrive", DeleteModuleFlags::O_NONBLOCK);
            unloaded.map_err(|why| refusal = why).ok()
        });
        if gone.is_none() {
            assert!(thread::panicking(), "unload the test drives: {refusal}");
            eprintln!("unload the test drives: {refusal}");
        }
    }
}

/// One of the drives.
pub(crate) struct TestDrive {
    /// Name in /sys/block.
    pub(crate) name: String,
    /// Device node.
    pub(crate) path: String,
}

impl TestDrive {
    /// The one of this name in /sys/block.
    pub(crate) fn named(name: &str) -> Self {
        Self {
            path: format!("/dev/{name}"),
            name: name.to_owned(),
        }
    }

    /// How often it was asked to erase for good.
    #[track_caller]
    pub(crate) fn secure_erases(&self) -> u64 {
        self.count("secure_erases")
    }

    /// How often a key was programmed into one of its slots.
    #[track_caller]
    pub(crate) fn keys_programmed(&self) -> u64 {
        self.count("keys_programmed")
    }

    /// How often a key was taken out of one of its slots.
    #[track_caller]
    pub(crate) fn keys_evicted(&self) -> u64 {
        self.count("keys_evicted")
    }

    /// Slots that hold a key now.
    #[track_caller]
    pub(crate) fn keys(&self) -> u64 {
        self.count("keys")
    }

    #[track_caller]
    fn count(&self, name: &str) -> u64 {
        sysfs::number(&format!("/sys/block/{}/testdrive/{name}", self.name))
    }
}
