// SPDX-License-Identifier: MIT OR Apache-2.0
//! QEMU's monitor, by which drives are plugged in and pulled while the guest runs. `machine` asks it what a case orders.

use std::io::{BufRead, BufReader, Lines, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::because;
use crate::protocol::{Answer, Order};

/// Longest time for an answer or an event; a guest takes 5 s to give up a drive that it is asked for.
const DEADLINE: Duration = Duration::from_secs(60);

/// A connection to the monitor.
pub(crate) struct Qmp {
    stream: UnixStream,
    messages: Lines<BufReader<UnixStream>>,
    /// Events that came before they were waited for.
    events: Vec<String>,
}

impl Qmp {
    /// Connects to the socket of a running QEMU.
    pub(crate) fn connect(socket: &Path) -> Result<Self, String> {
        let why = || because(socket.display());
        let stream = UnixStream::connect(socket).map_err(why())?;
        stream.set_read_timeout(Some(DEADLINE)).map_err(why())?;
        let reader = stream.try_clone().map_err(why())?;
        let mut qmp = Self {
            stream,
            messages: BufReader::new(reader).lines(),
            events: Vec::new(),
        };
        // It greets, and wants to be told that we know what it can do.
        qmp.message()?;
        qmp.execute("qmp_capabilities", &json!({}))?;
        Ok(qmp)
    }

    /// Carries an order out.
    pub(crate) fn obey(&mut self, order: &Order) -> Answer {
        self.events.clear();
        let answer = self.execute(&order.execute, &order.arguments)?;
        if let Some(event) = &order.until {
            while !self.events.contains(event) {
                let message = self.message()?;
                self.note(&message);
            }
        }
        Ok(answer)
    }

    fn execute(&mut self, command: &str, arguments: &Value) -> Answer {
        let line = json!({"execute": command, "arguments": arguments}).to_string() + "\n";
        self.stream
            .write_all(line.as_bytes())
            .map_err(because(command))?;
        loop {
            let mut message = self.message()?;
            if let Some(answer) = message.get_mut("return") {
                return Ok(answer.take());
            }
            if let Some(why) = message["error"]["desc"].as_str() {
                return Err(format!("{command}: {why}"));
            }
            self.note(&message);
        }
    }

    fn note(&mut self, message: &Value) {
        self.events
            .extend(message["event"].as_str().map(str::to_owned));
    }

    fn message(&mut self) -> Answer {
        let line = self.messages.next().ok_or("QEMU closed its monitor")?;
        let line = line.map_err(because("QEMU's monitor"))?;
        serde_json::from_str(&line).map_err(because("QEMU's monitor"))
    }
}
