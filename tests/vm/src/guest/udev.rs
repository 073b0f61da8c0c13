// SPDX-License-Identifier: MIT OR Apache-2.0
//! A running udevd with our rules; ended on drop.

use std::fs;

use super::command::{attempt, run};

const RULES: &str = "/run/udev/rules.d/60-shunt.rules";

/// The daemon.
pub(crate) struct Udev;

impl Udev {
    /// Starts it, with the program of the rules where it is here.
    #[track_caller]
    pub(crate) fn start() -> Self {
        let rules = include_str!("../../../../packaging/udev/60-shunt.rules");
        let here = rules.replace("/usr/sbin/shunt", "/payload/bin/shunt");
        assert_ne!(here, rules);
        fs::create_dir_all("/run/udev/rules.d")
            .and_then(|()| fs::write(RULES, here))
            .expect("/run takes files");
        run("/usr/lib/systemd/systemd-udevd --daemon");
        Self
    }
}

impl Drop for Udev {
    fn drop(&mut self) {
        let _ = attempt(&["udevadm", "control", "--exit"]);
        let _ = fs::remove_file(RULES);
    }
}
