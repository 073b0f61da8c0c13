// SPDX-License-Identifier: MIT OR Apache-2.0
//! `shunt-vm shell`: boots a guest with its console on this terminal, for a person to try things by hand.

use super::drives::Drives;
use super::machine::{PARAMETERS, command};
use super::parts::Parts;
use super::{Result, because};
use crate::cases::Init;

/// Boots the guest and hands it the terminal until it powers off.
pub(crate) fn run(release: Option<&str>) -> Result<bool> {
    let parts = Parts::find(release)?;
    let drives = Drives::make(&parts, Init::Runner)?;
    println!(
        "Booting {}; leave with exit, or with ctrl-a x.",
        parts.release
    );
    // The kernel hands parameters that it does not know to its first program as environment variables.
    let ended = command(&parts, &format!("{PARAMETERS} quiet SHUNT_VM=shell"))
        .args(["-serial", "mon:stdio"])
        .args(drives.arguments(&parts.root))
        .status()
        .map_err(because(
            "qemu-system-x86_64 (run this by scripts/in-sysroot)",
        ))?;
    Ok(ended.success())
}
