// SPDX-License-Identifier: MIT OR Apache-2.0
//! Bad configurations as the programs tell them, which needs no module.
#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

use std::{
    fs,
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Command, Stdio},
};

/// A file that goes when the test ends.
struct File(PathBuf);

impl File {
    fn new(test: &str, text: &str) -> Self {
        let name = format!("shunt-programs-{test}-{}.toml", std::process::id());
        let file = Self(std::env::temp_dir().join(name));
        fs::write(&file.0, text).unwrap();
        file
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

const BAD: &str = "[device.vol0]\nto = 'sdb'\nqeuue = 'mq'\n";

#[test]
fn a_bad_file_is_refused_with_a_line_for_each_mistake() {
    let file = File::new("bad", BAD);
    for command in ["plan", "apply"] {
        let output = Command::new(env!("CARGO_BIN_EXE_shunt"))
            .args([command, file.path()])
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert!(output.stdout.is_empty());
        let lines = String::from_utf8(output.stderr).unwrap();
        let lines: Vec<_> = lines.lines().collect();
        let place = |line, column| format!("shunt: {}:{line}:{column}: ", file.path());
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert!(lines[0].starts_with(&place(3, 1)), "{lines:?}");
        assert!(lines[1].starts_with(&place(2, 6)), "{lines:?}");
    }
}

#[test]
fn a_file_that_is_not_there_is_refused() {
    let output = Command::new(env!("CARGO_BIN_EXE_shunt"))
        .args(["plan", "/no/such/file.toml"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let line = String::from_utf8(output.stderr).unwrap();
    assert!(
        line.starts_with("shunt: /no/such/file.toml: cannot read it: No such file"),
        "{line}"
    );
    assert_eq!(line.lines().count(), 1);
}

#[test]
fn a_bad_file_does_not_keep_the_daemon_from_starting() {
    let file = File::new("daemon", BAD);
    let mut daemon = Command::new(env!("CARGO_BIN_EXE_shuntd"))
        .args(["--metrics", "off", "--config", file.path()])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let log = BufReader::new(daemon.stderr.take().unwrap());
    let lines: Vec<_> = log
        .lines()
        .map(Result::unwrap)
        .take_while(|line| !line.contains("devices wanted by"))
        .collect();
    // As root it goes on; else it ends for want of the privilege.
    daemon.kill().unwrap();
    daemon.wait().unwrap();
    let place = format!("shuntd: error: {}:3:1: ", file.path());
    assert!(
        lines.iter().any(|line| line.starts_with(&place)),
        "{lines:?}"
    );
}
