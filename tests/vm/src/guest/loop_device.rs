// SPDX-License-Identifier: MIT OR Apache-2.0
//! A loop device over a file or a range of a device; detached on drop.

use super::command::{attempt, run};

/// A bound loop device.
pub(crate) struct Loop {
    path: String,
}

impl Loop {
    /// Binds a free loop device: `losetup --find --show OPTIONS FILE`.
    #[track_caller]
    pub(crate) fn bind(file: &str, options: &str) -> Self {
        run("modprobe loop");
        let path = run(&format!("losetup --find --show {options} {file}"))
            .trim()
            .to_owned();
        Self { path }
    }

    /// Its device node.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        // A device that stays bound is found among the leftovers.
        let _ = attempt(&["losetup", "--detach", &self.path]);
    }
}
