// SPDX-License-Identifier: MIT OR Apache-2.0
//! A child of the first program that does what the host requested, and the verdict on it. Used by `init`.

use std::fs;
use std::os::unix::process::CommandExt;
use std::process::{ChildStdout, Command};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use super::case;
use super::leftovers::{KernelLog, leftovers};
use super::wait::Poll;
use crate::protocol::{Outcome, Report};

/// The environment of everything that runs in the guest.
pub(super) fn prepare(command: &mut Command) -> &mut Command {
    command
        .env_clear()
        .env(
            "PATH",
            "/payload/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        )
        .env("HOME", "/root")
        .env("LANG", "C.UTF-8")
        .env("TERM", "xterm-256color")
        // No udevd runs here: libdevmapper has to make its nodes itself.
        .env("DM_DISABLE_UDEV", "1")
}

/// A child with its own process group that does what was requested.
pub(super) struct Work {
    child: Pid,
    limit: Duration,
    begun: Instant,
    log: KernelLog,
}

impl Work {
    /// Starts the child, which may take as long as a case; gives its standard output if that is piped.
    pub(super) fn start(command: &mut Command) -> std::io::Result<(Self, Option<ChildStdout>)> {
        Self::start_for(command, case::DEADLINE)
    }

    /// As [`start`](Self::start), of what may take so long.
    pub(super) fn start_for(
        command: &mut Command,
        limit: Duration,
    ) -> std::io::Result<(Self, Option<ChildStdout>)> {
        let log = KernelLog::from_now()?;
        let mut child = prepare(command).process_group(0).spawn()?;
        let output = child.stdout.take();
        let child = Pid::from_raw(child.id() as i32);
        let work = Self {
            child,
            limit,
            begun: Instant::now(),
            log,
        };
        Ok((work, output))
    }

    /// Waits for the child and judges what it left; `said` gives its words.
    pub(super) fn finish(self, said: impl FnOnce() -> String) -> Report {
        let ended = self.wait();
        // What the child started goes with it; there may be nothing left.
        let _ = killpg(self.child, Signal::SIGKILL);
        let Some(code) = ended else {
            // The list of blocked tasks goes to the console log.
            let _ = fs::write("/proc/sysrq-trigger", "w");
            let why = format!(
                "not done after {} s; the console log has the blocked tasks\n{}",
                self.limit.as_secs(),
                said().trim()
            );
            return Report {
                outcome: Outcome::Failed(why),
                figures: Vec::new(),
                seconds: self.seconds(),
                kernel: Vec::new(),
                clean: false,
            };
        };
        let said = said().trim().to_owned();
        let figures = case::figures(&said);
        let mut outcome = match code {
            0 => Outcome::Passed,
            case::SKIPPED => Outcome::Skipped(said),
            _ => Outcome::Failed(said),
        };
        let left = leftovers();
        let clean = left.is_empty();
        // What a failed case leaves is no news, but the next one must not meet it.
        if !clean && !matches!(outcome, Outcome::Failed(_)) {
            outcome = Outcome::Failed(format!("it left behind: {}", left.join(", ")));
        }
        let seconds = self.seconds();
        Report {
            outcome,
            figures,
            seconds,
            kernel: self.log.complaints(),
            clean,
        }
    }

    fn seconds(&self) -> f64 {
        self.begun.elapsed().as_secs_f64()
    }

    /// Exit code of the child (128 and more for a signal), or `None` if it missed the deadline. Reaps orphans on the way.
    fn wait(&self) -> Option<i32> {
        Poll::for_at_most(self.limit).until(|| {
            match waitpid(None::<Pid>, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::Exited(pid, code)) if pid == self.child => Some(code),
                Ok(WaitStatus::Signaled(pid, signal, _)) if pid == self.child => {
                    Some(128 + signal as i32)
                }
                _ => None,
            }
        })
    }
}
