// SPDX-License-Identifier: MIT OR Apache-2.0
//! A running `shunt events --json`, line by line; ended on drop.

use std::process::Stdio;

use serde_json::Value;

use super::follower::Follower;

/// A stream of events.
pub(crate) struct Events(Follower);

impl Events {
    /// Starts listening.
    #[track_caller]
    pub(crate) fn listen() -> Self {
        Self::listen_by(&["shunt", "events", "--json"])
    }

    /// Starts listening by these words, which have another program start the listener.
    #[track_caller]
    pub(crate) fn listen_by(words: &[&str]) -> Self {
        Self(Follower::start(words, Stdio::inherit()))
    }

    /// The next event.
    #[track_caller]
    pub(crate) fn next(&self) -> Value {
        self.0.next()
    }

    /// The present state: the devices of the events up to `ready`.
    #[track_caller]
    pub(crate) fn present(&self) -> Vec<Value> {
        let mut present = Vec::new();
        loop {
            let event = self.next();
            match event["event"].as_str() {
                Some("exists") => present.push(event["device"].clone()),
                Some("ready") => return present,
                _ => panic!("{event} before the present state ended"),
            }
        }
    }
}
