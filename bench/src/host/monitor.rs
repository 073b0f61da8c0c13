// SPDX-License-Identifier: MIT OR Apache-2.0
//! QEMU's monitor, to switch its log of executed instructions on and off while the guest runs.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

use super::{Result, because};

const PROMPT: &[u8] = b"(qemu) ";

/// A connection to the monitor.
pub(super) struct Monitor {
    socket: UnixStream,
}

impl Monitor {
    /// Connects to the monitor.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let socket = UnixStream::connect(path).map_err(because(path.display()))?;
        let mut monitor = Self { socket };
        monitor.wait()?;
        Ok(monitor)
    }

    /// Gives it a command and waits until it is done.
    pub(super) fn command(&mut self, command: &str) -> Result<()> {
        writeln!(self.socket, "{command}").map_err(because("QEMU's monitor"))?;
        self.wait()
    }

    fn wait(&mut self) -> Result<()> {
        let mut said = Vec::new();
        let mut buffer = [0; 4096];
        while !said.ends_with(PROMPT) {
            let length = self
                .socket
                .read(&mut buffer)
                .map_err(because("QEMU's monitor"))?;
            if length == 0 {
                return Err("QEMU's monitor closed the connection".to_owned());
            }
            said.extend_from_slice(&buffer[..length]);
        }
        Ok(())
    }
}
