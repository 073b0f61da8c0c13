// SPDX-License-Identifier: MIT OR Apache-2.0
//! What `make install` leaves on a machine, as a folder of the payload, for a guest with a whole system.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use super::parts::Parts;
use super::tool::run;
use super::{Result, because};

/// What depmod wants to know of the kernel's own modules.
const OF_THE_KERNEL: [&str; 4] = [
    "kernel",
    "modules.order",
    "modules.builtin",
    "modules.builtin.modinfo",
];

/// Installs the module and the programs below a folder. The list of modules is made here too: the guest would take many
/// times as long.
pub(super) fn install(parts: &Parts, folder: &Path) -> Result<()> {
    let (tree, release) = (parts.tree.display(), &parts.release);
    run(
        Command::new("make").args([
            "--silent",
            "install",
            &format!("KDIR={tree}"),
            &format!("DESTDIR={}", folder.display()),
        ]),
        &[0],
    )?;

    let usr = folder.join("usr");
    let modules = usr.join("lib/modules").join(release);
    for name in OF_THE_KERNEL {
        symlink(parts.modules.join(name), modules.join(name)).map_err(because(name))?;
    }
    run(
        Command::new("depmod")
            .arg("--basedir")
            .arg(&usr)
            .arg(release),
        &[0],
    )?;
    for name in OF_THE_KERNEL {
        fs::remove_file(modules.join(name)).map_err(because(name))?;
    }
    Ok(())
}
