// SPDX-License-Identifier: MIT OR Apache-2.0
//! Swap on a block device or in a file; turned off on drop.

use super::command::{attempt, run};

/// Swap that is in use.
pub(crate) struct Swap {
    path: String,
}

impl Swap {
    /// Makes swap there and uses it.
    #[track_caller]
    pub(crate) fn on(path: &str) -> Self {
        run(&format!("mkswap {path}"));
        run(&format!("swapon {path}"));
        Self {
            path: path.to_owned(),
        }
    }
}

impl Drop for Swap {
    fn drop(&mut self) {
        // If it cannot be turned off, the next case finds the module in use.
        let _ = attempt(&["swapoff", &self.path]);
    }
}
