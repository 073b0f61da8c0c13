// SPDX-License-Identifier: MIT OR Apache-2.0
//! A running program that says a JSON object a line, read as they come; ended on drop.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use super::command::command;
use super::debug_kernel;
use super::shunt::json;

/// The longest time from one line to the next.
const PATIENCE: Duration = Duration::from_secs(20);

/// The program.
pub(super) struct Follower {
    child: Child,
    lines: Receiver<String>,
}

impl Follower {
    /// Starts it; what it says on `stderr` goes there.
    #[track_caller]
    pub(super) fn start(words: &[&str], stderr: Stdio) -> Self {
        let mut child = command(words)
            .stdout(Stdio::piped())
            .stderr(stderr)
            .spawn()
            .unwrap_or_else(|why| panic!("{}: {why}", words[0]));
        let output = child.stdout.take().expect("stdout is piped");
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Self { child, lines }
    }

    /// The next object.
    #[track_caller]
    pub(super) fn next(&self) -> Value {
        let patience = debug_kernel::limit(PATIENCE);
        match self.lines.recv_timeout(patience) {
            Ok(line) => json(&line),
            Err(why) => panic!("nothing came in {} s: {why}", patience.as_secs()),
        }
    }

    /// Sends it a signal.
    #[track_caller]
    pub(super) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id() as i32);
        kill(pid, signal).expect("it is our child");
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
