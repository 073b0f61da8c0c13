// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the host and the guest say to each other on the second serial port: one JSON object a line.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// From the host to the guest.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Request {
    /// Run the case of this name and answer with [`Event::End`].
    Case(String),
    /// Run the demo; its output comes as [`Event::Text`], then [`Event::End`].
    Demo { colour: bool },
    /// Run the loads of the crash test, each write of which is told as [`Event::Durable`], until the machine is gone.
    Crash,
    /// Run the random test for so many seconds, from this seed on, and answer with [`Event::End`].
    Random { seed: u64, seconds: u64 },
    /// Power off.
    Stop,
}

/// From the guest to the host.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Event {
    /// The guest is up and waits for a request.
    Ready,
    /// Output to be shown to the user as it is.
    Text(String),
    /// The case that runs wants something of the machine itself; the host answers with an [`Answer`].
    Monitor(Order),
    /// Of the load with this index, this writer's writes up to this number were acknowledged as durable.
    Durable(usize, u64, u64),
    /// The request is done.
    End(Report),
}

/// A command for QEMU's monitor, QMP.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) execute: String,
    pub(crate) arguments: Value,
    /// Event that has to come before the order counts as done, since QEMU only begins some of them.
    pub(crate) until: Option<String>,
}

/// What the monitor gave back, or why it refused.
pub(crate) type Answer = Result<Value, String>;

/// How a request ended.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Report {
    pub(crate) outcome: Outcome,
    /// What it measured, a line each.
    pub(crate) figures: Vec<String>,
    /// How long it took, in seconds of the guest.
    pub(crate) seconds: f64,
    /// Lines of the kernel log that should not be there.
    pub(crate) kernel: Vec<String>,
    /// Whether the guest can be trusted to run another case.
    pub(crate) clean: bool,
}

/// The verdict on a case.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Outcome {
    Passed,
    Failed(String),
    Skipped(String),
}

/// One message as a line, with the newline.
pub(crate) fn line(message: &impl Serialize) -> String {
    let mut line = serde_json::to_string(message).expect("messages have string keys only");
    line.push('\n');
    line
}
