// SPDX-License-Identifier: MIT OR Apache-2.0
//! A control group; gone on drop.

use std::fs;
use std::path::Path;

use super::command::run;

const ROOT: &str = "/sys/fs/cgroup";

/// A group of its own.
pub(crate) struct Cgroup {
    folder: String,
}

impl Cgroup {
    /// Makes one of this name, with these controllers: `+io +memory`.
    #[track_caller]
    pub(crate) fn with(controllers: &str, name: &str) -> Self {
        if !Path::new(&format!("{ROOT}/cgroup.controllers")).exists() {
            run(&format!("mount -t cgroup2 cgroup2 {ROOT}"));
        }
        fs::write(format!("{ROOT}/cgroup.subtree_control"), controllers)
            .unwrap_or_else(|why| panic!("{controllers}: {why}"));
        let folder = format!("{ROOT}/{name}");
        fs::create_dir(&folder).unwrap_or_else(|why| panic!("{folder}: {why}"));
        Self { folder }
    }

    /// Its folder.
    pub(crate) fn folder(&self) -> &str {
        &self.folder
    }

    /// Writes one of its files: a limit, say.
    #[track_caller]
    pub(crate) fn set(&self, file: &str, value: &str) {
        let file = format!("{}/{file}", self.folder);
        fs::write(&file, value).unwrap_or_else(|why| panic!("{file}: {why}"));
    }

    /// Puts the case itself into it, with all that it starts, until the group goes.
    #[track_caller]
    pub(crate) fn enter(&self) {
        self.set("cgroup.procs", "0");
    }

    /// The words that run a line of the shell in it.
    pub(crate) fn words(&self, line: &str) -> [String; 3] {
        let line = format!("echo $$ > {}/cgroup.procs; {line}", self.folder);
        ["sh".to_owned(), "-c".to_owned(), line]
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        fs::write(format!("{ROOT}/cgroup.procs"), "0").expect("the case can leave");
        fs::remove_dir(&self.folder).expect("nobody is in the group");
    }
}
