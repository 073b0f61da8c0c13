// SPDX-License-Identifier: MIT OR Apache-2.0
//! The file system in which parts of the kernel are told what to make.

use std::path::Path;

use super::command::run;

/// Where it is mounted.
const CONFIG: &str = "/sys/kernel/config";

/// Mounts it, if the folder of a part that is loaded is not to be seen yet.
#[track_caller]
pub(super) fn mount_for(part: &str) {
    if !Path::new(CONFIG).join(part).exists() {
        run(&format!("mount -t configfs configfs {CONFIG}"));
    }
}
