// SPDX-License-Identifier: MIT OR Apache-2.0
//! An array of the kernel's own RAID, to put below and above ours; stopped on drop.

use std::thread;

use super::command::{attempt, run};

/// A running array.
pub(crate) struct Md {
    members: Vec<String>,
}

impl Md {
    /// Makes an array of this level ("1", "5" or "10"), taken to be in step already: `mdadm --create OPTIONS`.
    #[track_caller]
    pub(crate) fn create(level: &str, members: &[&str], options: &str) -> Self {
        let module = match level {
            "5" => "raid456".to_owned(),
            level => format!("raid{level}"),
        };
        run(&format!("modprobe {module}"));
        let array = Self {
            members: members.iter().map(|&member| member.to_owned()).collect(),
        };
        let (path, count) = (array.path(), members.len());
        let members = members.join(" ");
        run(&format!(
            "mdadm --quiet --create {path} --run --assume-clean --level={level} --raid-devices={count} {options} {members}"
        ));
        array
    }

    /// Its device node.
    pub(crate) fn path(&self) -> &'static str {
        "/dev/md77"
    }
}

impl Drop for Md {
    fn drop(&mut self) {
        let ended = attempt(&["mdadm", "--quiet", "--stop", self.path()]);
        if ended.code != Some(0) {
            let why = ended.stderr.trim();
            assert!(thread::panicking(), "mdadm --stop: {why}");
            eprintln!("mdadm --stop: {why}");
        }
        for member in &self.members {
            // What is left on a member would make an array of it again.
            let _ = attempt(&["mdadm", "--quiet", "--zero-superblock", member]);
        }
    }
}
