// SPDX-License-Identifier: MIT OR Apache-2.0
//! Lines of the text format: help, type, samples with labels.

use std::{
    fmt::{Display, Write as _},
    io::{self, Write},
};

use super::Family;

/// What a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A figure that only grows, but for restarts.
    Counter,
    /// A figure that goes up and down.
    Gauge,
    /// How many values were not above each bound.
    Histogram,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// Writes lines.
pub(super) struct Text<W> {
    out: W,
}

impl<W: Write> Text<W> {
    pub(super) fn new(out: W) -> Self {
        Self { out }
    }

    /// The head of a metric.
    pub(super) fn family(&mut self, family: Family) -> io::Result<()> {
        let Family { name, kind, help } = family;
        writeln!(self.out, "# HELP {name} {help}")?;
        writeln!(self.out, "# TYPE {name} {}", kind.name())
    }

    /// One line of a metric.
    pub(super) fn sample(
        &mut self,
        name: &str,
        labels: &Labels,
        value: impl Display,
    ) -> io::Result<()> {
        match labels.0.as_str() {
            "" => writeln!(self.out, "{name} {value}"),
            labels => writeln!(self.out, "{name}{{{labels}}} {value}"),
        }
    }
}

/// Labels of a sample, as they are written between the braces.
#[derive(Clone, Debug, Default)]
pub(super) struct Labels(String);

impl Labels {
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// With one more label. The value may be any text.
    pub(super) fn with(mut self, name: &str, value: &str) -> Self {
        let comma = if self.0.is_empty() { "" } else { "," };
        // A string takes what is written to it.
        let _ = write!(self.0, "{comma}{name}=\"");
        for letter in value.chars() {
            match letter {
                '\\' => self.0.push_str("\\\\"),
                '"' => self.0.push_str("\\\""),
                '\n' => self.0.push_str("\\n"),
                other => self.0.push(other),
            }
        }
        self.0.push('"');
        self
    }
}

/// Nanoseconds as seconds, exactly.
pub(super) fn seconds(nanos: u64) -> String {
    const SECOND: u64 = 1_000_000_000;
    format!("{}.{:09}", nanos / SECOND, nanos % SECOND)
}
