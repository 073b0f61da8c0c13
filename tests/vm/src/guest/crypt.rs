// SPDX-License-Identifier: MIT OR Apache-2.0
//! A drive encrypted by dm-crypt, without a header; closed on drop.

use std::fs;
use std::thread;

use super::command::{attempt, run};

const NAME: &str = "beside-crypt";
const KEY: &str = "/run/beside.key";

/// What is read and written in the clear.
pub(crate) struct Crypt;

impl Crypt {
    /// Opens a drive.
    #[track_caller]
    pub(crate) fn on(drive: &str) -> Self {
        fs::write(KEY, [7; 32]).expect("/run takes files");
        run(&format!(
            "cryptsetup open --type=plain --cipher=aes-xts-plain64 --key-size=256 --key-file={KEY} {drive} {NAME}"
        ));
        Self
    }

    /// Its device node.
    pub(crate) fn path(&self) -> String {
        format!("/dev/mapper/{NAME}")
    }
}

impl Drop for Crypt {
    fn drop(&mut self) {
        let ended = attempt(&["cryptsetup", "close", NAME]);
        assert!(
            ended.code == Some(0) || thread::panicking(),
            "cryptsetup close: {}",
            ended.stderr
        );
        let _ = fs::remove_file(KEY);
    }
}
