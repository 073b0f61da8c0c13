// SPDX-License-Identifier: MIT OR Apache-2.0
//! The programs as they are run: exit status, what is on stdout and on stderr, signals. What needs
//! the module is tested in the VM.
#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::{fs::MetadataExt, net::UnixStream},
    },
    process::{Child, Command, Output},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

fn shunt(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_shunt"))
        .args(arguments)
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn wrong_usage_has_status_2_and_leaves_stdout_alone() {
    for arguments in [
        &[][..],
        &["frobnicate"],
        &["map", "v"],
        &["map", "v", "--to", "/dev/a,offset=1KB"],
        &["show"],
        &["list", "--color"],
    ] {
        let output = shunt(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert_eq!(text(&output.stdout), "", "{arguments:?}");
        assert!(!output.stderr.is_empty(), "{arguments:?}");
    }
}

#[test]
fn help_and_version_have_status_0() {
    for arguments in [&["--help"][..], &["map", "--help"], &["--version"]] {
        let output = shunt(arguments);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        assert!(text(&output.stdout).contains("shunt"), "{arguments:?}");
        assert_eq!(text(&output.stderr), "", "{arguments:?}");
    }
}

#[test]
fn a_refusal_has_status_1_and_one_line() {
    // A target that no machine has: refused with the module and without.
    let output = shunt(&["map", "vol0", "--to", "/dev/no-such-drive"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(text(&output.stdout), "");
    let complaint = text(&output.stderr);
    assert!(complaint.starts_with("shunt: "), "{complaint}");
    assert_eq!(complaint.lines().count(), 1, "{complaint}");
}

#[test]
fn completions_are_a_script_that_the_shell_takes() {
    let output = shunt(&["completions", "bash"]);
    assert_eq!(output.status.code(), Some(0));
    let check = Command::new("bash")
        .args(["-n", "-c", text(&output.stdout)])
        .output()
        .unwrap();
    assert_eq!(text(&check.stderr), "");
    assert_eq!(check.status.code(), Some(0));
}

/// A daemon and its log; ended even if the test fails.
/// One daemon runs on a machine at a time, and tests run side by side.
static ONE: Mutex<()> = Mutex::new(());

struct Daemon {
    _only: MutexGuard<'static, ()>,
    process: Child,
    log: BufReader<UnixStream>,
}

impl Daemon {
    /// Starts it; `in_journal` says whether systemd would call its stderr a stream of the journal.
    fn start(in_journal: bool) -> Self {
        let only = ONE.lock().unwrap_or_else(PoisonError::into_inner);
        let (ours, theirs) = UnixStream::pair().unwrap();
        ours.set_read_timeout(Some(Duration::from_secs(60)))
            .unwrap();
        let theirs = OwnedFd::from(theirs);
        let number = fs::metadata(format!("/proc/self/fd/{}", theirs.as_raw_fd())).unwrap();
        let inode = if in_journal { number.ino() } else { 0 };
        let process = Command::new(env!("CARGO_BIN_EXE_shuntd"))
            .env("JOURNAL_STREAM", format!("{}:{inode}", number.dev()))
            .stderr(theirs)
            .spawn()
            .unwrap();
        Self {
            _only: only,
            process,
            log: BufReader::new(ours),
        }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.log.read_line(&mut line).unwrap();
        line
    }

    fn rest(&mut self) -> String {
        let mut rest = String::new();
        self.log.read_to_string(&mut rest).unwrap();
        rest
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn the_daemon_ends_cleanly_when_it_is_told_to() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let mut daemon = Daemon::start(false);
        assert_eq!(daemon.line(), "shuntd: info: following the devices\n");
        kill(Pid::from_raw(daemon.process.id() as i32), signal).unwrap();
        let rest = daemon.rest();
        // The thread that serves metrics may have its last word later, but no half of one.
        let whole = rest
            .split_inclusive('\n')
            .all(|line| line.starts_with("shuntd: ") && line.ends_with('\n'));
        assert!(
            whole && rest.contains("shuntd: info: stopped\n"),
            "{signal}: {rest}"
        );
        let status = daemon.process.wait().unwrap();
        assert_eq!(status.code(), Some(0), "{signal}");
    }
}

#[test]
fn the_daemon_gives_the_journal_priorities() {
    let mut daemon = Daemon::start(true);
    assert_eq!(daemon.line(), "<6>following the devices\n");
}

#[test]
fn the_daemon_tells_what_it_does_and_refuses_a_wrong_level() {
    let run = |argument| {
        Command::new(env!("CARGO_BIN_EXE_shuntd"))
            .arg(argument)
            .output()
            .unwrap()
    };
    let help = run("--help");
    assert_eq!(help.status.code(), Some(0));
    assert!(
        text(&help.stdout)
            .contains("Keeps the shunt block devices as a configuration file describes them")
    );
    let wrong = run("--log-level=loud");
    assert_eq!(wrong.status.code(), Some(2));
    assert!(text(&wrong.stderr).contains("[possible values: error, warn, info, debug, trace]"));
}
