// SPDX-License-Identifier: MIT OR Apache-2.0
//! A running `shunt events --json`, line by line; ended on drop.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use super::command::command;
use super::debug_kernel;
use super::shunt::json;

/// A stream of events.
pub(crate) struct Events {
    child: Child,
    lines: Receiver<String>,
}

impl Events {
    /// Starts listening.
    #[track_caller]
    pub(crate) fn listen() -> Self {
        let mut child = command(&["shunt", "events", "--json"])
            .stdout(Stdio::piped())
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

    /// The next event.
    #[track_caller]
    pub(crate) fn next(&self) -> Value {
        match self
            .lines
            .recv_timeout(debug_kernel::limit(Duration::from_secs(10)))
        {
            Ok(line) => json(&line),
            Err(why) => panic!("no event in 10 s: {why}"),
        }
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

impl Drop for Events {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
