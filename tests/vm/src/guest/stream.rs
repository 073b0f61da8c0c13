// SPDX-License-Identifier: MIT OR Apache-2.0
//! A running `shunt stats --watch --json`, sample by sample; it can be stopped and woken. Ended on drop.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use super::command::command;
use super::shunt::json;

/// A listener to group `stats`.
pub(crate) struct Samples {
    child: Child,
    lines: Receiver<String>,
}

impl Samples {
    /// Starts listening: `shunt stats --watch SECONDS --json OPTIONS...`.
    #[track_caller]
    pub(crate) fn listen(seconds: &str, options: &[&str]) -> Self {
        let words = [&["shunt", "stats", "--watch", seconds, "--json"], options].concat();
        let mut child = command(&words)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("shunt is there");
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

    /// The next sample.
    #[track_caller]
    pub(crate) fn next(&self) -> Value {
        match self.lines.recv_timeout(Duration::from_secs(20)) {
            Ok(line) => json(&line),
            Err(why) => panic!("no sample in 20 s: {why}"),
        }
    }

    /// The first sample that is as `wanted`, within a minute.
    #[track_caller]
    pub(crate) fn until(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let sample = self.next();
            if wanted(&sample) {
                return sample;
            }
            assert!(Instant::now() < deadline, "no {what} in 60 s: {sample}");
        }
    }

    /// Keeps it from reading.
    pub(crate) fn stop(&self) {
        self.signal(Signal::SIGSTOP);
    }

    /// Lets it read again.
    pub(crate) fn wake(&self) {
        self.signal(Signal::SIGCONT);
    }

    /// Ends it at once, whatever it is doing.
    pub(crate) fn kill(&self) {
        self.signal(Signal::SIGKILL);
    }

    #[track_caller]
    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id() as i32);
        kill(pid, signal).expect("it is our child");
    }
}

impl Drop for Samples {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The figures of one operation of a device in a sample.
#[track_caller]
pub(crate) fn op<'a>(sample: &'a Value, device: &str, op: &str) -> &'a Value {
    let devices = sample["devices"].as_array().expect("a sample has devices");
    let found = devices.iter().find(|found| found["name"] == device);
    &found.unwrap_or_else(|| panic!("no {device} in {sample}"))["ops"][op]
}
