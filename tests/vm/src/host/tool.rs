// SPDX-License-Identifier: MIT OR Apache-2.0
//! Runs the tools of the sysroot that make and read images.

use std::process::Command;

use super::{Result, because};

/// Runs a tool, which has to end with one of these statuses; an error has what it said.
pub(super) fn run(command: &mut Command, good: &[i32]) -> Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let ended = command
        .output()
        .map_err(because(format!("{name} (run this by scripts/in-sysroot)")))?;
    match ended.status.code() {
        Some(code) if good.contains(&code) => Ok(()),
        _ => Err(format!(
            "{command:?}: {}: {}{}",
            ended.status,
            String::from_utf8_lossy(&ended.stdout).trim(),
            String::from_utf8_lossy(&ended.stderr).trim()
        )),
    }
}
