// SPDX-License-Identifier: MIT OR Apache-2.0
//! A running udevd with our rules; ended on drop, with the links that it made.

use std::fs;

use super::command::{attempt, run};

/// Where its links are; before it there are none.
const LINKS: [&str; 2] = ["/dev/disk", "/dev/shunt"];

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
        // Later cases find drives by the names that the kernel gave them.
        for folder in LINKS {
            let _ = fs::remove_dir_all(folder);
        }
    }
}
