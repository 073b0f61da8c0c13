// SPDX-License-Identifier: MIT OR Apache-2.0
//! The log: lines on stderr, for the journal with their priorities. `main` sets it up.

use std::{
    env, fs,
    io::{self, Write},
    os::unix::fs::MetadataExt,
};

use log::{Level, LevelFilter};
use shunt::words::visible;

/// Lines on stderr; for the journal each begins with its priority (see sd-daemon(3)).
struct Stderr {
    journal: bool,
}

/// Logs this and what is worse from now on.
pub(crate) fn log_to_stderr(level: LevelFilter) {
    log::set_max_level(level);
    let journal = is_journal();
    // It fails only if a logger is set already, and none is.
    let _ = log::set_boxed_logger(Box::new(Stderr { journal }));
}

/// Whether stderr is the stream of the journal that systemd tells of (see systemd.exec(5)).
fn is_journal() -> bool {
    let stream = env::var("JOURNAL_STREAM");
    let stderr = fs::metadata("/proc/self/fd/2");
    matches!((stream, stderr), (Ok(stream), Ok(stderr))
        if stream == format!("{}:{}", stderr.dev(), stderr.ino()))
}

impl log::Log for Stderr {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        metadata.level() <= log::max_level()
    }

    fn log(&self, record: &log::Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let (priority, word) = match record.level() {
            Level::Error => (3, "error"),
            Level::Warn => (4, "warning"),
            Level::Info => (6, "info"),
            Level::Debug => (7, "debug"),
            Level::Trace => (7, "trace"),
        };
        let text = record.args().to_string();
        let text = visible(&text).replace('\n', "\\n");
        let line = if self.journal {
            format!("<{priority}>{text}\n")
        } else {
            format!("shuntd: {word}: {text}\n")
        };
        // At once, so that a line is whole though other threads log, or the program ends. If stderr is closed, nobody
        // is there to tell.
        let _ = io::stderr().write_all(line.as_bytes());
    }

    fn flush(&self) {}
}
