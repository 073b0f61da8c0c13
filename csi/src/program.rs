// SPDX-License-Identifier: MIT OR Apache-2.0
//! Runs the programs of others that know tables and file systems.

use std::{
    ffi::OsStr,
    fs::File,
    io::{ErrorKind, Write},
    process::{Command, Stdio},
    thread,
};

/// A program to be run.
#[derive(Debug)]
pub(crate) struct Program {
    name: &'static str,
    command: Command,
    input: String,
    stdout: Stdio,
}

/// What a program left.
#[derive(Debug)]
pub(crate) struct Ended {
    name: &'static str,
    pub(crate) success: bool,
    /// Its exit status; none if a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Program {
    pub(crate) fn new(name: &'static str) -> Self {
        let mut command = Command::new(name);
        // What it says is read, so it must not be in another language.
        command.env("LC_ALL", "C");
        Self {
            name,
            command,
            input: String::new(),
            stdout: Stdio::piped(),
        }
    }

    pub(crate) fn arg(mut self, word: impl AsRef<OsStr>) -> Self {
        self.command.arg(word);
        self
    }

    pub(crate) fn args<S: AsRef<OsStr>>(mut self, words: impl IntoIterator<Item = S>) -> Self {
        self.command.args(words);
        self
    }

    /// What it reads on its standard input.
    pub(crate) fn input(mut self, text: String) -> Self {
        self.input = text;
        self
    }

    /// Has it hold a lock as long as it runs, also if it outlives the driver. It is its standard output, which it does not use.
    ///
    /// # Errors
    /// In words, if there is no descriptor left.
    pub(crate) fn hold(mut self, lock: &File) -> Result<Self, String> {
        let lock = lock.try_clone().map_err(|why| why.to_string())?;
        self.stdout = lock.into();
        Ok(self)
    }

    /// Runs it, however it ends.
    ///
    /// # Errors
    /// In words, if it cannot be started.
    pub(crate) fn end(mut self) -> Result<Ended, String> {
        let name = self.name;
        self.command
            .stdin(Stdio::piped())
            .stdout(self.stdout)
            .stderr(Stdio::piped());
        let started = self.command.spawn().map_err(|why| match why.kind() {
            ErrorKind::NotFound => format!("there is no program {name}"),
            _ => format!("{name}: {why}"),
        });
        let mut child = started?;
        let stdin = child.stdin.take();
        let input = self.input;
        // A program that does not read all of it says why itself.
        let writer = thread::spawn(move || {
            if let Some(mut stdin) = stdin {
                let _ = stdin.write_all(input.as_bytes());
            }
        });
        let output = child
            .wait_with_output()
            .map_err(|why| format!("{name}: {why}"))?;
        let _ = writer.join();
        Ok(Ended {
            name,
            success: output.status.success(),
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    /// Runs it; it has to succeed. Gives its standard output.
    ///
    /// # Errors
    /// In its own words.
    pub(crate) fn run(self) -> Result<String, String> {
        let ended = self.end()?;
        match ended.success {
            true => Ok(ended.stdout),
            false => Err(ended.why()),
        }
    }
}

impl Ended {
    /// Why it failed, in one line.
    pub(crate) fn why(&self) -> String {
        let said = match self.stderr.trim() {
            "" => self.stdout.trim(),
            said => said,
        };
        let code = self
            .code
            .map_or("a signal".to_owned(), |code| format!("status {code}"));
        let said: Vec<&str> = said
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
            .collect();
        format!("{} ended with {code}: {}", self.name, said.join("; "))
    }
}
