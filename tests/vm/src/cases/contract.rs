// SPDX-License-Identifier: MIT OR Apache-2.0
//! The contract that the in-memory kernel of other tests keeps, tried on the module itself.

use shunt::Client;
use shunt_contract::{DRIVE, Kernel, claims};

use crate::guest::case::step;
use crate::guest::flash::flash;
use crate::guest::module::Module;

cases! {
    the_module_keeps_what_the_kernel_in_memory_keeps,
}

fn the_module_keeps_what_the_kernel_in_memory_keeps() {
    let drives = [flash(0), flash(1)];
    assert!(drives.iter().all(|drive| drive.bytes >= DRIVE));
    for claim in claims() {
        step(claim.name);
        // Each begins with numbers and generations as after a boot.
        let _module = Module::load();
        let client = Client::connect().expect("the module is loaded");
        let paths = drives.each_ref().map(|drive| drive.path.clone());
        (claim.check)(&mut Kernel::new(client, paths));
    }
}
