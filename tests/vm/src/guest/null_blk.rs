// SPDX-License-Identifier: MIT OR Apache-2.0
//! A drive of the kernel's that stores nothing and is fast, for cases with many operations; gone on drop.

use super::command::{attempt, run};

/// The loaded module, with one drive.
pub(crate) struct NullBlk;

impl NullBlk {
    /// Loads it with these parameters: `irqmode=1` and the like.
    #[track_caller]
    pub(crate) fn load(parameters: &str) -> Self {
        run(&format!("modprobe null_blk nr_devices=1 {parameters}"));
        Self
    }

    /// Its device node.
    pub(crate) fn path(&self) -> &'static str {
        "/dev/nullb0"
    }
}

impl Drop for NullBlk {
    fn drop(&mut self) {
        // If it cannot go, the next case that wants one says so.
        let _ = attempt(&["modprobe", "-r", "null_blk"]);
    }
}
