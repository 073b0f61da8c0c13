// SPDX-License-Identifier: MIT OR Apache-2.0
//! A thread that does one thing that may wait in the kernel, and whether it waits there.

use std::fs;
use std::path::Path;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use nix::unistd::gettid;

use super::sysfs;
use super::wait::wait_until;

/// A thread at work.
pub(crate) struct Task<T> {
    thread: JoinHandle<T>,
    id: i32,
}

impl<T: Send + 'static> Task<T> {
    /// Starts `work`.
    pub(crate) fn start(work: impl FnOnce() -> T + Send + 'static) -> Self {
        let (sender, id) = mpsc::channel();
        let thread = thread::spawn(move || {
            // The receiver waits below.
            let _ = sender.send(gettid().as_raw());
            work()
        });
        let id = id.recv().expect("the thread has begun");
        Self { thread, id }
    }

    /// Waits until the thread waits in the kernel for I/O: it sleeps and cannot be interrupted.
    #[track_caller]
    pub(crate) fn waits(&self) {
        wait_until("a thread waits for its I/O", || {
            state(&format!("/proc/self/task/{}", self.id)) == Some('D')
        });
    }

    /// Whether it has not ended.
    pub(crate) fn goes_on(&self) -> bool {
        !self.thread.is_finished()
    }

    /// What the work gave; fails the case if it has not ended in 20 s.
    #[track_caller]
    pub(crate) fn end(self) -> T {
        wait_until("a thread ends", || self.thread.is_finished());
        self.thread.join().expect("the work of a thread succeeds")
    }
}

/// Whether a process waits in the kernel for I/O and has `path` open: without that it may only wait for its own program to be
/// read.
pub(crate) fn waits_for_io_of(process: u32, path: &str) -> bool {
    let folder = format!("/proc/{process}");
    let files = fs::read_dir(format!("{folder}/fd"));
    let mut files = files.into_iter().flatten().flatten();
    let is_open =
        files.any(|file| fs::read_link(file.path()).is_ok_and(|to| to == Path::new(path)));
    is_open && state(&folder) == Some('D')
}

/// The state of the thread with this folder in /proc, as proc_pid_stat(5) names it; `None` if it has ended.
pub(crate) fn state(folder: &str) -> Option<char> {
    let stat = sysfs::read(&format!("{folder}/stat"))?;
    // "id (name) state ..."
    stat.rsplit_once(") ")?.1.chars().next()
}
