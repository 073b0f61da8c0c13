// SPDX-License-Identifier: MIT OR Apache-2.0
//! The state that a refused command must leave as it was.

use serde_json::Value;

use super::{shunt, sysfs};

/// Devices as the kernel and `shunt` show them, and who holds whom.
#[derive(Debug, PartialEq)]
pub(crate) struct State {
    devices: Vec<Value>,
    disks: Vec<String>,
    /// Holders and slaves of each disk.
    links: Vec<(String, Vec<String>, Vec<String>)>,
}

impl State {
    /// The state now.
    #[track_caller]
    pub(crate) fn now() -> Self {
        let disks = sysfs::names("/sys/block");
        let links = disks.iter().map(|disk| {
            let beside = |what: &str| sysfs::names(&format!("/sys/block/{disk}/{what}"));
            (disk.clone(), beside("holders"), beside("slaves"))
        });
        Self {
            devices: shunt::list(),
            links: links.collect(),
            disks,
        }
    }
}

/// Runs `shunt` with words that it has to refuse, and sees that nothing changed. Gives the line of the refusal.
#[track_caller]
pub(crate) fn refused_without_change(words: &[&str]) -> String {
    let before = State::now();
    let line = shunt::refused(words);
    assert_eq!(
        State::now(),
        before,
        "shunt {} was refused and yet changed something",
        words.join(" ")
    );
    line
}
