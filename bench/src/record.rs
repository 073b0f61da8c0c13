// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the host asks of a guest, and what the guest measures: one JSON object a line on the second serial port.

use serde::{Deserialize, Serialize};

use crate::figure::{Figure, Missing};
use crate::job::Job;
use crate::subject::Subject;

/// From the host to the guest.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Request {
    /// Measure what these jobs cost on these subjects.
    Cost {
        subjects: Vec<Subject>,
        jobs: Vec<Job>,
        effort: Effort,
    },
    /// Measure what the jobs of one, and of two processors get done on these subjects, in so many rounds.
    Throughput { subjects: Vec<Subject>, rounds: u32 },
    /// Time the commands on one device, of ours and of device-mapper, so many times each.
    Control { rounds: u32 },
    /// Time the commands where there are so many devices, ever more.
    Scale { steps: Vec<u32>, rounds: u32 },
    /// Tell the memory that so many devices take, in each of these modes.
    Memory {
        subjects: Vec<Subject>,
        devices: u32,
    },
    /// Make this device, open it and read from it until nothing is cold.
    Poise(Subject),
    /// Read 4 KiB so many times from the device that was made for it, at random places.
    Read(u32),
    /// Take that device away.
    Relax,
    /// Name these addresses in the kernel.
    Symbols(Vec<u64>),
    /// Power off.
    Stop,
}

/// How long to measure.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Effort {
    /// Operations of one round of a job.
    pub(crate) ios: u32,
    /// Fewest rounds of a job.
    pub(crate) least: u32,
    /// Most rounds of a job, however far the rounds lie apart.
    pub(crate) most: u32,
}

/// From the guest to the host.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Record {
    /// The guest is up and waits for a request.
    Ready {
        /// Version of fio.
        fio: String,
    },
    /// Something that was measured.
    Figure(Figure),
    /// Something that could not be measured.
    Missing(Missing),
    /// The symbols that hold the addresses, each once, in no order.
    Symbols(Vec<Symbol>),
    /// The request is done.
    Done,
    /// The request failed; the guest powers off.
    Failed(String),
}

/// A symbol of the running kernel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Symbol {
    pub(crate) start: u64,
    /// Where the next symbol begins.
    pub(crate) end: u64,
    pub(crate) name: String,
    /// The module that it is in, if any.
    pub(crate) module: Option<String>,
}

/// One message as a line, with the newline.
pub(crate) fn line(message: &impl Serialize) -> String {
    let mut line = serde_json::to_string(message).expect("messages have string keys only");
    line.push('\n');
    line
}
