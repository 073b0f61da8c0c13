// SPDX-License-Identifier: MIT OR Apache-2.0
//! The module under test, loaded and unloaded.

use std::ffi::CStr;
use std::fs::{self, File};
use std::thread;

use nix::errno::Errno;
use nix::kmod::{DeleteModuleFlags, ModuleInitFlags, delete_module, finit_module};

const FILE: &str = "/payload/shunt.ko";

/// Loads a module from a file, with these parameters.
#[track_caller]
pub(super) fn insert(path: &str, parameters: &CStr) {
    let file = File::open(path).unwrap_or_else(|why| panic!("{path}: {why}"));
    if let Err(why) = finit_module(file, parameters, ModuleInitFlags::empty()) {
        panic!("load {path} {parameters:?}: {why}");
    }
}

/// The loaded module; unloaded on drop, which fails the case if something still holds it.
pub(crate) struct Module;

impl Module {
    /// Loads the module.
    #[track_caller]
    pub(crate) fn load() -> Self {
        insert(FILE, c"");
        Self
    }

    /// Tries to unload the module without waiting, as rmmod does.
    pub(crate) fn try_unload(&self) -> Result<(), Errno> {
        delete_module(c"shunt", DeleteModuleFlags::O_NONBLOCK)
    }

    /// Its reference count.
    pub(crate) fn references(&self) -> u32 {
        let file = "/sys/module/shunt/refcnt";
        let text = fs::read_to_string(file).unwrap_or_else(|why| panic!("{file}: {why}"));
        text.trim().parse().expect("a reference count is a number")
    }
}

impl Drop for Module {
    fn drop(&mut self) {
        if let Err(why) = self.try_unload() {
            assert!(thread::panicking(), "unload the module: {why}");
            eprintln!("unload the module: {why}");
        }
    }
}
