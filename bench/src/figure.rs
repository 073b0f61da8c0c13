// SPDX-License-Identifier: MIT OR Apache-2.0
//! A measured quantity. The guest and the host make them, the report and the gate read them.

use serde::{Deserialize, Serialize};

use crate::estimate::Estimate;

/// What kind of quantity a figure is. The word of each is in the CSV.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Measure {
    /// Instructions of one operation of a job, with those of fio.
    Cost,
    /// Instructions of one 4 KiB pread in the kernel, each counted.
    Exact,
    /// The same in one function.
    Function,
    /// Operations in a second; `at` is the number of jobs at once.
    Throughput,
    /// Instructions of a whole command.
    Control,
    /// Instructions of a whole command; `at` is the number of devices.
    Scale,
    /// Memory of one device; `at` is the number of devices that it is the mean of.
    Memory,
    /// Size of a section of a module.
    Size,
    /// Lines of code.
    Lines,
    /// How often one I/O reads a field of ours or of the block layer; `at` is where in its structure.
    Reads,
    /// How often it writes it.
    Writes,
    /// Cache lines that one I/O touches.
    CacheLines,
}

impl Measure {
    const WORDS: [(Self, &'static str, &'static str); 12] = [
        (Self::Cost, "cost", "instructions"),
        (Self::Exact, "exact", "instructions"),
        (Self::Function, "function", "instructions"),
        (Self::Throughput, "throughput", "1/s"),
        (Self::Control, "control", "instructions"),
        (Self::Scale, "scale", "instructions"),
        (Self::Memory, "memory", "bytes"),
        (Self::Size, "size", "bytes"),
        (Self::Lines, "lines", "lines"),
        (Self::Reads, "reads", "accesses"),
        (Self::Writes, "writes", "accesses"),
        (Self::CacheLines, "cache-lines", "cache lines"),
    ];

    /// Its word in the CSV.
    pub(crate) fn word(self) -> &'static str {
        Self::WORDS[self as usize].1
    }

    /// What its values are in.
    pub(crate) fn unit(self) -> &'static str {
        Self::WORDS[self as usize].2
    }

    /// The one with a word.
    pub(crate) fn from_word(word: &str) -> Option<Self> {
        Self::WORDS
            .iter()
            .find(|row| row.1 == word)
            .map(|row| row.0)
    }
}

/// A quantity, measured several times.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Figure {
    pub(crate) measure: Measure,
    /// Of which device, program, module or room.
    pub(crate) subject: String,
    /// Doing what.
    pub(crate) what: String,
    /// How many there were, where that is varied; else 0.
    pub(crate) at: u32,
    /// The value of each round; there is at least one.
    pub(crate) rounds: Vec<f64>,
}

impl Figure {
    /// A quantity that does not depend on a number.
    pub(crate) fn new(
        measure: Measure,
        subject: impl ToString,
        what: impl ToString,
        rounds: Vec<f64>,
    ) -> Self {
        Self {
            measure,
            subject: subject.to_string(),
            what: what.to_string(),
            at: 0,
            rounds,
        }
    }

    /// The same where there are so many.
    pub(crate) fn at(mut self, at: u32) -> Self {
        self.at = at;
        self
    }

    /// Its mean, and how far that can be trusted.
    pub(crate) fn estimate(&self) -> Estimate {
        Estimate::of(&self.rounds)
    }
}

/// Something that could not be measured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Missing {
    pub(crate) subject: String,
    /// What was to be done; nothing in particular if empty.
    pub(crate) what: String,
    pub(crate) why: String,
}

impl Missing {
    /// Something that is not there.
    pub(crate) fn new(subject: impl ToString, what: impl ToString, why: String) -> Self {
        Self {
            subject: subject.to_string(),
            what: what.to_string(),
            why,
        }
    }
}
