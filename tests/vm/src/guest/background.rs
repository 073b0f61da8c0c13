// SPDX-License-Identifier: MIT OR Apache-2.0
//! A program that runs beside the case, for what may get stuck: it is waited for with a limit, and never joined as a thread is.

use std::io::Read;
use std::process::{Child, Stdio};
use std::time::Duration;

use nix::libc::SYS_execve;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::command::{Ended, command};
use super::sysfs;
use super::task::state;
use super::wait::{Poll, wait_until};

/// In how many looks in a row a program that waits is found at the same place.
const STAYS: u32 = 20;

/// A program that was started; killed on drop, and not waited for.
pub(crate) struct Background {
    child: Child,
    words: String,
}

impl Background {
    /// Starts a program with these words. What it says must fit into a pipe.
    #[track_caller]
    pub(crate) fn start(words: &[&str]) -> Self {
        let child = command(words)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        Self {
            child: child.unwrap_or_else(|why| panic!("{}: {why}", words[0])),
            words: words.join(" "),
        }
    }

    /// Starts a direct read of the first 4 KiB of a device.
    #[track_caller]
    pub(crate) fn read(device: &str) -> Self {
        let from = format!("if={device}");
        Self::start(&[
            "dd",
            &from,
            "of=/dev/null",
            "bs=4k",
            "count=1",
            "iflag=direct",
        ])
    }

    /// Starts a direct write of the first 4 KiB of a device. If that is gone, no file comes in its place.
    #[track_caller]
    pub(crate) fn write(device: &str) -> Self {
        let to = format!("of={device}");
        Self::start(&[
            "dd",
            "if=/dev/zero",
            &to,
            "bs=4k",
            "count=1",
            "oflag=direct",
            "conv=nocreat",
        ])
    }

    /// How it ended, if it has.
    #[track_caller]
    pub(crate) fn ended(&mut self) -> Option<Ended> {
        let status = self.child.try_wait().expect("a child can be waited for")?;
        let text = |pipe: Option<&mut dyn Read>| {
            let mut text = Vec::new();
            if let Some(pipe) = pipe {
                let _ = pipe.read_to_end(&mut text);
            }
            String::from_utf8_lossy(&text).into_owned()
        };
        Some(Ended {
            code: status.code(),
            stdout: text(self.child.stdout.as_mut().map(|pipe| pipe as &mut dyn Read)),
            stderr: text(self.child.stderr.as_mut().map(|pipe| pipe as &mut dyn Read)),
        })
    }

    /// Whether it still runs.
    #[track_caller]
    pub(crate) fn goes_on(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// How it ended; fails the case if it has not within `limit`.
    #[track_caller]
    pub(crate) fn ends_in(&mut self, limit: Duration) -> Ended {
        let ended = Poll::for_at_most(limit).until(|| self.ended());
        ended.unwrap_or_else(|| {
            let state = state(&self.folder()).unwrap_or('?');
            let limit = limit.as_secs();
            panic!(
                "{} still runs after {limit} s, in state {state}",
                self.words
            )
        })
    }

    /// Waits for it, which has to succeed within `limit`.
    #[track_caller]
    pub(crate) fn succeeds_in(&mut self, limit: Duration) -> String {
        let ended = self.ends_in(limit);
        let (words, why) = (&self.words, ended.stderr.trim());
        assert!(
            ended.code == Some(0),
            "{words}: exit {:?}: {why}",
            ended.code
        );
        ended.stdout
    }

    /// Waits until it waits in the kernel for I/O, or has ended.
    #[track_caller]
    pub(crate) fn waits(&mut self) {
        let folder = self.folder();
        wait_until(&format!("{} waits", self.words), || {
            state(&folder) == Some('D') && has_called(&folder) || !self.goes_on()
        });
    }

    /// Waits until it sleeps in one system call and stays there, or has ended.
    #[track_caller]
    pub(crate) fn settles(&mut self) {
        let folder = self.folder();
        let mut last = None;
        let mut looks = 0;
        wait_until(&format!("{} waits or has ended", self.words), || {
            let sleeps = matches!(state(&folder), Some('S' | 'D'));
            let call = sysfs::read(&format!("{folder}/syscall"));
            let call = call.filter(|call| sleeps && !call.starts_with('-'));
            looks = if call.is_some() && call == last {
                looks + 1
            } else {
                0
            };
            last = call;
            looks == STAYS || !self.goes_on()
        });
    }

    /// Sends it a signal; it may have ended.
    pub(crate) fn signal(&self, signal: Signal) {
        let _ = kill(Pid::from_raw(self.child.id() as i32), signal);
    }

    fn folder(&self) -> String {
        format!("/proc/{}", self.child.id())
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        self.signal(Signal::SIGKILL);
        // Who is stuck in the kernel is reaped by the first program of the guest.
        let _ = self.child.try_wait();
    }
}

/// Runs a program; fails the case if it has not ended within `limit`.
#[track_caller]
pub(crate) fn within(limit: Duration, words: &[&str]) -> Ended {
    Background::start(words).ends_in(limit)
}

/// Runs a program, which has to succeed within `limit`; gives its standard output.
#[track_caller]
pub(crate) fn succeeds_within(limit: Duration, words: &[&str]) -> String {
    Background::start(words).succeeds_in(limit)
}

/// Whether a process is in a system call other than the one that reads its program. It may wait for a page of that, too,
/// which is no call.
fn has_called(folder: &str) -> bool {
    let call = sysfs::read(&format!("{folder}/syscall")).unwrap_or_default();
    let number = call.split(' ').next().and_then(|word| word.parse().ok());
    number.is_some_and(|number: i64| number >= 0 && number != SYS_execve)
}
