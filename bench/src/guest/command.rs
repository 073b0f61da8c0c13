// SPDX-License-Identifier: MIT OR Apache-2.0
//! Running programs of the guest.

use std::io::Write;
use std::process::{Child, Command, Stdio};

use super::{Result, because};

/// Runs a program with these words, which has to succeed; gives its standard output.
pub(super) fn run(words: &[&str]) -> Result<String> {
    run_with_input(words, "")
}

/// Runs a program with `input` on its standard input, which has to succeed; gives its standard output.
pub(super) fn run_with_input(words: &[&str], input: &str) -> Result<String> {
    let mut child = Command::new(words[0])
        .args(&words[1..])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(because(words[0]))?;
    let mut stdin = child.stdin.take().expect("stdin is piped");
    // A program that does not read it says why itself.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    let ended = child.wait_with_output().map_err(because(words[0]))?;
    if ended.status.success() {
        return Ok(String::from_utf8_lossy(&ended.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&ended.stderr);
    let said = said.trim().lines().next().unwrap_or("it failed");
    Err(format!("{}: {said}", words[0]))
}

/// Runs a program that leaves a server behind, which has to succeed. What it says is lost, since the server would hold the pipe open.
pub(super) fn run_server(words: &[&str]) -> Result<()> {
    let ended = Command::new(words[0])
        .args(&words[1..])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .map_err(because(words[0]))?;
    match ended.success() {
        true => Ok(()),
        false => Err(format!("{}: {ended}", words[0])),
    }
}

/// A program that runs beside what is measured; what it says is lost. Ended on drop.
pub(super) struct Beside(Child);

impl Beside {
    /// Starts it.
    pub(super) fn start(words: &[&str]) -> Result<Self> {
        let child = Command::new(words[0])
            .args(&words[1..])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        child.map(Self).map_err(because(words[0]))
    }

    /// Fails if it has ended.
    pub(super) fn check(&mut self) -> Result<()> {
        match self.0.try_wait() {
            Ok(None) => Ok(()),
            Ok(Some(status)) => Err(format!("what should run beside it has ended: {status}")),
            Err(why) => Err(why.to_string()),
        }
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        // It may have ended by itself, which is as good.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
