// SPDX-License-Identifier: MIT OR Apache-2.0
//! Running programs of the guest, as a user would.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

/// An account without any privilege.
pub(crate) const NOBODY: u32 = 65534;

/// What a program left when it ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// Exit status; `None` if a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs a program with these words and gives how it ended.
#[track_caller]
pub(crate) fn attempt(words: &[&str]) -> Ended {
    end(&mut command(words), words)
}

/// Runs a program as an unprivileged user and gives how it ended.
#[track_caller]
pub(crate) fn attempt_as_nobody(words: &[&str]) -> Ended {
    end(command(words).uid(NOBODY).gid(NOBODY), words)
}

/// Runs a line of words without quoting, which has to succeed; gives its standard output.
#[track_caller]
pub(crate) fn run(line: &str) -> String {
    run_words(&line.split_whitespace().collect::<Vec<_>>())
}

/// Runs a program with these words, which has to succeed; gives its standard output.
#[track_caller]
pub(crate) fn run_words(words: &[&str]) -> String {
    let ended = attempt(words);
    let words = words.join(" ");
    assert!(
        ended.code == Some(0),
        "{words}: exit {:?}: {}{}",
        ended.code,
        ended.stderr.trim(),
        ended.stdout.trim()
    );
    ended.stdout
}

/// Runs a program with `input` on its standard input, which has to succeed.
#[track_caller]
pub(crate) fn run_with_input(words: &[&str], input: &str) {
    let started = command(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = started.unwrap_or_else(|why| panic!("{}: {why}", words[0]));
    let mut stdin = child.stdin.take().expect("stdin is piped");
    // A program that does not read it says why itself.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    let ended = child.wait_with_output().expect("a child ends");
    assert!(
        ended.status.success(),
        "{}: {}",
        words.join(" "),
        String::from_utf8_lossy(&ended.stderr).trim()
    );
}

/// A program to be started by the case itself.
pub(crate) fn command(words: &[&str]) -> Command {
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).stdin(Stdio::null());
    command
}

#[track_caller]
fn end(command: &mut Command, words: &[&str]) -> Ended {
    match command.output() {
        Ok(output) => Ended {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        },
        Err(why) => panic!("{}: {why}", words[0]),
    }
}
