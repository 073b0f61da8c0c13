// SPDX-License-Identifier: MIT OR Apache-2.0
//! fio runs and what they measured.

use serde_json::Value;

use super::command::{attempt, run_words};

/// What one job of fio measured.
#[derive(Debug)]
pub(crate) struct Fio {
    job: Value,
}

impl Fio {
    /// Runs one job with these options (without their `--`), which has to end without an error.
    #[track_caller]
    pub(crate) fn run(path: &str, options: &str) -> Self {
        let options = options
            .split_whitespace()
            .map(|option| format!("--{option}"))
            .collect::<Vec<_>>();
        let fixed = [
            "fio",
            "--name=job",
            "--output-format=json",
            "--direct=1",
            "--randseed=1",
        ];
        let filename = format!("--filename={path}");
        let words: Vec<&str> = fixed
            .into_iter()
            .chain([filename.as_str()])
            .chain(options.iter().map(String::as_str))
            .collect();
        let text = run_words(&words);
        // A warning may stand before the JSON.
        let json = text.find('{').map_or("", |start| &text[start..]);
        let report: Value =
            serde_json::from_str(json).unwrap_or_else(|why| panic!("{why} in {text:?}"));
        let job = report["jobs"][0].clone();
        assert!(job["error"] == 0, "fio ended with error {}", job["error"]);
        Self { job }
    }

    /// Operations done: `side` is read, write or trim.
    #[track_caller]
    pub(crate) fn ios(&self, side: &str) -> u64 {
        self.figure(side, "total_ios")
    }

    /// Bytes moved: `side` is read, write or trim.
    #[track_caller]
    pub(crate) fn bytes(&self, side: &str) -> u64 {
        self.figure(side, "io_bytes")
    }

    /// Longest latency of one operation in ns: `side` is read, write or trim.
    #[track_caller]
    pub(crate) fn longest_ns(&self, side: &str) -> u64 {
        let longest = &self.job[side]["lat_ns"]["max"];
        longest
            .as_u64()
            .unwrap_or_else(|| panic!("fio gives no longest latency of a {side}"))
    }

    #[track_caller]
    fn figure(&self, side: &str, figure: &str) -> u64 {
        self.job[side][figure]
            .as_u64()
            .unwrap_or_else(|| panic!("fio gives no {side} {figure}"))
    }
}

/// Whether this fio has an I/O engine.
pub(crate) fn has_engine(engine: &str) -> bool {
    attempt(&["fio", &format!("--enghelp={engine}")]).code == Some(0)
}
