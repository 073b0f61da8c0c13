// SPDX-License-Identifier: MIT OR Apache-2.0
//! A write load in the background that goes on until something ends it; killed on drop.

use std::process::{Child, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::command::command;
use super::sysfs;
use super::task::state;
use super::wait::{Poll, wait_until};

/// A running load.
pub(crate) struct Load {
    child: Child,
}

impl Load {
    /// Starts writing 4 KiB blocks in any order to a device or file, 16 at a time, past the page cache.
    #[track_caller]
    pub(crate) fn write(path: &str) -> Self {
        Self::write_to(path, "--offset=0")
    }

    /// As [`write`](Self::write), from where `--offset=SIZE` says.
    #[track_caller]
    pub(crate) fn write_to(path: &str, offset: &str) -> Self {
        let filename = format!("--filename={path}");
        let words = [
            "fio",
            "--name=load",
            // A process of its own for a job would begin a session of its own, and no signal to ours would reach it.
            "--thread",
            "--ioengine=io_uring",
            "--direct=1",
            "--rw=randwrite",
            "--bs=4k",
            "--size=8M",
            "--iodepth=16",
            "--time_based",
            "--runtime=150",
            "--fsync=64",
            offset,
            &filename,
        ];
        let child = command(&words)
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

    /// Stops it; from here on it sends nothing more. What it has sent may still be on its way.
    #[track_caller]
    pub(crate) fn pause(&self) {
        self.signal(Signal::SIGSTOP);
        // Each thread stops where it would return from the kernel; before that it may send what it is at.
        let tasks = format!("/proc/{}/task", self.child.id());
        wait_until("every thread of the load stands", || {
            let threads = sysfs::names(&tasks).into_iter();
            let mut states = threads.filter_map(|thread| state(&format!("{tasks}/{thread}")));
            states.all(|state| state == 'T')
        });
    }

    /// Lets it go on.
    pub(crate) fn go_on(&self) {
        self.signal(Signal::SIGCONT);
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id() as i32), signal).expect("it is our child");
    }

    /// Whether it is still at work.
    pub(crate) fn goes_on(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
