// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the commands print: JSON or tables, on stdout.

pub(crate) mod figures;
pub(crate) mod json;
pub(crate) mod latency;
pub(crate) mod list;
pub(crate) mod table;

use std::{
    io::{self, ErrorKind, Write},
    os::fd::BorrowedFd,
    time::Duration,
};

use nix::poll::PollFd;
use serde::Serialize;
use shunt::{
    poll::{closed, wait},
    words::{escaped, visible},
};

use crate::explain::{Failure, explain};

/// Where a command prints, and how.
pub(crate) struct Output<'a> {
    writer: &'a mut dyn Write,
    descriptor: BorrowedFd<'a>,
    json: bool,
}

impl<'a> Output<'a> {
    /// Prints to `writer`; `descriptor` is what it writes to, to notice when the reader goes.
    pub(crate) fn new(writer: &'a mut dyn Write, descriptor: BorrowedFd<'a>, json: bool) -> Self {
        Self {
            writer,
            descriptor,
            json,
        }
    }

    /// Prints something as one line of JSON or as text for people, whichever was asked for.
    pub(crate) fn show<J: Serialize>(
        &mut self,
        json: impl FnOnce() -> J,
        text: impl FnOnce() -> String,
    ) -> Result<(), Failure> {
        if !self.json {
            return self.bytes(visible(&text()).as_bytes());
        }
        let line = serde_json::to_string(&json())
            .map_err(|error| Failure::Explained(format!("cannot make JSON: {error}")))?;
        self.bytes(format!("{}\n", escaped(&line)).as_bytes())
    }

    /// Prints something as one line of JSON, and nothing for people.
    pub(crate) fn show_json<J: Serialize>(
        &mut self,
        json: impl FnOnce() -> J,
    ) -> Result<(), Failure> {
        if self.json {
            self.show(json, String::new)
        } else {
            Ok(())
        }
    }

    /// Whether JSON was asked for.
    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// Whether a person looks at it directly.
    #[cfg(feature = "tui")]
    pub(crate) fn is_terminal(&self) -> bool {
        io::IsTerminal::is_terminal(&self.descriptor)
    }

    /// Prints bytes as they are.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let written = self
            .writer
            .write_all(bytes)
            .and_then(|()| self.writer.flush());
        written.map_err(|error: io::Error| match error.kind() {
            ErrorKind::BrokenPipe => Failure::ReaderGone,
            _ => Failure::Explained(format!("cannot write the output: {error}; check stdout")),
        })
    }

    /// Waits for `event` or for `timeout`, or ends when the reader goes.
    pub(crate) fn wait(
        &mut self,
        event: Option<PollFd<'_>>,
        timeout: Option<Duration>,
    ) -> Result<(), Failure> {
        let reader = closed(&self.descriptor);
        let gone = match event {
            Some(event) => wait([reader, event], timeout).map(|ready| ready[0]),
            None => wait([reader], timeout).map(|ready| ready[0]),
        };
        match gone {
            Ok(false) => Ok(()),
            Ok(true) => Err(Failure::ReaderGone),
            Err(error) => Err(explain("wait", &error)),
        }
    }
}
