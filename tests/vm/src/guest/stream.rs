// SPDX-License-Identifier: MIT OR Apache-2.0
//! A running `shunt stats --watch --json`, sample by sample; it can be stopped and woken. Ended on drop.

use std::process::Stdio;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::Value;

use super::debug_kernel;
use super::follower::Follower;

/// A listener to group `stats`.
pub(crate) struct Samples(Follower);

impl Samples {
    /// Starts listening: `shunt stats --watch SECONDS --json OPTIONS...`.
    #[track_caller]
    pub(crate) fn listen(seconds: &str, options: &[&str]) -> Self {
        let words = [&["shunt", "stats", "--watch", seconds, "--json"], options].concat();
        Self(Follower::start(&words, Stdio::null()))
    }

    /// The next sample.
    #[track_caller]
    pub(crate) fn next(&self) -> Value {
        self.0.next()
    }

    /// The first sample that is as `wanted`, within a minute.
    #[track_caller]
    pub(crate) fn until(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + debug_kernel::limit(Duration::from_secs(60));
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
        self.0.signal(Signal::SIGSTOP);
    }

    /// Lets it read again.
    pub(crate) fn wake(&self) {
        self.0.signal(Signal::SIGCONT);
    }

    /// Ends it at once, whatever it is doing.
    pub(crate) fn kill(&self) {
        self.0.signal(Signal::SIGKILL);
    }
}

/// The number of the sample, if it is one and no answer.
pub(crate) fn number(sample: &Value) -> Option<u64> {
    sample["seq"].as_u64()
}

/// The figures of one operation of a device in a sample.
#[track_caller]
pub(crate) fn op<'a>(sample: &'a Value, device: &str, op: &str) -> &'a Value {
    let devices = sample["devices"].as_array().expect("a sample has devices");
    let found = devices.iter().find(|found| found["name"] == device);
    &found.unwrap_or_else(|| panic!("no {device} in {sample}"))["ops"][op]
}
