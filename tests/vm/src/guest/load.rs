// SPDX-License-Identifier: MIT OR Apache-2.0
//! A write load in the background that goes on until something ends it; killed on drop.

use std::os::unix::process::CommandExt;
use std::process::{Child, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::command::command;
use super::wait::Poll;

/// A running load.
pub(crate) struct Load {
    child: Child,
}

impl Load {
    /// Starts writing 4 KiB blocks in any order to a device or file, 16 at a time, past the page cache.
    #[track_caller]
    pub(crate) fn write(path: &str) -> Self {
        let filename = format!("--filename={path}");
        let words = [
            "fio",
            "--name=load",
            "--ioengine=io_uring",
            "--direct=1",
            "--rw=randwrite",
            "--bs=4k",
            "--size=8M",
            "--iodepth=16",
            "--time_based",
            "--runtime=150",
            "--fsync=64",
            &filename,
        ];
        let child = command(&words)
            .process_group(0)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        Self {
            child: child.unwrap_or_else(|why| panic!("fio: {why}")),
        }
    }

    /// Waits until it has ended by itself, which is an error of its I/O; fails the case if that takes more than 20 s.
    #[track_caller]
    pub(crate) fn fails(mut self) {
        let ended = Poll::for_at_most(Duration::from_secs(20))
            .until(|| self.child.try_wait().expect("a child can be waited for"));
        let ended = ended.expect("the load hangs: it was to end with an error in 20 s");
        assert!(!ended.success(), "the load ended without an error");
    }

    /// Keeps it from sending anything more. What it has sent may still be on its way.
    pub(crate) fn pause(&self) {
        self.signal(Signal::SIGSTOP);
    }

    /// Lets it go on.
    pub(crate) fn go_on(&self) {
        self.signal(Signal::SIGCONT);
    }

    fn signal(&self, signal: Signal) {
        // The load is threads of a child of it.
        let group = Pid::from_raw(self.child.id() as i32);
        killpg(group, signal).expect("it is our child");
    }

    /// Whether it is still at work.
    pub(crate) fn goes_on(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = killpg(Pid::from_raw(self.child.id() as i32), Signal::SIGKILL);
        let _ = self.child.wait();
    }
}
